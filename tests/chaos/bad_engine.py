#!/usr/bin/env python3
"""An engine that is not well: stands as `zoe-engine` beside a copy of zoe-worker, passes everything on between the worker and the real engine, and does what its orders say.

Orders are a JSON file ($ZOE_CHAOS_ORDERS), read anew at each message: {"trick": NAME, "chance": P, "canaries": bool, "factor": F}. Each trick that was played is a line of
ORDERS.played. Messages are a length of 4 bytes, little-endian, and JSON (worker/pipe.h).
"""
import ctypes
import hashlib
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import threading
import time

REAL = os.environ["ZOE_CHAOS_ENGINE"]
ORDERS = pathlib.Path(os.environ["ZOE_CHAOS_ORDERS"])
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def read(pipe):
    head = pipe.read(4)
    if len(head) < 4:
        return None
    body = pipe.read(struct.unpack("<I", head)[0])
    return json.loads(body)


def write(pipe, message):
    text = json.dumps(message, separators=(",", ":"), sort_keys=True).encode()
    pipe.write(struct.pack("<I", len(text)) + text)
    pipe.flush()


def orders():
    try:
        return json.loads(ORDERS.read_text())
    except (OSError, ValueError):
        return {}


# -- damage to the files of a result, before the worker offers them -----------------------------------


def output_of(message, kind="segment"):
    return next((o for o in message["outputs"] if o["kind"] == kind), None)


def sign(output, path, frames_sha256=None):
    """Tells of the file as it is now: a worker whose memory was bad before it took the digest."""
    data = path.read_bytes()
    output.update(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    if frames_sha256:
        output["frames_sha256"] = frames_sha256


def flip(engine, message, output, path):
    data = bytearray(path.read_bytes())
    data[engine.draw.randrange(len(data))] ^= 1 << engine.draw.randrange(8)
    path.write_bytes(data)


def truncate(engine, message, output, path):
    data = path.read_bytes()
    path.write_bytes(data[:engine.draw.randrange(1, len(data))])
    sign(output, path)


def count(engine, message, output, path):
    output["frames"] += engine.draw.choice((-1, 1))


def encode(path, output, frames, source):
    shape = f"s={output['width']}x{output['height']}:r=8"
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", "-f", "lavfi", "-i", f"{source}{shape},format=gbrp", "-frames:v", str(frames),
                    "-c:v", "ffv1", "-level", "3", "-slicecrc", "1", "-g", "1", "-pix_fmt", "bgr0", "-f", "matroska", str(path)], check=True, stdin=subprocess.DEVNULL)


def short(engine, message, output, path):
    """A whole and sound file with a frame too few."""
    encode(path, output, output["frames"] - 1, "testsrc=")
    sign(output, path)


def black(engine, message, output, path):
    encode(path, output, output["frames"], "color=c=black:")
    sign(output, path, hashlib.sha256(bytes(3 * output["width"] * output["height"] * output["frames"])).hexdigest())


def swap(engine, message, output, path):
    """What an earlier attempt made stands in this one's place, told of as it is."""
    mine = path.read_bytes(), dict(output)
    if engine.earlier:
        data, told = engine.earlier
        path.write_bytes(data)
        output.update({name: told[name] for name in ("sha256", "size_bytes", "frames_sha256")})
    engine.earlier = mine


def tint(engine, message, output, path):
    """A model's canary that looks sound: told of as it is, and not what the model makes."""
    data = bytes(255 - byte for byte in path.read_bytes())
    path.write_bytes(data)
    sign(output, path, hashlib.sha256(data).hexdigest())


DAMAGE = {"flip": flip, "truncate": truncate, "count": count, "short": short, "black": black, "swap": swap, "tint": tint}
KINDS = {"tint": "frames"}
PARTS_ONLY, WHOLE_ONLY = ("swap",), ("black", "short")


class Engine:
    def __init__(self):
        arguments = sys.argv[1:]
        arguments[arguments.index("--parent") + 1] = str(os.getpid())
        self.real = subprocess.Popen([REAL, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.draw = random.Random(f"{ORDERS}{os.getpid()}")
        self.lock = threading.Lock()
        self.request, self.spoke_at, self.earlier = {}, 0.0, None

    def played(self, trick):
        with open(ORDERS.with_suffix(".played"), "a", encoding="utf-8") as log:
            log.write(json.dumps({"trick": trick, "attempt": self.request.get("attempt"), "at_ms": time.time_ns() // 10**6}) + "\n")

    def say(self, message):
        with self.lock:
            write(sys.stdout.buffer, message)

    def wanted(self):
        """The trick that is to be played on the attempt at hand, or None."""
        now = orders()
        canary = str(self.request.get("attempt", "")).startswith("canary")
        if now.get("trick") is None or (canary and not now.get("canaries")) or self.draw.random() > now.get("chance", 1):
            return None
        return now["trick"]

    # -- from the worker -----------------------------------------------------------------------------

    def listen(self):
        while (message := read(sys.stdin.buffer)) is not None:
            if message["type"] == "render":
                self.request, self.spoke_at = message, time.monotonic()
                trick = self.wanted()
                if trick == "fail":
                    self.played(trick)
                    self.say({"v": message["v"], "type": "failed", "attempt": message["attempt"], "code": "failed", "message": "the card has fallen off the bus", "steps": 0})
                    continue
                if trick == "die":
                    self.played(trick)
                    os._exit(1)
            write(self.real.stdin, message)
        os._exit(0)

    # -- from the engine -----------------------------------------------------------------------------

    def slow_down(self, factor):
        """The engine stands still until its step has taken `factor` times as long as it should."""
        should_s = self.request["recipe"].get("pattern", {}).get("step_ms", 0) / 1000
        self.real.send_signal(signal.SIGSTOP)
        time.sleep(max(0.0, self.spoke_at + should_s * factor - time.monotonic()))
        self.real.send_signal(signal.SIGCONT)

    def damage(self, message):
        trick = self.wanted()
        kind = KINDS.get(trick, "segment")
        output = output_of(message, kind)
        is_part = "segment_frames" in self.request["recipe"]
        if trick not in DAMAGE or output is None or (is_part and trick in WHOLE_ONLY) or (not is_part and trick in PARTS_ONLY):
            return
        had = self.earlier
        DAMAGE[trick](self, message, output, pathlib.Path(self.request["outputs"][kind]))
        if trick != "swap" or had:
            self.played(trick)

    def pass_on(self):
        while (message := read(self.real.stdout)) is not None:
            if message["type"] == "step" and orders().get("trick") == "slow":
                self.slow_down(orders()["factor"])
                self.played("slow")
            if message["type"] == "done":
                self.damage(message)
            self.say(message)
            self.spoke_at = time.monotonic()
        os._exit(self.real.wait() and 1)


def main():
    if sys.argv[1:2] != ["serve"]:
        os.execv(REAL, [REAL, *sys.argv[1:]])
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    engine = Engine()
    threading.Thread(target=engine.listen, daemon=True).start()
    engine.pass_on()


main()
