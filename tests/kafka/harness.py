# SPDX-License-Identifier: Apache-2.0
"""Instances of Gyre against a real Kafka: what the tests beside this file share."""
import collections
import datetime
import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

DEADLINE = 600
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


def merged(base, over):
    """Two configurations in one; `over` wins."""
    return {**base, **{key: merged(base[key], value) if isinstance(base.get(key), dict) else value
                       for key, value in over.items()}}


class Place:
    """The names and files of one run of a test. `settings` are what its configuration has of its own."""

    def __init__(self, gyre, brokers, directory, input_partitions=8, inner_partitions=16, settings=None):
        self.gyre, self.brokers, self.directory = gyre, brokers, directory
        self.input_partitions, self.inner_partitions, self.settings = input_partitions, inner_partitions, settings or {}
        self.name = f"{directory.name.replace('_', '-')}.{os.getpid()}"
        self.input, self.reports, self.dead = (f"{self.name}.{what}" for what in ("alerts", "reports", "dead"))
        self.alerts = directory / "alerts.ndjson"
        self.truth = directory / "truth.json"

    def write_config(self, instance, settings):
        """JSON is YAML."""
        config = merged({
            "name": self.name,
            "instance": instance,
            "kafka": {"brokers": self.brokers},
            "input": {"topic": self.input, "dead_letter_topic": self.dead},
            "outputs": [{"topic": self.reports}],
            "inner": {"partitions": self.inner_partitions, "replication_factor": 1},
            "state": {"directory": str(self.directory / instance)},
            "batch": {"records": 1000},
            "reports": {"close": "all"},
        }, merged(self.settings, settings))
        file = self.directory / f"{instance}.yaml"
        file.write_text(json.dumps(config, indent=1))
        return file

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
    def __init__(self, place, name, state=None, settings=None):
        self.place, self.name = place, name
        self.port = free_port()
        self.state = state or place.directory / name
        self.config = place.write_config(name, merged(settings or {}, {
            "admin": {"listen": f"127.0.0.1:{self.port}"}, "state": {"directory": str(self.state)}}))
        self.log = place.directory / f"{name}.log"
        self.process = None
        self.metrics = {}

    def start(self, **environment):
        self.metrics = {}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.place.gyre, "run", "-c", str(self.config)], stdout=log, stderr=log,
                                            env={**os.environ, **environment})
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
        return True

    def value(self, metric):
        return int(sum(value for _, value in self.metrics.get(metric, [])))

    def tasks(self, stage):
        """What /status says of the tasks that this instance holds."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=10) as answer:
            return [task for task in json.load(answer)["tasks"] if task["stage"] == stage]

    def next_offsets(self, stage):
        """Of those that it has recovered."""
        return {task["partition"]: task["next_offset"] for task in self.tasks(stage) if task["recovered"]}

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


def prepare(place, config, count, seed):
    """Topics, and alerts that began 30 h ago: in the end all that they open has closed."""
    replicas = place.settings.get("inner", {}).get("replication_factor", 1)
    subprocess.run([TOOLS / "create_topic", place.brokers, place.input, str(place.input_partitions), str(replicas)], check=True)
    place.run("topics", "-c", config)
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=30)
    options = ["--profile", "mixed", "--count", count, "--hosts", 4, "--event-rate", 100, "--seed", seed,
               "--duplicates", "0.05", "--garbage", "0.001", "--start", start.strftime("%Y-%m-%dT%H:%M:%SZ")]
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
    place = instances[0].place
    for stage, partitions, on_its_way in (("intake", place.input_partitions, 0), ("by_container", place.inner_partitions, 4),
                                          ("by_rule", place.inner_partitions, 4)):
        lags = [instance.lags(stage) for instance in instances]
        if len(set().union(*lags)) < partitions or any(lag > on_its_way for each in lags for lag in each.values()):
            return False
    return sum(instance.value("gyre_findings_open") + instance.value("gyre_outbreaks_open")
               for instance in instances) == 0


