#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost and nothing counted twice: 200,000 alerts through a real Kafka and two instances, one of which
is killed in mid run and the other of which loses its disk. What they report must equal a replay of the same alerts.

usage: tools/with_kafka tests/kafka/end_to_end.py PATH_TO_GYRE     (GYRE_KAFKA=host:port)
"""
import collections
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import kafka_log

COUNT = 200_000
SEED = 20
INPUT_PARTITIONS = 8
INNER_PARTITIONS = 16
BEFORE_KILL = 3_000
DEADLINE = 600
HEARTBEAT = b'"rule":"Falco internal: metrics snapshot"'
TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"

began = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Problems:
    """Every expectation is checked, so that one run shows all that is wrong."""

    def __init__(self):
        self.found = []

    def expect(self, holds, text):
        if not holds:
            self.found.append(text)
        say(("ok      " if holds else "WRONG   ") + text)

    def expect_equal(self, what, actual, expected):
        self.expect(actual == expected, f"{what}: {actual:,}" + ("" if actual == expected else f", not {expected:,}"))


class Place:
    """The names and files of one run of this test."""

    def __init__(self, gyre, brokers, directory):
        self.gyre, self.brokers, self.directory = gyre, brokers, directory
        self.name = f"e2e{os.getpid()}"
        self.input, self.reports, self.dead = (f"{self.name}.{what}" for what in ("alerts", "reports", "dead"))
        self.alerts = directory / "alerts.ndjson"
        self.truth = directory / "truth.json"

    def write_config(self, instance, port):
        config = self.directory / f"{instance}.yaml"
        config.write_text(f"""\
name: {self.name}
instance: {instance}
kafka:
  brokers: {self.brokers}
input:
  topic: {self.input}
output:
  topic: {self.reports}
  dead_letter_topic: {self.dead}
inner:
  partitions: {INNER_PARTITIONS}
  replication_factor: 1
state:
  directory: {self.directory / instance}
admin:
  listen: 127.0.0.1:{port}
batch:
  records: 1000
reports:
  close: all
""")
        return config

    def run(self, *arguments, **options):
        subprocess.run([self.gyre, *map(str, arguments)], check=True, timeout=DEADLINE, **options)

    def consume(self, topic, form):
        """The committed records of a topic, each in the form of kcat."""
        consumed = subprocess.run(
            ["kcat", "-b", self.brokers, "-C", "-t", topic, "-q", "-e", "-o", "beginning",
             "-X", "isolation.level=read_committed", "-f", form + "\\n"],
            check=True, capture_output=True, timeout=DEADLINE)
        return consumed.stdout.decode().splitlines()


class Instance:
    def __init__(self, place, name):
        self.place, self.name = place, name
        self.port = free_port()
        self.config = place.write_config(name, self.port)
        self.state = place.directory / name
        self.log = place.directory / f"{name}.log"
        self.process = None
        self.metrics = {}
        self.replays_dropped = 0

    def start(self):
        self.metrics = {}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.place.gyre, "run", "-c", str(self.config)], stdout=log, stderr=log)
        say(f"instance {self.name} started")

    def end(self, number):
        self.process.send_signal(number)
        status = self.process.wait(60)
        self.process = None
        say(f"instance {self.name} ended with {status}")
        return status

    def sample(self):
        """Reads the metrics; says no while it does not listen yet."""
        if self.process.poll() is not None:
            raise RuntimeError(f"instance {self.name} ended by itself with {self.process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        self.metrics = collections.defaultdict(list)
        for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.M):
            self.metrics[name].append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))
        self.replays_dropped = max(self.replays_dropped, self.value("gyre_replays_dropped_total"))
        return True

    def value(self, metric):
        return int(sum(value for _, value in self.metrics.get(metric, [])))

    def next_offsets(self, stage):
        """What /status says of the tasks that this instance holds."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=10) as answer:
            tasks = json.load(answer)["tasks"]
        return {task["partition"]: task["next_offset"] for task in tasks if task["stage"] == stage}

    def lags(self, stage):
        return {labels["partition"]: value for labels, value in self.metrics.get("gyre_consumer_lag_records", [])
                if labels.get("stage") == stage}


def wait_for(what, holds, deadline=DEADLINE):
    limit = time.monotonic() + deadline
    while not holds():
        if time.monotonic() > limit:
            raise RuntimeError(f"not within {deadline} s: {what}")
        time.sleep(0.01)
    say(what)


def prepare(place, config):
    subprocess.run([TOOLS / "create_topic", place.brokers, place.input, str(INPUT_PARTITIONS)], check=True)
    place.run("topics", "-c", config)
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=30)
    options = ["--profile", "mixed", "--count", COUNT, "--hosts", 4, "--event-rate", 100, "--seed", SEED, "--duplicates", "0.05", "--garbage", "0.001",
               "--start", start.strftime("%Y-%m-%dT%H:%M:%SZ")]
    with place.alerts.open("wb") as alerts:
        place.run("generate", *options, "--truth", place.truth, stdout=alerts)
    place.run("generate", "-c", config, *options, "--kafka")
    say("alerts generated into a file and into Kafka")


