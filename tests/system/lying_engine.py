#!/usr/bin/env python3
"""An engine that renders something else than it is asked for: whole, sound files of another seed. Its canaries are right. Stands as `zoe-engine` beside a copy of zoe-worker and
passes everything else on between the worker and the real engine ($ZOE_TEST_ENGINE). Messages are a length of 4 bytes, little-endian, and JSON (worker/pipe.h)."""
import ctypes
import json
import os
import signal
import struct
import subprocess
import sys
import threading

REAL = os.environ["ZOE_TEST_ENGINE"]
PR_SET_PDEATHSIG = 1


def read(pipe):
    head = pipe.read(4)
    return json.loads(pipe.read(struct.unpack("<I", head)[0])) if len(head) == 4 else None


def write(pipe, message):
    text = json.dumps(message, separators=(",", ":"), sort_keys=True).encode()
    pipe.write(struct.pack("<I", len(text)) + text)
    pipe.flush()


def listen(engine):
    while (message := read(sys.stdin.buffer)) is not None:
        if message["type"] == "render" and not str(message["attempt"]).startswith("canary"):
            message["recipe"]["seed"] += 1000
        write(engine.stdin, message)
    os._exit(0)


def main():
    if sys.argv[1:2] != ["serve"]:
        os.execv(REAL, [REAL, *sys.argv[1:]])
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    arguments = sys.argv[1:]
    arguments[arguments.index("--parent") + 1] = str(os.getpid())
    engine = subprocess.Popen([REAL, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    threading.Thread(target=listen, args=(engine,), daemon=True).start()
    while (message := read(engine.stdout)) is not None:
        write(sys.stdout.buffer, message)
    os._exit(engine.wait() and 1)


main()
