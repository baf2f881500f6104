"""The shapes model in plain torch: CLIP text encoder, UNet3D and VAE, with diffusers' tensor names.

Weights live in flat dictionaries (tensor name -> tensor), as they do in the safetensors files.
Activations of the UNet are kept channels-last, [clips, frames, height, width, channels], so that
linear layers, temporal convolutions and temporal attention need no copies.
"""
import math
import re
import unicodedata

import torch
import torch.nn.functional as F

MAX_TOKENS = 77


class Weights:
    """A dictionary of tensors and the layers that read from it by name."""

    def __init__(self, tensors):
        self.tensors = tensors

    def pair(self, name):
        """The weight and the bias (or None) of a layer."""
        return self.tensors[name + '.weight'], self.tensors.get(name + '.bias')

    def linear(self, name, x):
        weight, bias = self.pair(name)
        return F.linear(x, weight, bias)

    def layer_norm(self, name, x):
        weight, bias = self.pair(name)
        return F.layer_norm(x, weight.shape, weight, bias, 1e-5)

    def conv2d(self, name, x, **options):
        weight, bias = self.pair(name)
        return F.conv2d(x, weight, bias, **options)

    def group_norm(self, name, x, groups, epsilon):
        weight, bias = self.pair(name)
        return F.group_norm(x, groups, weight, bias, epsilon)

    def has(self, name):
        return name + '.weight' in self.tensors


def attention(query, key, value, heads):
    """Scaled dot-product attention of [batch, length, channels] tensors, split into heads."""
    def split(x):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)
    out = F.scaled_dot_product_attention(split(query), split(key), split(value))
    return out.transpose(1, 2).flatten(2)


# ---------------------------------------------------------------- text


class TextEncoder:
    """CLIP's text transformer (causal, pre-norm): token ids [B, 77] -> features [B, 77, D]."""

    def __init__(self, tensors, heads):
        self.weights = Weights(tensors)
        self.heads = heads
        self.layers = count_layers(tensors)

    def __call__(self, ids):
        tensors = self.weights.tensors
        x = tensors['text_model.embeddings.token_embedding.weight'][ids]
        x = x + tensors['text_model.embeddings.position_embedding.weight'][:ids.shape[1]]
        for layer in range(self.layers):
            x = self.block(f'text_model.encoder.layers.{layer}', x)
        return self.weights.layer_norm('text_model.final_layer_norm', x)

    def block(self, name, x):
        w = self.weights
        x = x + self.self_attention(name, w.layer_norm(name + '.layer_norm1', x))
        hidden = w.linear(name + '.mlp.fc1', w.layer_norm(name + '.layer_norm2', x))
        return x + w.linear(name + '.mlp.fc2', F.gelu(hidden))

    def self_attention(self, name, x):
        def project(part):
            y = self.weights.linear(f'{name}.self_attn.{part}', x)
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        out = F.scaled_dot_product_attention(
            project('q_proj'), project('k_proj'), project('v_proj'), is_causal=True)
        return self.weights.linear(name + '.self_attn.out_proj', out.transpose(1, 2).flatten(2))


def count_layers(tensors):
    """How many transformer layers a text encoder's dictionary holds."""
    layer = 0
    while f'text_model.encoder.layers.{layer}.layer_norm1.weight' in tensors:
        layer += 1
    return layer


