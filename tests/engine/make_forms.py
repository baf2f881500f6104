"""Writes tests/data/forms: one very small model in several forms, for test_forms.c.

    python3 tests/engine/make_forms.py        (torch 2.13, diffusers 0.33.1, transformers 4.51.3)

video/ is a text-to-video model as diffusers and transformers save it with safe_serialization=False; original/ holds the
same numbers under ModelScope's names. image1/ and image2/ are images' models in diffusers' form, image1.ckpt and image2.safetensors
the same as single checkpoints of Stable Diffusion 1 and 2; diffusers' own converter must give back what they were made from.
All weights are float16, so that both sides hold the very same numbers.
"""
import json
import pathlib
import shutil

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UNet3DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

out = pathlib.Path(__file__).resolve().parent.parent / "data" / "forms"
CHANNELS, TEXT = (8, 16), 16

RES = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
TOP = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0", "transformer_in": "input_blocks.0.1", "conv_norm_out": "out.0", "conv_out": "out.2"}


def res_rest(rest):
    head, tail = rest.split(".", 1)
    return RES[head] + "." + tail


def old_unet_name(name, layers, video, upsampler):
    """diffusers' name of a UNet's tensor -> the original's (levels of `layers` blocks); the upsampler is the last member of its sequence."""
    for new, old in TOP.items():
        if name.startswith(new + "."):
            return old + name[len(new):]
    p = name.split(".")
    member = {"attentions": "1", "temp_attentions": "2"}
    if p[0] == "mid_block":
        rest = ".".join(p[3:])
        last = "3" if video else "2"
        if p[1] == "resnets":
            return f"middle_block.{'0' if p[2] == '0' else last}.{res_rest(rest)}"
        if p[1] == "temp_convs":
            return f"middle_block.{'0' if p[2] == '0' else last}.temopral_conv.{rest}"
        return f"middle_block.{member[p[1]]}.{rest}"
    block, kind, index, rest = int(p[1]), p[2], p[3], ".".join(p[4:])
    if p[0] == "down_blocks":
        if kind == "downsamplers":
            n = (block + 1) * (layers + 1)
            return f"input_blocks.{n}.{'' if video else '0.'}op.{p[-1]}"
        n = f"input_blocks.{block * (layers + 1) + int(index) + 1}"
    else:
        n = f"output_blocks.{block * (layers + 1) + int(index)}"
        if kind == "upsamplers":
            return f"output_blocks.{block * (layers + 1) + layers}.{upsampler}.conv.{p[-1]}"
    if kind == "resnets":
        return f"{n}.0.{res_rest(rest)}"
    if kind == "temp_convs":
        return f"{n}.0.temopral_conv.{rest}"
    return f"{n}.{member[kind]}.{rest}"


def old_vae_name(name, levels):
    p = name.split(".")
    if p[0] in ("quant_conv", "post_quant_conv") or p[1] in ("conv_in", "conv_out"):
        return name
    if p[1] == "conv_norm_out":
        return f"{p[0]}.norm_out.{p[2]}"
    if p[1] == "mid_block":
        if p[2] == "resnets":
            return f"{p[0]}.mid.block_{int(p[3]) + 1}.{'.'.join(p[4:])}"
        inner = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}[p[4]]
        return f"{p[0]}.mid.attn_1.{inner}.{p[-1]}"
    level = int(p[2]) if p[0] == "encoder" else levels - 1 - int(p[2])
    where = "encoder.down" if p[0] == "encoder" else "decoder.up"
    if p[3] == "resnets":
        return f"{where}.{level}.block.{p[4]}.{'.'.join(p[5:]).replace('conv_shortcut', 'nin_shortcut')}"
    return f"{where}.{level}.{'downsample' if p[0] == 'encoder' else 'upsample'}.conv.{p[-1]}"


def old_vae(state):
    return {old_vae_name(k, 2): v[..., None, None] if ".attentions." in k and k.endswith("weight") and "group_norm" not in k else v for k, v in state.items()}


def open_clip(state, layers):
    """transformers' text encoder -> OpenCLIP's tower, with one block more, which nobody uses."""
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    new = {"token_embedding.weight": state["text_model.embeddings.token_embedding.weight"], "positional_embedding": state["text_model.embeddings.position_embedding.weight"]}
    for end in ("weight", "bias"):
        new[f"ln_final.{end}"] = state[f"text_model.final_layer_norm.{end}"]
        for i in range(layers + 1):
            j = min(i, layers - 1)
            for a, b in names.items():
                new[f"transformer.resblocks.{i}.{b}.{end}"] = state[f"text_model.encoder.layers.{j}.{a}.{end}"] * (1 if i == j else 3)
            new[f"transformer.resblocks.{i}.attn.in_proj_{end}"] = torch.cat([state[f"text_model.encoder.layers.{j}.self_attn.{c}_proj.{end}"] for c in "qkv"])
    new["text_projection"] = torch.ones(TEXT, TEXT, dtype=torch.float16)
    new["logit_scale"] = torch.tensor(4.6)
    new["visual.class_embedding"] = torch.ones(3)
    return new


def randomised(module):
    """No weight is zero, as half of them are at the start of a training, and all are float16."""
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p) * 0.5 / max(1, p[0].numel() if p.dim() > 1 else 1) ** 0.5 + (1 if p.dim() == 1 and p.mean() == 1 else 0))
    return module.half()


