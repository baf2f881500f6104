#!/usr/bin/env python3
"""Writes tests/data/lora: one small LoRA file for each form that the engine reads, and
golden.safetensors with what the reference makes of each: merged weights, the text embedding and one
prediction of the UNet of tests/data/tiny.

Needs torch, diffusers 0.33.1, transformers, safetensors and peft 0.15 (pip); run by hand:

    python3 tests/engine/golden_lora.py

PEFT's and kohya's files are made by peft and diffusers, whose unmerged layers give the numbers. The
other forms are written here after docs/engine.md, "LoRA", and merged with torch."""

import json
import os

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel, UNet3DConditionModel
from diffusers.utils import convert_state_dict_to_kohya
from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft
from peft import LoraConfig, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")
TINY, OUT = os.path.join(DATA, "tiny"), os.path.join(DATA, "lora")
PROMPT, SEED, FRAMES, SIDE, STEPS = "a red fox runs through the snow", 7, 3, 8, 4

torch.set_num_threads(1)
random = torch.Generator().manual_seed(20)
golden = {}

# Modules of every kind: linear layers, 3x3, 1x1 and temporal convolutions, in every part.
UNET = [
    "conv_in",
    "time_embedding.linear_1",
    "transformer_in.proj_in",
    "transformer_in.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.resnets.0.conv1",
    "down_blocks.0.resnets.0.time_emb_proj",
    "down_blocks.0.temp_convs.0.conv1.2",
    "down_blocks.0.attentions.0.proj_in",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",
    "down_blocks.0.temp_attentions.0.proj_out",
    "down_blocks.0.downsamplers.0.conv",
    "down_blocks.1.resnets.0.conv_shortcut",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0",
    "mid_block.resnets.1.conv2",
    "mid_block.temp_convs.1.conv4.3",
    "up_blocks.0.upsamplers.0.conv",
    "up_blocks.3.attentions.1.transformer_blocks.0.ff.net.0.proj",
    "up_blocks.3.temp_attentions.0.transformer_blocks.0.attn2.to_v",
    "up_blocks.2.upsamplers.0.conv",
    "conv_out",
]
TEXT = [
    "text_model.encoder.layers.0.self_attn.q_proj",
    "text_model.encoder.layers.1.self_attn.out_proj",
    "text_model.encoder.layers.2.mlp.fc1",
]
SHOWN = [
    "down_blocks.0.resnets.0.conv1.weight",
    "down_blocks.0.temp_convs.0.conv1.2.weight",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    "transformer_in.proj_in.weight",
    "text_model.encoder.layers.0.self_attn.q_proj.weight",
    "text_model.embeddings.position_embedding.weight",
]


def load():
    return (UNet3DConditionModel.from_pretrained(os.path.join(TINY, "unet")).eval(),
            CLIPTextModel.from_pretrained(os.path.join(TINY, "text_encoder")).eval())


def numbers(*shape):
    return torch.randn(shape, generator=random) * 0.35


