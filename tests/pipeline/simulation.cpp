// SPDX-License-Identifier: Apache-2.0
#include "tests/pipeline/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <random>

#include "base/error.h"
#include "base/hash.h"
#include "pipeline/memory_broker.h"
#include "tests/pipeline/harmed_broker.h"
#include "tests/pipeline/house.h"
#include "tests/pipeline/oracle.h"
#include "tests/pipeline/simulated_input.h"

namespace gyre::pipeline {

namespace {

constexpr int kEvents = 400;

/// A process ends here and now, as by SIGKILL. Not an error of the engine's: nothing catches it.
struct Killed {};

const stages::Playbooks& playbooks() {
  static const stages::Playbooks kPlaybooks;
  return kPlaybooks;
}

class Simulation {
 public:
  Simulation(std::uint64_t seed, const std::function<void(const std::string&)>& live)
      : random_(seed), live_(live) {
    create_topics(cluster_, config_, kSources);
    cluster_.on_wait([this] { move_on(); });
    cluster_.on_commit([this](const std::string& id) { return commit_fault(id); });
    const int count = 1 + static_cast<int>(pick(3));
    for (int i = 0; i < count; ++i) add_machine(std::string(1, static_cast<char>('a' + i)));
  }

  Simulated run() {
    for (int i = 0; i < kEvents; ++i) event();
    heal();
    if (result_.violations.empty()) finish();
    if (result_.violations.empty()) judge();
    return std::move(result_);
  }

 private:
  struct Machine {
    std::string id;
    DiskInMemory disk = make_disk();
    std::shared_ptr<Process> process;  // none: it is down
    std::array<bool, 3> broken{};
    bool busy = false;      // in the middle of a step
    bool replaced = false;  // another one runs under its id
    int asleep = 0;         // events to come that pass it by
  };

  // --- chance
  std::uint64_t pick(std::uint64_t n) { return random_() % n; }
  bool chance(double share) {
    return !calm_ && static_cast<double>(pick(1'000'000)) < share * 1'000'000;
  }
  void note(const std::string& what) {
    result_.trace.push_back(
        fmt::format("{:8.3f} {}", static_cast<double>(clock_ - kStart) / 1e9, what));
    if (live_) live_(result_.trace.back());
  }
  void fault(const std::string& kind, const std::string& who) {
    ++result_.faults[kind];
    note(kind + ": " + who);
  }
  void violation(const std::string& what) {
    note("VIOLATION " + what);
    result_.violations.push_back(what);
  }
  void violations(const std::vector<std::string>& all) {
    for (const std::string& what : all) violation(what);
  }

  // --- processes
  Machine& add_machine(const std::string& id) {
    machines_.push_back(std::make_unique<Machine>());
    machines_.back()->id = id;
    start(*machines_.back());
    return *machines_.back();
  }

  void start(Machine& machine) {
    note("start " + machine.id);
    machine.broken = {};
    machine.process = std::make_shared<Process>(
        cluster_, config_, playbooks_, machine.id, clock_, machine.disk,
        BatchLimits{.records = 1 + pick(8)}, [this, &machine](std::unique_ptr<Broker> broker) {
          return std::make_unique<HarmedBroker>(
              std::move(broker), [this, &machine](const char* call) { harm(machine, call); });
        });
  }

  void kill(Machine& machine) {
    if (pick(4) == 0) judge_disk(machine);
    machine.process.reset();
    if (!chance(0.25)) return;
    fault("directory lost", machine.id);
    machine.disk = make_disk();
  }

  void step(Machine& machine, std::size_t stage) {
    machine.busy = true;
    const Machine* const interrupted = std::exchange(active_, &machine);
    const std::shared_ptr<Process> process = machine.process;
    Worker& worker = *process->workers().at(stage);
    bool& broken = machine.broken.at(stage);
    try {
      if (broken) worker.recover();
      broken = false;
      worked_ |= worker.run_once();
      if (chance(0.03)) worker.delete_read();
    } catch (const Failure& failure) {
      broken = worked_ = true;
      note(fmt::format("{} rolls back {}: {}", machine.id, kStageNames.at(stage), failure.what()));
    } catch (const Refusal& refusal) {
      const std::string_view why = refusal.what();
      if (machine.replaced && why.find("another client uses the id") != std::string_view::npos) {
        note(fmt::format("the old {} ends: {}", machine.id, why));
        machine.process.reset();
      } else {
        violation(machine.id + " refuses: " + refusal.what());
      }
    } catch (const Killed&) {
      kill(machine);
    }
    active_ = interrupted;
    machine.busy = false;
  }

  // What may happen to a process at a call: nothing, as a rule.
  void harm(Machine& machine, const std::string& call) {
    const std::string where = machine.id + " at " + call;
    if (coordinator_away_ > 0 && call != "poll" && call != "send" && call != "resume")
      throw Failure("no coordinator for " + call);
    if (chance(0.004)) {
      fault("kill", where);
      throw Killed();
    }
    if (chance(0.006)) {
      fault("lost answer", where);
      throw Failure("no answer to " + call);
    }
    if (call == "be told the end" && chance(0.02)) {
      fault("slow answer", where);
      append();  // behind the end that is told
      clock_ += static_cast<Nanos>(25 + pick(20)) * kSecond;
    }
    if (depth_ == 0 && chance(0.01)) pause(machine, where);
  }

