#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing grows: one instance at a moderate rate for a long time, on a Kafka of its own. Each minute a line says what the
process holds and what lies on disks; in the end the last third is held against the middle one.

usage: tests/kafka/soak.py PATH_TO_GYRE MINUTES [ALERTS_PER_SECOND]     exit 1: something grew, 77: no Java
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from harness import TOOLS, Instance, Place, say, wait_for
from node import Node

RATE = 300
GROWTH = 1.15   # of a mean over another
SEGMENT_MIB = 16   # of each partition of an inner topic: only whole ones are compacted and deleted
INNER_PARTITIONS = 2
# Short lives, so that as much ends as begins long before the middle of an hour.
SETTINGS = {"findings": {"gap": "2m", "lateness": "10s", "keep_closed": "2m", "duplicate_horizon": "4m", "incident_gap": "2m"},
            "outbreaks": {"window": "2m", "recurring_window": "2m", "quiet": "2m", "rollout": "1m"}}
INNER = ("by-container", "intake.changelog", "by-container.changelog", "by-container.ids", "by-rule", "by-rule.changelog")


def size_of(directory):
    """What its files take. They come and go."""
    total = 0
    for path, _, files in os.walk(directory):
        for file in files:
            try:
                total += os.stat(os.path.join(path, file)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def mib(size):
    return round(size / (1 << 20), 1)


def logs_of(node, topic):
    return sum(size_of(directory) for directory in node.directory.rglob(f"{topic}-[0-9]*") if directory.is_dir())


def sample(instance, node):
    pid = instance.process.pid
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    row = {"resident MiB": mib(int(status["VmRSS"].split()[0]) << 10), "threads": int(status["Threads"]),
           "descriptors": len(os.listdir(f"/proc/{pid}/fd")), "state MiB": mib(size_of(instance.state))}
    for topic in INNER:
        row[f"{topic} MiB"] = mib(logs_of(node, f"{instance.place.name}.{topic}"))
    instance.sample()
    row["open findings"] = instance.value("gyre_findings_open")
    row["alerts in"] = instance.value("gyre_alerts_total")
    row["lag"] = int(sum(instance.lags("intake").values()))
    return row


def watch(instance, node, minutes):
    rows = []
    for minute in range(1, minutes + 1):
        time.sleep(60)
        rows.append(sample(instance, node))
        if minute == 1:
            print("| minute | " + " | ".join(rows[0]) + " |\n|" + " ---: |" * (len(rows[0]) + 1))
        print(f"| {minute} | " + " | ".join(f"{value:,}" for value in rows[-1].values()) + " |", flush=True)
    return rows


def grown(rows):
    """What was more in the last third than in the middle one."""
    third = len(rows) // 3

    def mean(part, name):
        return sum(row[name] for row in part) / max(1, len(part))

    middle, last = rows[third:2 * third], rows[2 * third:]
    def room(name):
        return SEGMENT_MIB * INNER_PARTITIONS if name.removesuffix(" MiB") in INNER else 1

    return [f"{name}: {mean(middle, name):,.1f}, then {mean(last, name):,.1f}" for name in rows[0]
            if name != "alerts in" and mean(last, name) > GROWTH * mean(middle, name) + room(name)]


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 64
    rate = sys.argv[3] if len(sys.argv) == 4 else RATE
    with tempfile.TemporaryDirectory(prefix="gyre-soak.") as directory:
        node = Node(pathlib.Path(directory) / "kafka", {"log.cleaner.backoff.ms": "5000", "log.retention.check.interval.ms": "30000"})
        place = Place(os.path.abspath(sys.argv[1]), node.brokers, pathlib.Path(directory), 4, INNER_PARTITIONS, SETTINGS)
        instance = Instance(place, "a")
        feeder = None
        try:
            subprocess.run([TOOLS / "create_topic", place.brokers, place.input, "4"], check=True)
            place.run("topics", "-c", instance.config)
            instance.start()
            feeder = subprocess.Popen([place.gyre, "generate", "-c", instance.config, "--kafka", "--profile", "mixed", "--count",
                                       "1000000000", "--duplicates", "0.02", "--rate", str(rate)], stderr=subprocess.DEVNULL)
            wait_for("it works", lambda: instance.sample() and instance.value("gyre_findings_open") > 0)
            found = grown(watch(instance, node, int(sys.argv[2])))
        finally:
            if feeder:
                feeder.kill()
                feeder.wait()
            if instance.process:
                instance.end(signal.SIGTERM)
            node.end()
    for line in found:
        say(f"grew: {line}")
    return len(found) > 0


if __name__ == "__main__":
    sys.exit(main())
