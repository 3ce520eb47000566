# SPDX-License-Identifier: Apache-2.0
"""A Kafka node that a test starts, kills and starts again itself."""
import os
import pathlib
import signal
import subprocess
import sys
import time

from harness import TOOLS


class Node:
    """`properties` are added to the node's, their listeners to its own; `format` are arguments of its formatting."""

    def __init__(self, directory, properties, format=()):
        self.directory = directory
        directory.mkdir()
        (directory / "more.properties").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        (directory / "more.format").write_text("".join(f"{argument}\n" for argument in format))
        self.start()
        self.brokers = (directory / "bootstrap").read_text().strip()

    def start(self):
        status = subprocess.run([TOOLS / "kafka", "start", self.directory]).returncode
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
