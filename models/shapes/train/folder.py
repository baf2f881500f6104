"""Loads the shapes model from a diffusers folder (fp16) or from a training state folder (fp32).

A state folder holds vae.pt, unet.pt and meta.json. unet.pt has the UNet's tensors under `u.` and
the text encoder's under `k.`; meta.json has the latents' scale and the tokenizer's merges.
"""
import json
import os

import torch
from safetensors.torch import load_file

import config
from model import TextEncoder, Tokenizer, UNet, Vae


class Model:
    """All parts, ready to run, and the tensors they read from."""

    def __init__(self, unet, text, vae, merges, scale):
        self.unet_tensors, self.text_tensors, self.vae_tensors = unet, text, vae
        self.merges, self.scale = merges, scale
        self.tokenizer = Tokenizer(merges)
        self.text_encoder = make_text_encoder(text)
        self.unet = make_unet(unet)
        self.vae = make_vae(vae)

    def encode_text(self, prompts):
        """Features of prompts, [B, 77, D]."""
        ids = torch.tensor([self.tokenizer(prompt) for prompt in prompts])
        return self.text_encoder(ids)


def make_text_encoder(tensors):
    return TextEncoder(tensors, config.TEXT_HEADS)


def make_unet(tensors):
    return UNet(tensors, config.UNET_WIDTHS, config.UNET_LAYERS, config.HEAD_WIDTH,
                config.UNET_GROUPS, config.INPUT_HEADS)


def make_vae(tensors):
    return Vae(tensors, config.VAE_WIDTHS, config.VAE_LAYERS, config.VAE_GROUPS)


def with_prefix(tensors, prefix):
    """The tensors whose names begin with prefix, without it."""
    return {name[len(prefix):]: tensor for name, tensor in tensors.items()
            if name.startswith(prefix)}


def load(path):
    """Loads either kind of folder."""
    if os.path.exists(os.path.join(path, 'model_index.json')):
        return load_diffusers(path)
    return load_state(path)


def load_state(path):
    meta = read_json(path, 'meta.json')
    tensors = torch.load(os.path.join(path, 'unet.pt'))
    vae = torch.load(os.path.join(path, 'vae.pt'))
    return Model(with_prefix(tensors, 'u.'), with_prefix(tensors, 'k.'), vae,
                 meta['merges'], meta['scale'])


def load_diffusers(path):
    scale = read_json(path, 'vae/config.json')['scaling_factor']
    return Model(load_float(path, 'unet/diffusion_pytorch_model.safetensors'),
                 load_float(path, 'text_encoder/model.safetensors'),
                 load_float(path, 'vae/diffusion_pytorch_model.safetensors'),
                 load_merges(path), scale)


def read_json(path, name):
    with open(os.path.join(path, name), encoding='utf-8') as file:
        return json.load(file)


def load_float(path, name):
    """A safetensors file's tensors in float32."""
    tensors = load_file(os.path.join(path, name))
    return {key: tensor.float() for key, tensor in tensors.items()}


def load_merges(path):
    with open(os.path.join(path, 'tokenizer/merges.txt'), encoding='utf-8') as file:
        return [line.split() for line in file.read().splitlines()[1:] if line]
