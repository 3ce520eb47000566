#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants bugs in a copy of the engine, one at a time, and runs the simulation until it notices: a simulation that finds
nothing wrong with a wrong engine proves nothing about a right one.

usage: planted_bugs.py            builds and runs each in build/planted, prints a table; 1 if one is not found
       planted_bugs.py --check    only that each bug can still be planted: its place is found once
"""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import planted  # noqa: E402

SEEDS = 1000
WORKER, INTAKE = "pipeline/worker.cpp", "pipeline/intake_tasks.cpp"
BUNDLE, BUNDLE_HEADER = "pipeline/bundle_tasks.cpp", "pipeline/bundle_tasks.h"
CONTAINER = "pipeline/container_tasks.cpp"
TASK, BROKER = "pipeline/task.cpp", "pipeline/memory_broker.cpp"
CONTRIBUTION, RESTORE = "stages/by_container/contribution.cpp", "state/restore.cpp"

COMMIT = "  const auto sent = commit(broker_, outbox);\n"
SEND = """
  static_cast<void>(&commit);
  broker_.begin();
"""
APPLY = "  tasks_.apply(sent, broker_.time());\n"

# What is wrong, and the edits that make it so: file, text, replacement. T3 is not among them, it has tests of its name: whoever
# does not wait for pending offsets restores the checkpoint behind them, asks again, and begins anew.
BUGS = (
    ("state is applied before the commit",
     (WORKER, COMMIT, SEND + """
  std::map<TopicPartition, std::int64_t> early;
  for (OutRecord& record : outbox.records) {
    const TopicPartition where{record.topic, record.partition};
    broker_.send(std::move(record));
    if (where.second >= 0) early[where] = broker_.range(where.first, where.second).high - 1;
  }
  tasks_.apply(early, broker_.time());
  broker_.commit(outbox.offsets);
"""), (WORKER, APPLY, "")),
    ("by_container and by_rule commit offsets one too far",
     (BUNDLE, "outbox.offsets.push_back({partition, offset});", "outbox.offsets.push_back({partition, offset + 1});")),
    ("intake's offsets and checkpoints are one too far",
     (INTAKE, "checkpoint.set_next_offset(source.next_offset);", "checkpoint.set_next_offset(source.next_offset + 1);"),
     (INTAKE, "outbox.offsets.push_back({partition, source.next_offset});",
      "outbox.offsets.push_back({partition, source.next_offset + 1});")),
    ("T1: commits without membership are sent",
     (BROKER, "if (session_->generation < 0 || session_->member.empty()) {",
      "if (session_->generation < -1) {")),
    ("T2: restores end at the last stable offset",
     (BROKER, "= {log.low, log.high()};\n  }\n  return ranges;\n}\n\nstd::optional<std::vector",
      "= {log.low, log.stable()};\n  }\n  return ranges;\n}\n\nstd::optional<std::vector")),
    ("T4: the producer is kept after a commit without an answer",
     (BROKER, "if (harmed_ || producer.epoch != session_->epoch) {", "if (producer.epoch != session_->epoch) {"),
     (BROKER, "  harmed_ = false;\n  open_ = false;\n", "  open_ = false;\n  harmed_ = false;\n")),
    ("T4: the producer is kept after a commit that was sent twice",
     (BROKER, "  if (std::exchange(harmed_, false)) cluster_->init(session_);\n", "  harmed_ = false;\n")),
    ("what a rolled back batch changed is kept",
     (BUNDLE, "  for (auto& [partition, task] : tasks_) task->transaction.rollback();\n", "")),
    ("intake keeps the sightings of a rolled back batch",
     (INTAKE, "    intake_.reset();\n", "")),
    ("a source that is unread is ticked",
     (INTAKE, "      if (!finished && !task->stopped) continue;\n", "")),
    ("K lies beyond the last record",
     (BUNDLE, "sent.at({stage_.changelog, partition}) + 1,", "sent.at({stage_.changelog, partition}) + 4,")),
    ("tasks that are kept over an assignment are not restored",
     (BUNDLE_HEADER, "bool restore(Broker& broker);", "bool restore(Broker& broker, std::span<const std::int32_t> added);"),
     (BUNDLE, "::restore(Broker& broker) {", "::restore(Broker& broker, std::span<const std::int32_t> added) {"),
     (BUNDLE, "  if (!restore(broker)) return std::nullopt;", "  if (!restore(broker, added)) return std::nullopt;"),
     (BUNDLE, "    following.push_back({.partition = partition,",
      "    if (std::ranges::find(added, partition) == added.end()) continue;\n    following.push_back({.partition = partition,"),
     (BUNDLE, "    const auto committed = find(all_committed, partition);\n",
      "    auto committed = find(all_committed, partition);\n"
      "    if (std::ranges::find(added, partition) == added.end()) committed = task.transaction.checkpoint().next_offset();\n")),
    ("a transaction stays open over a poll",
     (WORKER, "Worker::Worker(LoopId loop,",
      "static std::map<const Worker*, std::vector<PartitionOffset>> open_batches;\n\nWorker::Worker(LoopId loop,"),
     (WORKER, "  const Poll polled = broker_.poll(tasks_.plan(limits_, broker_));\n", """
  BatchLimits limits = tasks_.plan(limits_, broker_);
  if (open_batches.contains(this)) limits.records = 0;
  const Poll polled = broker_.poll(limits);
  if (open_batches.contains(this)) {
    tasks_.apply(broker_.commit(open_batches.extract(this).mapped()), broker_.time());
    if (!polled.assignment) return true;
  }
