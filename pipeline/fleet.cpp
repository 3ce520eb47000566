// SPDX-License-Identifier: Apache-2.0
#include "pipeline/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/check.h"

namespace gyre::pipeline {

namespace {

struct Workload {
  std::string_view name, ns, image, tag;
  std::uint32_t weight;  ///< of 10,000 places on the machines; 0: one on every machine
};
constexpr std::array kWorkloads = {
    Workload{"log-shipper", "platform", "docker.io/fluent/fluent-bit", "3.1.7", 0},
    Workload{"node-network", "platform", "docker.io/calico/node", "v3.28.1", 0},
    Workload{"checkout", "shop", "registry.example.net/shop/checkout", "4.12.0", 2000},
    Workload{"cart", "shop", "registry.example.net/shop/cart", "2.8.1", 2000},
    Workload{"storefront", "shop", "registry.example.net/shop/storefront", "9.0.3", 2770},
    Workload{"orders-db", "data", "docker.io/library/postgres", "16.4", 200},
    Workload{"sessions", "data", "docker.io/library/redis", "7.4", 500},
    Workload{"search", "data", "registry.example.net/data/search", "1.30.2", 700},
    Workload{"ingress", "edge", "docker.io/library/nginx", "1.27", 800},
    Workload{"billing", "finance", "registry.example.net/finance/billing", "5.2.0", 1000},
    Workload{"cert-manager", "platform", "quay.io/jetstack/cert-manager-controller", "v1.15.3", 20},
    Workload{"ci-runner", "build", "registry.example.net/build/runner", "17.3", 10},
};
constexpr std::size_t kReleased = 2;  ///< the workload that `rollout` brings out anew
constexpr std::string_view kReleasedTag = "4.13.0";
constexpr Nanos kRollout = 5 * 60 * kNanosPerSecond;

constexpr std::size_t kContainersPerHost = kWorkloads.size();
/// Every so many machines runs plain Docker, without namespaces and pods.
constexpr std::size_t kDockerEvery = 10;
constexpr std::size_t kFloodFindings = 200;
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kPodLetters =
    "bcdfghjklmnpqrstvwxz2456789";  // what Kubernetes draws from

std::string letters(Dice& dice, std::string_view alphabet, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += alphabet[dice.below(alphabet.size())];
  return out;
}

std::size_t workload_named(std::string_view name) {
  const auto* found = std::find_if(kWorkloads.begin(), kWorkloads.end(),
                                   [&](const auto& w) { return w.name == name; });
  CHECK(found != kWorkloads.end());
  return static_cast<std::size_t>(found - kWorkloads.begin());
}

// The first machine has one of each, so that the smallest fleet lives as the largest does.
std::size_t workload_at(Dice& dice, std::size_t host, std::size_t place) {
  if (host == 0 || kWorkloads[place].weight == 0) return place;
  std::uint64_t drawn = dice.below(10'000);
  for (std::size_t i = 0; i < kWorkloads.size(); ++i) {
    if (drawn < kWorkloads[i].weight) return i;
    drawn -= kWorkloads[i].weight;
  }
  CHECK(false);
}

std::vector<AlertTemplate> templates_of(const std::vector<Phenomenon>& phenomena) {
  return {phenomena.begin(), phenomena.end()};
}

}  // namespace

Fleet::Fleet(const FleetOptions& options)
    : options_(options),
      dice_(options.seed),
      writer_(dice_, options.seed ^ 0x9e3779b97f4a7c15U),
      by_workload_(kWorkloads.size()),
      daily_(templates_of(daily_life())),
      machine_(templates_of(machine_life())),
      test_run_(templates_of(test_run())),
      intrusion_(templates_of(intrusion())),
      release_(templates_of(release_life())),
      heartbeat_(AlertTemplate::heartbeat()),
      drops_(AlertTemplate::drops()) {
  CHECK(options.hosts > 0);
  for (const Phenomenon& phenomenon : daily_life())
    habit_of_.push_back(workload_named(phenomenon.workload));
  build_hosts(options.hosts);
  plan_attacks(options.attacks);
}

void Fleet::build_hosts(std::uint32_t hosts) {
  for (std::size_t host = 0; host < hosts; ++host) {
    const std::string name = fmt::format("node-{:02}", host + 1);
    machines_.push_back({.id = "host",
                         .name = "host",
                         .image = "",
                         .tag = "",
                         .ns = "",
                         .pod = "",
                         .ip = fmt::format("10.40.{}.{}", host / 250 % 250, host % 250 + 1),
                         .host = name});
    const bool kubernetes = host % kDockerEvery != kDockerEvery - 1;
    for (std::size_t i = 0; i < kContainersPerHost; ++i) {
      const std::size_t workload = workload_at(dice_, host, i);
      by_workload_[workload].push_back(containers_.size());
      containers_.push_back(make_container(host, workload, kubernetes));
    }
    released_.push_back(make_container(host, kReleased, kubernetes));
    released_.back().tag = kReleasedTag;
  }
  tester_ = make_container(dice_.below(hosts), 0, false);
  tester_.name = "event-generator";
  tester_.image = "docker.io/falcosecurity/event-generator";
  tester_.tag = "latest";
  tester_.ns = "falco-event-generator";
  tester_.pod =
      "event-generator-" + letters(dice_, kPodLetters, 9) + "-" + letters(dice_, kPodLetters, 5);
}

Container Fleet::make_container(std::size_t host, std::size_t workload, bool kubernetes) {
  const Workload& what = kWorkloads[workload];
  Container container;
  container.id = letters(dice_, kHex, 12);
  container.name = kubernetes ? std::string(what.name)
                              : fmt::format("{}_{}", what.name, letters(dice_, kPodLetters, 6));
  container.image = what.image;
  container.tag = what.tag;
  if (kubernetes) {
    container.ns = what.ns;
    container.pod = fmt::format("{}-{}-{}", what.name, letters(dice_, kPodLetters, 9),
                                letters(dice_, kPodLetters, 5));
  }
  container.ip = fmt::format("10.{}.{}.{}", 128 + host / 250 % 100, host % 250, workload + 10);
  container.host = machines_[host].host;
  return container;
}

// Attack k of n begins at 0.8 (k + 0.5) / n of the run and takes a tenth of it; the rest of the
// fleet's life goes on between its steps.
void Fleet::plan_attacks(std::uint32_t attacks) {
  const std::uint64_t stride = std::max<std::uint64_t>(1, options_.alerts / 10 / intrusion_.size());
  while (victims_.size() < std::min<std::size_t>(attacks, containers_.size())) {
    const std::size_t drawn = dice_.below(containers_.size());
    if (std::find(victims_.begin(), victims_.end(), drawn) == victims_.end())
      victims_.push_back(drawn);
  }
  for (std::size_t victim = 0; victim < victims_.size(); ++victim) {
    const std::uint64_t begin = options_.alerts * 2 * (2 * victim + 1) / (5 * victims_.size());
    for (std::size_t step = 0; step < intrusion_.size(); ++step)
      steps_.push_back({begin + step * stride, victim, step});
  }
  std::sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) {
    return std::pair(a.index, a.victim) < std::pair(b.index, b.victim);
  });
}

