"""The PyTorch side of the speed comparison: one clip of the shapes model, as eager torch runs it.

    torch_clip.py [MODEL] [--runs 3] [--threads 2] [--steps 25] [--guidance 5] [--unbatched]

Loads the model before the clock starts. A run is one clip of 16 frames, 64x64: text encoding, DDIM
steps with guidance in one batch (empty prompt and prompt together), and VAE decoding, timed as one.
The first run, which warms torch up, is not printed. One JSON line a run.

The model code keeps activations channels-last and uses scaled_dot_product_attention, which is what
eager torch runs fastest here.
"""
import argparse
import json
import os
import sys
import time

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = os.path.join(HERE, '..', '..', 'models', 'shapes')
sys.path.insert(0, os.path.join(SHAPES, 'train'))

import folder   # noqa: E402  (found through the path set above)
import sampler  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description='Times one clip in PyTorch.')
    parser.add_argument('model', nargs='?', default=SHAPES)
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--steps', type=int, default=25)
    parser.add_argument('--guidance', type=float, default=5.)
    parser.add_argument('--prompt', default='a red circle moving right on a black background')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--unbatched', action='store_true',
                        help='one UNet evaluation after the other, instead of guidance in a batch')
    return parser.parse_args()


def guided_one_by_one(model, latents, timestep, both_texts, guidance):
    """As sampler.guided, with two evaluations of half the size."""
    timesteps = torch.full((len(latents),), float(timestep))
    empty, prompt = both_texts.chunk(2)
    without = model.unet(latents, timesteps, empty)
    return without + guidance * (model.unet(latents, timesteps, prompt) - without)


def timed_clip(model, options):
    start = time.perf_counter()
    sampler.render(model, [options.prompt], [options.seed], options.steps, options.guidance)
    return time.perf_counter() - start


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    if options.unbatched:
        sampler.guided = guided_one_by_one
    model = folder.load(options.model)
    timed_clip(model, options)
    for _ in range(options.runs):
        seconds = timed_clip(model, options)
        print(json.dumps({'seconds': round(seconds, 3), 'torch': torch.__version__,
                          'threads': options.threads, 'steps': options.steps,
                          'guidance_batched': not options.unbatched}), flush=True)


if __name__ == '__main__':
    main()