"""),
     (WORKER, COMMIT, SEND + """
  for (OutRecord& record : outbox.records) broker_.send(std::move(record));
  open_batches[this] = outbox.offsets;
"""), (WORKER, APPLY, ""),
     (WORKER, "      limits_(limits) {}\n", "      limits_(limits) {\n  open_batches.erase(this);\n}\n"),
     (WORKER, "  tasks_.rollback();\n", "  open_batches.erase(this);\n  tasks_.rollback();\n"),
     (BROKER, "Poll MemoryBroker::poll(const BatchLimits& limits) {\n  CHECK(!open_);\n",
      "Poll MemoryBroker::poll(const BatchLimits& limits) {\n")),
    ("a failed transaction is committed instead of aborted",
     (BROKER, "    cluster_->end(producer, Kind::kAbort);\n", "    cluster_->end(producer, Kind::kCommit);\n")),
    ("duplicate ids do not reach their topic",
     (BUNDLE, "    for (state::Change& change : transaction.ids()) send",
      "    for (state::Change& change : std::vector<state::Change>()) send")),
    ("the offset of the duplicate ids lies beyond the last one",
     (BUNDLE, "ids = last->second + 1;", "ids = last->second + 4;")),
    ("the changelog misses what ended",
     (BUNDLE, "for (state::Change& change : transaction.changelog()) send",
      "for (state::Change& change : transaction.changelog())\n    if (change.value) send")),
    ("the checkpoint is that of the batch before",
     (BUNDLE, "  checkpoint.set_next_offset(next_offset);\n", "  static_cast<void>(next_offset);\n")),
    ("a restore begins one record too late",
     (TASK, "        all += range(changelog).high - from;\n", "        all += range(changelog).high - from;\n        if (from < range(changelog).high) ++from;\n"),
     (TASK, "        const std::int64_t from = std::max(", "        std::int64_t from = std::max(")),
    ("a restore leaves out duplicate ids",
     (TASK, "    if (!key) return;\n", "    if (!key || (log.changelog.name == state::kIds && record.offset % 5 == 0)) return;\n")),
    ("a restore arms no timers",
     (RESTORE, "    if (auto timer = timer_of(changes[i].key, *changes[i].value))",
      "    if (auto timer = timer_of(changes[i].key, *changes[i].value); timer && false)")),
    ("a member overtaken while it restored takes that for a reset",
     (TASK, "    if (broker.committed(partition) == committed) throw;\n",
      "    if (broker.committed(partition) == committed || task.data()) throw;\n")),
    ("what was read is deleted before it is committed",
     (WORKER, COMMIT, "  for (const PartitionOffset& offset : outbox.offsets) read_[offset.partition] = "
      "offset.next_offset;\n" + COMMIT)),
    ("by_container tells by_rule again of a batch that was rolled back",
     (CONTAINER, "    BundleTasks::rollback();\n    tellings_.clear();\n", "    BundleTasks::rollback();\n")),
    ("by_container says that it has decided a second before it has",
     (CONTRIBUTION, "said.set_progress((task.decided + 1) * kNanosPerSecond);",
      "said.set_progress((task.decided + 4) * kNanosPerSecond);")),
    ("the clock of a tick is read after the end of the partition was asked",
     (INTAKE, "intake_.tick(partition, now - ", "intake_.tick(partition, options_.clock() - ")),
    ("a member that waits does not say how far it is",
     (INTAKE, "      if (records.empty()) promise(batch, now, broker);\n", "")),
)


def find():
    """The first seed that notices, and what it says; None: none does."""
    run = subprocess.run([planted.COPY / "build/release/tests/simulate", str(SEEDS)], capture_output=True, text=True)
    said = run.stdout + run.stderr
    if run.returncode == 0:
        return None
    seed = re.search(r"^(?:aborted in )?seed (\d+)$", said, re.M)
    wrong = re.search(r"^WRONG: (.*)$", said, re.M) or re.search(r"^(.*CHECK.*|.*what\(\).*)$", said, re.M)
    return f"seed {seed.group(1) if seed else '?'}", wrong.group(1)[:100] if wrong else f"ended with {run.returncode}"


if __name__ == "__main__":
    sys.exit(planted.main(BUGS, ("simulate",), find, __doc__))
