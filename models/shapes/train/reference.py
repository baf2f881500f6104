"""Renders prompts x seeds with the torch reference, to compare a farm's clips with.

    reference.py --prompt TEXT [--prompt TEXT ...] [--seed N ...] [--guidance 3] [--steps 25]
                 [--out FOLDER] [--npz] [--model FOLDER]

Prints one JSON line a clip: prompt, seed and what the judge sees. With --out it writes the frames
as a PNG strip (or, with --npz, as an array `frames`) named after the clip's place in the list.
The noise is torch's CPU generator seeded with the clip's seed, drawn as one [1, 4, F, h, w] tensor.
"""
import argparse
import itertools
import json
import os

import numpy as np

import folder
import judge
import picture
import sampler

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(description='Renders with the torch reference.')
    parser.add_argument('--model', default=os.path.dirname(HERE))
    parser.add_argument('--prompt', action='append', required=True)
    parser.add_argument('--seed', type=int, action='append')
    parser.add_argument('--guidance', type=float, default=3.)
    parser.add_argument('--steps', type=int, default=25)
    parser.add_argument('--out')
    parser.add_argument('--npz', action='store_true')
    return parser.parse_args()


def write(clip, options, index):
    os.makedirs(options.out, exist_ok=True)
    path = os.path.join(options.out, f'{index:04}')
    if options.npz:
        np.savez_compressed(path + '.npz', frames=clip)
    else:
        picture.save_strips([clip], path + '.png')


def main():
    options = arguments()
    model = folder.load(options.model)
    pairs = itertools.product(options.prompt, options.seed or [0])
    for index, (prompt, seed) in enumerate(pairs):
        clip = sampler.render(model, [prompt], [seed], options.steps, options.guidance)[0]
        print(json.dumps({'prompt': prompt, 'seed': seed, **judge.judge(clip)}), flush=True)
        if options.out:
            write(clip, options, index)


if __name__ == '__main__':
    main()
