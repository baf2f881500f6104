"""Makes tests/data/start.safetensors: latents of clips that keep frames or masked parts of a video.

    golden_start.py        needs torch 2.13, diffusers 0.33.1, transformers 4.51.3

Networks, schedulers and their add_noise are diffusers' own on tests/data/tiny; the loop is the
definition of what is kept: before every evaluation, the first included, latents that are kept are
add_noise(clean, noise, t) with the noise the clip started from, and clean after the last step. The
video is v2v.x of the folder's goldens (mean latents); seed 42, 4 steps, guidance 7.5, prompt 0.
"""
import os

import diffusers
import torch
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, '..', 'data')
PROMPT = 'a red fox runs through the snow'
SCHEDULERS = {'ddim': 'DDIMScheduler', 'dpm': 'DPMSolverMultistepScheduler',
              'euler': 'EulerDiscreteScheduler', 'unipc': 'UniPCMultistepScheduler'}


def slope():
    """A mask from black to white, left to right, as bytes: each latent's share is the mean of 8x8."""
    row = torch.clamp((torch.arange(64) - 20) * 12, 0, 255).float()
    return row.repeat(64, 1)


def shares(what):
    fresh = torch.ones(1, 1, 4, 8, 8)
    if what == 'hold':
        fresh[:, :, [0, 3]] = 0
    else:
        fresh[:] = torch.nn.functional.avg_pool2d(slope()[None, None] / 255, 8)[:, :, None]
    return fresh


def frames_first(x):
    return x.permute(0, 2, 1, 3, 4).reshape(-1, *x.shape[1:2], *x.shape[3:])


def clip_first(x):
    return x.reshape(1, 4, 4, 8, 8).permute(0, 2, 1, 3, 4)


def render(pipe, scheduler, clean, fresh):
    texts = pipe.encode_prompt(PROMPT, 'cpu', 1, True, '')
    texts = torch.cat([texts[1], texts[0]])
    scheduler.set_timesteps(4)
    noise = torch.randn(1, 4, 4, 8, 8, generator=torch.Generator('cpu').manual_seed(42))
    x = noise * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        kept = scheduler.add_noise(clean, noise, t[None])
        x = fresh * x + (1 - fresh) * kept
        seen = scheduler.scale_model_input(torch.cat([x, x]), t)
        without, said = pipe.unet(seen, t, encoder_hidden_states=texts).sample.chunk(2)
        guided = without + 7.5 * (said - without)
        x = clip_first(scheduler.step(frames_first(guided), t, frames_first(x)).prev_sample)
    return fresh * x + (1 - fresh) * clean


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    pipe = diffusers.TextToVideoSDPipeline.from_pretrained(os.path.join(DATA, 'tiny'))
    video = load_file(os.path.join(DATA, 'tiny', 'golden.safetensors'))['v2v.x']
    mean = pipe.vae.encode(video).latent_dist.mean * pipe.vae.config.scaling_factor
    clean = clip_first(mean)
    tensors = {}
    for name, class_name in SCHEDULERS.items():
        for what in ('hold', 'mask'):
            scheduler = getattr(diffusers, class_name).from_config(pipe.scheduler.config)
            tensors[f'{what}.{name}'] = render(pipe, scheduler, clean, shares(what)).contiguous()
    save_file(tensors, os.path.join(DATA, 'start.safetensors'))


if __name__ == '__main__':
    main()
