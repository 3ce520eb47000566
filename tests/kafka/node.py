# SPDX-License-Identifier: Apache-2.0
"""A Kafka node that a test starts, kills and starts again itself."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import kafka_log
from harness import TOOLS, free_port


class Node:
    """`properties` are added to the node's, their listeners to its own; `format` are arguments of its formatting. It is a broker
    beside `first`, if there is one."""

    def __init__(self, directory, properties, format=(), first=None):
        self.directory, self.first = directory, first
        directory.mkdir()
        (directory / "more.properties").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        (directory / "more.format").write_text("".join(f"{argument}\n" for argument in format))
        self.start()
        self.brokers = (directory / "bootstrap").read_text().strip()

    def start(self):
        beside = [self.first.directory] if self.first else []
        status = subprocess.run([TOOLS / "kafka", "start", self.directory, *beside]).returncode
        if status:
            sys.exit(status)   # 77: there is no Java

    def kill(self):
        pid = int((self.directory / "pid").read_text())
        os.kill(pid, signal.SIGKILL)
        command_line = pathlib.Path(f"/proc/{pid}/cmdline")
        while command_line.exists() and command_line.read_bytes():
            time.sleep(0.01)

    def end(self):
        subprocess.run([TOOLS / "kafka", "stop", self.directory])


class ProxiedNode(Node):
    """With a proxy before it, which breaks connections. It leads all clients that begin at the port `proxied`."""

    def __init__(self, directory, seed, properties=None, first=None):
        self.proxied, behind = free_port(), free_port()
        super().__init__(directory, {"listeners": f"PROXIED://127.0.0.1:{behind}",
                                     "advertised.listeners": f"PROXIED://127.0.0.1:{self.proxied}",
                                     "listener.security.protocol.map": "PROXIED:PLAINTEXT", **(properties or {})}, first=first)
        self.proxy = subprocess.Popen([pathlib.Path(__file__).parent / "proxy.py", str(self.proxied), str(behind), str(seed)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.proxy.stdout.readline()

    def begin_harm(self, command, amount):
        self.proxy.stdin.write(f"{command} {amount:.3f}\n".encode())
        self.proxy.stdin.flush()

    def end_harm(self):
        """What the proxy has seen so far: answers to EndTxn that were lost, and requests for a producer's id."""
        return tuple(map(int, self.proxy.stdout.readline().split()[1:]))

    def harm(self, command, amount):
        self.begin_harm(command, amount)
        return self.end_harm()

    def end(self):
        self.proxy.stdin.close()
        self.proxy.wait()
        super().end()


class ProxiedPair:
    """Every partition on two brokers: where one holds it alone, Kafka forgets transactions that it promised to commit when that one
    is killed (decision 0025)."""

    def __init__(self, directory, seed, properties):
        replicated = dict.fromkeys(("default.replication.factor", "offsets.topic.replication.factor",
                                    "transaction.state.log.replication.factor"), "2")
        self.directory = directory
        directory.mkdir()
        first = ProxiedNode(directory / "1", seed, {**properties, **replicated})
        self.nodes = (first, ProxiedNode(directory / "2", seed + 1, {**properties, **replicated}, first))
        self.brokers = first.brokers
        self.proxied = ",".join(f"127.0.0.1:{node.proxied}" for node in self.nodes)

    @staticmethod
    def harm(nodes, command, amount):
        """All at once."""
        for node in nodes:
            node.begin_harm(command, amount)
        for node in nodes:
            node.end_harm()

    def in_sync(self):
        return all(kafka_log.topics(self.brokers).values())

    def end(self):
        for node in reversed(self.nodes):   # the first one is the controller, which lets a broker go
            node.end()


def run(usage, prefix, make_brokers, test):
    """The main of a test that takes the path to gyre and has brokers of its own, made by make_brokers(DIRECTORY). test(GYRE, BROKERS,
    DIRECTORY) returns what it found wrong."""
    if len(sys.argv) != 2:
        print(usage, file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory(prefix=prefix) as directory:
        root = pathlib.Path(directory)
        brokers = make_brokers(root / "kafka")
        try:
            return 1 if test(os.path.abspath(sys.argv[1]), brokers, root) else 0
        finally:
            brokers.end()
