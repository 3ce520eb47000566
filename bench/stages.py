#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What each stage costs on the embedded broker, what a second worker brings, and how the cost of an alert grows with the
findings that are open. Prints tables in Markdown.

usage: bench/stages.py GYRE BENCH_STAGES ALERTS [ROUNDS]
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

PROFILES = ("wide", "flood", "mixed")
EVENT_RATE = 10_000   # alerts a second of event time: what is unread after a pause of a busy fleet
STAGES = ("intake", "by_container", "by_rule")
A_MINUTE = 60   # each finding is touched once in it, however many there are
FINDINGS = (1_000, 10_000, 100_000)
MILLION = 1_000_000


class Bench:
    def __init__(self, gyre, stages, directory):
        self.gyre, self.stages, self.directory = gyre, stages, pathlib.Path(directory)

    def alerts(self, profile, count, event_rate, *options):
        file = self.directory / "alerts.ndjson"
        with file.open("wb") as out:
            subprocess.run([self.gyre, "generate", "--profile", profile, "--count", str(count), "--seed", "7", "--event-rate",
                            str(event_rate), "--start", "2026-03-02T09:00:00Z", *options], stdout=out, check=True)
        return file

    def run(self, file, workers, unmeasured):
        """CPU seconds per million alerts of each stage, and alerts a second."""
        state = self.directory / "state"
        ran = subprocess.run([self.stages, file, str(workers), state, str(unmeasured)], check=True, capture_output=True)
        shutil.rmtree(state)
        row = json.loads(ran.stdout)
        return {**{stage: row[stage] / row["alerts"] * MILLION for stage in STAGES}, "speed": row["alerts"] / row["seconds"]}


def spread(values, digits=1):
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def main():
    if len(sys.argv) not in (4, 5):
        print(__doc__, file=sys.stderr)
        return 64
    alerts, rounds = int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) == 5 else 5
    with tempfile.TemporaryDirectory(prefix="gyre-bench.") as directory:
        bench = Bench(sys.argv[1], sys.argv[2], directory)
        print(f"CPU-s per million of {alerts:,} alerts, median of {rounds} rounds (least to most); the first half of the alerts is not "
              "measured\n\n| profile | " + " | ".join(STAGES) + " | alerts a second | second worker |\n|---|---:|---:|---:|---:|---:|")
        for profile in PROFILES:
            file = bench.alerts(profile, alerts, EVENT_RATE)
            one, two = [], []
            for _ in range(rounds):
                one.append(bench.run(file, 1, alerts // 2))
                two.append(bench.run(file, 2, alerts // 2))
            cells = [spread([row[stage] for row in one]) for stage in STAGES]
            cells.append(spread([row["speed"] for row in one], 0))
            cells.append(spread([both["speed"] / alone["speed"] for alone, both in zip(one, two)], 2) + " x")
            print(f"| `{profile}` | " + " | ".join(cells) + " |", flush=True)
        print("\n| `wide`, open findings | all stages, CPU-s per million | of that with the fewest |\n|---:|---:|---:|")
        fewest = None
        for findings in FINDINGS:
            opening = 2 * findings   # two minutes: all have been reported by then
            file = bench.alerts("wide", opening + alerts, findings / A_MINUTE, "--findings", str(findings))
            costs = [sum(row[stage] for stage in STAGES) for row in (bench.run(file, 1, opening) for _ in range(rounds))]
            fewest = fewest or statistics.median(costs)
            print(f"| {findings:,} | {spread(costs)} | {statistics.median(costs) / fewest:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
