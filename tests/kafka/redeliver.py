#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dead letters come back once, as the records they were: two records die on a real Kafka, the limit that killed one of
them is raised, both are redelivered, and one dies again.

usage: tools/with_kafka tests/kafka/redeliver.py PATH_TO_GYRE     (GYRE_KAFKA=host:port)
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from harness import TOOLS, Instance, Place, Problems, say, wait_for

LONG = json.dumps({
    "time": "2026-03-02T09:14:07Z", "rule": "Execution from /dev/shm", "priority": "Warning", "source": "syscall",
    "hostname": "node-7",
    "output_fields": {"container.id": "5b0c1f6e9a3d", "proc.name": "sh", "proc.cmdline": "sh -c " + "x" * 3000}}).encode()
BROKEN = b'{"rule":"r",\xff\x00'


def produce(place, partition, value, *options):
    file = place.directory / "value"
    file.write_bytes(value)
    subprocess.run(["kcat", "-b", place.brokers, "-P", "-t", place.input, "-p", str(partition), *options, str(file)], check=True)


def redeliver(place, config, *options):
    done = subprocess.run([place.gyre, "redeliver", "-c", config, *options], check=True, capture_output=True, timeout=300)
    return dict(line.split(": ", 1) for line in done.stdout.decode().splitlines())


def run_until_dead(instance, count):
    instance.start()
    wait_for(f"{count} dead letters", lambda: instance.sample() and instance.value("gyre_dead_letters_total") == count
             and not any(instance.lags("intake").values()))
    folded = instance.value("gyre_alerts_total")
    instance.end(signal.SIGTERM)
    return folded


def test(place):
    problems = Problems()
    instance = Instance(place, "a")
    subprocess.run([TOOLS / "create_topic", place.brokers, place.input, "2"], check=True)
    place.run("topics", "-c", instance.config)
    all_limits = instance.config.read_text()
    instance.config.write_text(json.dumps({**json.loads(all_limits), "limits": {"record_bytes": "2KB"}}))
    produce(place, 1, LONG, "-k", "host-7", "-H", "gyre-tenant=blue")
    produce(place, 0, BROKEN)
    problems.expect_equal("alerts read under the low limit", run_until_dead(instance, 2), 0)

    instance.config.write_text(all_limits)
    counted = redeliver(place, instance.config, "--error", "too_large", "--dry-run")
    problems.expect(counted["too_large"].startswith("1 would be redelivered"), f"dry run: {counted}")
    done = redeliver(place, instance.config, "--error", "too_large")
    problems.expect(list(done) == ["too_large"] and done["too_large"].startswith("1 redelivered"), f"filtered: {done}")
    done = redeliver(place, instance.config)
    problems.expect(done["too_large"].startswith("0 redelivered") and done["not_json"].startswith("1 redelivered"),
                    f"the rest: {done}")
    done = redeliver(place, instance.config)
    problems.expect(all(line.startswith("0 redelivered") for line in done.values()), f"each once: {done}")

    form = "%p %o %K %h %S"
    records = place.consume(place.input, form)
    problems.expect(f"1 1 6 gyre-tenant=blue,gyre-redelivered=1 {len(LONG)}" in records, "the long record is back whole")
    problems.expect(f"0 1 -1 gyre-redelivered=1 {len(BROKEN)}" in records, f"the broken one too, without a key: {records}")
    problems.expect_equal("alerts read under the high limit", run_until_dead(instance, 1), 1)
    dead = place.consume(place.dead, "%h")
    problems.expect(len(dead) == 3 and sum("gyre-redelivered=1" in headers for headers in dead) == 1,
                    "what died again says so")
    if problems.found:
        print(instance.log.read_text(errors="replace")[-4000:])
    return len(problems.found)


def main():
    if len(sys.argv) != 2 or "GYRE_KAFKA" not in os.environ:
        print(__doc__, file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory(prefix="gyre-redeliver.") as directory:
        wrong = test(Place(os.path.abspath(sys.argv[1]), os.environ["GYRE_KAFKA"], pathlib.Path(directory)))
    say("all is as it should be" if not wrong else f"{wrong} expectations failed")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
