#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on 127.0.0.1 that breaks connections when told to, one command a line on standard input:

  cut SHARE       ends that share (0 to 1) of the connections with a reset
  refuse SECONDS  ends all of them, and every new one, for so long
  stall SECONDS   nothing moves for so long, and then goes on
  mute SECONDS    requests arrive and answers are lost, for so long; then the connections end
  lose_ends COUNT the next so many requests that end a transaction arrive; their answers are lost, and their connections end

Each is answered by `done LOST IDS`: how many answers to EndTxn were lost so far, and how many requests for a producer's id came.

usage: tests/kafka/proxy.py PORT TARGET_PORT SEED
"""
import asyncio
import random
import socket
import struct
import sys

RESET = struct.pack("ii", 1, 0)   # SO_LINGER: on, 0 s
CHUNK = 1 << 18
INIT_PRODUCER_ID, END_TXN = 22, 26   # https://kafka.apache.org/protocol#protocol_api_keys


class Requests:
    """What a client sends on one connection: each request has its length before it, and begins with its api key."""

    def __init__(self):
        self.rest, self.skip = b"", 0

    def keys(self, data):
        data = self.rest + data
        at = self.skip
        while at + 6 <= len(data):
            size, key = struct.unpack_from(">ih", data, at)
            yield key
            at += 4 + size
        self.rest, self.skip = (data[at:], 0) if at < len(data) else (b"", at - len(data))


class Proxy:
    def __init__(self, target, seed):
        self.target, self.random = target, random.Random(seed)
        self.connections = set()
        self.refusing = self.muted = False
        self.to_lose = self.lost = self.ids = 0
        self.moving = asyncio.Event()
        self.moving.set()

    async def serve(self, reader, writer):
        if self.refusing:
            writer.transport.abort()
            return
        try:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        connection = (writer, upstream)
        self.connections.add(connection)
        ends = set()   # not empty: the next answer is lost
        await asyncio.gather(self.pump(reader, upstream, self.noting(Requests(), ends)),
                             self.pump(upstream_reader, writer, lambda data: not self.muted and not self.lose(connection, ends)))
        self.connections.discard(connection)
        self.end([connection])

    def noting(self, requests, ends):
        def note(data):
            for key in requests.keys(data):
                self.ids += key == INIT_PRODUCER_ID
                if key == END_TXN and self.to_lose > 0:
                    self.to_lose -= 1
                    ends.add(key)
            return True
        return note

    def lose(self, connection, ends):
        if ends:
            self.lost += 1
            self.end([connection])
        return bool(ends)

    async def pump(self, reader, writer, passes):
        try:
            while data := await reader.read(CHUNK):
                await self.moving.wait()
                if not passes(data):
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    @staticmethod
    def end(connections):
        for connection in connections:
            for writer in connection:
                end = writer.get_extra_info("socket")
                if end is not None and end.fileno() >= 0:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()

    async def do(self, command, amount):
        if command == "cut":
            self.end([each for each in self.connections if self.random.random() < amount])
        elif command == "refuse":
            self.refusing = True
            self.end(list(self.connections))
            await asyncio.sleep(amount)
            self.refusing = False
        elif command == "lose_ends":
            self.to_lose += int(amount)
        elif command == "stall":
            self.moving.clear()
            await asyncio.sleep(amount)
            self.moving.set()
        elif command == "mute":
            harmed = list(self.connections)
            self.muted = True
            await asyncio.sleep(amount)
            self.muted = False
            self.end(harmed + list(self.connections))


async def main(port, target, seed):
    proxy = Proxy(target, seed)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=CHUNK)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print("ready", flush=True)
    while line := await commands.readline():
        command, amount = line.decode().split()
        await proxy.do(command, float(amount))
        print("done", proxy.lost, proxy.ids, flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
