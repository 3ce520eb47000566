#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gyre-notify on a real Kafka: killed in the middle and started again, it has told of every series in the end and left none open;
asked to stop, it ends with 0 and tells nothing twice afterwards.

usage: tools/with_kafka tests/deploy/notify_kafka.py GYRE     (GYRE_KAFKA=host:port)
Status 77: there is no python3-confluent-kafka.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests/deploy"), str(ROOT / "tests/kafka")]
from harness import Problems, say, wait_for  # noqa: E402
from vendors import KEY, Vendors  # noqa: E402


def interpreter():
    """Debian's package is for Debian's Python, which need not be the first in PATH."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import confluent_kafka, tomllib"], capture_output=True).returncode == 0:
            return python
    print("python3-confluent-kafka is not installed", file=sys.stderr)
    sys.exit(77)


def main():
    gyre, brokers = sys.argv[1], os.environ["GYRE_KAFKA"]
    python, problems, vendors, process = interpreter(), Problems(), Vendors(), None
    topic = f"notify.{os.getpid()}.reports"
    alerts = subprocess.run([gyre, "generate", "--profile", "mixed", "--count", "20000", "--seed", "7", "--hosts", "3", "--event-rate", "5",
                             "--start", "2026-03-02T09:00:00Z"], capture_output=True, check=True).stdout
    lines = subprocess.run([gyre, "replay", "-"], input=alerts, capture_output=True, check=True).stdout
    reports = [json.loads(line) for line in lines.splitlines()]
    wanted = {each["series"] for each in reports if each["state"] == "open" and each["attention"]["level"] == "page"}
    subprocess.run([ROOT / "tools/create_topic", brokers, topic, "4"], check=True)
    keyed = "".join(f"{json.loads(line)['id']}\t{line}\n" for line in lines.decode().splitlines())
    subprocess.run(["kcat", "-b", brokers, "-P", "-t", topic, "-K", "\t"], input=keyed.encode(), check=True)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "key").write_text(KEY)
        (folder / "notify.toml").write_text(f"""
            state_directory = "{folder}/state"
            topic = "{topic}"
            [kafka]
            "bootstrap.servers" = "{brokers}"
            "auto.offset.reset" = "earliest"
            "session.timeout.ms" = 6000
            [pagerduty]
            url = "{vendors.url}/v2/enqueue"
            routing_key_file = "{folder}/key"
            """)

        def start():
            with (folder / "log").open("ab") as log:
                return subprocess.Popen([python, ROOT / "deploy/notify/gyre-notify", "pagerduty", folder / "notify.toml"], stderr=log)

        def is_done():
            return set(vendors.alerts) == wanted and not any(vendors.alerts.values())

        try:
            process = start()
            wait_for("it has told of some", lambda: len(vendors.requests) >= 20)
            process.send_signal(signal.SIGKILL)
            process.wait()
            problems.expect(not is_done(), f"killed in the middle, after {len(vendors.requests)} requests")
            process = start()
            wait_for(f"each of {len(wanted)} series is told of and resolved", is_done)
            process.send_signal(signal.SIGTERM)
            problems.expect_equal("exit code when asked to stop", process.wait(30), 0)
            told = len(vendors.requests)
            subprocess.run(["kcat", "-b", brokers, "-P", "-t", topic, "-K", "\t"], check=True,
                           input=json_line({**reports[0], "id": "f" * 32, "series": "e" * 32, "state": "open",
                                            "attention": {"level": "page", "because": "the last one"}}))
            process = start()
            wait_for("it goes on with what is new", lambda: vendors.alerts.get("e" * 32))
            problems.expect_equal("told when started again", len(vendors.requests) - told, 1)
        except RuntimeError as error:
            problems.expect(False, f"{error}\n{(folder / 'log').read_text()[-2000:]}")
        finally:
            if process and process.poll() is None:
                process.kill()
                process.wait()
            vendors.close()
    problems.expect(not vendors.problems, f"every request is as PagerDuty documents it {vendors.problems[:2]}")
    say("all is as it should be" if not problems.found else f"{len(problems.found)} expectations failed")
    return len(problems.found) > 0


def json_line(report):
    return f"{report['id']}\t{json.dumps(report)}\n".encode()


if __name__ == "__main__":
    sys.exit(main())
