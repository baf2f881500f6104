"""Renders prompts with DDIM (leading spacing) and guidance: the reference for what a seed shows."""
import torch

import config
import shapes


def noise(seed, frames, size):
    """Start latents of one clip, drawn in the order batch, channel, frame, row, column."""
    generator = torch.Generator().manual_seed(seed)
    side = size // config.DOWNSCALE
    return torch.randn(1, config.LATENT_CHANNELS, frames, side, side, generator=generator)


def timesteps(steps):
    """Leading spacing with an offset of one, the noisiest first."""
    stride = config.TRAIN_STEPS // steps
    return [index * stride + 1 for index in reversed(range(steps))], stride


def ddim_step(latents, predicted, signal, signal_next):
    """One deterministic step from the signal share at this timestep to the next one's."""
    clean = (latents - (1 - signal).sqrt() * predicted) / signal.sqrt()
    return signal_next.sqrt() * clean + (1 - signal_next).sqrt() * predicted


def guided(model, latents, timestep, both_texts, guidance):
    """The noise predicted with guidance; both_texts holds the empty prompts, then the prompts."""
    repeated = torch.full((2 * len(latents),), float(timestep))
    predicted = model.unet(torch.cat([latents, latents]), repeated, both_texts)
    without, with_text = predicted.chunk(2)
    return without + guidance * (with_text - without)


def sample(model, prompts, start, steps, guidance):
    """Latents of prompts, from the noise start."""
    alphas = config.alphas_cumprod()
    both_texts = model.encode_text([''] * len(prompts) + list(prompts))
    latents = start
    schedule, stride = timesteps(steps)
    for timestep in schedule:
        predicted = guided(model, latents, timestep, both_texts, guidance)
        following = alphas[max(timestep - stride, 0)]
        latents = ddim_step(latents, predicted, alphas[timestep], following)
    return latents


def decode(model, latents):
    """Latents [B, 4, F, h, w] -> frames uint8 [B, F, H, W, 3]."""
    clips, _, frames = latents.shape[:3]
    pictures = model.vae.decode((latents / model.scale).transpose(1, 2).flatten(0, 1))
    pixels = ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte()
    return pixels.unflatten(0, (clips, frames)).permute(0, 1, 3, 4, 2).numpy()


@torch.inference_mode()
def render(model, prompts, seeds, steps, guidance, frames=shapes.FRAMES, size=shapes.SIZE):
    """Clips of prompts and seeds, uint8 [B, F, H, W, 3]; a clip depends on its own seed alone."""
    start = torch.cat([noise(seed, frames, size) for seed in seeds])
    return decode(model, sample(model, prompts, start, steps, guidance))
