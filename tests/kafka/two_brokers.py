#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A topic that was just made is known to one broker before the other: neither `gyre topics` nor the first `gyre run` takes it for missing.
And when a broker dies, the other one leads what it led: whoever takes partitions over then does so soon.

usage: tests/kafka/two_brokers.py PATH_TO_GYRE     77: no Java
"""
import contextlib
import signal
import subprocess
import sys

from harness import TOOLS, Instance, Place, Problems, wait_for
from node import ProxiedPair, run

MADE, RUN = 12, 4   # pipelines: each makes its topics
TAKEN_OVER_WITHIN = 90   # seconds: the broker's session, the transaction of who left, and requests that find nobody


def new_place(gyre, pair, directory, instances=("a",)):
    directory.mkdir()
    place = Place(gyre, pair.brokers, directory, 6, 6, {"inner": {"replication_factor": 2}})
    subprocess.run([TOOLS / "create_topic", pair.brokers, place.input, "6", "2"], check=True)
    brokers = {"kafka": {"brokers": ",".join(node.brokers for node in pair.nodes)}}
    return place, [Instance(place, name, None, brokers) for name in instances]


def holds(instance, partitions):
    return instance.sample() and all(len(instance.next_offsets(stage)) == partitions for stage in ("intake", "by_container", "by_rule"))


def make_topics(gyre, pair, root, problems):
    for number in range(MADE):
        place, (instance,) = new_place(gyre, pair, root / f"made{number}")
        made = subprocess.run([gyre, "topics", "-c", instance.config], capture_output=True, text=True)
        problems.expect(made.returncode == 0, f"gyre topics made those of {place.name}: {made.stderr.strip()}")


@contextlib.contextmanager
def running(instances, problems):
    try:
        for instance in instances:
            instance.start()
        yield
    except RuntimeError as error:
        problems.expect(False, f"{error}: {instances[-1].log.read_text()[-1500:]}")
    finally:
        for instance in instances:
            if instance.process:
                instance.end(signal.SIGKILL)


def run_first(gyre, pair, root, problems):
    for number in range(RUN):
        _, instances = new_place(gyre, pair, root / f"run{number}")
        with running(instances, problems):
            wait_for("all partitions are read", lambda: holds(instances[0], 6), 60)
            problems.expect_equal("status of gyre run", instances[0].end(signal.SIGTERM), 0)


def take_over(gyre, pair, root, problems):
    place, instances = new_place(gyre, pair, root / "over", ("a", "b"))
    place.run("topics", "-c", instances[0].config)
    with running(instances, problems):
        wait_for("each has half of the partitions", lambda: all(holds(instance, 3) for instance in instances))
        pair.nodes[1].kill()
        instances[0].end(signal.SIGTERM)
        wait_for("the other has all of them", lambda: holds(instances[1], 6), TAKEN_OVER_WITHIN)


def test(gyre, pair, root):
    problems = Problems()
    make_topics(gyre, pair, root, problems)
    run_first(gyre, pair, root, problems)
    take_over(gyre, pair, root, problems)
    return problems.found


if __name__ == "__main__":
    sys.exit(run(__doc__, "gyre-two-brokers.", lambda directory: ProxiedPair(directory, 1, {}), test))
