"""The other side of the speed comparison as its users run it: one clip of the shapes model by diffusers' TextToVideoSDPipeline.

    diffusers_clip.py [MODEL] [--runs 3] [--threads 2] [--steps 25] [--guidance 5]

Needs torch, diffusers, transformers. As torch_clip.py: the model is loaded and one clip rendered before the clock starts; a run is text
encoding, DDIM steps with guidance in one batch, VAE decoding and frames as bytes, in float32 and with diffusers' defaults. One JSON line
a run.
"""
import argparse
import json
import pathlib
import time

import diffusers
import torch

SHAPES = pathlib.Path(__file__).resolve().parents[2] / 'models/shapes'


def arguments():
    parser = argparse.ArgumentParser(description='Times one clip in diffusers.')
    parser.add_argument('model', nargs='?', default=SHAPES)
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--steps', type=int, default=25)
    parser.add_argument('--guidance', type=float, default=5.)
    return parser.parse_args()


def timed_clip(pipe, options):
    start = time.perf_counter()
    pipe('a red circle moving right on a black background', width=64, height=64, num_frames=16, num_inference_steps=options.steps,
         guidance_scale=options.guidance, generator=torch.Generator('cpu').manual_seed(1), output_type='pil')
    return time.perf_counter() - start


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    pipe = diffusers.TextToVideoSDPipeline.from_pretrained(options.model)
    pipe.set_progress_bar_config(disable=True)
    timed_clip(pipe, options)
    for _ in range(options.runs):
        print(json.dumps({'seconds': round(timed_clip(pipe, options), 3), 'torch': torch.__version__,
                          'diffusers': diffusers.__version__, 'threads': options.threads, 'steps': options.steps}), flush=True)


if __name__ == '__main__':
    main()