def everything_is_read(instances):
    """Each partition of each stage belongs to somebody who has read all of it, and no finding or outbreak is open."""
    if not all([instance.sample() for instance in instances]):
        return False
    # Time passes for an idle input too: a tick a second, with the marker of its transaction, is always on its way
    # through the inner topics.
    for stage, partitions, on_its_way in (("intake", INPUT_PARTITIONS, 0), ("by_container", INNER_PARTITIONS, 4),
                                          ("by_rule", INNER_PARTITIONS, 4)):
        lags = [instance.lags(stage) for instance in instances]
        if len(set().union(*lags)) < partitions or any(lag > on_its_way for each in lags for lag in each.values()):
            return False
    return sum(instance.value("gyre_findings_open") + instance.value("gyre_outbreaks_open")
               for instance in instances) == 0


def run_through_crashes(first, second, records, problems):
    first.start()
    second.start()
    wait_for(f"instance {first.name} has folded some thousand alerts",
             lambda: first.sample() and first.value("gyre_alerts_folded_total") >= BEFORE_KILL)
    second.sample()
    folded = first.value("gyre_alerts_folded_total") + second.value("gyre_alerts_folded_total")
    first.end(signal.SIGKILL)
    problems.expect(folded < 0.8 * records, f"killed in mid run, after about {folded:,} alerts")
    first.start()
    wait_for(f"instance {first.name} works again",
             lambda: first.sample() and (first.value("gyre_alerts_folded_total") > 0 or
                                         (first.lags("by_container") and not any(first.lags("intake").values()))))
    problems.expect(second.sample(), f"instance {second.name} lived on")
    problems.expect(second.end(signal.SIGTERM) == 0, f"instance {second.name} left with 0 when asked to")
    shutil.rmtree(second.state)
    say(f"state directory of {second.name} deleted")
    second.start()
    wait_for("all is read and every finding closed", lambda: everything_is_read([first, second]))


def newest(reports):
    last = {}
    for report in reports:
        if report["revision"] >= last.get(report["id"], report)["revision"]:
            last[report["id"]] = report
    return last


def wait_for_reports(place):
    """All committed reports, once the newest revision of each says closed."""
    limit = time.monotonic() + DEADLINE
    while True:
        reports = [json.loads(line) for line in place.consume(place.reports, "%s")]
        still_open = [report["id"] for report in newest(reports).values() if report["state"] != "closed"]
        if not still_open:
            say(f"{len(reports):,} revisions read, every report is closed")
            return reports
        if time.monotonic() > limit:
            raise RuntimeError(f"{len(still_open)} reports never closed, such as {still_open[:3]}")
        time.sleep(1)


def copies_of_heartbeats(place):
    """Their copies are counted as duplicates, but stand in no report: healthy heartbeats have none."""
    seen, copies = set(), 0
    with place.alerts.open("rb") as alerts:
        for line in alerts:
            if HEARTBEAT not in line:
                continue
            with contextlib.suppress(ValueError):
                alert = json.loads(line)
                key = alert["hostname"], alert["time"]
                copies += key in seen
                seen.add(key)
    return copies


def check_counts(place, reports, problems):
    truth = json.loads(place.truth.read_text())
    counted = [report for report in newest(reports).values() if report["kind"] in ("finding", "sensor_health")]
    alerts = sum(report["counts"]["alerts"] for report in counted)
    duplicates = sum(report["counts"]["duplicates"] for report in counted) + copies_of_heartbeats(place)
    dead = len(place.consume(place.dead, "%p %o"))
    problems.expect_equal("records in the input topic", len(place.consume(place.input, "%p %o")), truth["records"])
    problems.expect_equal("dead letters", dead, truth["garbage"])
    problems.expect_equal("duplicates", duplicates, truth["duplicates"])
    problems.expect_equal("alerts in reports, heartbeats, duplicates and dead letters",
                          alerts + truth["heartbeats"] + duplicates + dead, truth["records"])


STAGES = (   # stage, input topic, its partitions, changelog, the partition that a changelog's record is the checkpoint of
    ("intake", "{0.input}", INPUT_PARTITIONS, "{0.name}.intake.changelog", lambda partition, key: int(key)),
    ("by_container", "{0.name}.by-container", INNER_PARTITIONS, "{0.name}.by-container.changelog",
     lambda partition, key: partition if key == kafka_log.CHECKPOINT_KEY else None),
    ("by_rule", "{0.name}.by-rule", INNER_PARTITIONS, "{0.name}.by-rule.changelog",
     lambda partition, key: partition if key == kafka_log.CHECKPOINT_KEY else None),
)