  // It stands still in the middle of a call, and the world goes on without it.
  void pause(Machine& machine, const std::string& where) {
    const int events = 1 + static_cast<int>(pick(30));
    fault("pause", fmt::format("{} for {} events", where, events));
    ++depth_;
    if (chance(0.4)) expire(machine);
    if (chance(0.1)) drop_membership(machine);
    if (chance(0.1) && !machine.replaced) {
      fault("replaced", machine.id);
      machine.replaced = true;
      add_machine(machine.id);
    }
    for (int i = 0; i < events; ++i) event();
    --depth_;
    note(machine.id + " goes on");
  }

  std::size_t any_stage() { return pick(kStageNames.size()); }
  static std::string client(const Machine& machine, std::size_t stage) {
    return machine.id + "-" + kStageNames.at(stage);
  }
  void expire(const Machine& machine) {
    const std::size_t stage = any_stage();
    fault("session expired", client(machine, stage));
    cluster_.expire(config_.group(kStageNames.at(stage)), client(machine, stage));
  }
  void drop_membership(const Machine& machine) {
    const std::size_t stage = any_stage();
    fault("membership dropped", client(machine, stage));
    cluster_.drop_membership(config_.group(kStageNames.at(stage)), client(machine, stage));
  }

  // --- the world
  void append() {
    const Nanos time =
        clock_ - static_cast<Nanos>(pick(800)) * 1'000'000 + static_cast<Nanos>(++appended_);
    const int rule = std::array{0, 1, 1, 2, 2}.at(pick(5));
    std::string value =
        pick(12) == 0
            ? fmt::format("garbage {}", appended_)
            : simulated_alert(time, rule, static_cast<int>(pick(static_cast<unsigned>(rule + 2))),
                              static_cast<int>(pick(2)));
    if (pick(8) == 0 && !sent_.empty() && clock_ - sent_.back().stamp < kSecond)
      value = sent_.back().value;
    const auto source = static_cast<std::int32_t>(pick(kSources));
    cluster_.append(config_.input.topic, source, value, clock_);
    sent_.push_back({source, clock_, std::move(value)});
  }

  void compact() {
    const std::array topics = {config_.intake_changelog(), config_.by_container_changelog(),
                               config_.by_container_ids(), config_.by_rule_changelog()};
    const std::string& topic = topics.at(pick(topics.size()));
    const auto partition = static_cast<std::int32_t>(pick(kTasks));
    fault("compaction", fmt::format("{}-{}", topic, partition));
    cluster_.compact(topic, partition, MemoryCluster::Tombstones::kKept);
  }

