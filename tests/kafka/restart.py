#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long it takes until an instance works again: after SIGKILL with its state, without it, and until another instance
has taken over what a killed one held. While alerts keep coming.

usage: tools/with_kafka tests/kafka/restart.py PATH_TO_GYRE FINDINGS [RESTARTS]     (GYRE_KAFKA=host:port)
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import TOOLS, Instance, Place, say, wait_for

RATE = 300
FINDINGS_A_HOST = 200   # that the generator can make
SESSIONS = (6, 10)
PATIENCE = 3600


def committed(instance, stage):
    return sum(value for labels, value in instance.metrics.get("gyre_transactions_total", [])
               if labels == {"stage": stage, "result": "committed"})


def seconds_to_work(instance):
    """From the start of the process to the first committed batch, by stage. by_rule has nothing to commit before a second
    of event time is decided: it comes up to a second later, however long it was ready."""
    began = time.monotonic()
    instance.start()
    reached = {}
    while len(reached) < 3:
        if instance.sample():
            for stage in ("intake", "by_container", "by_rule"):
                if stage not in reached and committed(instance, stage) > 0:
                    reached[stage] = time.monotonic() - began
        if time.monotonic() - began > PATIENCE:
            raise RuntimeError(f"not at work within {PATIENCE} s: {reached}")
        time.sleep(0.015)   # asking costs what is measured
    return reached


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def restarts(instance, count):
    times = []
    for _ in range(count):
        times.append(seconds_to_work(instance))
        time.sleep(0.5)   # so that it is killed at work
        instance.end(signal.SIGKILL)
    shown = {"any stage": [min(each.values()) for each in times],
             **{stage: [each[stage] for each in times] for stage in ("intake", "by_container", "by_rule")}}
    for what, seconds in shown.items():
        say(f"restart after SIGKILL until {what} has committed: p50 {percentile(seconds, 0.5):.2f} s, "
            f"p99 {percentile(seconds, 0.99):.2f} s of {count}")


def fail_over(place, session):
    settings = {"kafka": {"properties": {"session.timeout.ms": session * 1000}}}
    with contextlib.ExitStack() as ending:
        pair = [ending.enter_context(running(Instance(place, f"{name}{session}", None, settings))) for name in ("x", "y")]
        wait_for("both hold some partitions of each stage and work", lambda: all(
            instance.sample() and all(instance.next_offsets(stage) and committed(instance, stage) for stage in
                                      ("intake", "by_container", "by_rule")) for instance in pair))
        dead, alive = pair
        held = dead.next_offsets("by_container")
        dead.end(signal.SIGKILL)
        began = time.monotonic()

        def taken():
            now = alive.next_offsets("by_container")
            return all(now.get(partition, 0) > offset for partition, offset in held.items())

        wait_for("the other was given all of them", lambda: held.keys() <= {task["partition"] for task in alive.tasks("by_container")})
        given = time.monotonic() - began
        wait_for("the other works on all of them", taken)
        say(f"fail-over of {len(held)} partitions after SIGKILL with a session of {session} s: given after {given:.1f} s, "
            f"restored and at work after {time.monotonic() - began:.1f} s")
        alive.end(signal.SIGTERM)
    time.sleep(session + 2)   # static members stay in the group for so long


@contextlib.contextmanager
def running(instance):
    instance.start()
    try:
        yield instance
    finally:
        if instance.process:
            instance.end(signal.SIGKILL)


@contextlib.contextmanager
def feed(place, config):
    feeder = subprocess.Popen([place.gyre, "generate", "-c", config, "--kafka", "--profile", "mixed", "--count", "100000000",
                               "--rate", str(RATE)], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        feeder.kill()
        feeder.wait()


def measure(place, findings, count):
    instance = Instance(place, "a")
    try:
        subprocess.run([TOOLS / "create_topic", place.brokers, place.input, str(place.input_partitions)], check=True)
        place.run("topics", "-c", instance.config)
        place.run("generate", "-c", instance.config, "--kafka", "--profile", "wide", "--count", findings, "--findings", findings,
                  "--hosts", findings // FINDINGS_A_HOST + 1, "--event-rate", findings / 600)
        began = time.monotonic()
        instance.start()
        wait_for(f"{findings:,} findings are open", lambda: instance.sample() and instance.value("gyre_findings_open") >= 0.99 * findings
                 and not any(instance.lags("intake").values()), PATIENCE)
        say(f"{findings / (time.monotonic() - began):,.0f} findings a second")
        instance.end(signal.SIGKILL)
        with feed(place, instance.config):
            restarts(instance, count)
            shutil.rmtree(instance.state)
            cold = max(seconds_to_work(instance).values())
            say(f"cold restore of {findings:,} findings: {cold:.1f} s, {findings / cold:,.0f} findings a second")
            instance.end(signal.SIGTERM)
            for session in SESSIONS:
                fail_over(place, session)
    finally:
        if instance.process:
            instance.end(signal.SIGKILL)


def main():
    if len(sys.argv) not in (3, 4) or "GYRE_KAFKA" not in os.environ:
        print(__doc__, file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory(prefix="gyre-restart.") as directory:
        place = Place(os.path.abspath(sys.argv[1]), os.environ["GYRE_KAFKA"], pathlib.Path(directory),
                      settings={"findings": {"gap": "6h", "incident_gap": "6h", "keep_closed": "6h"}, "batch": {"records": 10_000}})
        measure(place, int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) == 4 else 20)
    return 0


if __name__ == "__main__":
    sys.exit(main())
