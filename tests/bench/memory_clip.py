"""How much memory a worker and its engine hold while they render clips of models/shapes.

    ZOE_BIN=BUILD/bin memory_clip.py [--clips 3] [--guidance 5] [--threads 2]

Starts a farm of one worker with one slot in a temporary folder, submits a batch, and reads the
proportional set size (PSS) of both processes every 20 ms until the batch is done. Prints one JSON
line: the largest sum and its parts, in MiB.
"""
import argparse
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'system'))

import farm  # noqa: E402  (found through the path set above)

PROMPT = 'a red circle moving right on a black background'


def arguments():
    parser = argparse.ArgumentParser(description='Memory of a worker and its engine.')
    parser.add_argument('--clips', type=int, default=3)
    parser.add_argument('--guidance', type=float, default=5.)
    parser.add_argument('--threads', type=int, default=2)
    return parser.parse_args()


def pss_mib(pid):
    """Zero for a process that has just ended."""
    try:
        lines = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    except OSError:
        return 0.
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith('Pss:')), 0.)


def sample(worker):
    parts = {'worker': pss_mib(worker), 'engine': 0.}
    for pid, name in farm.children_of(worker).items():
        parts['engine'] += pss_mib(pid) if name == 'zoe-engine' else 0.
    return parts


def largest(worker, done):
    best = {'worker': 0., 'engine': 0.}
    while not done():
        best = max(best, sample(worker), key=lambda parts: sum(parts.values()))
        time.sleep(.02)
    return best


def main():
    options = arguments()
    with farm.Farm() as one:
        one.start_coordinator()
        worker = one.start_worker('w1', '--slots', '1', '--threads', str(options.threads))
        batch = one.submit([PROMPT], '--model', 'shapes', '--seeds', str(options.clips),
                           '--guidance', str(options.guidance))['batch']
        best = largest(worker.pid, lambda: one.batch(batch)['state'] in ('done', 'failed'))
        state = one.batch(batch)['state']
    print(json.dumps({'sum_mib': round(sum(best.values()), 1), 'state': state,
                      **{f'{name}_mib': round(mib, 1) for name, mib in best.items()}}))


if __name__ == '__main__':
    main()
