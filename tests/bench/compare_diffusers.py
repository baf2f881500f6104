#!/usr/bin/env python3
"""The engine beside diffusers' own pipelines, on the model folders of this tree: same files, same seeds, in float32.

    OMP_NUM_THREADS=1 compare_diffusers.py [--bin build/bin] [--models tiny,shapes,tiny-sd1,tiny-sd2] [--only WORD] [--backend cpu]
                                           [--threads 1] [--limit 1e-3 | --no-limit]

Run by hand; needs a built `zoe-engine`, diffusers 0.33.1, transformers 4.51.3, torch 2.13 (the figures of docs/engine.md are of these)
and pillow; 2 GB of memory; about ten minutes on two cores, most of them for shapes.

TextToVideoSDPipeline, VideoToVideoSDPipeline, StableDiffusionPipeline and StableDiffusionImg2ImgPipeline run each case as a user would
call them, `zoe-engine trace` runs the recipe that says the same. Both start from one torch.Generator("cpu") or one seed, and videos and
pictures to start from are the same bytes. Prints a markdown line a case, then the worst of each model, task and sampler:

    latents   relative L2 distance after the last step
    frames    the same of the decoder's output, which is not clamped
    bytes     share of the bytes of all frames, clamped and rounded, that differ
    most      by how much at most

Exits with 1 when the latents of a case are farther apart than the limit, or a case did not run.
"""
import argparse
import functools
import json
import pathlib
import subprocess
import sys
import tempfile

import diffusers
import numpy
import torch
from PIL import Image
from safetensors.torch import load_file

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SAMPLERS = {  # name in recipes: diffusers' class, what its config says besides
    'ddim': ('DDIMScheduler', {}),
    'dpm++': ('DPMSolverMultistepScheduler', {}),
    'dpm++-sde': ('DPMSolverMultistepScheduler', {'algorithm_type': 'sde-dpmsolver++'}),
    'euler': ('EulerDiscreteScheduler', {}),
    'euler-a': ('EulerAncestralDiscreteScheduler', {}),
    'unipc': ('UniPCMultistepScheduler', {}),
    'lcm': ('LCMScheduler', {}),
}
TO_CONFIG = ('timestep_spacing', 'use_karras_sigmas', 'prediction_type')  # recipe fields that are the scheduler's in diffusers
TO_CALL = ('eta', 'clip_skip', 'guidance_rescale', 'strength')            # those that are arguments of a pipeline
SPACINGS = ('leading', 'linspace', 'trailing')

MODELS = {  # folder, and what its recipes say unless a case says otherwise
    'tiny': ('tests/data/tiny', {'prompt': 'a red fox runs through the snow', 'negative_prompt': '', 'seed': 42, 'width': 64, 'height': 64,
                                 'num_frames': 4, 'num_inference_steps': 10, 'guidance_scale': 7.5}),
    'shapes': ('models/shapes', {'prompt': 'a red circle moving right on a black background', 'negative_prompt': '', 'seed': 1, 'width': 64,
                                 'height': 64, 'num_frames': 16, 'num_inference_steps': 25, 'guidance_scale': 5}),
    'tiny-sd1': ('tests/data/tiny-sd1', {'prompt': 'a red fox runs through the snow', 'negative_prompt': 'night', 'seed': 42, 'width': 48,
                                         'height': 32, 'num_frames': 1, 'num_inference_steps': 10, 'guidance_scale': 7.5}),
}
MODELS['tiny-sd2'] = ('tests/data/tiny-sd2', MODELS['tiny-sd1'][1])
BLUE = 'a blue circle moving right on a black background'


# ---- cases: what differs from the model's recipe ----

def each_sampler(**fields):
    return [{'scheduler': sampler, **fields} for sampler in SAMPLERS]


