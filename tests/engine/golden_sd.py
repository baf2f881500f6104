#!/usr/bin/env python3
"""Writes tests/data/tiny-sd1 and tiny-sd2: random Stable Diffusion folders and what diffusers makes of them.

    golden_sd.py [TESTS_DATA]      needs torch, diffusers 0.33.1, transformers 4.51.3, safetensors

The two differ where versions 1 and 2 do: heads as a number or a list, projections as convolutions or linear maps, quick GELU or GELU,
padding, PNDM with epsilon or DDIM with v prediction. Weights are float16, results are computed in float32 from them.
"""
import json
import os
import shutil
import sys

import torch
from diffusers import (AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline,
                       UNet2DConditionModel)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH, HEIGHT, STEPS, SEED, GUIDANCE = 48, 32, 4, 42, 7.5
PROMPT, NEGATIVE = 'a red fox runs through the snow', 'night'

BETAS = {'beta_start': 0.00085, 'beta_end': 0.012, 'beta_schedule': 'scaled_linear', 'num_train_timesteps': 1000, 'set_alpha_to_one': False,
         'skip_prk_steps': True, 'steps_offset': 1, 'trained_betas': None, 'clip_sample': False, '_diffusers_version': '0.8.0'}
KINDS = {
    'tiny-sd1': {
        'seed': 90,
        'unet': {'attention_head_dim': 4},
        'text': {'hidden_act': 'quick_gelu', 'num_hidden_layers': 2, 'num_attention_heads': 4},
        'scheduler': {'_class_name': 'PNDMScheduler', **BETAS},
        'pad': '<|endoftext|>',
    },
    'tiny-sd2': {
        'seed': 91,
        'unet': {'attention_head_dim': [2, 4], 'use_linear_projection': True, 'upcast_attention': True},
        'text': {'hidden_act': 'gelu', 'num_hidden_layers': 3, 'num_attention_heads': 2},
        'scheduler': {'_class_name': 'DDIMScheduler', 'prediction_type': 'v_prediction', **BETAS},
        'pad': '!',
    },
}


def shaken(model, gain):
    """Norms and biases are not left at one and zero; every weight is one that float16 holds."""
    for name, p in model.named_parameters():
        if p.dim() == 1:
            p.data += 0.2 * torch.randn_like(p)
        else:
            p.data *= gain
        p.data = p.data.half().float()
    return model.eval()


def tokenizer(data, folder, pad):
    os.makedirs(folder)
    for name in 'vocab.json', 'merges.txt':
        shutil.copyfile(f'{data}/tiny/tokenizer/{name}', f'{folder}/{name}')
    token = {'content': '<|endoftext|>', 'lstrip': False, 'normalized': True, 'rstrip': False, 'single_word': False}
    write(f'{folder}/special_tokens_map.json', {'bos_token': {**token, 'content': '<|startoftext|>'}, 'eos_token': token, 'unk_token': token,
                                                'pad_token': pad})
    write(f'{folder}/tokenizer_config.json', {'model_max_length': 77, 'tokenizer_class': 'CLIPTokenizer', 'do_lower_case': True})
    return CLIPTokenizer.from_pretrained(folder)


def write(path, value):
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(value, file, indent=2)
        file.write('\n')


def parts(data, folder, kind):
    torch.manual_seed(kind['seed'])
    unet = shaken(UNet2DConditionModel(
        sample_size=6, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        cross_attention_dim=16, down_block_types=('CrossAttnDownBlock2D', 'DownBlock2D'), up_block_types=('UpBlock2D', 'CrossAttnUpBlock2D'),
        **kind['unet']), 1.5)
    vae = shaken(AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(4, 4, 8, 8), layers_per_block=1, norm_num_groups=2,
        down_block_types=('DownEncoderBlock2D',) * 4, up_block_types=('UpDecoderBlock2D',) * 4, sample_size=48), 1.5)
    text = shaken(CLIPTextModel(CLIPTextConfig(
        vocab_size=554, hidden_size=16, intermediate_size=64, max_position_embeddings=77, projection_dim=16, bos_token_id=0, eos_token_id=2,
        pad_token_id=1, **kind['text'])), 4)
    for name, part in ('unet', unet), ('vae', vae), ('text_encoder', text):
        part.half().save_pretrained(f'{folder}/{name}')
        part.float()
        path = f'{folder}/{name}/config.json'
        with open(path, encoding='utf-8') as file:
            config = json.load(file)
        config.pop('_name_or_path', None)
        write(path, config)
    os.makedirs(f'{folder}/scheduler')
    write(f'{folder}/scheduler/scheduler_config.json', kind['scheduler'])
    write(f'{folder}/model_index.json', {
        '_class_name': 'StableDiffusionPipeline', '_diffusers_version': '0.33.1', 'requires_safety_checker': False,
        'feature_extractor': ['transformers', 'CLIPImageProcessor'], 'safety_checker': ['stable_diffusion', 'StableDiffusionSafetyChecker'],
        'scheduler': ['diffusers', kind['scheduler']['_class_name']], 'text_encoder': ['transformers', 'CLIPTextModel'],
        'tokenizer': ['transformers', 'CLIPTokenizer'], 'unet': ['diffusers', 'UNet2DConditionModel'], 'vae': ['diffusers', 'AutoencoderKL']})
    return unet, vae, text, tokenizer(data, f'{folder}/tokenizer', kind['pad'])


