#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost and nothing counted twice, whatever is killed: rounds of alerts through two brokers of its own and three
instances, all of which are harmed at random while an oracle waits to recompute everything from what was committed.

usage: tests/kafka/chaos.py PATH_TO_GYRE MINUTES [SEED]     (gyre of the preset `chaos`: crash points are compiled in)

Between the rounds of the right engine stand short ones with a planted bug, which must be found. The seed decides what is
done and in which order; when it hits is up to the machine. Exit 1: an expectation failed, 77: no Java.
"""
import collections
import contextlib
import json
import math
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import kafka_log
import oracle
from harness import Instance, Place, Problems, everything_is_read, prepare, say, wait_for
from node import ProxiedPair

SESSION = 6                  # seconds, the least that a broker takes
INPUT_PARTITIONS, INNER_PARTITIONS = 6, 6
SMALL_DISK = 512 << 20        # a log of 9 MB is set aside for each task
IN_SYNC_WITHIN = 60
QUIET_DEADLINE = 300         # from the last blow until all is read and closed
ROUND, WRONG_ROUND = 150, 60   # seconds of blows
RATE = 700                   # alerts a second that a harmed round is thought to read
BUGS = ("offsets_apart", "state_apart")
ROUNDS = (None, BUGS[0], None, BUGS[1], None, None)   # of the right engine, or of a wrong one
STAGES = ("intake", "by_container", "by_rule")
POINTS = {"polled": 100, "decided": 50, "begun": 50, "sending": 600, "sent": 50, "offsets_sent": 50, "committed": 50,
          "applying": 150, "applied": 50, "assigned": 2, "restoring": 8, "restored": 6}   # and the most passes until then
LIBRARY_ASSERTS = "rd_kafka_assignment_partition_stopped: Assertion"   # decision 0026
POISON = (b"{}", b"[1,2", b'{"rule":"r"}', b'{"rule":"r","time":"yesterday"}', b"\xff\xfe\x00{", b'{"rule":' + b"[" * 5000,
          b'{"rule":"r","time":"2026-03-02T09:14:07Z"} {"rule":"forged"}', b"x" * 990_000)
SETTINGS = {
    "kafka": {"properties": {"session.timeout.ms": SESSION * 1000}},
    "inner": {"replication_factor": 2},
    "batch": {"records": 100},
}


class Refused(Exception):
    """An instance says that going on would be wrong, or died of itself."""


LATE = f"not read and closed within {QUIET_DEADLINE} s"


class Round:
    def __init__(self, gyre, cluster, directory, seed, tally, bug=None):
        self.cluster, self.tally, self.bug = cluster, tally, bug
        self.random = random.Random(seed)
        self.place = Place(gyre, cluster.brokers, directory, INPUT_PARTITIONS, INNER_PARTITIONS, SETTINGS)
        self.small_disk = self.mount(directory / "small")
        self.instances = [self.instance(name, state)
                          for name, state in (("a", None), ("b", None), ("c", self.small_disk and self.small_disk / "state"))]
        self.extra = []
        self.due = {}         # when an instance is to be started again
        self.armed = {}       # the crash point that it was started with
        self.said = {}        # how long its log was then, in letters
        self.calm = False
        self.mishaps = {LATE}   # wrong, but they say nothing of a planted bug
        self.replays_allowed = False

    def instance(self, name, state=None):
        return Instance(self.place, name, state, {"kafka": {"brokers": self.cluster.proxied}})

    @staticmethod
    def mount(directory):
        directory.mkdir()
        if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", directory]).returncode:
            say("no small disk: mounting a tmpfs needs root")
            return None
        return directory

    # ---- Instances, which are started again whenever they end.

    def crash(self):
        """A crash point for the next life of an instance."""
        point = self.random.choice(list(POINTS))
        passes = int(math.exp(self.random.uniform(0, math.log(POINTS[point]))))
        later = self.random.choice(("", f":{self.random.randrange(1, 20_000)}")) if point in ("offsets_sent", "sent") else ""
        return f"{self.random.choice(STAGES)}.{point}:{passes}{later}"

    def start(self, instance):
        environment = {"GYRE_BUG": self.bug} if self.bug else {}
        self.armed.pop(instance, None)
        if not self.calm and self.random.random() < 0.85:
            self.armed[instance] = environment["GYRE_CRASH"] = self.crash()
        self.said[instance] = len(instance.log.read_text(errors="replace")) if instance.log.exists() else 0
        instance.start(**environment)
        self.due.pop(instance, None)

    def ended(self, instance, status):
        """Of itself; says why."""
        instance.process = None
        said = instance.log.read_text(errors="replace")[self.said[instance]:].splitlines() or [""]
        if status in (-signal.SIGKILL, -signal.SIGALRM) and instance in self.armed:
            stage, point = self.armed[instance].split(":")[0].split(".")
            self.tally["points"][f"{point}, then any" if status == -signal.SIGALRM else point] += 1
            self.tally["stages"][stage] += 1
            self.tally["kills"]["crash point"] += 1
        elif status == -signal.SIGABRT and any(LIBRARY_ASSERTS in line for line in said):
            self.tally["kills"]["an assertion of librdkafka's"] += 1
        elif status == 1 and not any("refused to go on" in line for line in said):
            self.tally["kills"]["gave up, the world failing"] += 1
            say(f"instance {instance.name} gave up: {said[-1][:300]}")
        else:
            refused = [line for line in said if "refused to go on" in line] or said
            raise Refused(f"instance {instance.name} ended with {status}: {refused[-1][:600]}")
        self.due[instance] = time.monotonic() + self.random.uniform(0, 1)

    def tend(self, seconds):
        limit = time.monotonic() + seconds
        while True:
            for instance in self.instances + self.extra:
                if instance.process and instance.process.poll() is not None:
                    self.ended(instance, instance.process.returncode)
                if not instance.process and time.monotonic() >= self.due.get(instance, math.inf):
                    self.start(instance)
            if time.monotonic() >= limit:
                return
            time.sleep(0.02)

    def kill(self, instance, number=signal.SIGKILL):
        if instance.process and instance.process.poll() is None:
            status = instance.end(number)
            if number == signal.SIGTERM and status != 0:
                self.ended(instance, status)
        elif instance.process:
            self.ended(instance, instance.process.returncode)
        self.due[instance] = time.monotonic() + self.random.choice((0, 0, self.random.uniform(0, 3), SESSION + 2))

    def pick(self):
        return self.random.choice(self.instances)

    # ---- Blows.

    def kill_one(self):
        self.kill(self.pick())

    def kill_all(self):
        for instance in self.instances:
            self.kill(instance)

    def end_one(self):
        self.kill(self.pick(), signal.SIGTERM)

    def stop_past_the_session(self):
        instance = self.pick()
        if not instance.process:
            return
        instance.process.send_signal(signal.SIGSTOP)
        seconds = SESSION + self.random.uniform(1, 6)
        try:
            self.tend(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                instance.process.send_signal(signal.SIGCONT)

    def kill_broker(self):
        until = time.monotonic() + IN_SYNC_WITHIN
        while not self.cluster.in_sync():
            if time.monotonic() > until:
                raise RuntimeError(f"the brokers are not in sync within {IN_SYNC_WITHIN} s")
            self.tend(0.5)
        node = self.random.choice(self.cluster.nodes)
        node.kill()
        try:
            self.tend(self.random.uniform(0, 12))
        finally:
            node.start()

    def harm_connections(self):
        command, most = self.random.choice((("cut", 1), ("cut", 1), ("refuse", 6), ("stall", 8), ("mute", 2), ("mute", 0.3)))
        self.cluster.harm(self.random.sample(self.cluster.nodes, self.random.choice((1, 2))), command, self.random.uniform(0, most))
        self.tally["connections"][command] += 1

    def storm(self):
        """Members come and go faster than the group settles."""
        for number in range(3):
            instance = self.instance(f"x{len(self.extra)}{number}")
            self.extra.append(instance)
            self.start(instance)
            self.tend(self.random.uniform(0.5, 4))
        for instance in self.extra:
            self.kill(instance, self.random.choice((signal.SIGKILL, signal.SIGTERM)))
            self.due.pop(instance, None)

    def remove_state(self):
        instance = self.pick()
        self.kill(instance)
        for path in instance.state.glob("*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def fill_disk(self):
        if not self.small_disk:
            return
        ballast = self.small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(1 << 16)):
                pass
        try:
            self.tend(self.random.uniform(2, 8))
        finally:
            ballast.unlink()

    def forget_offsets(self):
        """The groups lose what they have committed, as after a week without members: checkpoints know better."""
        for instance in self.instances + self.extra:
            self.kill(instance)
            self.due.pop(instance, None)
        for stage in STAGES:
            wait_for(f"the group of {stage} is empty and deleted",
                     lambda: kafka_log.delete_group(self.cluster.brokers, f"{self.place.name}.{stage}"), 60)
        for instance in self.instances:
            self.start(instance)

    BLOWS = {kill_one: 6, kill_all: 2, end_one: 3, stop_past_the_session: 3, kill_broker: 1, harm_connections: 6, storm: 1,
             remove_state: 2, fill_disk: 2, forget_offsets: 1}

    # ---- A round.

    def load(self, count, seed):
        prepare(self.place, self.instances[0].config, count, seed)
        poison = self.place.directory / "poison"
        with self.place.alerts.open("ab") as alerts:
            for number, value in enumerate(POISON):
                alerts.write(value + b"\n")
                poison.write_bytes(value)
                subprocess.run(["kcat", "-b", self.cluster.brokers, "-P", "-t", self.place.input, "-p", str(number % INPUT_PARTITIONS),
                                str(poison)], check=True)
        truth = json.loads(self.place.truth.read_text())
        truth["records"] += len(POISON)
        truth["garbage"] += len(POISON)
        self.place.truth.write_text(json.dumps(truth))

    def harm(self, seconds):
        until = time.monotonic() + seconds
        for instance in self.instances:
            self.start(instance)
        self.tend(2)
        while time.monotonic() < until:
            blow = self.random.choices(list(self.BLOWS), list(self.BLOWS.values()))[0]
            say(blow.__name__.replace("_", " "))
            self.tally["kills"][blow.__name__.replace("_", " ")] += 1
            blow(self)
            self.tend(self.random.uniform(0.1, 3))

    def settle(self, problems):
        """No more blows; what has a crash point armed is started without."""
        self.calm = True
        for instance in self.armed.copy():
            self.kill(instance)
            self.due[instance] = 0
        for instance in self.extra:
            self.kill(instance, signal.SIGKILL)
            self.due.pop(instance, None)
        for instance in self.instances:
            if not instance.process:
                self.due[instance] = 0
        say("no more blows")
        limit = time.monotonic() + QUIET_DEADLINE
        while True:
            self.tend(0.3)
            if (all(instance.process and instance.process.poll() is None for instance in self.instances) and
                    everything_is_read(self.instances)):
                say("all is read and every finding closed")
                return
            if time.monotonic() > limit:
                problems.expect(False, LATE)
                return

    def run(self, seconds, count, seed):
        problems = Problems()
        self.load(count, seed)
        try:
            self.harm(seconds)
            self.settle(problems)
            reports, counted = oracle.check_run(self.place, self.instances, problems, self.replays_allowed)
            oracle.check_replay(self.place, self.instances[0].config, reports, problems)
            self.tally["counts"].update({"alerts in": counted["in"], "report revisions": len(reports)})
        except (Refused, RuntimeError, OSError, subprocess.SubprocessError) as error:
            problems.expect(False, str(error))
            if not isinstance(error, Refused):
                self.mishaps.add(str(error))
        finally:
            for instance in self.instances + self.extra:
                if instance.process:
                    with contextlib.suppress(ProcessLookupError):
                        instance.process.send_signal(signal.SIGKILL)
                    instance.process.wait()
            for instance in self.instances + self.extra:
                if instance.log.exists():
                    log = instance.log.read_text(errors="replace")
                    self.tally["counts"]["assignments"] += len(re.findall("Partitions assigned", log))
                    self.tally["counts"]["batches rolled back"] += len(re.findall("Batch failed", log))
        return problems.found

    def clean_up(self):
        kafka_log.delete_topics(self.cluster.brokers, [topic for topic in kafka_log.topics(self.cluster.brokers)
                                                    if topic.startswith(self.place.name)])
        if self.small_disk:
            subprocess.run(["umount", "-l", self.small_disk], check=False)


def show(seed, tally, rounds, caught, violations):
    say(f"seed {seed}: {rounds} rounds, {violations} violations; " +
        "; ".join(f"{bug} found in {found} of {of} rounds" for bug, (found, of) in caught.items()))
    for title in ("kills", "connections", "points", "stages", "counts"):
        print(f"  {title}: " + ", ".join(f"{name} {count:,}" for name, count in sorted(tally[title].items())))


def keep(directory, cluster, number):
    kept = pathlib.Path(tempfile.mkdtemp(prefix=f"gyre-chaos-round-{number}."))
    for path in directory.glob("*"):
        if path.is_file():
            shutil.copy(path, kept)
    with contextlib.suppress(shutil.Error):   # the cleaner removes files meanwhile
        shutil.copytree(cluster.directory, kept / "kafka", ignore=shutil.ignore_patterns("*index"))
    say(f"files of the round and of the brokers are kept in {kept}")


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 64
    gyre, minutes = os.path.abspath(sys.argv[1]), float(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) == 4 else random.SystemRandom().randrange(1 << 32)
    say(f"seed {seed}")
    chosen = random.Random(seed)
    tally = collections.defaultdict(collections.Counter)
    caught = {bug: [0, 0] for bug in BUGS}
    violations = rounds = 0
    until = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory(prefix="gyre-chaos.") as directory:
        root = pathlib.Path(directory)
        # Logs are closed and compacted as fast as it goes, so that restores read what compaction left.
        cluster = ProxiedPair(root / "kafka", seed, {"log.roll.ms": "15000", "log.cleaner.backoff.ms": "1000",
                                                     "log.cleaner.min.cleanable.ratio": "0.01"})
        try:
            number = 0
            while number < 2 or time.monotonic() < until:
                bug = ROUNDS[number % len(ROUNDS)]
                seconds = min(WRONG_ROUND if bug else ROUND, max(20, minutes * 60 / 3))
                place = root / f"round{number}"
                place.mkdir()
                say(f"---- round {number}" + (f", an engine with {bug.replace('_', ' ')}" if bug else ""))
                this = Round(gyre, cluster, place, chosen.randrange(1 << 32), collections.defaultdict(collections.Counter) if bug else tally, bug)
                try:
                    found = this.run(seconds, int(RATE * seconds), chosen.randrange(1 << 31))
                    if bug:
                        caught[bug][0] += any(each not in this.mishaps for each in found)
                        caught[bug][1] += 1
                    else:
                        rounds += 1
                        violations += len(found)
                        if found:
                            keep(place, cluster, number)
                finally:
                    this.clean_up()
                shutil.rmtree(place)
                number += 1
        finally:
            cluster.end()
    show(seed, tally, rounds, caught, violations)
    missed = [bug for bug, (found, of) in caught.items() if of and not found]
    return int(violations > 0 or bool(missed))


if __name__ == "__main__":
    sys.exit(main())
