# SPDX-License-Identifier: Apache-2.0
"""What Kafka itself holds of an engine, read without a line of the engine's code: committed offsets and checkpoints."""
import importlib.machinery
import importlib.util
import pathlib
import struct
import subprocess

OFFSET_FETCH = (9, 5)
CHECKPOINT_KEY = b"c"
NEXT_OFFSET_TAG = 1 << 3   # field 1 of records.Checkpoint, a varint
TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "create_topic"

loader = importlib.machinery.SourceFileLoader("create_topic", str(TOOL))
wire = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
loader.exec_module(wire)


def committed_offsets(bootstrap, group, topic, partitions):
    """By partition; those that were never committed are left out. For a cluster of one node."""
    body = (wire.text(group) + struct.pack(">i", 1) + wire.text(topic) +
            struct.pack(f">i{partitions}i", partitions, *range(partitions)))
    reader = wire.call(bootstrap, OFFSET_FETCH, body)
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


def next_offset(value):
    """Of a checkpoint as it lies in the changelog: one byte of version, then protobuf."""
    if value[1] != NEXT_OFFSET_TAG:
        return 0   # left out on the wire
    number = shift = 0
    for byte in value[2:]:
        number |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return number
    raise ValueError("a checkpoint that ends within a number")


def checkpoints(bootstrap, topic, partition_of):
    """The newest checkpoint's next offset by input partition; `partition_of` says it of (partition, key), None: no checkpoint."""
    newest = {}
    for partition, key, value in read(bootstrap, topic):
        task = partition_of(partition, key)
        if task is not None:
            newest[task] = next_offset(value)
    return newest
