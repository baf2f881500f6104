"""The sizes of the shapes model, and its noise schedule."""
import torch

LATENT_CHANNELS = 4
DOWNSCALE = 8                       # pixels per latent pixel, each way
VAE_WIDTHS, VAE_LAYERS, VAE_GROUPS = (16, 32, 64, 64), 1, 8
UNET_WIDTHS, UNET_LAYERS, UNET_GROUPS = (64, 128), 1, 16
HEAD_WIDTH, INPUT_HEADS = 16, 8
TEXT_WIDTH, TEXT_LAYERS, TEXT_HIDDEN, TEXT_HEADS = 64, 2, 256, 4
TRAIN_STEPS, BETA_START, BETA_END = 1000, .00085, .026


def alphas_cumprod():
    """The share of the picture's variance left at every timestep."""
    betas = torch.linspace(BETA_START ** .5, BETA_END ** .5, TRAIN_STEPS) ** 2
    return torch.cumprod(1 - betas, 0)
