"""Writes a training state as a diffusers folder in fp16, with zoetrope.json.

    export.py STATE OUT [--guidance 3]
"""
import argparse
import json
import os

from safetensors.torch import save_file

import config
import folder
import shapes

DIFFUSERS = '0.33.1'
SUMMARY = ('One coloured shape that moves on a plain background, 64x64, 16 frames. '
           'For trying, testing and demonstrating; not for art.')


def model_index():
    return {
        '_class_name': 'TextToVideoSDPipeline',
        '_diffusers_version': DIFFUSERS,
        'scheduler': ['diffusers', 'DDIMScheduler'],
        'text_encoder': ['transformers', 'CLIPTextModel'],
        'tokenizer': ['transformers', 'CLIPTokenizer'],
        'unet': ['diffusers', 'UNet3DConditionModel'],
        'vae': ['diffusers', 'AutoencoderKL'],
    }


def unet_config():
    return {
        '_class_name': 'UNet3DConditionModel',
        '_diffusers_version': DIFFUSERS,
        'act_fn': 'silu',
        'attention_head_dim': config.HEAD_WIDTH,
        'block_out_channels': list(config.UNET_WIDTHS),
        'cross_attention_dim': config.TEXT_WIDTH,
        'down_block_types': ['CrossAttnDownBlock3D', 'DownBlock3D'],
        'downsample_padding': 1,
        'in_channels': config.LATENT_CHANNELS,
        'layers_per_block': config.UNET_LAYERS,
        'mid_block_scale_factor': 1,
        'norm_eps': 1e-5,
        'norm_num_groups': config.UNET_GROUPS,
        'out_channels': config.LATENT_CHANNELS,
        'sample_size': shapes.SIZE // config.DOWNSCALE,
        'up_block_types': ['UpBlock3D', 'CrossAttnUpBlock3D'],
    }


def vae_config(scale):
    levels = len(config.VAE_WIDTHS)
    return {
        '_class_name': 'AutoencoderKL',
        '_diffusers_version': DIFFUSERS,
        'act_fn': 'silu',
        'block_out_channels': list(config.VAE_WIDTHS),
        'down_block_types': ['DownEncoderBlock2D'] * levels,
        'in_channels': 3,
        'latent_channels': config.LATENT_CHANNELS,
        'layers_per_block': config.VAE_LAYERS,
        'norm_num_groups': config.VAE_GROUPS,
        'out_channels': 3,
        'sample_size': shapes.SIZE,
        'scaling_factor': scale,
        'up_block_types': ['UpDecoderBlock2D'] * levels,
    }


def text_config(tokenizer):
    return {
        'architectures': ['CLIPTextModel'],
        'hidden_act': 'gelu',
        'hidden_size': config.TEXT_WIDTH,
        'intermediate_size': config.TEXT_HIDDEN,
        'layer_norm_eps': 1e-5,
        'max_position_embeddings': 77,
        'model_type': 'clip_text_model',
        'num_attention_heads': config.TEXT_HEADS,
        'num_hidden_layers': config.TEXT_LAYERS,
        'vocab_size': len(tokenizer.vocabulary),
        'bos_token_id': tokenizer.begin,
        'eos_token_id': tokenizer.end,
        'pad_token_id': tokenizer.pad,
    }


def scheduler_config():
    return {
        '_class_name': 'DDIMScheduler',
        '_diffusers_version': DIFFUSERS,
        'beta_end': config.BETA_END,
        'beta_schedule': 'scaled_linear',
        'beta_start': config.BETA_START,
        'clip_sample': False,
        'num_train_timesteps': config.TRAIN_STEPS,
        'prediction_type': 'epsilon',
        'set_alpha_to_one': False,
        'skip_prk_steps': True,
        'steps_offset': 1,
        'trained_betas': None,
    }


def special_tokens():
    begin, end = '<|startoftext|>', '<|endoftext|>'
    return {'bos_token': begin, 'eos_token': end, 'pad_token': '!', 'unk_token': end}


def tokenizer_config():
    return {'model_max_length': 77, 'do_lower_case': True, 'tokenizer_class': 'CLIPTokenizer'}


def zoetrope_manifest(guidance):
    return {
        'name': 'shapes',
        'family': 'modelscope',
        'licence': 'MIT',
        'window': shapes.FRAMES,
        'summary': SUMMARY,
        'defaults': {
            'num_inference_steps': 25,
            'guidance_scale': guidance,
            'scheduler': 'ddim',
            'width': shapes.SIZE,
            'height': shapes.SIZE,
            'num_frames': shapes.FRAMES,
            'fps': 8,
        },
        'words': shapes.caption_words(),
    }


def write_json(out, name, value):
    path = os.path.join(out, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(value, file, indent=2, ensure_ascii=False)


def write_half(out, name, tensors):
    path = os.path.join(out, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    half = {key: tensor.detach().half().contiguous() for key, tensor in tensors.items()}
    save_file(half, path, {'format': 'pt'})


def write_merges(out, merges):
    path = os.path.join(out, 'tokenizer/merges.txt')
    with open(path, 'w', encoding='utf-8') as file:
        file.write('#version: 0.2\n')
        file.writelines(' '.join(pair) + '\n' for pair in merges)


def write(model, out, guidance):
    """Writes every file of the folder but the README."""
    write_half(out, 'unet/diffusion_pytorch_model.safetensors', model.unet_tensors)
    write_half(out, 'text_encoder/model.safetensors', model.text_tensors)
    write_half(out, 'vae/diffusion_pytorch_model.safetensors', model.vae_tensors)
    write_json(out, 'model_index.json', model_index())
    write_json(out, 'unet/config.json', unet_config())
    write_json(out, 'vae/config.json', vae_config(model.scale))
    write_json(out, 'text_encoder/config.json', text_config(model.tokenizer))
    write_json(out, 'scheduler/scheduler_config.json', scheduler_config())
    write_json(out, 'tokenizer/vocab.json', model.tokenizer.ids)
    write_json(out, 'tokenizer/special_tokens_map.json', special_tokens())
    write_json(out, 'tokenizer/tokenizer_config.json', tokenizer_config())
    write_json(out, 'zoetrope.json', zoetrope_manifest(guidance))
    write_merges(out, model.merges)


def main():
    parser = argparse.ArgumentParser(description='Writes the diffusers folder.')
    parser.add_argument('state')
    parser.add_argument('out')
    parser.add_argument('--guidance', type=float, default=3.)
    options = parser.parse_args()
    write(folder.load(options.state), options.out, options.guidance)


if __name__ == '__main__':
    main()