@torch.no_grad()
def record(form, unet, text, merged):
    tokens = CLIPTokenizer.from_pretrained(os.path.join(TINY, "tokenizer"))(
        PROMPT, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    embedding = text(tokens)[0]
    schedule = DDIMScheduler.from_pretrained(os.path.join(TINY, "scheduler"))
    schedule.set_timesteps(STEPS)
    x = torch.randn((1, 4, FRAMES, SIDE, SIDE), generator=torch.Generator().manual_seed(SEED))
    golden[f"{form}.text"] = embedding.contiguous()
    golden[f"{form}.eps"] = unet(x, schedule.timesteps[0], embedding).sample.contiguous()
    for name in SHOWN:
        if name in merged:
            golden[f"{form}.{name}"] = merged[name].detach().clone().contiguous()


def weights(unet, text):
    return {**dict(unet.named_parameters()), **dict(text.named_parameters())}


def save(name, tensors, metadata=None):
    path = os.path.join(OUT, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata)


# ---- Stable LoRA ----

RES = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
       "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}


def original(name, layers=1, temporal=True):
    """The name in UNetSD and OpenCLIP, as the trainer's converter writes it: modules outside of
    the blocks keep diffusers' name."""
    p = name.split(".")
    if p[0] == "text_model" and p[1] == "encoder":
        rest = ".".join(p[4:]).replace("self_attn", "attn").replace("fc1", "c_fc")
        return f"resblocks.{p[3]}.{rest.replace('fc2', 'c_proj')}"
    if p[0] not in ("down_blocks", "up_blocks", "mid_block"):
        return name
    if p[0] == "mid_block":
        index = (2 + temporal) * int(p[2]) if p[1] in ("resnets", "temp_convs") else {"attentions": 1,
                                                                       "temp_attentions": 2}[p[1]]
        block, kind, rest = f"middle_block.{index}", p[1], p[3:]
    else:
        per, level, kind = layers + 1, int(p[1]), p[2]
        if kind == "downsamplers":
            return f"input_blocks.{per * (level + 1)}.op"
        if kind == "upsamplers":
            return f"output_blocks.{per * level + layers}.{1 if level == 0 else 3}.conv"
        number = per * level + int(p[3])
        top = f"input_blocks.{number + 1}" if p[0] == "down_blocks" else f"output_blocks.{number}"
        part = {"resnets": 0, "temp_convs": 0, "attentions": 1, "temp_attentions": 2}[kind]
        block, rest = f"{top}.{part}", p[4:]
    if kind == "resnets":
        return f"{block}.{RES[rest[0]]}"
    return ".".join([block] + (["temopral_conv"] if kind == "temp_convs" else []) + rest)


def stable_pair(weight, rank):
    if weight.dim() == 2:
        return numbers(rank, weight.shape[1]), numbers(weight.shape[0], rank)
    k = weight.shape[2]
    return numbers(rank * k, weight.shape[1] * k), numbers(weight.shape[0] * k, rank * k)


def stable_delta(weight, a, b, embedding):
    if embedding:
        return (b @ a).T
    if weight.dim() == 5:
        o, i, k = weight.shape[:3]
        return (b @ a).view(o, i, k, k, 1).mean(dim=-2, keepdim=True)
    return (b @ a).view(weight.shape)


@torch.no_grad()
def stable():
    unet, text = load()
    all_weights, webui, full = weights(unet, text), {}, ({}, {})
    places = "text_model.embeddings.position_embedding"
    for name in UNET + TEXT + [places]:
        w = all_weights[name + ".weight"]
        if name == places:
            a, b = numbers(2, w.shape[0]).half(), numbers(w.shape[1], 2).half()
        else:
            a, b = (t.half() for t in stable_pair(w, 2))
        w += stable_delta(w, a.float(), b.float(), name == places)
        full[name in TEXT + [places]].update({f"{name}.lora_A": a.float(), f"{name}.lora_B": b.float()})
        if "proj_" in name:
            a, b = a.unsqueeze(-1), b.unsqueeze(-1)
        webui.update({f"{original(name)}.lora_A": a, f"{original(name)}.lora_B": b})
    bias = numbers(16).half()
    unet.down_blocks[0].resnets[0].conv1.bias.copy_(bias)
    webui["input_blocks.1.0.in_layers.2.bias"] = bias
    full[0]["down_blocks.0.resnets.0.conv1.bias"] = bias.float()
    record("stable", unet, text, all_weights)
    save("stable.safetensors", webui,
         {"stable_lora_text_to_video": "v1", "lora_name": "lora_text_to_video_0"})
    save("stable-full/tiny_unet.safetensors", full[0])
    save("stable-full/tiny_text_encoder.safetensors", full[1])


# ---- cloneofsimo ----

def walk(model, classes):
    for ancestor in model.modules():
        if type(ancestor).__name__ in classes:
            for module in ancestor.modules():
                if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Conv3d)):
                    yield module


@torch.no_grad()
def cloneofsimo():
    unet, text = load()
    named, metadata = {}, {}
    for part, model, classes in (("unet", unet, ["UNet3DConditionModel"]),
                                 ("text_encoder", text, ["CLIPEncoderLayer"])):
        flat = []
        metadata[part] = json.dumps(classes)
        for i, module in enumerate(walk(model, classes)):
            w = module.weight
            up = numbers(w.shape[0], 1, *[1] * (w.dim() - 2)).half() * 0.3
            down = numbers(1, *w.shape[1:]).half() * 0.3
            w += (up.float().flatten(1) @ down.float().flatten(1)).view(w.shape)
            named.update({f"{part}:{i}:up": up, f"{part}:{i}:down": down})
            metadata[f"{part}:{i}:rank"] = "1"
            flat += [up, down]
        torch.save(flat, os.path.join(OUT, "cloneofsimo", f"4000_{part}.pt"))
    record("cloneofsimo", unet, text, weights(unet, text))
    save("cloneofsimo.safetensors", named, metadata)


# ---- PEFT, kohya, attention processors ----

@torch.no_grad()
def adapted(unet_modules, text_modules, rank, alpha):
    unet, text = load()
    for model, modules in ((unet, unet_modules), (text, text_modules)):
        if not modules:
            continue
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=modules)
        inject_adapter_in_model(config, model)
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.copy_(numbers(*p.shape).half())
    return unet, text


@torch.no_grad()
def merged_of(model):
    out = {}
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight"):
            out[name + ".weight"] = module.base_layer.weight + module.get_delta_weight("default")
    return out


def of(model):
    return {k: v.half() for k, v in get_peft_model_state_dict(model).items()}


