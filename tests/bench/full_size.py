"""A model of ModelScope 1.7B's exact layout and size, rendered from both of its forms. By hand.

    ZOE_BIN=BUILD/bin full_size.py [--folder /tmp/full_size] [--threads 2] [--reference] [--keep]

Run it with a Python that has numpy and torch; --reference wants diffusers and transformers too, and
about 9 GB of free memory. It writes some 8 GB of files and deletes them in the end.

Weights are hashes of their tensor's name and their index, scaled by the fan-in, none of them zero,
in float16: the model draws noise, but every tensor, name and shape counts. Two frames of 64x64 in
two steps are rendered from a diffusers folder and from the original files; both traces must be
equal byte for byte. --reference renders the same with diffusers in float32. Prints JSON lines.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import zlib

import numpy

HERE = pathlib.Path(__file__).resolve().parent
CONFIGS = HERE.parent / 'data' / 'full_size'
MERGES = HERE.parents[1] / 'tokenizers' / 'clip' / 'merges.txt'
CHANNELS, TEXT, LAYERS = (320, 640, 1280, 1280), 1024, 23
RECIPE = {'prompt': 'An astronaut riding a horse', 'seed': 42, 'num_inference_steps': 2,
          'width': 64, 'height': 64, 'num_frames': 2, 'guidance_scale': 9.0, 'scheduler': 'ddim'}
LIMIT_BYTES = 6 << 30
PIECE = 1 << 22

# ---- tensors: {name: shape} under diffusers' names ----


class Table(dict):
    def linear(self, name, ins, outs, bias=True):
        self[name + '.weight'] = (outs, ins)
        if bias:
            self[name + '.bias'] = (outs,)

    def norm(self, name, channels):
        self[name + '.weight'] = self[name + '.bias'] = (channels,)

    def conv(self, name, ins, outs, *kernel):
        self[name + '.weight'] = (outs, ins) + (kernel or (3, 3))
        self[name + '.bias'] = (outs,)

    def residual(self, name, ins, outs, time=0):
        self.norm(name + '.norm1', ins)
        self.conv(name + '.conv1', ins, outs)
        if time:
            self.linear(name + '.time_emb_proj', time, outs)
        self.norm(name + '.norm2', outs)
        self.conv(name + '.conv2', outs, outs)
        if ins != outs:
            self.conv(name + '.conv_shortcut', ins, outs, 1, 1)

    def over_time(self, name, channels):
        for i in range(1, 5):
            self.norm(f'{name}.conv{i}.0', channels)
            self.conv(f'{name}.conv{i}.{2 if i == 1 else 3}', channels, channels, 3, 1, 1)

    def transformer(self, name, outer, inner, second):
        self.norm(name + '.norm', outer)
        self.linear(name + '.proj_in', outer, inner)
        block = name + '.transformer_blocks.0'
        for attention, keys in (('attn1', inner), ('attn2', second)):
            self.linear(f'{block}.{attention}.to_q', inner, inner, False)
            self.linear(f'{block}.{attention}.to_k', keys, inner, False)
            self.linear(f'{block}.{attention}.to_v', keys, inner, False)
            self.linear(f'{block}.{attention}.to_out.0', inner, inner)
        for i in range(1, 4):
            self.norm(f'{block}.norm{i}', inner)
        self.linear(block + '.ff.net.0.proj', inner, 8 * inner)
        self.linear(block + '.ff.net.2', 4 * inner, inner)
        self.linear(name + '.proj_out', inner, outer)


def unet_layer(table, block, j, ins, outs, attends):
    table.residual(f'{block}.resnets.{j}', ins, outs, 4 * CHANNELS[0])
    table.over_time(f'{block}.temp_convs.{j}', outs)
    if attends:
        table.transformer(f'{block}.attentions.{j}', outs, outs, TEXT)
        table.transformer(f'{block}.temp_attentions.{j}', outs, outs, outs)


def unet_table():
    t, wide, last = Table(), 4 * CHANNELS[0], len(CHANNELS) - 1
    t.conv('conv_in', 4, CHANNELS[0])
    t.linear('time_embedding.linear_1', CHANNELS[0], wide)
    t.linear('time_embedding.linear_2', wide, wide)
    t.transformer('transformer_in', CHANNELS[0], 512, 512)
    skips, ins = [CHANNELS[0]], CHANNELS[0]
    for b, outs in enumerate(CHANNELS):
        for j in range(2):
            unet_layer(t, f'down_blocks.{b}', j, ins, outs, b < last)
            ins = outs
            skips.append(outs)
        if b < last:
            t.conv(f'down_blocks.{b}.downsamplers.0.conv', outs, outs)
            skips.append(outs)
    unet_layer(t, 'mid_block', 0, ins, ins, True)
    unet_layer(t, 'mid_block', 1, ins, ins, False)
    for b, outs in enumerate(reversed(CHANNELS)):
        for j in range(3):
            unet_layer(t, f'up_blocks.{b}', j, ins + skips.pop(), outs, b > 0)
            ins = outs
        if b < last:
            t.conv(f'up_blocks.{b}.upsamplers.0.conv', outs, outs)
    t.norm('conv_norm_out', CHANNELS[0])
    t.conv('conv_out', CHANNELS[0], 4)
    return t


def vae_middle(t, half, channels):
    attention = f'{half}.mid_block.attentions.0'
    t.norm(attention + '.group_norm', channels)
    for name in ('to_q', 'to_k', 'to_v', 'to_out.0'):
        t.linear(f'{attention}.{name}', channels, channels)
    for j in range(2):
        t.residual(f'{half}.mid_block.resnets.{j}', channels, channels)


def vae_table():
    t, channels = Table(), (128, 256, 512, 512)
    for half, order, ins, layers in (('encoder', channels, 128, 2),
                                     ('decoder', channels[::-1], 512, 3)):
        up = half == 'decoder'
        t.conv(half + '.conv_in', 4 if up else 3, ins)
        vae_middle(t, half, 512)
        for b, outs in enumerate(order):
            block = f'{half}.{"up" if up else "down"}_blocks.{b}'
            for j in range(layers):
                t.residual(f'{block}.resnets.{j}', ins, outs)
                ins = outs
            if b < 3:
                t.conv(f'{block}.{"up" if up else "down"}samplers.0.conv', outs, outs)
        t.norm(half + '.conv_norm_out', ins)
        t.conv(half + '.conv_out', ins, 3 if up else 8)
    t.conv('quant_conv', 8, 8, 1, 1)
    t.conv('post_quant_conv', 4, 4, 1, 1)
    return t


def text_table():
    t, wide = Table(), 4 * TEXT
    t['text_model.embeddings.token_embedding.weight'] = (49408, TEXT)
    t['text_model.embeddings.position_embedding.weight'] = (77, TEXT)
    for i in range(LAYERS):
        layer = f'text_model.encoder.layers.{i}'
        for name in ('q', 'k', 'v', 'out'):
            t.linear(f'{layer}.self_attn.{name}_proj', TEXT, TEXT)
        t.norm(layer + '.layer_norm1', TEXT)
        t.norm(layer + '.layer_norm2', TEXT)
        t.linear(layer + '.mlp.fc1', TEXT, wide)
        t.linear(layer + '.mlp.fc2', wide, TEXT)
    t.norm('text_model.final_layer_norm', TEXT)
    return t


# ---- weights ----


def uniform(name, first, count):
    """Hashes (splitmix64) of name and index, in (-1, 1)."""
    with numpy.errstate(over='ignore'):
        z = numpy.arange(first, first + count, dtype=numpy.uint64)
        z += numpy.uint64(zlib.crc32(name.encode()) << 32)
        z *= numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    return (z >> numpy.uint64(40)).astype(numpy.float32) / numpy.float32(1 << 23) - 1


def values(name, shape, first, count):
    u = uniform(name, first, count)
    if len(shape) > 1:
        fan_in = shape[1] if 'embedding.weight' in name else math.prod(shape[1:])
        u *= numpy.float32(math.sqrt(3 / fan_in))
    else:
        u *= numpy.float32(.05)
        if name.endswith('.weight'):
            u += 1
    half = u.astype(numpy.float16)
    half[half == 0] = numpy.float16(2 ** -20)
    return half


def write_safetensors(path, table):
    header, at = {}, 0
    for name, shape in table.items():
        size = 2 * math.prod(shape)
        header[name] = {'dtype': 'F16', 'shape': shape, 'data_offsets': [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(len(text).to_bytes(8, 'little') + text)
        for name, shape in table.items():
            count = math.prod(shape)
            for first in range(0, count, PIECE):
                values(name, shape, first, min(PIECE, count - first)).tofile(file)
    return at


# ---- a diffusers folder ----


def vocabulary():
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in own] + [chr(256 + i) for i in range(256 - len(own))]
    merges = MERGES.read_text(encoding='utf-8').split('\n')[1:48895]
    words = letters + [c + '</w>' for c in letters] + [m.replace(' ', '') for m in merges]
    words += ['<|startoftext|>', '<|endoftext|>']
    assert len(words) == 49408
    return {word: i for i, word in enumerate(words)}


WEIGHTS = {'unet': 'diffusion_pytorch_model.safetensors',
           'vae': 'diffusion_pytorch_model.safetensors', 'text_encoder': 'model.safetensors'}
TABLES = {'unet': unet_table, 'vae': vae_table, 'text_encoder': text_table}


def write_diffusers(folder):
    shutil.copytree(CONFIGS, folder)
    (folder / 'tokenizer' / 'vocab.json').write_text(json.dumps(vocabulary()), encoding='utf-8')
    shutil.copy(MERGES, folder / 'tokenizer' / 'merges.txt')
    return sum(write_safetensors(folder / part / file, TABLES[part]())
               for part, file in WEIGHTS.items())


# ---- the original files ----

RESIDUAL = {'norm1': 'in_layers.0', 'conv1': 'in_layers.2', 'norm2': 'out_layers.0',
            'conv2': 'out_layers.3', 'time_emb_proj': 'emb_layers.1',
            'conv_shortcut': 'skip_connection'}
TOP = {'conv_in': 'input_blocks.0.0', 'transformer_in': 'input_blocks.0.1',
       'conv_norm_out': 'out.0', 'conv_out': 'out.2'}


def unet_member(kind, rest):
    if kind == 'resnets':
        part, _, tail = rest.partition('.')
        return f'0.{RESIDUAL[part]}.{tail}'
    return {'temp_convs': '0.temopral_conv.', 'attentions': '1.', 'temp_attentions': '2.'}[
        kind] + rest


def unet_original(name):
    head, _, rest = name.partition('.')
    if head in TOP:
        return f'{TOP[head]}.{rest}'
    if head == 'time_embedding':
        return name.replace('time_embedding.linear_1', 'time_embed.0').replace(
            'time_embedding.linear_2', 'time_embed.2')
    if head == 'mid_block':
        kind, j, rest = rest.split('.', 2)
        place, member = unet_member(kind, rest).split('.', 1)
        return f'middle_block.{3 if j == "1" else place}.{member}'
    b, kind, j, rest = rest.split('.', 3)
    b, j, down = int(b), int(j), head == 'down_blocks'
    if kind == 'downsamplers':
        return f'input_blocks.{3 * b + 3}.op.{rest.split(".")[1]}'
    if kind == 'upsamplers':
        return f'output_blocks.{3 * b + 2}.{1 if b == 0 else 3}.{rest}'
    place = f'input_blocks.{3 * b + 1 + j}' if down else f'output_blocks.{3 * b + j}'
    return f'{place}.{unet_member(kind, rest)}'


def vae_original(name):
    for new, old in (('mid_block.resnets.0', 'mid.block_1'), ('mid_block.resnets.1', 'mid.block_2'),
                     ('mid_block.attentions.0', 'mid.attn_1'), ('group_norm', 'norm'),
                     ('to_q', 'q'), ('to_k', 'k'), ('to_v', 'v'), ('to_out.0', 'proj_out'),
                     ('conv_shortcut', 'nin_shortcut'), ('conv_norm_out', 'norm_out')):
        name = name.replace(new, old)
    parts = name.split('.')
    if parts[1] in ('up_blocks', 'down_blocks'):
        level = parts[2] if parts[1] == 'down_blocks' else str(3 - int(parts[2]))
        kind = {'resnets': 'block.' + parts[4], 'upsamplers': 'upsample',
                'downsamplers': 'downsample'}[parts[3]]
        parts = [parts[0], parts[1][:-7], level, kind] + parts[5:]
    return '.'.join(parts)


TEXT_NAMES = {'self_attn.out_proj': 'attn.out_proj', 'layer_norm1': 'ln_1', 'layer_norm2': 'ln_2',
              'mlp.fc1': 'mlp.c_fc', 'mlp.fc2': 'mlp.c_proj'}


def text_originals(read):
    out = {'token_embedding.weight': read('text_model.embeddings.token_embedding.weight'),
           'positional_embedding': read('text_model.embeddings.position_embedding.weight')}
    for i in range(LAYERS + 1):  # the last one is not used
        layer = f'text_model.encoder.layers.{min(i, LAYERS - 1)}.'
        block = f'transformer.resblocks.{i}.'
        for end, joined in (('.weight', 'attn.in_proj_weight'), ('.bias', 'attn.in_proj_bias')):
            rows = [read(f'{layer}self_attn.{p}_proj{end}') for p in 'qkv']
            out[block + joined] = numpy.concatenate(rows)
            for new, old in TEXT_NAMES.items():
                out[block + old + end] = read(layer + new + end)
    for end in ('.weight', '.bias'):
        out['ln_final' + end] = read('text_model.final_layer_norm' + end)
    out['text_projection'] = out['visual.proj'] = values('visual.proj', (TEXT, TEXT), 0, 1 << 20)
    out['logit_scale'] = numpy.full((), 4.6, numpy.float16)
    return out


def reader(path, table):
    """name -> array of the file just written, mapped."""
    with open(path, 'rb') as file:
        at = 8 + int.from_bytes(file.read(8), 'little')
    offsets = {}
    for name, shape in table.items():
        offsets[name] = at
        at += 2 * math.prod(shape)
    return lambda name: numpy.memmap(path, numpy.float16, 'c', offsets[name], table[name])


def original_shape(name, array):
    if name.endswith('.weight') and ('proj_in' in name or 'proj_out' in name):
        if 'transformer_in' in name or 'temp_attentions' in name:
            return array[:, :, None]
    return array


def write_original(folder, diffusers):
    import torch
    folder.mkdir(parents=True)
    arguments = {'ckpt_unet': 'text2video_pytorch_model.pth', 'ckpt_clip':
                 'open_clip_pytorch_model.bin', 'ckpt_autoencoder': 'VQGAN_autoencoder.pth'}
    config = {'unet_in_dim': 4, 'unet_dim': 320, 'unet_y_dim': 768, 'unet_context_dim': 1024,
              'unet_out_dim': 4, 'unet_dim_mult': [1, 2, 4, 4], 'unet_num_heads': 8,
              'unet_head_dim': 64, 'unet_res_blocks': 2, 'unet_attn_scales': [1, .5, .25],
              'unet_dropout': .1, 'temporal_attention': 'True', 'num_timesteps': 1000,
              'mean_type': 'eps', 'var_type': 'fixed_small', 'loss_type': 'mse'}
    (folder / 'configuration.json').write_text(json.dumps(
        {'framework': 'pytorch', 'task': 'text-to-video-synthesis', 'model': {
            'type': 'latent-text-to-video-synthesis', 'model_args': arguments,
            'model_cfg': config}}), encoding='utf-8')
    read = {part: reader(diffusers / part / WEIGHTS[part], TABLES[part]()) for part in WEIGHTS}

    def save(file, arrays, wrap=lambda tensors: tensors):
        tensors = {name: torch.from_numpy(numpy.array(array)) for name, array in arrays.items()}
        torch.save(wrap(tensors), folder / file)

    save(arguments['ckpt_unet'], {unet_original(name): original_shape(name, read['unet'](name))
                                  for name in unet_table()})
    vae = {}
    for name in vae_table():
        array = read['vae'](name)
        square = 'attentions.0.to_' in name and name.endswith('.weight')
        vae['first_stage_model.' + vae_original(name)] = (
            array[:, :, None, None] if square else array)
    vae['model.diffusion_model.out.2.bias'] = values('unused', (4,), 0, 4)
    save(arguments['ckpt_autoencoder'], vae, lambda t: {'state_dict': t, 'global_step': 1})
    save(arguments['ckpt_clip'], text_originals(read['text_encoder']))


# ---- rendering ----


def trace(folder, recipe, out, threads):
    """Renders; the engine's own profile (what the system tells of a child's memory may be this
    program's: it was its copy for a moment)."""
    command = [str(pathlib.Path(os.environ['ZOE_BIN']) / 'zoe-engine'), 'trace', '--model',
               str(folder), '--recipe', str(recipe), '--out', str(out), '--threads', str(threads),
               '--profile']
    child = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if child.returncode != 0:
        sys.exit(f'{" ".join(command)}: exit code {child.returncode}: {child.stderr}')
    profile = json.loads(child.stderr.splitlines()[-1])['profile']
    return {'mib': {name: round(size / 2 ** 20, 1) for name, size in profile['bytes'].items()},
            'seconds': profile['seconds']}