  void event() {
    Machine& machine = *machines_[pick(machines_.size())];
    const bool free = !machine.busy;
    const bool ended = !machine.process && machine.replaced;
    if (machine.asleep > 0) --machine.asleep;
    if (coordinator_away_ > 0) --coordinator_away_;
    if (chance(0.15)) {
      append();
    } else if (chance(0.12)) {
      clock_ += static_cast<Nanos>(1 + pick(3'000)) * 1'000'000;
    } else if (chance(0.004)) {
      clock_ += static_cast<Nanos>(20 + pick(70)) * kSecond;
    } else if (free && machine.process && chance(0.01)) {
      fault("kill", machine.id + " between two batches");
      kill(machine);
    } else if (chance(0.008)) {
      expire(machine);
    } else if (chance(0.004)) {
      drop_membership(machine);
    } else if (chance(0.006)) {
      const std::string id = client(machine, any_stage());
      fault("transaction timed out", id);
      cluster_.time_out(id);
    } else if (chance(0.004)) {
      coordinator_away_ = static_cast<int>(1 + pick(10));
      fault("coordinator moved", fmt::format("for {} events", coordinator_away_));
    } else if (chance(0.006)) {
      const std::uint64_t some = random_();
      fault("markers held", "of some partitions");
      cluster_.hold_markers([some](const std::string& topic, std::int32_t partition) {
        return ((fast_hash(topic) ^ some) >> partition & 1) != 0;
      });
    } else if (chance(0.03)) {
      cluster_.release_markers();
    } else if (chance(0.02)) {
      cluster_.deliver_delayed();
    } else if (chance(0.01)) {
      compact();
    } else if (!unreachable_ && chance(0.004)) {
      unreachable_ = static_cast<std::int32_t>(pick(kSources));
      fault("unreachable", fmt::format("source {}", *unreachable_));
      cluster_.set_reachable(config_.input.topic, *unreachable_, false);
    } else if (unreachable_ && chance(0.05)) {
      cluster_.set_reachable(config_.input.topic, *std::exchange(unreachable_, std::nullopt), true);
    } else if (free && machine.process && chance(0.004)) {
      machine.asleep = static_cast<int>(20 + pick(80));
      fault("sleep", machine.id);
    } else if (free && !machine.process && !ended && chance(0.1)) {
      start(machine);
    } else if (free && machine.process && machine.asleep == 0) {
      step(machine, any_stage());
    }
  }

  CommitFault commit_fault(const std::string& id) {
    const auto kind = chance(0.02)   ? CommitFault::kDelayed
                      : chance(0.02) ? CommitFault::kReplyLost
                      : chance(0.02) ? CommitFault::kRepeated
                                     : CommitFault::kNone;
    if (kind == CommitFault::kDelayed) fault("commit delayed", id);
    if (kind == CommitFault::kReplyLost) fault("commit without answer", id);
    if (kind == CommitFault::kRepeated) fault("commit repeated", id);
    return kind;
  }

  // What ends a wait in Kafka: requests arrive, markers are written, the coordinator gives up on
  // the transactions of those who are silent.
  void move_on() {
    if (pick(2) == 0) cluster_.deliver_delayed();
    cluster_.release_markers();
    for (const auto& machine : machines_) {
      const bool well = machine->process && machine->asleep == 0 && !machine->busy &&
                        std::ranges::none_of(machine->broken, std::identity());
      if (well || machine->replaced || machine.get() == active_) continue;
      for (std::size_t stage = 0; stage < kStageNames.size(); ++stage)
        cluster_.expire(config_.group(kStageNames.at(stage)), client(*machine, stage));
    }
  }

  // --- the end
  void heal() {
    note("all is well from here on");
    calm_ = true;
    coordinator_away_ = 0;
    cluster_.on_commit(nullptr);
    cluster_.release_markers();
    cluster_.deliver_delayed();
    if (unreachable_) cluster_.set_reachable(config_.input.topic, *unreachable_, true);
    for (const auto& machine : machines_) {
      machine->asleep = 0;
      if (!machine->process && !machine->replaced) start(*machine);
    }
  }

  void settle() {
    for (int idle = 0, rounds = 0; idle < 3 && result_.violations.empty(); ++rounds) {
      if (rounds > 5'000) return violation("no end: the processes work for ever");
      worked_ = false;
      for (const auto& machine : machines_)
        for (std::size_t stage = 0; stage < kStageNames.size(); ++stage)
          if (machine->process) step(*machine, stage);
      idle = worked_ ? 0 : idle + 1;
    }
  }

  void finish() {
    settle();
    for (const Nanos wait : kEnding) {
      clock_ += wait;
      settle();
    }
  }

  // What a process leaves behind equals the changelogs up to where it knows them.
  void judge_disk(const Machine& machine) {
    for (const Status::Task& task : machine.process->telemetry.status().tasks())
      violations(unlike_changelog(cluster_, config_, task.stage, task.partition, *machine.disk));
  }

  void judge();

  std::mt19937_64 random_;
  const std::function<void(const std::string&)>& live_;
  Config config_ = simulated_config();
  const stages::Playbooks& playbooks_ = playbooks();
  MemoryCluster cluster_;
  Nanos clock_ = kStart;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<Sent> sent_;
  std::uint64_t appended_ = 0;
  std::optional<std::int32_t> unreachable_;
  int coordinator_away_ = 0;         ///< events to come
  const Machine* active_ = nullptr;  ///< the one that makes calls now
  int depth_ = 0;
  bool calm_ = false;
  bool worked_ = false;
  Simulated result_;
};

void Simulation::judge() {
  violations(miscounted(cluster_, config_, sent_));
  violations(misreported(cluster_, config_, sent_));
  violations(differences(last_revisions(cluster_, config_),
                         undisturbed(config_, playbooks_, kSources, kStart, sent_, kEnding)));
  for (const auto& machine : machines_)
    if (machine->process) judge_disk(*machine);

  // Who begins with nothing but the topics arrives at the same state, and has nothing to add.
  const auto reports = content(cluster_, config_.outputs.front().topic);
  for (const auto& machine : machines_)
    for (std::size_t stage = 0; stage < kStageNames.size(); ++stage)
      cluster_.expire(config_.group(kStageNames.at(stage)), client(*machine, stage));
  machines_.clear();
  const Machine& heir = add_machine("heir");
  settle();
  judge_disk(heir);
  if (content(cluster_, config_.outputs.front().topic) != reports)
    violation("an heir publishes once more");

  std::string all;
  for (const auto& [id, report] : reports) all += report;
  result_.published = to_hex(sha256(all));
}

}  // namespace

Simulated simulate(std::uint64_t seed, const std::function<void(const std::string&)>& live) {
  return Simulation(seed, live).run();
}

std::string told(std::uint64_t seed, const Simulated& simulated) {
  std::string text = fmt::format("seed {}\n", seed);
  for (const std::string& line : simulated.trace) text += "  " + line + "\n";
  for (const std::string& line : simulated.violations) text += "WRONG: " + line + "\n";
  return text + fmt::format("again: ./dev simulate --seed {}\n", seed);
}

}  // namespace gyre::pipeline
