#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A topic that was just made is known to one broker before the other: neither `gyre topics` nor the first `gyre run` takes it for missing.

usage: tests/kafka/two_brokers.py PATH_TO_GYRE     77: no Java
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from harness import TOOLS, Instance, Place, Problems, wait_for
from node import ProxiedPair

MADE, RUN = 12, 4   # pipelines: each makes its topics


def new_place(gyre, pair, directory):
    directory.mkdir()
    place = Place(gyre, pair.brokers, directory, 6, 6, {"inner": {"replication_factor": 2}})
    subprocess.run([TOOLS / "create_topic", pair.brokers, place.input, "6", "2"], check=True)
    return place, Instance(place, "a", None, {"kafka": {"brokers": ",".join(node.brokers for node in pair.nodes)}})


def test(gyre, pair, root):
    problems = Problems()
    for number in range(MADE):
        place, instance = new_place(gyre, pair, root / f"made{number}")
        made = subprocess.run([gyre, "topics", "-c", instance.config], capture_output=True, text=True)
        problems.expect(made.returncode == 0, f"gyre topics made those of {place.name}: {made.stderr.strip()}")
    for number in range(RUN):
        place, instance = new_place(gyre, pair, root / f"run{number}")
        instance.start()
        try:
            wait_for("all partitions are read", lambda: instance.sample() and len(instance.next_offsets("by_rule")) == 6, 60)
            problems.expect_equal("status of gyre run", instance.end(signal.SIGTERM), 0)
        except RuntimeError as error:
            problems.expect(False, f"{error}: {instance.log.read_text()[-500:]}")
    return problems.found


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory(prefix="gyre-two-brokers.") as directory:
        root = pathlib.Path(directory)
        pair = ProxiedPair(root / "kafka", 1, {})
        try:
            return 1 if test(os.path.abspath(sys.argv[1]), pair, root) else 0
        finally:
            pair.end()


if __name__ == "__main__":
    sys.exit(main())