def read_trace(path):
    with open(path, 'rb') as file:
        data = file.read()
    begin = 8 + int.from_bytes(data[:8], 'little')
    out = {}
    for name, entry in json.loads(data[8:begin]).items():
        first, last = entry.get('data_offsets', (0, 0))
        if entry.get('dtype') == 'F32':
            out[name] = numpy.frombuffer(data[begin + first:begin + last], '<f4').reshape(
                entry['shape'])
    return out


def distance(got, want):
    return float(numpy.linalg.norm((got - want).ravel()) / numpy.linalg.norm(want.ravel()))


def reference(folder, trace_file):
    import torch
    from diffusers import TextToVideoSDPipeline
    torch.set_num_threads(2)
    ours = read_trace(trace_file)
    pipe = TextToVideoSDPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    with torch.inference_mode():
        latents = pipe(RECIPE['prompt'], num_frames=2, height=64, width=64, num_inference_steps=2,
                       guidance_scale=9., generator=torch.Generator().manual_seed(42),
                       output_type='latent').frames
        video = pipe.decode_latents(latents)[0].permute(1, 0, 2, 3)
    last = f'latents.{RECIPE["num_inference_steps"]}'
    return {'latents_rel_l2': distance(ours[last], latents.numpy()),
            'frames_rel_l2': distance(ours['frames'], video.numpy())}


