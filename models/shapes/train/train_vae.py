"""Trains the autoencoder on single frames."""
import math
import os
import random
import time

import torch

import config
import folder
import shapes
import spec
from optimise import Average, initial, rate

PEAK_RATE = 6e-4
POSTERIOR_NOISE = .05   # fixed standard deviation; the log variance channels hold just that
REPORT_EVERY = 100


def initial_weights():
    generator = torch.Generator().manual_seed(1)
    table = spec.vae_shapes(config.VAE_WIDTHS, config.VAE_LAYERS, config.LATENT_CHANNELS)
    small = ('conv2.weight', 'to_out')
    tensors = {name: initial(name, shape, generator, small=small, gain=.3)
               for name, shape in table.items()}
    fix_variance(tensors)
    return tensors


@torch.no_grad()
def fix_variance(tensors):
    """Pins the log variance that the encoder gives out."""
    tensors['quant_conv.weight'][config.LATENT_CHANNELS:] = 0
    tensors['quant_conv.bias'][config.LATENT_CHANNELS:] = 2 * math.log(POSTERIOR_NOISE)


def latent_mean(vae, frames):
    return vae.encode(frames)[:, :config.LATENT_CHANNELS]


def with_posterior_noise(mean):
    return mean + POSTERIOR_NOISE * torch.randn_like(mean)


def losses(vae, frames):
    """The loss, and the mean square error in [0, 1] pixels."""
    mean = latent_mean(vae, frames)
    error = vae.decode(with_posterior_noise(mean)) - frames
    square = (error ** 2).mean()
    return error.abs().mean() + square + 1e-4 * (mean ** 2).mean(), square.item() / 4


def latent_scale(vae):
    """What latents are multiplied by to have a standard deviation of one."""
    frames = torch.from_numpy(shapes.single_frames(random.Random(3), 128))
    with torch.no_grad():
        return round(float(1 / latent_mean(vae, frames).std()), 5)


def step(vae, optimiser, average, frames):
    """One step; returns the square error."""
    loss, square = losses(vae, frames)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(average.parameters, 1.)
    optimiser.step()
    average.update()
    return square


def run(tensors, options):
    """Trains in place; returns the averaged weights."""
    vae = folder.make_vae(tensors)
    parameters = list(tensors.values())
    average = Average(parameters)
    peak = options.rate or PEAK_RATE
    optimiser = torch.optim.AdamW(parameters, lr=peak, weight_decay=0, betas=(.9, .99))
    source, squares, start = random.Random(options.seed), [], time.time()
    while (progress := (time.time() - start) / 60 / options.minutes) < 1:
        optimiser.param_groups[0]['lr'] = rate(peak, average.steps, progress)
        frames = torch.from_numpy(shapes.single_frames(source, options.batch))
        squares.append(step(vae, optimiser, average, frames))
        if len(squares) == REPORT_EVERY:
            decibels = -10 * math.log10(sum(squares) / REPORT_EVERY)
            print(f'step {average.steps}: {decibels:.2f} dB', flush=True)
            squares = []
    return dict(zip(tensors, average.values))


def train(options):
    torch.manual_seed(options.seed)
    tensors = {name: value.requires_grad_() for name, value in initial_weights().items()}
    averaged = run(tensors, options)
    fix_variance(averaged)
    torch.save(averaged, os.path.join(options.state, 'vae.pt'))
