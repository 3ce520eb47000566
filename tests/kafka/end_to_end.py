#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost and nothing counted twice: 200,000 alerts through a real Kafka and two instances, one of which
is killed in mid run and the other of which loses its disk. What they report must equal a replay of the same alerts.

usage: tools/with_kafka tests/kafka/end_to_end.py PATH_TO_GYRE     (GYRE_KAFKA=host:port)
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import oracle
from harness import DEADLINE, Instance, Place, Problems, everything_is_read, prepare, say, wait_for

COUNT = 200_000
SEED = 20
BEFORE_KILL = 3_000


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


def check_one_report(place, config, reports, problems):
    """`gyre reports --id` shows the newest revision of one report and nothing else."""
    newest = max(reports, key=lambda report: report["revision"])
    shown = subprocess.run([place.gyre, "reports", "-c", config, "--format", "json", "--id", newest["id"]],
                           check=True, capture_output=True, timeout=DEADLINE).stdout.splitlines()
    problems.expect([json.loads(line)["revision"] for line in shown] == [newest["revision"]] and
                    json.loads(shown[0])["id"] == newest["id"], "gyre reports shows one report by its id")


def test(place):
    problems = Problems()
    instances = [Instance(place, name) for name in ("a", "b")]
    try:
        prepare(place, instances[0].config, COUNT, SEED)
        run_through_crashes(*instances, COUNT, problems)
        reports, _ = oracle.check_run(place, instances, problems)
        oracle.check_replay(place, instances[0].config, reports, problems)
        check_one_report(place, instances[0].config, reports, problems)
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