def say(**fact):
    print(json.dumps(fact), flush=True)


def measure(options, folder):
    recipe, traces = folder / 'recipe.json', []
    recipe.write_text(json.dumps(RECIPE), encoding='utf-8')
    size = write_diffusers(folder / 'diffusers')
    say(tensors={part: len(TABLES[part]()) for part in TABLES}, weights_mib=round(size / 2 ** 20))
    write_original(folder / 'original', folder / 'diffusers')
    say(files_mib=round(sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 2 ** 20))
    for form in ('diffusers', 'original'):
        traces.append(folder / (form + '.safetensors'))
        facts = trace(folder / form, recipe, traces[-1], options.threads)
        mib = facts['mib']
        say(form=form, **facts, within_limit=mib['rss_peak'] * 2 ** 20 < LIMIT_BYTES,
            of_what_it_needs=round((mib['rss_peak'] - 64) / (mib['stored'] + mib['live']), 3))
    frames = [read_trace(path)['frames'] for path in traces]
    say(identical=traces[0].read_bytes() == traces[1].read_bytes(),
        finite=bool(numpy.isfinite(frames[0]).all()), spread=float(frames[0].std()))
    if options.reference:
        say(**reference(folder / 'diffusers', traces[0]))


def main():
    parser = argparse.ArgumentParser(description='ModelScope 1.7B in full size.')
    parser.add_argument('--folder', default='/tmp/full_size')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--reference', action='store_true')
    parser.add_argument('--keep', action='store_true')
    options = parser.parse_args()
    folder = pathlib.Path(options.folder)
    folder.mkdir()
    try:
        measure(options, folder)
    finally:
        if not options.keep:
            shutil.rmtree(folder)


if __name__ == '__main__':
    main()
