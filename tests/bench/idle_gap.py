#!/usr/bin/env python3
"""How long an engine waits between two tasks when coordinator and worker are 100 ms apart (there and back): a real coordinator, a real worker, the chaos suite's TCP proxy.

    idle_gap.py [--clips N] [--steps N] [--delay-ms D] [--ahead]

--ahead runs worker and engine at real-time priority, for machines on which other programs run.
"""
import argparse
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "system"), str(ROOT / "chaos")]
from farm import Farm  # noqa: E402
from proxy import Proxy  # noqa: E402


def measure(clips, steps, delay_ms, prefix):
    with Farm() as farm:
        farm.start_coordinator()
        direct = farm.ready["workers"]
        with Proxy(direct.removeprefix("tcp://")) as proxy:
            proxy.set(delay_ms=delay_ms)
            farm.ready["workers"] = proxy.url
            farm.start_worker("w1", "--threads", "1", "--log", "debug", prefix=prefix)
            batch = farm.submit("a small blue circle\n", "--model", "shapes", "--seeds", str(clips), "--steps", str(steps), "--size", "64x64", "--frames", "8")["batch"]
            farm.wait(batch, seconds=600)
        log = (farm.folder / "worker-w1.log").read_text()
    return [int(us) / 1000 for us in re.findall(r"the engine waited (\d+) us for work", log)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--delay-ms", type=float, default=50)
    parser.add_argument("--ahead", action="store_true")
    a = parser.parse_args()
    gaps = sorted(measure(a.clips, a.steps, a.delay_ms, ("chrt", "-f", "1") if a.ahead else ())[1:])  # the first is that between the canary and the batch
    assert len(gaps) >= a.clips - 1, f"{len(gaps)} gaps of {a.clips} clips"
    over = sum(gap > 5 for gap in gaps)
    print(f"{over} of {len(gaps)} gaps over 5 ms: median {statistics.median(gaps):.2f} ms, 95 % below {gaps[int(len(gaps) * 0.95)]:.2f} ms, longest {gaps[-1]:.2f} ms")


if __name__ == "__main__":
    main()
