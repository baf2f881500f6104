"""The share of held-out prompts whose colour, shape, motion and background come out right.

    evaluate.py [FOLDER] [--clips 100] [--guidance 3] [--steps 25] [--list 11] [--sheet sheet.png]

FOLDER is a diffusers folder or a training state; the one above this file if none is given.
"""
import argparse
import collections
import os
import random

import folder
import judge
import picture
import sampler
import shapes

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 8


def arguments():
    parser = argparse.ArgumentParser(description='Measures adherence on held-out prompts.')
    parser.add_argument('folder', nargs='?', default=os.path.dirname(HERE))
    parser.add_argument('--clips', type=int, default=100)
    parser.add_argument('--guidance', type=float, default=3.)
    parser.add_argument('--steps', type=int, default=25)
    parser.add_argument('--list', type=int, default=11, help='which random list of prompts')
    parser.add_argument('--sheet', help='PNG to write the first clips to, one row each')
    return parser.parse_args()


def render_all(model, scenes, options):
    """Yields every scene with its clip; the seeds follow from the place in the list."""
    for first in range(0, len(scenes), BATCH):
        part = scenes[first:first + BATCH]
        prompts = [shapes.plain_caption(*scene) for scene in part]
        seeds = range(options.list * 1000 + first, options.list * 1000 + first + len(part))
        yield from zip(part, sampler.render(model, prompts, seeds, options.steps,
                                            options.guidance))


def report(right, motions, count, options):
    shares = ', '.join(f'{name} {value / count:.2f}' for name, value in right.items())
    print(f'{count} held-out clips, {options.steps} steps, guidance {options.guidance}: {shares}')
    for (asked, seen), number in sorted(motions.items(), key=str):
        if asked != seen:
            print(f'  asked for {asked}, shown {seen}: {number}')


def main():
    options = arguments()
    model = folder.load(options.folder)
    scenes = shapes.test_scenes(random.Random(options.list), options.clips)
    right, motions, clips = collections.Counter(), collections.Counter(), []
    for scene, clip in render_all(model, scenes, options):
        verdict = judge.judge(clip)
        hits = judge.matches(verdict, scene)
        right.update(hits)
        right['all four'] += all(hits.values())
        motions[scene[2], verdict['motion']] += 1
        clips.append(clip)
    report(right, motions, len(scenes), options)
    if options.sheet:
        picture.save_strips(clips[:12], options.sheet)


if __name__ == '__main__':
    main()