def byte_alphabet():
    """One printable character per byte, in CLIP's order: bytes that stand for themselves first."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in keep]
    pairs = [(byte, chr(byte)) for byte in keep]
    pairs += [(byte, chr(256 + index)) for index, byte in enumerate(rest)]
    return pairs


class Tokenizer:
    """CLIP's byte-level BPE tokenizer over a list of merges."""

    SPECIAL = ('<|startoftext|>', '<|endoftext|>')
    SUFFIX = re.compile(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d")

    def __init__(self, merges, pad=0):
        pairs = byte_alphabet()
        letters = [letter for _, letter in pairs]
        self.letter_of_byte = dict(pairs)
        self.vocabulary = letters + [letter + '</w>' for letter in letters]
        self.vocabulary += [left + right for left, right in merges] + list(self.SPECIAL)
        self.ids = {token: index for index, token in enumerate(self.vocabulary)}
        self.rank = {tuple(pair): index for index, pair in enumerate(merges)}
        self.begin, self.end = (self.ids[token] for token in self.SPECIAL)
        self.pad = pad

    def __call__(self, text):
        """Token ids of a prompt, begun, ended and padded to MAX_TOKENS."""
        ids = []
        for word in self.split(' '.join(text.split()).lower()):
            ids += [self.ids[word]] if word in self.SPECIAL else self.encode_word(word)
        ids = [self.begin] + ids[:MAX_TOKENS - 2] + [self.end]
        return ids + [self.pad] * (MAX_TOKENS - len(ids))

    def split(self, text):
        """Words: specials, English suffixes, runs of letters, single digits, runs of the rest."""
        words = []
        position = 0
        while position < len(text):
            if text[position].isspace():
                position += 1
                continue
            end = self.word_end(text, position)
            words.append(text[position:end])
            position = end
        return words

    def word_end(self, text, start):
        """Where the word that begins at start ends."""
        match = self.SUFFIX.match(text, start)
        if match:
            return match.end()
        kind = character_kind(text[start])
        end = start + 1
        if kind == 'digit':
            return end
        while end < len(text) and character_kind(text[end]) == kind:
            end += 1
        return end

    def encode_word(self, word):
        """Applies the merges to one word, the earliest learned merge first."""
        parts = [self.letter_of_byte[byte] for byte in word.encode('utf-8')]
        parts[-1] += '</w>'
        while len(parts) > 1:
            pairs = list(zip(parts, parts[1:]))
            best = min(pairs, key=lambda pair: self.rank.get(pair, math.inf))
            if best not in self.rank:
                break
            parts = merge_pair(parts, best)
        return [self.ids[part] for part in parts]


def character_kind(character):
    """letter, digit, space or other."""
    if character.isspace():
        return 'space'
    category = unicodedata.category(character)[0]
    return {'L': 'letter', 'N': 'digit'}.get(category, 'other')


def merge_pair(parts, pair):
    """Joins every occurrence of pair in parts, from the left."""
    merged = []
    index = 0
    while index < len(parts):
        if tuple(parts[index:index + 2]) == pair:
            merged.append(pair[0] + pair[1])
            index += 2
        else:
            merged.append(parts[index])
            index += 1
    return merged


# ---------------------------------------------------------------- UNet


def timestep_embedding(timesteps, width):
    """Sinusoids of the timestep: the cosines first, then the sines."""
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    angles = timesteps.float()[:, None] * torch.exp(-math.log(10000) * steps / half)
    return torch.cat([angles.cos(), angles.sin()], 1)


def channels_first(x):
    """[N, h, w, C] seen as [N, C, h, w] (channels_last memory; no copy)."""
    return x.permute(0, 3, 1, 2)


def channels_last(x):
    """[N, C, h, w] seen as [N, h, w, C]."""
    return x.permute(0, 2, 3, 1)


class UNet:
    """UNet3DConditionModel. Layers take and return [clips, frames, height, width, channels]."""

    def __init__(self, tensors, widths, layers_per_block, head_width, groups, input_heads=8):
        self.weights = Weights(tensors)
        self.widths = list(widths)
        self.layers_per_block = layers_per_block
        self.head_width = head_width
        self.groups = groups
        self.input_heads = input_heads

    def __call__(self, latents, timesteps, context):
        """Predicts the noise in latents [B, 4, F, h, w] at timesteps [B], given text [B, 77, D]."""
        embedding = self.time_embedding(timesteps.expand(latents.shape[0]))
        x = self.frame_conv('conv_in', latents.permute(0, 2, 3, 4, 1).contiguous(), padding=1)
        x = self.temporal_transformer('transformer_in', x, self.input_heads)
        x, skips = self.down(x, embedding, context)
        x = self.middle(x, embedding, context)
        x = self.up(x, skips, embedding, context)
        x = F.silu(self.frame_norm('conv_norm_out', x, 1e-5))
        return self.frame_conv('conv_out', x, padding=1).permute(0, 4, 1, 2, 3)

    def time_embedding(self, timesteps):
        w = self.weights
        x = timestep_embedding(timesteps, self.widths[0])
        x = F.silu(w.linear('time_embedding.linear_1', x))
        return F.silu(w.linear('time_embedding.linear_2', x))

    def down(self, x, embedding, context):
        """The contracting half; every level but the last has attention and a downsampler."""
        skips = [x]
        last = len(self.widths) - 1
        for level in range(last + 1):
            block = f'down_blocks.{level}'
            for layer in range(self.layers_per_block):
                x = self.layer(block, layer, x, embedding, context, level < last)
                skips.append(x)
            if level < last:
                x = self.frame_conv(block + '.downsamplers.0.conv', x, stride=2, padding=1)
                skips.append(x)
        return x, skips

    def middle(self, x, embedding, context):
        x = self.layer('mid_block', 0, x, embedding, context, True)
        return self.layer('mid_block', 1, x, embedding, context, False)

    def up(self, x, skips, embedding, context):
        """The expanding half; every level but the first has attention."""
        last = len(self.widths) - 1
        for level in range(last + 1):
            block = f'up_blocks.{level}'
            for layer in range(self.layers_per_block + 1):
                x = torch.cat([x, skips.pop()], -1)
                x = self.layer(block, layer, x, embedding, context, level > 0)
            if level < last:
                x = self.upsample(block + '.upsamplers.0.conv', x, skips[-1].shape[2:4])
        return x

    def layer(self, block, index, x, embedding, context, has_attention):
        """Residual block, temporal convolution and, where the level has them, both attentions."""
        x = self.residual(f'{block}.resnets.{index}', x, embedding)
        x = self.temporal_conv(f'{block}.temp_convs.{index}', x)
        if has_attention:
            x = self.spatial_transformer(f'{block}.attentions.{index}', x, context)
            x = self.temporal_transformer(f'{block}.temp_attentions.{index}', x)
        return x

    def frame_conv(self, name, x, **options):
        """A 2-D convolution of every frame."""
        y = channels_last(self.weights.conv2d(name, channels_first(x.flatten(0, 1)), **options))
        return y.unflatten(0, x.shape[:2])

    def frame_norm(self, name, x, epsilon):
        """Group norm of every frame by itself."""
        y = channels_first(x.flatten(0, 1))
        y = self.weights.group_norm(name, y, self.groups, epsilon)
        return channels_last(y).unflatten(0, x.shape[:2])

    def clip_norm(self, name, x, epsilon):
        """Group norm with statistics over all frames of a clip."""
        y = channels_first(x.flatten(2, 3))
        y = self.weights.group_norm(name, y, self.groups, epsilon)
        return channels_last(y).reshape(x.shape)

    def upsample(self, name, x, size):
        y = F.interpolate(channels_first(x.flatten(0, 1)), size=size, mode='nearest')
        return self.frame_conv(name, channels_last(y).unflatten(0, x.shape[:2]), padding=1)

    def residual(self, name, x, embedding):
        w = self.weights
        y = F.silu(self.frame_norm(name + '.norm1', x, 1e-5))
        y = self.frame_conv(name + '.conv1', y, padding=1)
        y = y + w.linear(name + '.time_emb_proj', embedding)[:, None, None, None]
        y = F.silu(self.frame_norm(name + '.norm2', y, 1e-5))
        y = self.frame_conv(name + '.conv2', y, padding=1)
        if w.has(name + '.conv_shortcut'):
            x = self.frame_conv(name + '.conv_shortcut', x)
        return x + y

    def temporal_conv(self, name, x):
        """Four 3x1x1 convolutions over time, seen as 3x1 over [frames, pixels]; residual."""
        y = x
        for stage in (1, 2, 3, 4):
            y = F.silu(self.clip_norm(f'{name}.conv{stage}.0', y, 1e-5))
            weight, bias = self.weights.pair(f'{name}.conv{stage}.{2 if stage == 1 else 3}')
            z = channels_first(y.flatten(2, 3))
            z = F.conv2d(z, weight.squeeze(-1), bias, padding=(1, 0))
            y = channels_last(z).reshape(x.shape)
        return x + y

    def spatial_transformer(self, name, x, context):
        """Pixels of a frame attend to each other and to the text."""
        clips, frames, height, width, channels = x.shape
        y = self.frame_norm(name + '.norm', x, 1e-6).reshape(clips * frames, -1, channels)
        y = self.weights.linear(name + '.proj_in', y)
        y = self.transformer(name + '.transformer_blocks.0', y, context, channels // self.head_width)
        return self.weights.linear(name + '.proj_out', y).reshape(x.shape) + x

    def temporal_transformer(self, name, x, heads=None):
        """Frames of a pixel attend to each other, twice."""
        clips, frames, height, width, channels = x.shape
        y = self.clip_norm(name + '.norm', x, 1e-6).reshape(clips, frames, -1, channels)
        y = self.weights.linear(name + '.proj_in', y.transpose(1, 2).flatten(0, 1))
        heads = heads or y.shape[-1] // self.head_width
        y = self.transformer(name + '.transformer_blocks.0', y, None, heads)
        y = self.weights.linear(name + '.proj_out', y)
        y = y.unflatten(0, (clips, height * width)).transpose(1, 2)
        return y.reshape(x.shape) + x

    def transformer(self, name, x, context, heads):
        """Self-attention, cross-attention (or self-attention again) and a gated feed-forward."""
        w = self.weights
        y = w.layer_norm(name + '.norm1', x)
        x = x + self.attend(name + '.attn1', y, y, heads)
        y = w.layer_norm(name + '.norm2', x)
        x = x + self.attend(name + '.attn2', y, y if context is None else context, heads)
        y = w.linear(name + '.ff.net.0.proj', w.layer_norm(name + '.norm3', x))
        value, gate = y.chunk(2, -1)
        return x + w.linear(name + '.ff.net.2', value * F.gelu(gate))

    def attend(self, name, x, source, heads):
        """Attention from x to source; a source with fewer rows is shared by a clip's frames."""
        w = self.weights
        query = w.linear(name + '.to_q', x)
        query = query.reshape(source.shape[0], -1, query.shape[-1])
        out = attention(query, w.linear(name + '.to_k', source),
                        w.linear(name + '.to_v', source), heads)
        return w.linear(name + '.to_out.0', out.reshape(x.shape[0], x.shape[1], -1))


# ---------------------------------------------------------------- VAE


class Vae:
    """AutoencoderKL: frames [N, 3, H, W] in [-1, 1] <-> latents [N, 4, H/8, W/8]."""

    def __init__(self, tensors, widths, layers_per_block, groups):
        self.weights = Weights(tensors)
        self.levels = len(widths)
        self.layers_per_block = layers_per_block
        self.groups = groups

    def encode(self, x):
        """Mean and log variance of the latents, [N, 8, H/8, W/8]."""
        conv = self.weights.conv2d
        x = conv('encoder.conv_in', x, padding=1)
        for level in range(self.levels):
            block = f'encoder.down_blocks.{level}'
            for layer in range(self.layers_per_block):
                x = self.residual(f'{block}.resnets.{layer}', x)
            if level < self.levels - 1:
                x = conv(block + '.downsamplers.0.conv', F.pad(x, (0, 1, 0, 1)), stride=2)
        x = self.middle('encoder.mid_block', x)
        x = F.silu(self.norm('encoder.conv_norm_out', x))
        return conv('quant_conv', conv('encoder.conv_out', x, padding=1))

    def decode(self, z):
        """Frames of latents that are already divided by the scaling factor."""
        conv = self.weights.conv2d
        x = conv('decoder.conv_in', conv('post_quant_conv', z), padding=1)
        x = self.middle('decoder.mid_block', x)
        for level in range(self.levels):
            block = f'decoder.up_blocks.{level}'
            for layer in range(self.layers_per_block + 1):
                x = self.residual(f'{block}.resnets.{layer}', x)
            if level < self.levels - 1:
                x = F.interpolate(x, scale_factor=2, mode='nearest')
                x = conv(block + '.upsamplers.0.conv', x, padding=1)
        return conv('decoder.conv_out', F.silu(self.norm('decoder.conv_norm_out', x)), padding=1)

    def norm(self, name, x):
        return self.weights.group_norm(name, x, self.groups, 1e-6)

    def residual(self, name, x):
        conv = self.weights.conv2d
        y = conv(name + '.conv1', F.silu(self.norm(name + '.norm1', x)), padding=1)
        y = conv(name + '.conv2', F.silu(self.norm(name + '.norm2', y)), padding=1)
        if self.weights.has(name + '.conv_shortcut'):
            x = conv(name + '.conv_shortcut', x)
        return x + y

    def middle(self, name, x):
        x = self.residual(name + '.resnets.0', x)
        x = self.self_attention(name + '.attentions.0', x)
        return self.residual(name + '.resnets.1', x)

    def self_attention(self, name, x):
        """One head over all pixels."""
        y = self.norm(name + '.group_norm', x).flatten(2).transpose(1, 2)
        query, key, value = (self.weights.linear(f'{name}.{part}', y)
                             for part in ('to_q', 'to_k', 'to_v'))
        out = self.weights.linear(name + '.to_out.0', attention(query, key, value, 1))
        return x + out.transpose(1, 2).reshape(x.shape)