def schedules():
    """Every spacing of every sampler that has them, Karras, both at once, v prediction."""
    spaced = [s for s in SAMPLERS if s != 'lcm']
    karras = ('dpm++', 'dpm++-sde', 'euler', 'unipc')
    return ([{'scheduler': s, 'timestep_spacing': spacing} for s in spaced for spacing in SPACINGS] +
            [{'scheduler': s, 'use_karras_sigmas': True} for s in karras] +
            [{'scheduler': s, 'use_karras_sigmas': True, 'timestep_spacing': 'trailing'} for s in karras] +
            each_sampler(prediction_type='v_prediction'))


def knobs():
    return ([{'scheduler': 'ddim', 'eta': eta} for eta in (0.3, 1.0)] +
            [{'scheduler': s, **fields} for s in ('ddim', 'euler-a') for fields in (
                {'guidance_scale': 1}, {'guidance_scale': 15}, {'clip_skip': 1}, {'negative_prompt': 'night sea'}, {'seed': 0},
                {'seed': 4294967295}, {'seed': 1234567890123456789}, {'width': 80, 'height': 48, 'num_frames': 3})] +
            [{'scheduler': s, 'num_inference_steps': steps} for s in ('ddim', 'dpm++', 'euler', 'unipc') for steps in (1, 2, 3, 50)] +
            [{'scheduler': s, 'batch_size': 3, 'batch_index': i} for s in ('ddim', 'dpm++-sde', 'euler-a', 'lcm') for i in (0, 2)])


def starts():
    """From a video or picture. int(steps * strength) of doubles is what counts the steps: 7 * 0.29 is 2, 25 * 0.28 is 7, 50 * 0.58 is 28."""
    return (each_sampler(strength=0.6) + each_sampler(strength=1.0) +
            [{'scheduler': s, 'strength': 0.5, 'use_karras_sigmas': True} for s in ('dpm++', 'dpm++-sde', 'euler', 'unipc')] +
            [{'scheduler': s, 'strength': 0.5, 'timestep_spacing': spacing} for s in ('ddim', 'dpm++', 'euler') for spacing in SPACINGS] +
            [{'scheduler': s, 'strength': 0.58, 'num_inference_steps': 50} for s in ('ddim', 'dpm++')] +
            [{'scheduler': 'ddim', 'strength': 0.5, 'eta': 0.5}, {'scheduler': 'unipc', 'strength': 0.1},
             {'scheduler': 'euler', 'strength': 0.5, 'prediction_type': 'v_prediction'}])


def cases_of(model):
    if model == 'shapes':
        short = {'num_inference_steps': 12}
        new = (each_sampler() + [{'scheduler': s, 'use_karras_sigmas': True, **short} for s in ('dpm++', 'euler')] +
               [{'scheduler': 'ddim', 'timestep_spacing': s, **short} for s in ('linspace', 'trailing')] +
               [{'scheduler': 'dpm++', 'seed': 7, 'guidance_scale': 7.5, 'prompt': 'a green square moving up', **short}])
        given = each_sampler(strength=0.7) + [{'scheduler': s, 'strength': 0.5, 'seed': 7, **short} for s in ('ddim', 'dpm++', 'euler-a')]
    else:
        new, given = each_sampler() + schedules() + knobs(), starts()
    if model.startswith('tiny-sd'):
        new = [{**case, 'num_frames': 1} if 'num_frames' in case else case for case in new] + each_sampler(guidance_rescale=0.7)
    name = 'init_image' if model.startswith('tiny-sd') else 'init_video'
    return new + [{**case, name: 'given', 'encode': 'sample'} for case in given]


def is_given(recipe):
    return 'init_video' in recipe or 'init_image' in recipe


# ---- the engine ----

