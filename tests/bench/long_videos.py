"""How good the joints of long clips are: 20 clips of four windows by each method, measured by seams.py.

    long_videos.py BUILD --out DIR [--methods chain,seam] [--scenarios abcd] [--jobs 1]      render what DIR does not have yet
    long_videos.py --out DIR --table                                                        the table of docs/long-videos.md

BUILD has bin/zoe-engine. Scenarios (a) moving right, left, right, left; (b) growing, shrinking, growing, shrinking; (c) spinning; (d) standing still; and
(e), shown but not part of the count, moving right all the time. Each with the seeds 0 to 4, and a look that follows from the seed. DIR gets METHOD-SCENARIO-SEED.rgb
(frames) and .json (what seams.py finds, and the cost).
"""
import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import statistics
import subprocess
import tempfile

import seams

MODEL = pathlib.Path(__file__).resolve().parents[2] / 'models/shapes'
WINDOW, WINDOWS = 16, 4
STEPS = 25
LOOKS = [('red', 'circle', 'white'), ('blue', 'square', 'black'), ('green', 'triangle', 'gray'), ('yellow', 'ring', 'black'), ('purple', 'cross', 'white')]
SEEN_TO_SPIN = {'circle': 'square', 'ring': 'cross'}     # nobody sees these two turn
SCENARIOS = {'a': ['moving right', 'moving left'] * 2, 'b': ['growing', 'shrinking'] * 2, 'c': ['spinning'] * 4, 'd': ['standing still'] * 4, 'e': ['moving right'] * 4}
COUNTED = 'abcd'
# What a method adds to the recipe. The unchained ones hold nothing: `unchained` renders the windows of a chain as clips of their own with their own text, `-text` with
# the text of every frame as the chain hears it, `-cuts` windows that share no frames.
METHODS = {
    'chain': {'overlap': 4},
    'chain-blend': {'overlap': 4, 'blend': 4},
    'chain-6': {'overlap': 6},
    'chain-8': {'overlap': 8},
    'chain-g3': {'overlap': 4, 'guidance_scale': 3},
    'chain-g7': {'overlap': 4, 'guidance_scale': 7},
    'seam': {'overlap': 4, 'method': 'seam'},
    'windows': {'overlap': 4, 'method': 'windows'},
    'windows-5': {'overlap': 4, 'method': 'windows', 'sync_every': 5},
    'upscale': {'overlap': 4, 'method': 'upscale', 'upscale_model': 'shapes', 'upscale_width': 96, 'upscale_height': 96},
    'unchained': {'overlap': 4, 'run': 'alone'},
    'unchained-g3': {'overlap': 4, 'guidance_scale': 3, 'run': 'alone'},
    'unchained-text': {'overlap': 4, 'run': 'text'},
    'unchained-cuts': {'overlap': 4, 'run': 'cuts'},
}


def prompt(scenario, seed, window):
    colour, shape, background = LOOKS[seed % len(LOOKS)]
    if scenario == 'c':
        shape = SEEN_TO_SPIN.get(shape, shape)
    return f'a {colour} {shape} {SCENARIOS[scenario][window]} on a {background} background'


def starts(overlap, cuts):
    """The first new frame of every window."""
    stride = WINDOW if cuts else WINDOW - overlap
    return [0] + [WINDOW + stride * window for window in range(WINDOWS - 1)]


