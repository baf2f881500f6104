#!/usr/bin/env python3
"""Stable Diffusion 1.5 or 2.1 in its full size, random weights in float16: the engine beside diffusers in float32 on the same files.

    compare_sd.py {1,2} [--bin BUILD/bin] [--size 128x64] [--steps 2] [--threads 2]

Needs diffusers 0.33.1, transformers 4.51.3, torch; 8 GB of memory and 3 GB in TMPDIR, which are freed. Prints relative L2 distances.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

SOURCE = pathlib.Path(__file__).resolve().parents[2]
KINDS = {
    '1': ({'cross_attention_dim': 768, 'attention_head_dim': 8},
          {'hidden_size': 768, 'intermediate_size': 3072, 'num_hidden_layers': 12, 'num_attention_heads': 12, 'hidden_act': 'quick_gelu'},
          '<|endoftext|>', 'epsilon'),
    '2': ({'cross_attention_dim': 1024, 'attention_head_dim': [5, 10, 20, 20], 'use_linear_projection': True},
          {'hidden_size': 1024, 'intermediate_size': 4096, 'num_hidden_layers': 23, 'num_attention_heads': 16, 'hidden_act': 'gelu'},
          '!', 'v_prediction'),
}
RECIPE = {'prompt': 'a photo of a cat, 4k', 'negative_prompt': 'blurry', 'guidance_scale': 7.5, 'seed': 5, 'scheduler': 'ddim'}


def rounded(model):
    for p in model.parameters():
        if p.dim() == 1:
            p.data += 0.1 * torch.randn_like(p)
        p.data = p.data.half().float()
    return model.eval()


def write(path, value):
    path.write_text(json.dumps(value), encoding='utf-8')


def tokenizer(folder, pad):
    """CLIP's, from the merges that are shipped: bytes that stand for themselves first, then the others, then with the end mark, then merges."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(b) for b in own] + [chr(256 + i) for i in range(256 - len(own))]
    merges = (SOURCE / 'tokenizers/clip/merges.txt').read_text(encoding='utf-8').split('\n')[1:48895]
    words = symbols + [s + '</w>' for s in symbols] + [''.join(m.split()) for m in merges] + ['<|startoftext|>', '<|endoftext|>']
    folder.mkdir()
    write(folder / 'vocab.json', {word: i for i, word in enumerate(words)})
    (folder / 'merges.txt').write_text('#version: 0.2\n' + '\n'.join(merges) + '\n', encoding='utf-8')
    write(folder / 'special_tokens_map.json', {'pad_token': pad, 'bos_token': '<|startoftext|>', 'eos_token': '<|endoftext|>',
                                               'unk_token': '<|endoftext|>'})
    write(folder / 'tokenizer_config.json', {'model_max_length': 77})
    return CLIPTokenizer.from_pretrained(folder)


def make(folder, kind):
    unet_config, text_config, pad, prediction = KINDS[kind]
    torch.manual_seed(0)
    parts = {
        'unet': rounded(UNet2DConditionModel(sample_size=64, **unet_config)),
        'vae': rounded(AutoencoderKL(down_block_types=('DownEncoderBlock2D',) * 4, up_block_types=('UpDecoderBlock2D',) * 4,
                                     block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=512)),
        'text_encoder': rounded(CLIPTextModel(CLIPTextConfig(vocab_size=49408, **text_config))),
    }
    for name, part in parts.items():
        part.half().save_pretrained(folder / name)
        part.float()
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule='scaled_linear', clip_sample=False, set_alpha_to_one=False,
                              steps_offset=1, prediction_type=prediction)
    scheduler.save_pretrained(folder / 'scheduler')
    write(folder / 'model_index.json', {'_class_name': 'StableDiffusionPipeline'})
    return StableDiffusionPipeline(**parts, tokenizer=tokenizer(folder / 'tokenizer', pad), scheduler=scheduler, safety_checker=None,
                                   feature_extractor=None, requires_safety_checker=False)


@torch.no_grad()
def reference(pipe, recipe):
    kept = {}

    def keep(p, step, timestep, values):
        kept[f'latents.{step + 1}'] = values['latents'].clone()
        return values

    pipe.set_progress_bar_config(disable=True)
    pipe(recipe['prompt'], negative_prompt=recipe['negative_prompt'], width=recipe['width'], height=recipe['height'],
         num_inference_steps=recipe['num_inference_steps'], guidance_scale=recipe['guidance_scale'],
         generator=torch.Generator('cpu').manual_seed(recipe['seed']), output_type='latent', callback_on_step_end=keep)
    last = kept[f"latents.{recipe['num_inference_steps']}"]
    kept['frames'] = pipe.vae.decode(last / pipe.vae.config.scaling_factor).sample
    return kept


def main():
    p = argparse.ArgumentParser()
    p.add_argument('kind', choices=KINDS)
    p.add_argument('--bin', default=SOURCE / 'build/bin', type=pathlib.Path)
    p.add_argument('--size', default='128x64')
    p.add_argument('--steps', default=2, type=int)
    p.add_argument('--threads', default='2')
    o = p.parse_args()
    width, height = map(int, o.size.split('x'))
    recipe = {**RECIPE, 'width': width, 'height': height, 'num_inference_steps': o.steps}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / 'model'
        folder.mkdir()
        want = reference(make(folder, o.kind), recipe)
        write(folder.parent / 'recipe.json', recipe)
        begun = time.monotonic()
        subprocess.run([o.bin / 'zoe-engine', 'trace', '--model', folder, '--recipe', folder.parent / 'recipe.json', '--out',
                        folder.parent / 'trace.safetensors', '--threads', o.threads], check=True)
        print(f'engine {time.monotonic() - begun:.1f} s, loading included')
        got = load_file(folder.parent / 'trace.safetensors')
        for key, tensor in want.items():
            distance = float((got[key].reshape(tensor.shape) - tensor).norm() / tensor.norm())
            print(f'{key}: relative L2 {distance:.2g}')


main()
