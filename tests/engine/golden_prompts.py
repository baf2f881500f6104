#!/usr/bin/env python3
"""Writes tests/data/prompts: what transformers 4.51.3 and diffusers 0.33.1 make of prompts.

tokens.json: ids of CLIP's tokenizer, built from the merges we ship (fast tokenizer; the slow one,
with ftfy, where it is asked for by name). golden.safetensors: embeddings and a prediction of
tests/data/tiny. Chunks and weights follow the rules that docs/engine.md states, in code of this
file's own. Run by hand: OMP_NUM_THREADS=1 python3 tests/engine/golden_prompts.py"""
import json
import os
import tempfile

import torch
from diffusers import TextToVideoSDPipeline
from safetensors.torch import save_file
from transformers import CLIPTokenizer, CLIPTokenizerFast

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TINY = os.path.join(ROOT, "tests/data/tiny")
OUT = os.path.join(ROOT, "tests/data/prompts")

TEXTS = [
    "", " ", "!", "a!", "wow!!!", "!?!", "no ! here", "it's!it's", "a",
    "A photo of an astronaut riding a horse on Mars, 4k, highly detailed",
    "Spider-Man's web; they're, we've, I'm, I'll, he'd, can't, o'clock, 'sup 'S 'T rock'n'roll",
    "it\u2019s a \u201cquoted\u201d word \u2014 and an ellipsis\u2026",
    "don''t 's's 'll've",
    "caf\u00e9 na\u00efve fa\u00e7ade \u00c5ngstr\u00f6m \u00d8re stra\u00dfe \u0141\u00f3d\u017a",
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m", "CAFE\u0301 \u00c9T\u00c9",
    "\u0131 \u01c5 \u1e9e", "\u03b1\u03b2\u03b3 \u0391\u0392\u03a3 \u03c3\u03c2",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\ud55c\uad6d\uc5b4 \ubb38\uc7a5",
    "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3067\u3059\u3002", "\u4e2d\u6587 test \u4e2d\u6587test",
    "\u7d05\u3044\u72d0fox\u304c\u96ea\u3092\u8d70\u308b", "\uff21\uff22\uff23\uff11\uff12\uff13 \uff01", "\u3000full\u3000width\u3000",
    "\U0001f600", "smile \U0001f600\U0001f601 end", "\U0001f468\u200d\U0001f469\u200d\U0001f467 family",
    "\u2764\ufe0f heart", "\U0001f1e9\U0001f1ea flag", "thumbs \U0001f44d\U0001f3fd",
    "1234567890", "3.14159 1,000,000 50%", "year1999 4k 8K 16:9 f/1.8", "\u00bd \u00b2 \u2167 \u0663\u0664",
    "a  b\tc\nd\r\ne\u00a0f\u2003g\u200bh", "UPPER lower MiXeD", "tabs\t\t\tand   spaces   ",
    "(red:1.3) [blue] {green} <tag> \\(x\\)", "C++ & C# @home #1 $5 ^_^ ~ ` | = +",
    "a_b_c under_score __init__", "--- ... ,,, ;;; ::: ///", "http://example.com/path?x=1&y=2",
    "&amp; &lt;b&gt; &#39;", "<|endoftext|>", "a <|startoftext|> b<|endoftext|>c", "<|EndOfText|>",
    "<|endoftext", "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "zzzzzzzzzzzzzzzzzzzzqqqqqqqqqqqqqqqqqqqqxxxxxxxxx", "\u0000".replace("\u0000", "\u0001") + "ctl\u007f",
    "\u00e0\u0300 \u0061\u0323\u0302 \u1ea5", "\ufb01ne \ufb02ow \u2122 \u00a9 \u00ae", "\u2460 \u33a1 \u00b5m",
    " ".join(f"word{i}" for i in range(60)), "the " * 75 + "end", "the " * 74 + "end",
    "!" * 80, "masterpiece, best quality, " * 12,
]
SLOW = ["a red fox", "it's a caf\u00e9!", "\u65e5\u672c\u8a9e fox", "\u7d05\u3044\u72d0fox", "it\u2019s \u201cso\u201d", "\uff21\uff22\uff23", "\ufb01ne"]


