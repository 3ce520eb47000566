#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Gyre costs on a real Kafka, beside reading the same topic only and copying it in transactions, all in turn; then how
long a Critical alert takes to become a report. Prints tables in Markdown.

usage: bench/end_to_end.py GYRE BENCH_KAFKA ALERTS [ROUNDS]     exit 77: no Java
"""
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "kafka"))
from harness import TOOLS, Instance, Place, say, wait_for  # noqa: E402
from node import Node  # noqa: E402

PROFILES = ("wide", "flood", "mixed")
EVENT_RATE = 10_000   # alerts a second of event time: what is unread after a pause of a busy fleet
PARTITIONS = 8
PROBES = 20   # Critical alerts a second
PROBE_SECONDS = 60
FIXED_RATE = 2000
SHARES = (0.3, 0.5, 0.8)
TICKS = 4   # records, with their markers, that are always on their way through an inner topic
MILLION = 1_000_000
DEFAULTS = {"batch": {"records": 10_000}, "reports": {"close": "changed"}}   # which Place sets otherwise for tests


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_resident(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def disk_bytes(pid):
    return int(re.search(r"^write_bytes: (\d+)", pathlib.Path(f"/proc/{pid}/io").read_text(), re.M)[1])


def sent_bytes(pid):
    """Over its connections that still stand."""
    listed = subprocess.run(["ss", "-tinpOH"], check=True, capture_output=True, text=True).stdout
    return sum(int(found[1]) for line in listed.splitlines()
               if f"pid={pid}," in line and (found := re.search(r"bytes_sent:(\d+)", line)))


def all_read(instance, alerts):
    if not instance.sample() or instance.value("gyre_alerts_total") < alerts:
        return False
    return all(lag <= (0 if stage == "intake" else TICKS) for stage in ("intake", "by_container", "by_rule")
               for lag in instance.lags(stage).values())


class Bench:
    def __init__(self, gyre, other, node, directory):
        self.gyre, self.other, self.node, self.directory = gyre, other, node, directory
        self.runs = 0

    def place(self):
        self.runs += 1
        directory = self.directory / f"r{self.runs}"
        directory.mkdir()
        return Place(self.gyre, self.node.brokers, directory, PARTITIONS, settings=DEFAULTS)

    def create(self, topic):
        subprocess.run([TOOLS / "create_topic", self.node.brokers, topic, str(PARTITIONS), "1",
                        "message.timestamp.type=LogAppendTime"], check=True, stdout=subprocess.DEVNULL)

    def baseline(self, *arguments):
        ran = subprocess.run([self.other, arguments[0], self.node.brokers, *arguments[1:]], check=True, capture_output=True)
        return json.loads(ran.stdout)

    def run_gyre(self, topic, alerts):
        place = self.place()
        place.input = topic
        instance = Instance(place, "a")
        place.run("topics", "-c", instance.config, stdout=subprocess.DEVNULL)
        instance.start()
        began = time.monotonic()
        try:
            wait_for(f"{alerts:,} alerts are worked off", lambda: all_read(instance, alerts), 7200)
            pid = instance.process.pid
            return {"cpu_seconds": cpu_seconds(pid), "seconds": time.monotonic() - began, "resident": most_resident(pid),
                    "disk": disk_bytes(pid), "sent": sent_bytes(pid), "reports": instance.value("gyre_reports_total")}
        finally:
            instance.end(signal.SIGKILL)

    def throughput(self, profile, alerts, rounds):
        filled = self.place()
        config = filled.write_config("fill", {})
        self.create(filled.input)
        filled.run("generate", "-c", config, "--kafka", "--profile", profile, "--count", alerts, "--event-rate", EVENT_RATE,
                   "--seed", 7)
        rows = {"reading only": [], "copy": [], "Gyre": []}
        for number in range(rounds):
            rows["reading only"].append(self.baseline("consume", filled.input))
            copied = f"{filled.name}.copy{number}"
            self.create(copied)
            rows["copy"].append(self.baseline("copy", filled.input, copied))
            rows["Gyre"].append(self.run_gyre(filled.input, alerts))
        return rows

    def latency(self, rate):
        place = self.place()
        instance = Instance(place, "a")
        self.create(place.input)
        place.run("topics", "-c", instance.config, stdout=subprocess.DEVNULL)
        instance.start()
        load = subprocess.Popen([self.gyre, "generate", "-c", instance.config, "--kafka", "--profile", "mixed", "--count",
                                 "1000000000", "--event-rate", str(rate), "--rate", str(rate)], stderr=subprocess.DEVNULL)
        try:
            wait_for(f"it works at {rate:,.0f} alerts a second",
                     lambda: instance.sample() and instance.value("gyre_alerts_total") > 10 * rate)
            return self.baseline("probe", place.input, place.reports, str(PROBES), str(PROBE_SECONDS))
        finally:
            load.kill()
            load.wait()
            instance.end(signal.SIGKILL)


def spread(values, digits=1):
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def show_throughput(profile, rows, alerts):
    def per_million(name):
        return [row["cpu_seconds"] / alerts * MILLION for row in rows[name]]

    def per_second(name):
        return [alerts / row["seconds"] for row in rows[name]]

    print(f"\n| `{profile}`, {alerts:,} alerts | CPU-s per million | alerts a second | CPU of the copy's | speed of the copy's |\n"
          "|---|---:|---:|---:|---:|")
    for name in rows:
        cpu = [own / copy for own, copy in zip(per_million(name), per_million("copy"))]
        speed = [own / copy for own, copy in zip(per_second(name), per_second("copy"))]
        print(f"| {name} | {spread(per_million(name))} | {spread(per_second(name), 0)} | {spread(cpu, 2)} | {spread(speed, 2)} |")
    gyre = rows["Gyre"]
    print(f"\nGyre: {spread([row['resident'] for row in gyre], 0)} MiB resident at most, {spread([row['disk'] / alerts for row in gyre], 0)} "
          f"bytes an alert to disk, {spread([row['sent'] / alerts for row in gyre], 0)} to Kafka, "
          f"{spread([row['reports'] / alerts * 1000 for row in gyre])} report revisions a thousand alerts.", flush=True)
    return statistics.median(per_second("Gyre"))


def main():
    if len(sys.argv) not in (4, 5):
        print(__doc__, file=sys.stderr)
        return 64
    gyre, other = map(os.path.abspath, sys.argv[1:3])
    alerts, rounds = int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) == 5 else 5
    with tempfile.TemporaryDirectory(prefix="gyre-bench.") as directory:
        node = Node(pathlib.Path(directory) / "kafka", {})
        try:
            bench = Bench(gyre, other, node, pathlib.Path(directory))
            for profile in PROFILES:
                peak = show_throughput(profile, bench.throughput(profile, alerts, rounds), alerts)
            print("\n| alerts a second (`mixed`) | Critical alerts | reported | p50 ms | p99 ms | p99.9 ms | most ms |\n|---:|---:|---:|---:|---:|---:|---:|")
            for rate in (FIXED_RATE, *(round(share * peak) for share in SHARES)):
                row = bench.latency(rate)
                print(f"| {rate:,} | {row['sent']:,} | {row['reported']:,} | {row['p50_ms']} | {row['p99_ms']} | {row['p999_ms']} | {row['most_ms']} |",
                      flush=True)
        finally:
            node.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