def check_offsets(place, said, problems):
    """The same number in three places: the checkpoint in the changelog, the group's committed offset, and /status before the end."""
    for stage, topic, partitions, changelog, partition_of in STAGES:
        committed = kafka_log.committed_offsets(place.brokers, f"{place.name}.{stage}", topic.format(place), partitions)
        checkpoints = kafka_log.checkpoints(place.brokers, changelog.format(place), partition_of)
        problems.expect(len(committed) == partitions and checkpoints == committed,
                        f"{stage}: checkpoint = committed offset in each of {partitions} partitions" +
                        ("" if checkpoints == committed else f"; checkpoints {checkpoints}, committed {committed}"))
        backward = {partition: (said[stage].get(partition), offset) for partition, offset in committed.items()
                    if not 0 < said[stage].get(partition, 0) <= offset}
        problems.expect(not backward, f"{stage}: /status said the offsets" + (f", but {backward}" if backward else ""))


def check_revisions(reports, problems):
    revisions = collections.defaultdict(list)
    for report in reports:
        revisions[report["id"]].append(report["revision"])
    wrong = {key: seen for key, seen in revisions.items() if sorted(seen) != list(range(1, len(seen) + 1))}
    problems.expect(not wrong, f"revisions of {len(revisions):,} reports are 1 to n, once each" +
                    (f"; not of {len(wrong)}, such as {list(wrong.items())[0]}" if wrong else ""))


def comparable(report):
    """What two runs over the same alerts agree on."""
    lines = [line for line in report["markdown"].splitlines() if "revision" not in line.lower()]
    left_out = ("revision", "reason", "produced_by")
    return {**{key: value for key, value in report.items() if key not in left_out}, "markdown": lines}


def difference(key, ours, theirs):
    if ours is None or theirs is None:
        return f"{key}: only in the {'replay' if ours is None else 'run'}"
    for field in sorted(set(ours) | set(theirs)):
        left, right = ours.get(field), theirs.get(field)
        if left == right:
            continue
        if field == "markdown":
            left = [line for line in ours["markdown"] if line not in theirs["markdown"]]
            right = [line for line in theirs["markdown"] if line not in ours["markdown"]]
        return f"{key} ({ours.get('kind')}): {field}: {json.dumps(left)[:400]} in the run, {json.dumps(right)[:400]} in the replay"
    return ""


def check_replay(place, config, reports, problems):
    output, stats_file = place.directory / "replayed.ndjson", place.directory / "stats.json"
    with output.open("wb") as out:
        place.run("replay", "-c", config, "--stats", stats_file, place.alerts, stdout=out)
    stats, truth = json.loads(stats_file.read_text()), json.loads(place.truth.read_text())
    for ours, theirs in (("in", "records"), ("duplicate", "duplicates"), ("dead", "garbage"), ("heartbeats", "heartbeats")):
        problems.expect_equal(f"replay --stats, {ours}", stats[ours], truth[theirs])
    problems.expect_equal("replay --stats, folded + duplicate + dead",
                          stats["folded"] + stats["duplicate"] + stats["dead"], stats["in"])
    with output.open(encoding="utf-8") as lines:
        theirs = {key: comparable(report) for key, report in newest(map(json.loads, lines)).items()}
    ours = {key: comparable(report) for key, report in newest(reports).items()}
    wrong = [key for key in sorted(set(ours) | set(theirs)) if ours.get(key) != theirs.get(key)]
    problems.expect(not wrong, f"{len(ours):,} reports equal those of a replay" + (f", but for {len(wrong)}" if wrong else ""))
    for key in wrong[:5]:
        say("        " + difference(key, ours.get(key), theirs.get(key)))


def test(place):
    problems = Problems()
    instances = [Instance(place, name) for name in ("a", "b")]
    try:
        prepare(place, instances[0].config)
        run_through_crashes(*instances, COUNT, problems)
        reports = wait_for_reports(place)
        said = {stage: {partition: offset for instance in instances
                        for partition, offset in instance.next_offsets(stage).items()} for stage, *_ in STAGES}
        for instance in instances:
            instance.sample()
            problems.expect_equal(f"replays dropped by {instance.name}", instance.replays_dropped, 0)
            problems.expect(instance.end(signal.SIGTERM) == 0, f"instance {instance.name} left with 0 when asked to")
        check_offsets(place, said, problems)
        check_revisions(reports, problems)
        check_counts(place, reports, problems)
        check_replay(place, instances[0].config, reports, problems)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        problems.expect(False, str(error))
    finally:
        for instance in instances:
            if instance.process:
                with contextlib.suppress(ProcessLookupError):
                    instance.process.kill()
                instance.process.wait()
    if problems.found:
        for instance in instances:
            if instance.log.exists():
                print(f"--- the end of the log of {instance.name}")
                print("\n".join(instance.log.read_text(errors="replace").splitlines()[-30:]))
    return len(problems.found)


def main():
    if len(sys.argv) != 2 or "GYRE_KAFKA" not in os.environ:
        print(__doc__, file=sys.stderr)
        return 64
    if not shutil.which("kcat"):
        print("kcat is missing; install it (apt-get install kcat)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="gyre-e2e.") as directory:
        place = Place(os.path.abspath(sys.argv[1]), os.environ["GYRE_KAFKA"], pathlib.Path(directory))
        wrong = test(place)
    say("all is as it should be" if not wrong else f"{wrong} expectations failed")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