def clip_folder(folder, pad):
    """vocab.json by CLIP's own rule, merges.txt and the names of the special tokens."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters = [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]
    lines = open(os.path.join(ROOT, "tokenizers/clip/merges.txt"), encoding="utf-8").read().split("\n")
    merges = [line for line in lines if line and not line.startswith("#version")]
    symbols = letters + [s + "</w>" for s in letters] + ["".join(m.split()) for m in merges]
    symbols += ["<|startoftext|>", "<|endoftext|>"]
    json.dump({s: i for i, s in enumerate(symbols)}, open(f"{folder}/vocab.json", "w"))
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as out:
        out.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    return dict(vocab_file=f"{folder}/vocab.json", merges_file=f"{folder}/merges.txt", pad_token=pad,
                unk_token="<|endoftext|>", bos_token="<|startoftext|>", eos_token="<|endoftext|>", model_max_length=77)


def write_tokens():
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for pad in ("!", "<|endoftext|>"):
            fast = CLIPTokenizerFast(**clip_folder(folder, pad))
            slow = CLIPTokenizer(**clip_folder(folder, pad))
            def row(tokenizer, name, text):
                ids = tokenizer(text, padding="max_length", truncation=True, max_length=77).input_ids
                while len(ids) > 1 and ids[-1] == ids[-2] == tokenizer.pad_token_id and ids[-2] != 49407:
                    ids.pop()  # all but one of the padding
                while pad == "<|endoftext|>" and len(ids) > 2 and ids[-1] == ids[-2] == 49407:
                    ids.pop()
                rows.append({"tokenizer": name, "pad": pad, "text": text, "ids": ids})
            for text in TEXTS:
                row(fast, "fast", text)
            for text in SLOW:
                row(slow, "slow", text)
    with open(f"{OUT}/tokens.json", "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")


# ---- chunks and weights ----

COMMA_REACH = 20


def chunks_of(tokenizer, parts):
    """Parts are (text, weight), or None for BREAK -> [(75 ids, 75 weights)]."""
    comma = tokenizer.convert_tokens_to_ids(",</w>")
    done, now, last = [], [], -1
    for part in parts:
        if part is None:
            done.append(now)
            now, last = [], -1
            continue
        for token in tokenizer(part[0], add_special_tokens=False, truncation=False).input_ids:
            if len(now) == 75 and token != comma and last >= 0 and 75 - last <= COMMA_REACH:
                done.append(now[:last + 1])
                now, last = now[last + 1:], -1
            elif len(now) == 75:
                done.append(now)
                now, last = [], -1
            if token == comma:
                last = len(now)
            now.append((token, part[1]))
    return done + [now] if now or not done else done


def embed(pipe, parts, count=0):
    ids, out = [], []
    begin, end, pad = pipe.tokenizer.bos_token_id, pipe.tokenizer.eos_token_id, pipe.tokenizer.pad_token_id
    chunks = chunks_of(pipe.tokenizer, parts)
    for chunk in chunks + [[]] * (count - len(chunks)):
        row = [begin] + [t for t, _ in chunk] + [end]
        row += [pad] * (77 - len(row))
        weights = torch.tensor([1.0] + [w for _, w in chunk] + [1.0] * (76 - len(chunk)))
        z = pipe.text_encoder(torch.tensor([row]))[0][0]
        weighted = z * weights[:, None]
        if (weights != 1).any():
            weighted = weighted * (z.mean() / weighted.mean())
        ids += row
        out.append(weighted)
    return torch.tensor(ids), torch.cat(out).contiguous()


class PerFrame(torch.Tensor):
    """Text that is already one a frame: the UNet's repetition leaves it alone."""
    def repeat_interleave(self, *args, **kwargs):
        return self.as_subclass(torch.Tensor)


LONG = "a red fox runs through the snow, and night comes, the sea is in the east, "


def write_golden():
    pipe = TextToVideoSDPipeline.from_pretrained(TINY)
    out = {}
    for skip in (1, 2, 3):
        e, _ = pipe.encode_prompt("a red fox runs through the snow", "cpu", 1, False, clip_skip=skip)
        out[f"skip.{skip}"] = e[0].contiguous()
    named = {
        "weights": [("a ", 1.0), ("red", 1.4), (" fox ", 1.0), ("runs", 1 / 1.1), (" through ", 1.0), ("the", 1.21), (" snow", 1.0)],
        "zero": [("a ", 1.0), ("red", 0.0), (" fox, ", 1.0), ("night", -0.5)],
        "long": [(LONG * 3, 1.0)],
        "long_weights": [(LONG, 1.1), (LONG + LONG, 1.0), ("snow", 1.5)],
        "no_comma": [("the sea and the night " * 20, 1.0)],
        "break": [("a red fox", 1.0), None, ("the night sea", 1.2)],
    }
    for name, parts in named.items():
        out[f"{name}.ids"], out[f"{name}.emb"] = embed(pipe, parts)
    _, out["padded.emb"] = embed(pipe, [("snow", 1.0)], count=2)
    # Prompt travel: a text a frame, straight between the keys 0 and 3.
    torch.manual_seed(3)
    a, b = (embed(pipe, [(t, 1.0)])[1] for t in ("a red fox", "the night sea"))
    frames = torch.stack([(1 - f / 3) * a + f / 3 * b for f in range(4)])
    x = torch.randn(1, 4, 4, 8, 8)
    out["travel.x"] = x
    out["travel.text"] = frames.contiguous()
    out["travel.eps"] = pipe.unet(x, 501, encoder_hidden_states=frames.as_subclass(PerFrame)).sample.contiguous()
    save_file(out, f"{OUT}/golden.safetensors")


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    with torch.no_grad():
        write_tokens()
        write_golden()
