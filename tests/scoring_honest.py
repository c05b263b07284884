"""An honest train.py of many shapes, for measuring numerical noise: `spec.json` in its checkpoint says which.

arch: bigram, gru, conv, gpt, or moe (each token routed to one of four experts). dtype: float32, bfloat16
(weights and arithmetic), or autocast (float32 weights, bfloat16 matrix products). kernels: "random" has each
container choose how every matrix product is split and summed, as libraries for GPUs do when they time kernels.
"""

import json
import os

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.qkv(x).split(d, dim=2))
        return self.out(
            F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, d)
        )


class Experts(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.route = nn.Linear(width, 4, bias=False)
        self.experts = nn.ModuleList(mlp(width) for _ in range(4))

    def forward(self, x):
        weights, choice = self.route(x).softmax(-1).max(-1)
        every = torch.stack([e(x) for e in self.experts], dim=-1)
        return every.gather(-1, choice[..., None, None].expand(*x.shape, 1))[..., 0] * weights[..., None]


class Routed(nn.Module):
    """Top-1 experts that each take their tokens of the whole batch in one product: its shape, and so its kernel
    and its rounding, depends on the other rows."""

    def __init__(self, width):
        super().__init__()
        self.route = nn.Linear(width, 4, bias=False)
        self.experts = nn.ModuleList(mlp(width) for _ in range(4))

    def forward(self, x):
        flat = x.flatten(0, 1)
        weights, choice = self.route(flat).softmax(-1).max(-1)
        y = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            mine = (choice == number).nonzero()[:, 0]
            if len(mine):
                y = y.index_copy(0, mine, (expert(flat[mine]) * weights[mine, None]).to(y.dtype))
        return y.view(x.shape)


class Conv(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv1d(width, width, 4)

    def forward(self, x):
        return F.gelu(self.conv(F.pad(x.transpose(1, 2), (3, 0)))).transpose(1, 2)


def mlp(width):
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class Net(nn.Module):
    def __init__(self, arch, vocabulary, width, depth, window, scale=1.0, **_):
        super().__init__()
        self.arch, self.scale = arch, scale
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Embedding(window, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * depth + 1))
        makers = {
            "gpt": lambda: mlp(width),
            "moe": lambda: Experts(width),
            "routed": lambda: Routed(width),
            "conv": lambda: mlp(width),
        }
        first = (lambda: Conv(width)) if arch == "conv" else (lambda: Attention(width, 4))
        layers = depth if arch in makers else 0
        self.first = nn.ModuleList(first() for _ in range(layers))
        self.second = nn.ModuleList(makers[arch]() for _ in range(layers))
        self.gru = nn.GRU(width, width, depth, batch_first=True) if arch == "gru" else None
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, x):
        h = self.embed(x)
        if self.arch != "bigram":
            h = h + self.place(torch.arange(x.shape[1], device=x.device))
        if self.gru is not None:
            h = self.gru(h)[0]
        for i, (one, two) in enumerate(zip(self.first, self.second, strict=True)):
            h = h + one(self.norms[2 * i](h))
            h = h + two(self.norms[2 * i + 1](h))
        return self.head(self.norms[-1](h)) * self.scale


def choose_kernels():
    """Replace F.linear by one that rounds partial products of a random split, as a split-K kernel does."""
    parts, linear = int.from_bytes(os.urandom(1), "little") % 7 + 1, F.linear

    def split(x, weight, bias=None):
        pieces = zip(x.chunk(parts, dim=-1), weight.chunk(parts, dim=-1), strict=True)
        y = sum(linear(a, w) for a, w in pieces)
        return y if bias is None else y + bias

    F.linear = split


def build(spec, directory, tokens=None):
    """Write a checkpoint for `spec`; with `tokens` (L,) the model is trained on them for spec["steps"] steps."""
    torch.manual_seed(spec["seed"])
    net = Net(**spec)
    if spec["steps"]:
        text = torch.from_numpy(tokens.astype("int64"))
        optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
        for _ in range(spec["steps"]):
            at = torch.randint(len(text) - spec["window"] - 1, (8, 1)) + torch.arange(spec["window"] + 1)
            loss = F.cross_entropy(net(text[at[:, :-1]]).flatten(0, 1), text[at[:, 1:]].flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    torch.save(net.state_dict(), os.path.join(directory, "model.pt"))
    with open(os.path.join(directory, "spec.json"), "w") as file:
        json.dump(spec, file)


def load_model(directory, device):
    with open(os.path.join(directory, "spec.json")) as file:
        spec = json.load(file)
    if spec.get("kernels") == "random":
        choose_kernels()
    net = Net(**spec)
    net.load_state_dict(torch.load(os.path.join(directory, "model.pt"), weights_only=True))
    net = net.to(device).eval()
    if spec["dtype"] == "bfloat16":
        return net.bfloat16()
    if spec["dtype"] == "float32":
        return net

    def predict(x):
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            return net(x)

    return predict


def main():
    """As a train.py in a container: shape and number format follow from the seed."""
    import numpy as np

    import prepare

    seed = prepare.seed()
    archs, dtypes = ["gpt", "routed", "conv", "moe", "gru"], ["bfloat16", "float32", "autocast"]
    spec = {
        "arch": archs[seed % len(archs)],
        "dtype": dtypes[seed % len(dtypes)],
        "vocabulary": prepare.vocab_size(),
        "window": prepare.window(),
        "width": 64,
        "depth": 2,
        "scale": 1.0,
        "steps": 8,
        "seed": seed,
        "kernels": "default",
    }
    os.makedirs("/out/checkpoint", exist_ok=True)
    build(spec, "/out/checkpoint", np.load("/lab/data/train.npy", mmap_mode="r")[:400_000])
    print(spec, flush=True)


if __name__ == "__main__":
    main()