def recipe(method, scenario, seed):
    """Each frame hears the text of the window that makes it."""
    settings = {'method': 'chain', **METHODS[method]}
    run = settings.pop('run', 'whole')
    blend = settings.pop('blend', 0)
    first = starts(settings['overlap'], run == 'cuts')
    texts = [prompt(scenario, seed, window) for window in range(WINDOWS)]
    track = {}
    for window, frame in enumerate(first[1:], 1):
        track[str(frame - (blend // 2 or 1))], track[str(frame + blend // 2)] = texts[window - 1], texts[window]
    frames = first[-1] + first[2] - first[1]
    cuts = {'cuts': first[1:]} if run == 'cuts' else {}
    return {'prompt': texts[0], 'prompts_by_frame': track, 'seed': seed, 'num_frames': frames, 'segment_frames': WINDOW, **settings, **cuts}, run


def size_of(line):
    return line.get('upscale_width', 64), line.get('upscale_height', 64)


def run_plan(build, folder, line):
    """Renders a recipe in one process: its frames, and the tasks as zoe-engine tells of them."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        recipe_path = pathlib.Path(place, 'recipe.json')
        recipe_path.write_text(json.dumps(line))
        command = [build / 'bin/zoe-engine', 'plan', '--model', MODEL, '--recipe', recipe_path, '--run', '--out', place, '--threads', '1']
        if line.get('method') == 'upscale':
            command += ['--upscale-model', MODEL]
        done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'})
        raw = pathlib.Path(place, 'frames.raw').read_bytes()
    return seams.frames_of(raw, size_of(line)), [json.loads(text) for text in done.stdout.splitlines()]


def joints_of(tasks):
    """Where another task makes the frame than the one before: the first frames of segments."""
    last = max(task['stage'] for task in tasks)
    return sorted(task['made_first'] for task in tasks if task['made_frames'] and task['stage'] == last)[1:]


def render_whole(build, folder, line):
    frames, tasks = run_plan(build, folder, line)
    return frames, joints_of(tasks), tasks


def render_alone(build, folder, line, own_text):
    """Every window as a clip of its own, with a seed of its own, of which the frames are taken that a chain would make anew."""
    overlap, track = line['overlap'], line['prompts_by_frame']
    first = starts(overlap, False)
    texts = [line['prompt']] + [track[str(frame)] for frame in first[1:]]
    parts, tasks = [], []
    for window, text in enumerate(texts):
        alone = {'prompt': text, 'seed': 1000 * line['seed'] + window, 'num_frames': WINDOW, 'noise': 'indexed'}
        alone.update({name: line[name] for name in ('guidance_scale',) if name in line})
        if window and not own_text:
            alone['prompts_by_frame'] = {str(overlap - 1): texts[window - 1], str(overlap): text}
        frames, done = run_plan(build, folder, alone)
        parts += frames[overlap if window else 0:]
        tasks += done
    return parts, first[1:], tasks


RUNS = {
    'whole': render_whole,
    'cuts': render_whole,
    'text': lambda build, folder, line: render_alone(build, folder, line, False),
    'alone': lambda build, folder, line: render_alone(build, folder, line, True),
}


def clip(build, folder, method, scenario, seed):
    """Renders and measures one clip, unless the folder has it."""
    name = f'{method}-{scenario}-{seed}'
    path = folder / f'{name}.json'
    if path.exists():
        return
    line, run = recipe(method, scenario, seed)
    frames, joints, tasks = RUNS[run](build, folder, line)
    if len(frames) != line['num_frames']:
        raise ValueError(f"{name}: {len(frames)} frames, not {line['num_frames']}")
    (folder / f'{name}.rgb').write_bytes(b''.join(frames))
    verdict = seams.judge(frames, size_of(line), joints)
    evaluated = sum((task['step_end'] - task['step_first']) * task['frames'] for task in tasks)
    path.write_text(json.dumps({'method': method, 'scenario': scenario, 'seed': seed, 'frames': len(frames), 'evaluated': evaluated,
                                'seconds': sum(task['seconds'] for task in tasks), **seams.finite(verdict)}) + '\n')
    print(name, 'passes' if verdict['passes'] else 'fails', flush=True)


def render(options):
    options.out.mkdir(parents=True, exist_ok=True)
    work = [(options.build, options.out, method, scenario, seed)
            for method in options.methods.split(',') for scenario in options.scenarios for seed in map(int, options.seeds.split(','))]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in [pool.submit(clip, *each) for each in work]:
            done.result()


# ---------------------------------------------------------------- table

def load(folder):
    clips = [json.loads(path.read_text()) for path in sorted(folder.glob('*-[a-z]-[0-9].json'))]
    return {method: [each for each in clips if each['method'] == method] for method in METHODS}


def passed(clips, scenario):
    here = [each['passes'] for each in clips if each['scenario'] == scenario]
    return f'{sum(here)}/{len(here)}' if here else '-'


def middle(clips, name):
    """The median change at joints, over all clips that are counted."""
    changes = [joint[name] for each in clips if each['scenario'] in COUNTED for joint in each['joints']]
    return statistics.median(math.inf if change is None else change for change in changes)


def row(method, clips):
    counted = [each for each in clips if each['scenario'] in COUNTED]
    cells = [f'`{method}`', *(passed(clips, scenario) for scenario in SCENARIOS), f"{sum(each['passes'] for each in counted)}/{len(counted)}"]
    cells += [f"{middle(counted, 'colour'):.0f}", f"{middle(counted, 'background'):.0f}", f"{100 * middle(counted, 'area'):.0f} %", f"{middle(counted, 'centre'):.1f}"]
    frames = sum(each['frames'] for each in counted)
    cells += [f"{sum(each['evaluated'] for each in counted) / (STEPS * frames):.2f}"]
    return '| ' + ' | '.join(cells) + ' |'


def table(folder):
    print('| run | (a) | (b) | (c) | (d) | (e) | (a) to (d) | colour | background | area | centre | cost |')
    print('|---' * 12 + '|')
    for method, clips in load(folder).items():
        if any(each['scenario'] in COUNTED for each in clips):
            print(row(method, clips))


def arguments():
    parser = argparse.ArgumentParser(description='Joints of long clips, method by method.')
    parser.add_argument('build', nargs='?', type=pathlib.Path)
    parser.add_argument('--out', required=True, type=pathlib.Path)
    parser.add_argument('--methods', default=','.join(METHODS))
    parser.add_argument('--scenarios', default=''.join(SCENARIOS))
    parser.add_argument('--seeds', default='0,1,2,3,4')
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--table', action='store_true')
    return parser.parse_args()


def main():
    options = arguments()
    if options.table:
        table(options.out)
    elif options.build is None:
        raise SystemExit('long_videos.py: BUILD is missing')
    else:
        render(options)


if __name__ == '__main__':
    main()