def make_vae():
    return randomised(AutoencoderKL(block_out_channels=(8, 8), down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, layers_per_block=1, norm_num_groups=4, latent_channels=4, sample_size=32, scaling_factor=0.18215))


def make_text(layers, act):
    return randomised(CLIPTextModel(CLIPTextConfig(hidden_size=TEXT, intermediate_size=32, num_hidden_layers=layers, num_attention_heads=1, vocab_size=554, max_position_embeddings=77, hidden_act=act)))


def save_index(folder, name):
    (folder / "model_index.json").write_text(json.dumps({"_class_name": name}) + "\n")
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"_class_name": "DDIMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000, "set_alpha_to_one": False, "steps_offset": 1, "timestep_spacing": "leading"}) + "\n")


def contiguous(state):
    return {k: v.contiguous() for k, v in state.items()}


def video():
    unet = randomised(UNet3DConditionModel(block_out_channels=CHANNELS, down_block_types=("CrossAttnDownBlock3D",) * 2, up_block_types=("CrossAttnUpBlock3D",) * 2, layers_per_block=1, cross_attention_dim=TEXT, attention_head_dim=4, norm_num_groups=4, sample_size=32))
    vae, text = make_vae(), make_text(2, "gelu")
    folder, original = out / "video", out / "original"
    for part, name in ((unet, "unet"), (vae, "vae"), (text, "text_encoder")):
        part.save_pretrained(folder / name, safe_serialization=False)
    save_index(folder, "TextToVideoSDPipeline")
    original.mkdir()
    state = {}
    for k, v in unet.state_dict().items():
        flat = ("temp_attentions" in k or k.startswith("transformer_in")) and (".proj_in.weight" in k or ".proj_out.weight" in k)
        state[old_unet_name(k, 1, True, 3)] = v[..., None] if flat else v
    torch.save(state, original / "text2video_pytorch_model.pth")
    torch.save({"state_dict": {"first_stage_model." + k: v for k, v in old_vae(vae.state_dict()).items()} | {"first_stage_model.loss.logvar": torch.zeros(1), "model_ema.decay": torch.zeros(1)}}, original / "VQGAN_autoencoder.pth")
    torch.save(open_clip(text.state_dict(), 2), original / "open_clip_pytorch_model.bin")
    (original / "configuration.json").write_text(json.dumps({"framework": "pytorch", "task": "text-to-video-synthesis", "model": {"type": "latent-text-to-video-synthesis", "model_args": {"ckpt_clip": "open_clip_pytorch_model.bin", "ckpt_unet": "text2video_pytorch_model.pth", "ckpt_autoencoder": "VQGAN_autoencoder.pth", "max_frames": 16, "tiny_gpu": 1}, "model_cfg": {"unet_in_dim": 4, "unet_dim": 8, "unet_y_dim": 768, "unet_context_dim": 16, "unet_out_dim": 4, "unet_dim_mult": [1, 2], "unet_num_heads": 8, "unet_head_dim": 4, "unet_res_blocks": 1, "unet_attn_scales": [1], "unet_dropout": 0.1, "temporal_attention": "True", "num_timesteps": 1000, "mean_type": "eps", "var_type": "fixed_small", "loss_type": "mse"}}, "pipeline": {"type": "latent-text-to-video-synthesis"}}, indent=1) + "\n")


def image(version):
    second = version == 2
    unet = randomised(UNet2DConditionModel(block_out_channels=CHANNELS, down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D" if second else "DownBlock2D"), up_block_types=("CrossAttnUpBlock2D" if second else "UpBlock2D", "CrossAttnUpBlock2D"), layers_per_block=1, cross_attention_dim=TEXT, attention_head_dim=[1, 1] if second else 8, use_linear_projection=second, norm_num_groups=4, sample_size=64))
    vae, text = make_vae(), make_text(2, "gelu" if second else "quick_gelu")
    folder = out / f"image{version}"
    for part, name in ((unet, "unet"), (vae, "vae"), (text, "text_encoder")):
        part.save_pretrained(folder / name, safe_serialization=True)
    save_index(folder, "StableDiffusionPipeline")
    old_unet = {old_unet_name(k, 1, False, 2 if second else 1): v for k, v in unet.state_dict().items()}
    # The oracle: diffusers' own converter, which wants to know the config and finds the same names again.
    back = convert_ldm_unet_checkpoint({"model.diffusion_model." + k: v for k, v in old_unet.items()}, dict(unet.config))
    assert set(back) == set(unet.state_dict()) and all(torch.equal(back[k], v) for k, v in unet.state_dict().items())
    vae_old = old_vae(vae.state_dict())
    back = convert_ldm_vae_checkpoint({"first_stage_model." + k: v for k, v in vae_old.items()}, dict(vae.config))
    assert set(back) == set(vae.state_dict()) and all(torch.equal(back[k].flatten(), v.flatten()) for k, v in vae.state_dict().items())
    state = {"model.diffusion_model." + k: v for k, v in old_unet.items()} | {"first_stage_model." + k: v for k, v in vae_old.items()}
    if second:
        state |= {"cond_stage_model.model." + k: v for k, v in open_clip(text.state_dict(), 2).items()}
        save_file(contiguous(state), out / "image2.safetensors")
    else:
        state |= {"cond_stage_model.transformer." + k: v for k, v in text.state_dict().items()}
        state["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
        torch.save({"state_dict": state, "global_step": 470000}, out / "image1.ckpt")


def main():
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    torch.manual_seed(4)
    video()
    image(1)
    image(2)


if __name__ == "__main__":
    main()
