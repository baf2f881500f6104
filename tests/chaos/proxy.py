#!/usr/bin/env python3
"""A TCP proxy that is a bad network: delay, jitter, lost packets (seen as pauses), resets, garbled bytes, half-open connections, a bandwidth cap.

    proxy.py --target HOST:PORT [--listen HOST:PORT] [--seed N] [--set NAME=VALUE]...

The first line on stdout is {"listen": "HOST:PORT"}. Lines on stdin: {"set": {NAME: VALUE}} changes faults for what comes from then on, {"reset": "one" | "all"} resets
connections now, {"counts": true} asks what it really did. Each line is answered by a line with the counts. The end of stdin ends it. In Python: `with Proxy(target) as p`.
"""
import argparse
import asyncio
import collections
import contextlib
import json
import random
import signal
import socket
import struct
import subprocess
import sys
import threading

FAULTS = {
    "delay_ms": 0.0,           # each way: half of the round trip
    "jitter_ms": 0.0,          # more, drawn for each piece; order within a connection stays
    "loss": 0.0,               # share of packets of PACKET bytes that TCP would have to send again
    "resend_ms": 200.0,        # how long everything behind a lost packet waits, beyond a round trip
    "reset_every_s": 0.0,      # one connection, drawn, is reset so often; 0 = never
    "garble_share": 0.0,       # share of new connections in which one bit is turned
    "half_open_every_s": 0.0,  # one direction of one connection falls silent so often ...
    "half_open_s": 3.0,        # ... for so long; then the connection is reset
    "bytes_per_s": 0.0,        # each direction of each connection; 0 = as fast as it goes
    "refuse": 0.0,             # share of new connections that are closed at once
}
PIECE, PACKET = 65536, 1448
GARBLE_WITHIN = 1_500           # the turned bit is one of the first so many bytes: handshake and first messages
QUEUED_MAX = 4 << 20           # bytes on their way in one direction: then the sender waits, as with a full window


