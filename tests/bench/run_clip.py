"""One clip of a model by our engine and by PyTorch, in turns: both medians and their ratio.

    run_clip.py BUILD [--python PYTHON] [--peer torch|diffusers] [--model DIR] [--rounds 5]
                [--most 15] [--threads 2] [--steps 25] [--guidance 5] [--foreign 0.03]

BUILD is a release build's folder that has bin/bench_clip; PYTHON one that has torch, and diffusers
for that peer (torch_clip.py is our own short model, diffusers_clip.py their pipeline). A round is
one process of each side; a process renders one clip to warm up, then the one that counts. A round in
which other programs took more than --foreign of the machine counts for nothing and is run again,
until there are enough rounds or --most were tried.
"""
import argparse
import datetime
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PEERS = {'torch': 'torch_clip.py', 'diffusers': 'diffusers_clip.py'}


def arguments():
    parser = argparse.ArgumentParser(description='Our engine beside PyTorch.')
    parser.add_argument('build')
    parser.add_argument('--python', default=sys.executable)
    parser.add_argument('--peer', choices=PEERS, default='torch')
    parser.add_argument('--model', default=str(HERE.parents[1] / 'models' / 'shapes'))
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--most', type=int, default=15)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--steps', type=int, default=25)
    parser.add_argument('--guidance', type=float, default=5.)
    parser.add_argument('--foreign', type=float, default=.03)
    return parser.parse_args()


def busy_seconds():
    """CPU time of all programs since the machine started."""
    with open('/proc/stat', encoding='ascii') as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')


def own_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command):
    """The command's last line, and the share of the machine that others took meanwhile."""
    wall, busy, own = time.monotonic(), busy_seconds(), own_seconds()
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    wall, busy, own = time.monotonic() - wall, busy_seconds() - busy, own_seconds() - own
    return json.loads(text.splitlines()[-1]), (busy - own) / (wall * os.cpu_count())


def sides(options):
    common = [options.model, '--runs', '1', '--threads', str(options.threads),
              '--steps', str(options.steps), '--guidance', str(options.guidance)]
    return {options.peer: [options.python, '-B', str(HERE / PEERS[options.peer]), *common],
            'engine': [str(pathlib.Path(options.build) / 'bin' / 'bench_clip'), *common]}


def one_round(commands, foreign_most):
    """Both sides' seconds, or None in a disturbed round."""
    results = {side: run(command) for side, command in commands.items()}
    counts = all(foreign <= foreign_most for _, foreign in results.values())
    shown = ', '.join(f'{side} {line["seconds"]:.3f} s (others {foreign:.1%})'
                      for side, (line, foreign) in results.items())
    print(shown if counts else shown + ': disturbed', flush=True)
    return {side: line['seconds'] for side, (line, _) in results.items()} if counts else None


def machine():
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        model = next((line.split(':')[1].strip() for line in file if line.startswith('model name')),
                     'unknown')
    return f'{model}, {os.cpu_count()} cores'


def main():
    options = arguments()
    commands = sides(options)
    print(machine(), datetime.date.today().isoformat(), flush=True)
    rounds = []
    for _ in range(options.most):
        rounds += filter(None, [one_round(commands, options.foreign)])
        if len(rounds) == options.rounds:
            break
    if not rounds:
        sys.exit('run_clip: every round was disturbed')
    ours, theirs = (statistics.median(r[side] for r in rounds) for side in ('engine', options.peer))
    print(f'{len(rounds)} rounds: engine {ours:.3f} s, {options.peer} {theirs:.3f} s, '
          f'ratio {ours / theirs:.3f}')


if __name__ == '__main__':
    main()