std::vector<Fleet::Victim> Fleet::victims() const {
  std::vector<Victim> out;
  for (const std::size_t victim : victims_) out.push_back({containers_[victim], intrusion_.size()});
  return out;
}

// Noise is not spread evenly: of many that have a habit, few make most of the alerts (with these
// draws 1 % of them make two thirds). Other habits have other favourites.
std::size_t Fleet::noisy(std::size_t size, std::size_t habit) {
  constexpr int kDraws = 6;
  constexpr std::size_t kPrime = 1'000'003;
  std::size_t rank = size - 1;
  for (int i = 0; i < kDraws; ++i) rank = dice_.below(rank + 1);
  return (rank * kPrime + habit * kPrime / 7) % size;
}

const Container& Fleet::of_workload(std::size_t workload, std::size_t habit) {
  const std::vector<std::size_t>& all = by_workload_[workload];
  return containers_[all[noisy(all.size(), habit)]];
}

const Container& Fleet::machine(std::size_t habit) {
  return machines_[noisy(machines_.size(), habit)];
}

// A few habits make most of the noise: the minimum of two draws leans to the front of the list.
Emitted Fleet::daily(Nanos time, std::string& out) {
  const std::size_t habit = std::min(dice_.below(daily_.size()), dice_.below(daily_.size()));
  return writer_.write(daily_[habit], of_workload(habit_of_[habit], habit), time, out);
}

