"""Makes tests/data/noise.safetensors: what torch draws in half and bfloat precision, what Philox gives
by an implementation of its own here, and the start latents of a batch of 3 on one generator.

    golden_noise.py        needs torch 2.13, diffusers 0.33.1, transformers 4.51.3, numpy
"""
import os

import diffusers
import numpy as np
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, '..', 'data')


def drawn(dtype, *counts):
    """Several calls on one generator, one after the other."""
    generator = torch.Generator('cpu').manual_seed(42)
    return torch.cat([torch.randn(n, generator=generator, dtype=dtype).float() for n in counts])


def philox(counter, key, rounds=10):
    """counter [4][n] of uint64 below 2^32, key (low, high)."""
    low, high = (np.uint64(k) for k in key)
    mask = np.uint64(0xffffffff)
    c = [x.astype(np.uint64) for x in counter]
    for _ in range(rounds):
        a, b = np.uint64(0xd2511f53) * c[0], np.uint64(0xcd9e8d57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ low, b & mask, (a >> np.uint64(32)) ^ c[3] ^ high, a & mask]
        low, high = (low + np.uint64(0x9e3779b9)) & mask, (high + np.uint64(0xbb67ae85)) & mask
    return c


def box_muller(x, y):
    u = x.astype(np.float64) * 2.**-32 + 2.**-33
    v = (y.astype(np.float64) * 2.**-32 + 2.**-33) * 2 * np.pi
    s = np.sqrt(-2 * np.log(u))
    return s * np.sin(v), s * np.cos(v)


def gpu(seed, counts, threads_max=None):
    """torch.randn on a GPU: thread i writes elements i, i + T, i + 2T, i + 3T, then goes on."""
    key, offset, out = (seed & 0xffffffff, seed >> 32), 0, []
    for n in counts:
        threads = -(-n // 256) * 256
        threads = threads if threads_max is None else min(threads, threads_max)
        values, first = np.zeros(n), 0
        while first < n:
            index = np.arange(threads, dtype=np.uint64)
            zero = np.zeros(threads, np.uint64)
            w = philox([zero + np.uint64(offset), zero, index, zero], key)
            for k, four in enumerate(box_muller(w[0], w[1]) + box_muller(w[2], w[3])):
                at = first + k * threads
                part = four[:max(0, min(threads, n - at))]
                values[at:at + len(part)] = part
            first += 4 * threads
            offset += 1
        out.append(values)
    return torch.tensor(np.concatenate(out), dtype=torch.float32)


def batch_latents():
    pipe = diffusers.TextToVideoSDPipeline.from_pretrained(os.path.join(DATA, 'tiny'))
    pipe.set_progress_bar_config(disable=True)
    kept = []
    pipe.unet.register_forward_pre_hook(
        lambda module, args, kwargs: kept.append(args[0].clone()), with_kwargs=True)
    pipe(['a fox'] * 3, height=16, width=24, num_frames=2, num_inference_steps=2, guidance_scale=1.,
         generator=torch.Generator('cpu').manual_seed(9), eta=1., output_type='latent')
    return torch.stack(kept)


def main():
    torch.set_num_threads(1)
    save_file({
        'f16': drawn(torch.float16, 64, 32, 5, 3),
        'bf16': drawn(torch.bfloat16, 64, 32, 5, 3),
        'philox': gpu(42, [700, 5]),
        'philox.large': gpu((1 << 40) + 7, [32]),
        'cuda': gpu(42, [5000, 300], threads_max=512),
        'batch': batch_latents(),
    }, os.path.join(DATA, 'noise.safetensors'))


if __name__ == '__main__':
    main()
