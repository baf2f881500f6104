"""Makes tests/data/samplers.safetensors: latents of the tiny pipeline after the first and the last of 4
steps, for samplers, spacings and predictions that the tiny folder's own goldens lack.

    golden_samplers.py        needs torch 2.13, diffusers 0.33.1, transformers 4.51.3

The pipeline, its scheduler classes and its order of drawing noise are diffusers' own; seed 42,
guidance 7.5, prompt 0 of the folder, empty negative prompt, 4 frames of 64x64.
"""
import os

import diffusers
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, '..', 'data')
PROMPT = 'a red fox runs through the snow'

CASES = {  # name: class, changes of its config
    'lcm': ('LCMScheduler', {}),
    'karras.dpm': ('DPMSolverMultistepScheduler', {'use_karras_sigmas': True}),
    'karras.dpmsde': ('DPMSolverMultistepScheduler',
                      {'use_karras_sigmas': True, 'algorithm_type': 'sde-dpmsolver++'}),
    'karras.euler': ('EulerDiscreteScheduler', {'use_karras_sigmas': True}),
    'karras.unipc': ('UniPCMultistepScheduler', {'use_karras_sigmas': True}),
    'trailing.ddim': ('DDIMScheduler', {'timestep_spacing': 'trailing'}),
    'trailing.dpm': ('DPMSolverMultistepScheduler', {'timestep_spacing': 'trailing'}),
    'trailing.euler': ('EulerDiscreteScheduler', {'timestep_spacing': 'trailing'}),
    'leading.euler': ('EulerDiscreteScheduler', {'timestep_spacing': 'leading'}),
    'leading.eulera': ('EulerAncestralDiscreteScheduler', {'timestep_spacing': 'leading'}),
    'leading.unipc': ('UniPCMultistepScheduler', {'timestep_spacing': 'leading'}),
    'linspace.ddim': ('DDIMScheduler', {'timestep_spacing': 'linspace'}),
    'v.ddim': ('DDIMScheduler', {'prediction_type': 'v_prediction'}),
    'v.dpm': ('DPMSolverMultistepScheduler', {'prediction_type': 'v_prediction'}),
    'v.euler': ('EulerDiscreteScheduler', {'prediction_type': 'v_prediction'}),
    'v.eulera': ('EulerAncestralDiscreteScheduler', {'prediction_type': 'v_prediction'}),
    'v.unipc': ('UniPCMultistepScheduler', {'prediction_type': 'v_prediction'}),
    'v.lcm': ('LCMScheduler', {'prediction_type': 'v_prediction'}),
    'eta.ddim': ('DDIMScheduler', {}),
}


def trajectory(pipe, own, class_name, changes, eta):
    pipe.scheduler = getattr(diffusers, class_name).from_config(own, **changes)
    kept = []
    pipe(PROMPT, height=64, width=64, num_frames=4, num_inference_steps=4, guidance_scale=7.5,
         eta=eta, negative_prompt='', generator=torch.Generator('cpu').manual_seed(42),
         output_type='latent', callback=lambda i, t, latents: kept.append(latents.clone()),
         callback_steps=1)
    return torch.stack([kept[0], kept[-1]])


def main():
    torch.set_num_threads(1)
    pipe = diffusers.TextToVideoSDPipeline.from_pretrained(os.path.join(DATA, 'tiny'))
    pipe.set_progress_bar_config(disable=True)
    own = pipe.scheduler.config
    tensors = {name: trajectory(pipe, own, c, changes, 0.6 if name == 'eta.ddim' else 0.)
               for name, (c, changes) in CASES.items()}
    save_file({k: v.contiguous().float() for k, v in tensors.items()},
              os.path.join(DATA, 'samplers.safetensors'))


if __name__ == '__main__':
    main()