def trajectory(pipe, scheduler):
    """Latents before the first and after each step, and the image as floats [3][H][W]."""
    pipe.scheduler = scheduler
    kept = []

    def keep(p, step, timestep, values):
        kept.append(values['latents'].clone())
        return values

    generator = torch.Generator('cpu').manual_seed(SEED)
    start = torch.randn((1, 4, HEIGHT // 8, WIDTH // 8), generator=generator)
    image = pipe(PROMPT, negative_prompt=NEGATIVE, width=WIDTH, height=HEIGHT, num_inference_steps=STEPS, guidance_scale=GUIDANCE,
                 generator=torch.Generator('cpu').manual_seed(SEED), output_type='pt', callback_on_step_end=keep).images
    decoded = pipe.vae.decode(kept[-1] / pipe.vae.config.scaling_factor).sample[0]
    assert torch.equal((decoded / 2 + 0.5).clamp(0, 1), image[0])
    return torch.cat([start * pipe.scheduler.init_noise_sigma] + kept), decoded


def from_picture(pipe, scheduler):
    """Image to image: bytes [H][W][3] and the latents after each of the steps that are left."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing='ij')
    picture = torch.stack([x * 5, y * 7, 255 - x * 2 - y * 3], -1).to(torch.uint8)
    kept = []

    def keep(p, step, timestep, values):
        kept.append(values['latents'].clone())
        return values

    given = StableDiffusionImg2ImgPipeline(**{**pipe.components, 'scheduler': scheduler}, requires_safety_checker=False)
    given.set_progress_bar_config(disable=True)
    given(PROMPT, image=picture.permute(2, 0, 1)[None].float() / 255, strength=0.5, negative_prompt=NEGATIVE, num_inference_steps=STEPS,
          guidance_scale=GUIDANCE, generator=torch.Generator('cpu').manual_seed(SEED), output_type='latent', callback_on_step_end=keep)
    return picture, torch.cat(kept)


@torch.no_grad()
def main(data):
    for name, kind in KINDS.items():
        folder = f'{data}/{name}'
        shutil.rmtree(folder, ignore_errors=True)
        unet, vae, text, tokens = parts(data, folder, kind)
        ids = tokens([NEGATIVE, PROMPT], padding='max_length', max_length=77, truncation=True, return_tensors='pt').input_ids
        embeddings = text(ids)[0]
        x = torch.randn((2, 4, 5, 7), generator=torch.Generator('cpu').manual_seed(1))
        golden = {'tok.ids': ids, 'clip.emb': embeddings, 'unet.x': x, 'unet.out': unet(x, 501, embeddings).sample}
        pipe = StableDiffusionPipeline(vae=vae, text_encoder=text, tokenizer=tokens, unet=unet, scheduler=None, safety_checker=None,
                                       feature_extractor=None, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        config = {k: v for k, v in kind['scheduler'].items() if not k.startswith('_')}
        golden['traj.ddim'], golden['image'] = trajectory(pipe, DDIMScheduler.from_config(config))
        golden['traj.dpm'], _ = trajectory(pipe, DPMSolverMultistepScheduler.from_config(config))
        golden['i2i.picture'], golden['i2i.ddim'] = from_picture(pipe, DDIMScheduler.from_config(config))
        save_file({k: v.contiguous() for k, v in golden.items()}, f'{folder}/golden.safetensors')
        print(name, {k: (tuple(v.shape), round(float(v.float().std()), 3)) for k, v in golden.items()})


main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'data'))
