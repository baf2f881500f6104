"""Writes tests/data/torch: small files as torch.save makes them, for test_torch_file.c and the fuzz corpus.

    python3 tests/engine/make_torch_files.py        (torch 2.13)
"""
import collections
import pathlib

import torch

out = pathlib.Path(__file__).resolve().parent.parent / "data" / "torch"


class Stranger:
    """A class that no reader of tensors knows."""

    def __init__(self):
        self.value = 7


def plain():
    grid = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    return collections.OrderedDict(
        f32=grid.clone(),
        f16=torch.tensor([0.5, -2.0, 65504.0], dtype=torch.float16),
        bf16=torch.tensor([[1.5], [-3.0]], dtype=torch.bfloat16),
        f64=torch.tensor([1.0, 2.0], dtype=torch.float64),
        i64=torch.arange(3),
        i32=torch.tensor([-5], dtype=torch.int32),
        u8=torch.tensor([1, 255], dtype=torch.uint8),
        bool=torch.tensor([True, False]),
        scalar=torch.tensor(2.25),
        empty=torch.zeros(0, 4),
        turned=grid[0].t(),
        row=grid[1],
        column=grid[:, 1, 2],
        parameter=torch.nn.Parameter(torch.tensor([9.0])),
        repeated=torch.tensor([1.0]).expand(1000, 1000),
    )


def main():
    out.mkdir(exist_ok=True)
    torch.save(plain(), out / "plain.pth")
    module = torch.nn.Linear(2, 3)
    with torch.no_grad():
        module.weight.copy_(torch.arange(6.0).reshape(3, 2))
        module.bias.copy_(torch.arange(3.0))
    torch.save({"state_dict": module.state_dict(), "epoch": 3, "lr": 1e-3, "callbacks": {"x": [1, (2, None, True)]}}, out / "nested.ckpt")
    torch.save({"good": torch.tensor([1.0, 2.0]), "stranger": Stranger(), "list": [Stranger()], "big": 1 << 70}, out / "stranger.pth")
    torch.save([torch.tensor([1.0]), torch.tensor([[2.0, 3.0]])], out / "list.pt")
    torch.save({"a": torch.tensor([1.0])}, out / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"a": torch.tensor([4.0, 5.0])}, out / "protocol4.pth", pickle_protocol=4)
    torch.save(Stranger(), out / "object.pth")


if __name__ == "__main__":
    main()
