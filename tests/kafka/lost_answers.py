#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A request that ends a transaction and gets no answer is sent again by the client's library, and the first may arrive within the next
transaction, which it would end in its middle. So the producer that sent it must not go on: the next transaction is of a new epoch. Also
where a connection broke shortly before: of equal errors within 30 s the library tells the first only.

usage: tests/kafka/lost_answers.py PATH_TO_GYRE     77: no Java
"""
import signal
import subprocess
import sys

from harness import TOOLS, Instance, Place, Problems, wait_for
from node import ProxiedNode, run

ROUNDS = 3
ALERT = (b'{"time":"2026-03-02T09:14:07Z","rule":"Execution from /dev/shm","priority":"Warning","source":"syscall","hostname":"node-7",'
         b'"output_fields":{"container.id":"5b0c1f6e9a3d","proc.name":"sh","evt.num":"%d"}}')


def test(gyre, node, root):
    place = Place(gyre, node.brokers, root, 2, 2)
    subprocess.run([TOOLS / "create_topic", node.brokers, place.input, "2"], check=True)
    place.run("topics", "-c", Instance(place, "topics").config)
    problems = Problems()
    instance = Instance(place, "a", None, {"kafka": {"brokers": f"127.0.0.1:{node.proxied}"}})
    instance.start()
    sent = 0

    def works():
        """An alert goes through all of it."""
        nonlocal sent
        sent += 1
        file = place.directory / "alert"
        file.write_bytes(ALERT % sent)
        subprocess.run(["kcat", "-b", place.brokers, "-P", "-t", place.input, "-p", "0", str(file)], check=True)
        wait_for(f"alert {sent} is counted", lambda: instance.sample() and instance.value("gyre_alerts_total") == sent)

    def commits():
        instance.sample()
        return sum(value for labels, value in instance.metrics.get("gyre_transactions_total", []) if labels["result"] == "committed")

    works()
    for number in range(ROUNDS):
        node.harm("cut", 1)
        works()
        before = commits()
        wait_for("it commits for a while", lambda: commits() > before + 8)
        lost, ids = node.harm("lose_ends", 1)
        wait_for("an answer is lost", lambda: node.harm("lose_ends", 0)[0] > lost)
        try:
            wait_for("a new epoch begins", lambda: node.harm("lose_ends", 0)[1] > ids, 15)
        except RuntimeError as error:
            problems.expect(False, f"round {number}: the producer whose EndTxn may come twice goes on: {error}")
        works()
    instance.end(signal.SIGTERM)
    return problems.found


if __name__ == "__main__":
    sys.exit(run(__doc__, "gyre-lost-answers.", lambda directory: ProxiedNode(directory, 1), test))