Emitted Fleet::mixed(std::uint64_t index, Nanos time, std::string& out) {
  // Two attacks may want one place: the second takes the next.
  if (next_step_ < steps_.size() && index >= steps_[next_step_].index) {
    const Step& step = steps_[next_step_++];
    return writer_.write(intrusion_[step.phenomenon], containers_[victims_[step.victim]], time,
                         out);
  }
  const std::uint64_t what = dice_.below(10'000);
  if (what < 100)
    return writer_.write(heartbeat_, machines_[next_machine_++ % machines_.size()], time, out);
  if (what < 105) return writer_.write(drops_, machine(daily_.size()), time, out);
  if (what < 1'100) {
    const std::size_t habit = dice_.below(machine_.size());
    return writer_.write(machine_[habit], machine(habit), time, out);
  }
  if (what < 2'600)
    return writer_.write(test_run_[test_step_++ % test_run_.size()], tester_, time, out);
  return daily(time, out);
}

// Pairs of container and phenomenon, walked with a stride so that few containers do not take them
// all.
Emitted Fleet::flood(Nanos time, std::string& out) {
  const std::size_t findings = std::min(kFloodFindings, pairs());
  const std::size_t pair =
      dice_.below(100) < 95 ? dice_.below(findings) * (pairs() / findings) : dice_.below(pairs());
  return writer_.write(daily_[pair / containers_.size()], containers_[pair % containers_.size()],
                       time, out);
}

Emitted Fleet::wide(std::uint64_t index, Nanos time, std::string& out) {
  const std::size_t finding = index % options_.findings;
  const std::size_t all = containers_.size();
  std::size_t stride = all * 5 / 8;  // containers of a host stand together
  while (std::gcd(stride, all) != 1) ++stride;
  const std::size_t container = finding % all * stride % all;
  const std::size_t daily = (finding / all + container) % daily_.size();
  return writer_.write(daily_[daily], containers_[container], time, out);
}

Emitted Fleet::attack(std::uint64_t index, Nanos time, std::string& out) {
  const std::uint64_t step =
      index * intrusion_.size() / std::max<std::uint64_t>(1, options_.alerts);
  return writer_.write(intrusion_[std::min(step, intrusion_.size() - 1)],
                       containers_[victims_.front()], time, out);
}

// Within five minutes every machine starts one container of the new version; every other alert is
// of one of those.
Emitted Fleet::rollout(std::uint64_t index, Nanos time, std::string& out) {
  if (index == 0) {
    rollout_begin_ = time;
    for (std::size_t i = 0; i < released_.size(); ++i)
      released_[i].started =
          time + kRollout / static_cast<Nanos>(released_.size()) * static_cast<Nanos>(i);
  }
  const auto started = std::partition_point(released_.begin(), released_.end(),
                                            [&](const Container& c) { return c.started <= time; });
  const auto running = static_cast<std::size_t>(started - released_.begin());
  if (running == 0 || dice_.below(2) == 0) return daily(time, out);
  return writer_.write(release_[dice_.below(release_.size())], released_[dice_.below(running)],
                       time, out);
}

}  // namespace gyre::pipeline