class Engine:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch

    def trace(self, folder, recipe, given=None):
        """All tensors of the trace; `given` are bytes [F][H][W][3]."""
        paths = {name: self.scratch / name for name in ('recipe.json', 'trace.safetensors', 'given.raw')}
        paths['recipe.json'].write_text(json.dumps(recipe), encoding='utf-8')
        command = [self.options.bin / 'zoe-engine', 'trace', '--model', folder, '--recipe', paths['recipe.json'], '--out',
                   paths['trace.safetensors'], '--backend', self.options.backend, '--threads', self.options.threads]
        if given is not None:
            paths['given.raw'].write_bytes(given.tobytes())
            command += ['--init-raw', paths['given.raw']]
        subprocess.run(list(map(str, command)), check=True)
        return load_file(paths['trace.safetensors'])

    def result(self, folder, recipe, given):
        got = self.trace(folder, recipe, given)
        last = max((name for name in got if name.startswith('latents.')), key=lambda name: int(name.split('.')[1]))
        return got[last], got['frames']


# ---- diffusers ----

class Pipelines:
    """Both pipelines of a folder, with the same parts."""

    def __init__(self, folder):
        if json.loads((folder / 'model_index.json').read_text())['_class_name'] == 'TextToVideoSDPipeline':
            self.new = diffusers.TextToVideoSDPipeline.from_pretrained(folder)
            self.given = diffusers.VideoToVideoSDPipeline(**self.new.components)
        else:
            self.new = diffusers.StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, feature_extractor=None)
            self.given = diffusers.StableDiffusionImg2ImgPipeline(**self.new.components, requires_safety_checker=False)
        self.own = self.new.scheduler.config
        for pipe in self.new, self.given:
            pipe.set_progress_bar_config(disable=True)

    def arguments(self, recipe, given):
        """What a call has besides the prompts."""
        call = {name: recipe[name] for name in ('num_inference_steps', 'guidance_scale', *TO_CALL) if name in recipe}
        if given is not None:
            pictures = [Image.fromarray(frame) for frame in given]
            return {**call, **({'video': pictures} if 'init_video' in recipe else {'image': pictures[0]})}
        frames = {'num_frames': recipe['num_frames']} if self.is_video() else {}
        return {**call, **frames, 'width': recipe['width'], 'height': recipe['height']}

    def is_video(self):
        return isinstance(self.new, diffusers.TextToVideoSDPipeline)

    def result(self, recipe, given):
        """Latents after the last step [C][F][h][w], and what the decoder makes of them [F][3][H][W]."""
        name, changes = SAMPLERS[recipe['scheduler']]
        changes = {**changes, **{key: recipe[key] for key in TO_CONFIG if key in recipe}}
        pipe = self.given if given is not None else self.new
        pipe.scheduler = getattr(diffusers, name).from_config(self.own, **changes)
        batch, index = recipe.get('batch_size', 1), recipe.get('batch_index', 0)
        out = pipe([recipe['prompt']] * batch, negative_prompt=[recipe['negative_prompt']] * batch, output_type='latent',
                   generator=torch.Generator('cpu').manual_seed(recipe['seed']), **self.arguments(recipe, given))
        latents = (out.frames if self.is_video() else out.images)[index:index + 1]
        if self.is_video():
            return latents[0], pipe.decode_latents(latents)[0].transpose(0, 1)
        return latents[0], pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample


# ---- both ----

def pattern(recipe):
    """A moving gradient, bytes [F][H][W][3]."""
    f, y, x = numpy.meshgrid(*(numpy.arange(recipe[n]) for n in ('num_frames', 'height', 'width')), indexing='ij')
    return numpy.stack([x * 3 + f * 20, y * 4, 255 - x * 2 - y + f * 9], -1).clip(0, 255).astype(numpy.uint8)


