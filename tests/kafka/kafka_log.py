# SPDX-License-Identifier: Apache-2.0
"""What Kafka itself holds of an engine, read without a line of the engine's code: committed offsets and checkpoints."""
import collections
import importlib.machinery
import importlib.util
import pathlib
import struct
import subprocess

OFFSET_FETCH = (9, 5)
CHECKPOINT_KEY = b"c"
DELETE_GROUPS, DELETE_TOPICS, METADATA, FIND_COORDINATOR = (42, 1), (20, 1), (3, 4), (10, 2)
OF_GROUPS = 0
NON_EMPTY_GROUP, PASSING = 68, (14, 15, 16)   # the last three: the coordinator is not there yet
VARINT, LENGTH_DELIMITED = 0, 2
NEXT_OFFSET, COUNTERS_FIELD = 1, 2   # of records.Checkpoint
COUNTERS = {1: "in", 2: "sent", 3: "dead", 4: "folded", 5: "duplicate", 8: "replays_dropped"}   # of records.Counters
TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "create_topic"

loader = importlib.machinery.SourceFileLoader("create_topic", str(TOOL))
wire = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
loader.exec_module(wire)


def coordinator(bootstrap, group):
    """The broker that knows of the group; None: not found yet."""
    reader = wire.call(bootstrap, FIND_COORDINATOR, wire.text(group) + struct.pack(">b", OF_GROUPS))
    reader.take("i")
    error, _, _ = reader.take("h"), reader.text(), reader.take("i")
    if error in PASSING:
        return None
    if error:
        raise RuntimeError(f"coordinator of {group}: Kafka error {error}")
    return f"{reader.text()}:{reader.take('i')}"


def committed_offsets(bootstrap, group, topic, partitions):
    """By partition; those that were never committed are left out."""
    body = (wire.text(group) + struct.pack(">i", 1) + wire.text(topic) +
            struct.pack(f">i{partitions}i", partitions, *range(partitions)))
    reader = wire.call(coordinator(bootstrap, group), OFFSET_FETCH, body)
    reader.take("i")

    def partition():
        number, offset, _ = reader.take("i"), reader.take("q"), reader.take("i")
        reader.text()
        error = reader.take("h")
        if error:
            raise RuntimeError(f"committed offset of {group} on {topic} [{number}]: Kafka error {error}")
        return number, offset

    topics = reader.array(lambda: (reader.text(), reader.array(partition)))
    return {number: offset for _, of_topic in topics for number, offset in of_topic if offset >= 0}


def read(bootstrap, topic):
    """The committed records of a topic as (partition, key, value), bytes; no tombstones."""
    consumed = subprocess.run(
        ["kcat", "-b", bootstrap, "-C", "-t", topic, "-q", "-e", "-o", "beginning", "-X", "isolation.level=read_committed",
         "-f", "%p %K %S\n%k%s"], check=True, capture_output=True, timeout=600).stdout
    at = 0
    while at < len(consumed):
        end = consumed.index(b"\n", at)
        partition, key_size, size = map(int, consumed[at:end].split())
        at = end + 1
        key, value = consumed[at:at + key_size], consumed[at + key_size:at + key_size + max(size, 0)]
        at += key_size + max(size, 0)
        if size >= 0:
            yield partition, key, value


def varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def fields(data):
    """Of a protobuf message, as (number, value): int or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value, at = varint(data, at)
        if tag & 7 == LENGTH_DELIMITED:
            value, at = data[at:at + value], at + value
        elif tag & 7 != VARINT:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, value


class Checkpoint:
    """As it lies in the changelog: one byte of version, then records.Checkpoint."""

    def __init__(self, value):
        message = dict(fields(value[1:]))
        self.next_offset = message.get(NEXT_OFFSET, 0)   # 0 is left out on the wire
        self.counters = collections.Counter({COUNTERS[number]: count for number, count in fields(message.get(COUNTERS_FIELD, b""))
                                             if number in COUNTERS})


def checkpoints(bootstrap, topic, partition_of):
    """The newest checkpoint by input partition; `partition_of` says it of (partition, key), None: no checkpoint."""
    newest = {}
    for partition, key, value in read(bootstrap, topic):
        task = partition_of(partition, key)
        if task is not None:
            newest[task] = Checkpoint(value)
    return newest


def topics(bootstrap):
    """By name, whether every replica of every partition is in sync."""
    reader = wire.call(bootstrap, METADATA, struct.pack(">ib", -1, 0))
    reader.take("i")
    reader.array(lambda: (reader.take("i"), reader.text(), reader.take("i"), reader.text()))
    reader.text()
    reader.take("i")

    def partition():
        reader.take("h"), reader.take("i"), reader.take("i")
        replicas, in_sync = (reader.array(lambda: reader.take("i")) for _ in range(2))
        return len(replicas) == len(in_sync)

    return {name: all(partitions) for _, name, _, partitions in reader.array(
        lambda: (reader.take("h"), reader.text(), reader.take("b"), reader.array(partition)))}


def delete_topics(bootstrap, names):
    body = struct.pack(">i", len(names)) + b"".join(map(wire.text, names)) + struct.pack(">i", 30_000)
    reader = wire.call(bootstrap, DELETE_TOPICS, body)
    reader.take("i")
    wrong = {name: error for name, error in reader.array(lambda: (reader.text(), reader.take("h"))) if error}
    if wrong:
        raise RuntimeError(f"topics were not deleted: {wrong}")


def delete_group(bootstrap, group):
    """What the group has committed is forgotten. False while it still has members."""
    broker = coordinator(bootstrap, group)
    if not broker:
        return False
    reader = wire.call(broker, DELETE_GROUPS, struct.pack(">i", 1) + wire.text(group))
    reader.take("i")
    ((_, error),) = reader.array(lambda: (reader.text(), reader.take("h")))
    if error not in (0, NON_EMPTY_GROUP, *PASSING):
        raise RuntimeError(f"group {group} was not deleted: Kafka error {error}")
    return error == 0