class Direction:
    """One direction of a connection: pieces that are due one after the other."""

    def __init__(self, link, source, sink, garble_at=None):
        self.link, self.proxy, self.source, self.sink = link, link.proxy, source, sink
        self.queue, self.queued, self.due, self.bytes = asyncio.Queue(), 0, 0.0, 0
        self.garble_at = garble_at
        self.room = asyncio.Event()
        self.room.set()
        self.heard = asyncio.Event()     # cleared: this direction is silent
        self.heard.set()

    def delay_of(self, size):
        """How long this piece is on its way, and what it lost."""
        faults, draw = self.proxy.faults, self.proxy.draw
        delay = faults["delay_ms"] + draw.uniform(0, faults["jitter_ms"])
        packets = max(1, -(-size // PACKET))
        if faults["loss"] and draw.random() < 1 - (1 - faults["loss"]) ** packets:
            self.proxy.counts["packets_lost"] += 1
            delay += faults["resend_ms"] + 2 * faults["delay_ms"]
        return delay / 1000

    def piece(self):
        """Bytes read at once: with a cap, what passes in a tenth of a second."""
        cap = int(self.proxy.faults["bytes_per_s"] / 10)
        return min(PIECE, max(PACKET, cap)) if cap else PIECE

    def garbled(self, data):
        """With one bit turned, if this is the piece."""
        at = None if self.garble_at is None else self.garble_at - self.bytes
        self.bytes += len(data)
        if at is None or at >= len(data):
            return data
        self.garble_at = None
        self.proxy.counts["connections_garbled"] += 1
        changed = bytearray(data)
        changed[at] ^= 1 << self.proxy.draw.randrange(8)
        return bytes(changed)

    async def take(self):
        while data := await self.source.read(self.piece()):
            self.due = max(self.due, asyncio.get_running_loop().time() + self.delay_of(len(data)))
            self.queued += len(data)
            self.queue.put_nowait((self.due, self.garbled(data)))
            if self.queued >= QUEUED_MAX:
                self.room.clear()
            await self.room.wait()
        self.queue.put_nowait((self.due, b""))

    async def give(self):
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self.queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self.heard.wait()
            if not data:
                return self.sink.write_eof() if self.sink.can_write_eof() else None
            if self.proxy.faults["bytes_per_s"]:
                await asyncio.sleep(len(data) / self.proxy.faults["bytes_per_s"])
            self.sink.write(data)
            await self.sink.drain()
            self.queued -= len(data)
            self.room.set()
            self.proxy.counts["bytes"] += len(data)


class Link:
    """A client's connection and ours to the target."""

    def __init__(self, proxy, client, target):
        self.proxy, self.writers = proxy, (client[1], target[1])
        garble = proxy.draw.randrange(GARBLE_WITHIN) if proxy.draw.random() < proxy.faults["garble_share"] else None
        up = proxy.draw.random() < 0.5
        self.directions = (Direction(self, client[0], target[1], garble if up else None), Direction(self, target[0], client[1], None if up else garble))
        self.half_open, self.jobs = False, ()

    async def run(self):
        self.jobs = jobs = [asyncio.ensure_future(job) for d in self.directions for job in (d.take(), d.give())]
        try:
            # An error ends all; the end of one direction waits for the other.
            await asyncio.gather(*jobs)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            for writer in self.writers:
                writer.close()

    def reset(self):
        """RST to both sides: what is on its way is lost."""
        for writer in self.writers:
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        for job in self.jobs:
            job.cancel()
        self.proxy.links.discard(self)

    async def fall_silent(self, seconds):
        self.half_open = True
        self.proxy.draw.choice(self.directions).heard.clear()
        await asyncio.sleep(seconds)
        self.reset()


class Server:
    def __init__(self, target, seed, faults):
        host, port = target.rsplit(":", 1)
        self.target, self.draw = (host, int(port)), random.Random(seed)
        self.faults, self.counts, self.links, self.jobs = {**FAULTS, **faults}, collections.Counter(), set(), set()

    async def accept(self, reader, writer):
        self.counts["connections"] += 1
        try:
            target = await asyncio.open_connection(*self.target) if self.draw.random() >= self.faults["refuse"] else None
        except OSError:
            target = None
        if target is None:
            self.counts["connections_refused"] += 1
            writer.transport.abort()
            return
        for each in (writer, target[1]):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(self, (reader, writer), target)
        self.links.add(link)
        try:
            await link.run()
        except asyncio.CancelledError:
            pass     # the end of it all
        finally:
            self.links.discard(link)

    def drawn(self):
        """A connection that is whole, or None. By age, so that the seed decides."""
        whole = [link for link in self.links if not link.half_open]
        return self.draw.choice(whole) if whole else None

    def reset_one(self):
        link = self.drawn()
        if link:
            self.counts["resets"] += 1
            link.reset()

    def silence_one(self):
        link = self.drawn()
        if link:
            self.counts["half_open"] += 1
            job = asyncio.ensure_future(link.fall_silent(self.faults["half_open_s"]))
            self.jobs.add(job)
            job.add_done_callback(self.jobs.discard)

    async def every(self, name, act):
        """act() again and again, as often as the fault of that name says, which may change."""
        waited = 0.0
        while True:
            await asyncio.sleep(0.05)
            waited += 0.05
            if self.faults[name] and waited >= self.faults[name]:
                waited = 0.0
                act()

    def command(self, line):
        asked = json.loads(line)
        unknown = set(asked.get("set", {})) - set(FAULTS)
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
        self.faults.update(asked.get("set", {}))
        for link in list(self.links) if asked.get("reset") == "all" else []:
            self.counts["resets"] += 1
            link.reset()
        if asked.get("reset") == "one":
            self.reset_one()
        return {**self.counts, "open": len(self.links)}

    async def serve(self, listen):
        host, port = listen.rsplit(":", 1)
        server = await asyncio.start_server(self.accept, host, int(port), backlog=1024)
        print(json.dumps({"listen": "{}:{}".format(*server.sockets[0].getsockname()[:2])}), flush=True)
        clocks = [asyncio.ensure_future(self.every(name, act)) for name, act in (("reset_every_s", self.reset_one), ("half_open_every_s", self.silence_one))]
        commands = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        while line := await commands.readline():
            print(json.dumps(self.command(line)), flush=True)
        server.close()
        for clock in [*clocks, *self.jobs]:
            clock.cancel()
        for link in list(self.links):
            link.reset()
        while self.links:
            await asyncio.sleep(0.01)


class Proxy:
    """A proxy process: `url` is where to dial instead of `target` ("tcp://HOST:PORT" or "HOST:PORT")."""

    def __init__(self, target, seed=0, **faults):
        command = [sys.executable, "-B", __file__, "--target", target.removeprefix("tcp://"), "--seed", str(seed)]
        command += [part for name, value in faults.items() for part in ("--set", f"{name}={value}")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the proxy did not start")
        self.url = "tcp://" + json.loads(line)["listen"]

    def say(self, what):
        with self.lock:
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def set(self, **faults):
        return self.say({"set": faults})

    def reset(self, which="all"):
        return self.say({"reset": which})

    def counts(self):
        return self.say({"counts": True})

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main():
    flags = argparse.ArgumentParser(description="A TCP proxy that is a bad network.")
    flags.add_argument("--target", required=True)
    flags.add_argument("--listen", default="127.0.0.1:0")
    flags.add_argument("--seed", default="0")
    flags.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=f"one of {', '.join(FAULTS)}")
    asked = flags.parse_args()
    faults = dict(each.split("=", 1) for each in asked.set)
    if set(faults) - set(FAULTS):
        flags.error(f"--set takes {', '.join(FAULTS)}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)   # Ctrl-C is for who started us: our stdin ends with it
    asyncio.run(Server(asked.target, asked.seed, {name: float(value) for name, value in faults.items()}).serve(asked.listen))


if __name__ == "__main__":
    main()