def peft():
    modules = [m for m in UNET if "temp_convs" not in m]
    unet, text = adapted(modules, TEXT, 2, 3)
    record("peft", unet, text, {**merged_of(unet), **merged_of(text)})
    tensors = {f"unet.{k}": v for k, v in of(unet).items()}
    tensors.update({f"text_encoder.{k}": v for k, v in of(text).items()})
    said = {f"{p}.{k}": v for p in ("unet", "text_encoder") for k, v in (("r", 2), ("lora_alpha", 3))}
    save("peft.safetensors", tensors,
         {"format": "pt", "lora_adapter_metadata": json.dumps(said)})


def kohya():
    modules = [m for m in UNET if "temp_convs" not in m]
    unet, text = adapted(modules, TEXT, 3, 2)
    record("kohya", unet, text, {**merged_of(unet), **merged_of(text)})
    named = {f"unet.{k}": v for k, v in of(unet).items()}
    named.update({f"text_encoder.{k}": v for k, v in of(text).items()})
    tensors = convert_state_dict_to_kohya(named)
    for k in tensors:
        if k.endswith(".alpha"):  # the converter writes the rank
            tensors[k] = torch.tensor(2.0)
    save("kohya.safetensors", tensors, {"ss_network_dim": "3"})


SD_UNET = [
    "conv_in",
    "down_blocks.0.resnets.0.conv2",
    "down_blocks.0.attentions.0.proj_in",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v",
    "down_blocks.0.downsamplers.0.conv",
    "mid_block.resnets.1.conv1",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.2",
    "up_blocks.0.upsamplers.0.conv",
    "up_blocks.1.attentions.1.transformer_blocks.0.attn1.to_out.0",
]


@torch.no_grad()
def stable_diffusion():
    """Names of the original code with underscores, as some trainers write them."""
    folder = os.path.join(DATA, "tiny-sd1")
    unet = UNet2DConditionModel.from_pretrained(os.path.join(folder, "unet")).eval()
    inject_adapter_in_model(LoraConfig(r=2, lora_alpha=1, target_modules=SD_UNET), unet)
    tensors = {}
    for name, p in unet.named_parameters():
        if "lora_" not in name:
            continue
        p.copy_(numbers(*p.shape).half())
        module, part = name.split(".lora_")
        spelt = "lora_unet_" + original(module, temporal=False).replace(".", "_")
        tensors[spelt + (".lora_down.weight" if part[0] == "A" else ".lora_up.weight")] = p.half()
        tensors[spelt + ".alpha"] = torch.tensor(1)
    save("kohya-sd1.safetensors", tensors)
    text = CLIPTextModel.from_pretrained(os.path.join(folder, "text_encoder")).eval()
    tokens = CLIPTokenizer.from_pretrained(os.path.join(folder, "tokenizer"))(
        PROMPT, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    with open(os.path.join(folder, "scheduler", "scheduler_config.json")) as file:
        config = {k: v for k, v in json.load(file).items() if not k.startswith("_")}
    schedule = DDIMScheduler.from_config({k: v for k, v in config.items() if k != "skip_prk_steps"})
    schedule.set_timesteps(STEPS)
    x = torch.randn((1, 4, SIDE, SIDE), generator=torch.Generator().manual_seed(SEED))
    golden["sd1.eps"] = unet(x, schedule.timesteps[0], text(tokens)[0]).sample.contiguous()


def processor():
    blocks = ["down_blocks.0.attentions.0", "mid_block.temp_attentions.0", "up_blocks.3.attentions.0"]
    tensors, modules = {}, []
    shapes = weights(*load())
    for block in blocks:
        for attention in ("attn1", "attn2"):
            path = f"{block}.transformer_blocks.0.{attention}"
            for product in ("to_q", "to_k", "to_v", "to_out"):
                module = f"{path}.{product}" + (".0" if product == "to_out" else "")
                out, inner = shapes[module + ".weight"].shape
                key = f"{path}.processor.{product}_lora"
                tensors[key + ".down.weight"] = numbers(2, inner).half()
                tensors[key + ".up.weight"] = numbers(out, 2).half()
                modules.append(module)
    unet, text = adapted(modules, [], 2, 2)
    state = convert_unet_state_dict_to_peft(dict(tensors))
    names = dict(unet.named_parameters())
    for key, value in state.items():
        names[key.replace(".weight", ".default.weight")].data.copy_(value)
    assert len(state) == 2 * len(modules)
    record("processor", unet, text, merged_of(unet))
    save("processor.safetensors", {f"unet.{k}": v for k, v in tensors.items()})


os.makedirs(os.path.join(OUT, "cloneofsimo"), exist_ok=True)
record("base", *load(), {})
for make in (stable, cloneofsimo, peft, kohya, processor, stable_diffusion):
    make()
save("golden.safetensors", golden)