def as_bytes(frames):
    return ((frames / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)


@functools.cache
def blue_circle(engine):
    """A clip of shapes to start from, drawn by the engine."""
    folder, recipe = MODELS['shapes']
    frames = engine.trace(SOURCE / folder, {**recipe, 'prompt': BLUE, 'seed': 3})['frames']
    return as_bytes(frames).permute(0, 2, 3, 1).contiguous().numpy()


def given_for(engine, model, recipe):
    """What a case starts from, or None."""
    if not is_given(recipe):
        return None
    return blue_circle(engine) if model == 'shapes' else pattern(recipe)


def distance(got, want):
    return float((got.reshape(want.shape).double() - want.double()).norm() / want.double().norm())


def compared(got, want):
    differs = (as_bytes(got[1]).int() - as_bytes(want[1]).reshape(got[1].shape).int()).abs()
    return {'latents': distance(got[0], want[0]), 'frames': distance(got[1], want[1]), 'bytes': float((differs > 0).double().mean()),
            'most': int(differs.max())}


def task_of(recipe):
    if not is_given(recipe):
        return 'text to video' if recipe['num_frames'] > 1 else 'text to image'
    return 'video to video' if 'init_video' in recipe else 'image to image'


def words_of(case):
    """What a case changes, but its sampler."""
    said = (f'{key} {str(value).lower() if isinstance(value, bool) else value}' for key, value in case.items()
            if key not in ('scheduler', 'init_video', 'init_image', 'encode'))
    return ', '.join(said) or 'as it is'


def figures(r):
    return f"{r['latents']:.1e} | {r['frames']:.1e} | {100 * r['bytes']:.3f} % | {r['most']} |"


def model_rows(model, options, engine):
    """One row a case, printed as they come."""
    folder = SOURCE / MODELS[model][0]
    pipelines = Pipelines(folder)
    rows = []
    for case in cases_of(model):
        recipe = {**MODELS[model][1], **case}
        key = (model, task_of(recipe), recipe['scheduler'])
        name = f"| {' | '.join(key)} | {words_of(case)} |"
        if options.only and options.only not in name:
            continue
        given = given_for(engine, model, recipe)
        row = compared(engine.result(folder, recipe, given), pipelines.result(recipe, given))
        print(name, figures(row), flush=True)
        rows.append({**row, 'key': key})
    return rows


def worst(rows, figure):
    return max(row[figure] for row in rows)


def latents_of(rows, sampler):
    mine = [row for row in rows if row['key'][2] == sampler]
    return f"{worst(mine, 'latents'):.0e}" if mine else ''


def print_worst(rows):
    """A line for each model and task: the largest distance of latents of each sampler, then of all of them the other figures."""
    columns = ['model', 'task', 'cases', *SAMPLERS, 'frames', 'bytes', 'most']
    print('\n| ' + ' | '.join(columns) + ' |\n|' + '---|' * len(columns))
    for key in dict.fromkeys(row['key'][:2] for row in rows):
        group = [row for row in rows if row['key'][:2] == key]
        latents = (latents_of(group, sampler) for sampler in SAMPLERS)
        print('|', ' | '.join([*key, str(len(group)), *latents]), '|', f"{worst(group, 'frames'):.0e} | {100 * worst(group, 'bytes'):.2f} % |",
              worst(group, 'most'), '|')


def arguments():
    parser = argparse.ArgumentParser(description='The engine beside diffusers.')
    parser.add_argument('--bin', default=SOURCE / 'build/bin', type=pathlib.Path)
    parser.add_argument('--models', default=','.join(MODELS), help='comma-separated')
    parser.add_argument('--only', help='cases whose line holds this')
    parser.add_argument('--backend', default='cpu')
    parser.add_argument('--threads', default=1, type=int)
    parser.add_argument('--limit', default=1e-3, type=float)
    parser.add_argument('--no-limit', action='store_const', dest='limit', const=float('inf'))
    return parser.parse_args()


@torch.no_grad()
def main():
    options = arguments()
    diffusers.logging.set_verbosity_error()
    print('| model | task | sampler | what | latents | frames | bytes | most |\n|---|---|---|---|---|---|---|---|', flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(options, pathlib.Path(scratch))
        rows = [row for model in options.models.split(',') for row in model_rows(model, options, engine)]
    print_worst(rows)
    far = [row for row in rows if not row['latents'] <= options.limit]
    if far or not rows:
        sys.exit(f'{len(far)} of {len(rows)} cases are farther apart than {options.limit:g}')


if __name__ == '__main__':
    main()
