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

SEEDS = 1000
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COPY = ROOT / "build" / "planted"
WORKER, INTAKE = "pipeline/worker.cpp", "pipeline/intake_tasks.cpp"
BUNDLE, CONTAINER = "pipeline/bundle_tasks.cpp", "pipeline/container_tasks.cpp"
TASK, BROKER = "pipeline/task.cpp", "pipeline/memory_broker.cpp"
CONTRIBUTION, TRANSACTION = "stages/by_container/contribution.cpp", "state/transaction.cpp"

COMMIT = "  const auto sent = commit(broker_, outbox);\n"
SEND = """
  static_cast<void>(&commit);
  broker_.begin();
"""
APPLY = "  tasks_.apply(sent, broker_.time());\n"

BUGS = (   # what is wrong, and the edits that make it so: file, text, replacement
    ("state is applied before the commit",
     (WORKER, COMMIT, SEND + """
  std::map<TopicPartition, std::int64_t> early;
  for (OutRecord& record : outbox.records) {
    const TopicPartition where{record.topic, record.partition};
    broker_.send(std::move(record));
    if (where.second >= 0) early[where] = broker_.high_watermark(where.first, where.second) - 1;
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
     (BROKER, "  const std::int64_t high = log.high();\n", "  const std::int64_t high = log.stable();\n")),
    ("T3: pending offsets are not waited for",
     (BROKER, "if (pending() && (!cluster_->waited() || pending())) {", "if (pending() && false) {")),
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
     (BUNDLE, "    if (!task) task = std::make_unique<Task>(open(partition));\n",
      "    const bool kept = task != nullptr;\n    if (!task) task = std::make_unique<Task>(open(partition));\n"),
     (BUNDLE, "offsets.push_back({partition, recover(partition, *task, broker)});",
      "offsets.push_back({partition, kept ? task->transaction.checkpoint().next_offset()"
      " : recover(partition, *task, broker)});")),
    ("a transaction stays open over a poll",
     (WORKER, "bool Worker::run_once() {\n",
      "static std::map<const Worker*, std::vector<PartitionOffset>> open_batches;\n\nbool Worker::run_once() {\n"),
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
     (BUNDLE, "  checkpoint.set_next_offset(next_offset);\n", "")),
    ("a restore begins one record too late",
     (TASK, "std::max(remembered, broker.low_watermark(changelog.topic, changelog.partition));",
      "std::max(remembered, broker.low_watermark(changelog.topic, changelog.partition)) + 1;")),
    ("a restore arms no timers",
     (TRANSACTION, "    if (auto timer = timer_of(changes[i].key, *changes[i].value))",
      "    if (auto timer = timer_of(changes[i].key, *changes[i].value); timer && false)")),
    ("a member overtaken while it restored takes that for a reset",
     (TASK, "    if (broker.committed(partition) == committed) throw;\n", "    if (task.data()) throw;\n")),
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


def plant(edits, source, target):
    """Writes the edited files below `target`. Raises ValueError if a place is not there once."""
    texts = {}
    for path, old, new in edits:
        text = texts.get(path) or (source / path).read_text()
        if text.count(old) != 1:
            raise ValueError(f"{path} has {text.count(old)} times, not once: {old.strip()}")
        texts[path] = text.replace(old, new)
    if target:
        for path, text in texts.items():
            (target / path).write_text(text)


def check():
    stale = 0
    for name, *edits in BUGS:
        try:
            plant(edits, ROOT, None)
        except ValueError as error:
            print(f"cannot be planted any more: {name}: {error}")
            stale += 1
    print(f"{len(BUGS) - stale} of {len(BUGS)} bugs can be planted")
    return stale > 0


def copy_sources():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for path in tracked.split("\0"):
        if path and (ROOT / path).is_file():
            target = COPY / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists() or target.read_bytes() != (ROOT / path).read_bytes():
                target.write_bytes((ROOT / path).read_bytes())
                target.chmod((ROOT / path).stat().st_mode)


def build():
    subprocess.run(["ninja", "-C", "build/release", "simulate"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)


def find():
    """The first seed that notices, and what it says; None: none does."""
    run = subprocess.run([COPY / "build/release/tests/simulate", str(SEEDS)], capture_output=True, text=True)
    said = run.stdout + run.stderr
    if run.returncode == 0:
        return None
    seed = re.search(r"^(?:aborted in )?seed (\d+)$", said, re.M)
    wrong = re.search(r"^WRONG: (.*)$", said, re.M) or re.search(r"^(.*CHECK.*|.*what\(\).*)$", said, re.M)
    return int(seed.group(1)) if seed else -1, wrong.group(1)[:100] if wrong else f"ended with {run.returncode}"


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 64
    copy_sources()
    subprocess.run(["cmake", "--preset", "release"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)
    build()
    if find():
        sys.exit("the simulation finds something wrong with the engine as it is: ./dev simulate 1000")
    missed = 0
    print("| bug | found by seed | as |\n| --- | --- | --- |", flush=True)
    for name, *edits in BUGS:
        before = {path: (COPY / path).read_bytes() for path, _, _ in edits}
        plant(edits, COPY, COPY)
        build()
        found = find()
        missed += found is None
        seed, wrong = found or (f"not in {SEEDS}", "")
        print(f"| {name} | {seed} | {wrong} |", flush=True)
        for path, bytes_before in before.items():
            (COPY / path).write_bytes(bytes_before)
    return missed > 0


if __name__ == "__main__":
    sys.exit(main())
