"""Trains a small GPT in the seconds there are, and leaves it where it will be scored.

    python train.py             with RUNNER_BUDGET_SECONDS, RUNNER_SEED and RUNNER_DEVICE set
    load_model(folder, device)  what scoring calls, in another process

One file, read from top to bottom: constants, what a CPU needs by hand, model, optimiser, clock, training.
The same constants serve both devices: a GPU takes the sizes times what its memory allows (CUDA_TIMES). The score is
computed elsewhere, from the answers of the model that this leaves; nothing that it prints counts.
"""

import os

# A thread that waits for another must sleep: spinning, two threads on a busy core slow each other tenfold.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")

import ctypes
import gc
import platform
import re
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import prepare

# ---------------------------------------------------------------------------------------------- constants
# The comment after a constant is its search range, for whoever proposes changes.

DEPTH = 3  # range: 1..6
WIDTH = 192  # choices: 128, 192, 256, 320
HEADS = 2  # choices: 1, 2, 4
HEAD_DIM = 64  # choices: 32, 64, 128
MLP_TIMES = 4  # range: 2..6
BIGRAMS = 65536  # choices: 4096, 16384, 65536, 262144
ATTENTION_SCALE = 0.12  # range: 0.06..0.3 log
BATCH_TOKENS = 4096  # choices: 1024, 2048, 4096, 8192
MATRIX_LR = 0.04  # range: 0.005..0.2 log
EMBED_LR = 0.05  # range: 0.002..0.2 log
HEAD_LR = 0.01  # range: 0.001..0.05 log
BIGRAM_LR = 0.1  # range: 0.005..0.5 log
SCALAR_LR = 0.02  # range: 0.002..0.2 log
MOMENTUM = 0.95  # range: 0.8..0.98
BETA1 = 0.8  # range: 0.6..0.95
BETA2 = 0.95  # range: 0.9..0.999
DECAY_SHARE = 0.6  # range: 0.2..1.0
WEIGHT_DECAY = 0.0  # range: 0.0..0.3

EPOCHS = 2  # text that this model has seen more often, it learns by heart
LEAST_STEPS = 200  # of a training on short text: a GPU's batch is cut for them, down to BATCH_TOKENS

# By the least memory of a GPU in GiB, the largest first: a small GPU is a slow one too, and trains what it can.
CUDA_TIMES = {
    30: {"DEPTH": 3, "WIDTH": 4, "HEADS": 3, "HEAD_DIM": 2, "BATCH_TOKENS": 64},
    14: {"DEPTH": 2, "WIDTH": 4, "HEADS": 3, "HEAD_DIM": 2, "BATCH_TOKENS": 32},
    0: {"DEPTH": 2, "WIDTH": 2, "HEADS": 3, "HEAD_DIM": 1, "BATCH_TOKENS": 16},
}
CPU_TIMES = {"DEPTH": 1, "WIDTH": 1, "HEADS": 1, "HEAD_DIM": 1, "BATCH_TOKENS": 1}
CUDA_MICRO_BATCH = 65536  # tokens of a pass in bfloat16, half of them in float32; halved until it fits
COMPILE_FROM = 90.0  # seconds of budget: compiling takes 10 to 20, and out of a shorter one more than it gives
PEAK_TERAFLOPS = {  # of bf16 without sparsity, by NVIDIA's data sheets; what is more particular comes first
    "B200": 2250,
    "GH200": 989,
    "H200 NVL": 835,
    "H200": 989,
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "A100": 312,
    "A40": 150,
    "A10": 125,
    "L40S": 362,
    "L40": 181,
    "L4": 121,
    "A30": 165,
    "RTX 6000 Ada": 364,
    "5090": 209,
    "4090": 165,
    "3090": 71,
}


def times(device: str) -> dict[str, int]:
    """What the constants are multiplied by on this machine."""
    if device != "cuda":
        return CPU_TIMES
    gib = torch.cuda.get_device_properties(0).total_memory >> 30
    if compute_dtype(device) is torch.float32:
        gib = 0  # without units for bfloat16 a GPU takes ten times as long, however large it is
    return next(factors for least, factors in CUDA_TIMES.items() if gib >= least)


def sizes(times: dict[str, int]) -> dict[str, int]:
    """What `Model` needs to be built again; a checkpoint carries it beside the weights."""
    return {
        "vocab": prepare.vocab_size(),
        "window": prepare.window(),
        "depth": DEPTH * times["DEPTH"],
        "width": WIDTH * times["WIDTH"],
        "heads": HEADS * times["HEADS"],
        "head_dim": HEAD_DIM * times["HEAD_DIM"],
        "hidden": WIDTH * times["WIDTH"] * MLP_TIMES,
        "bigrams": BIGRAMS,
    }


def compute_dtype(device: str) -> torch.dtype:
    """What training computes in: bfloat16 where the processor multiplies matrices of it, else float32."""
    if device == "cuda":
        has_units = torch.cuda.get_device_capability() >= (8, 0)
    else:
        flags = Path("/proc/cpuinfo").read_text().split() if platform.machine() == "x86_64" else ()
        has_units = "amx_bf16" in flags or "avx512_bf16" in flags
    return torch.bfloat16 if has_units else torch.float32


# ---------------------------------------------------------------------- by hand, for want of a compiler
# On a GPU torch.compile fuses what follows. On a CPU, without one, each operation is a pass over memory of its
# own, forward and backward, and the passes cost more than the matrix products. Each Function below does, in as
# few as it can, what the plain line for compilers and GPUs says in the function of its name.


def by_hand(x: Tensor) -> bool:
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def unit(x: Tensor) -> tuple[Tensor, Tensor]:
    """`x` over its root mean square along the last dimension, and the factor."""
    factor = x.size(-1) ** 0.5 / (torch.linalg.vector_norm(x, dim=-1, keepdim=True) + 1e-6)
    return x * factor, factor


def unit_grad(grad: Tensor, y: Tensor, factor: Tensor) -> Tensor:
    """The gradient of `unit`: what of `grad` is orthogonal to y, times the factor."""
    return torch.addcmul(grad, y, (grad * y).mean(-1, keepdim=True), value=-1).mul_(factor)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The two halves of the last dimension of `x` as coordinates of points, turned by the angle."""
    y = torch.empty_like(x)
    (a, b), (c, d) = x.chunk(2, -1), y.chunk(2, -1)
    torch.mul(a, cos, out=c).addcmul_(b, sin, value=-1)
    torch.mul(b, cos, out=d).addcmul_(a, sin)
    return y


class Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y, factor = unit(x)
        ctx.save_for_backward(y, factor)
        return y

    @staticmethod
    def backward(ctx, grad):
        return unit_grad(grad, *ctx.saved_tensors)


class NormRotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, cos, sin):
        y, factor = unit(x)
        ctx.save_for_backward(y, factor, cos, sin)
        return rotate(y, cos, sin)

    @staticmethod
    def backward(ctx, grad):
        y, factor, cos, sin = ctx.saved_tensors
        return unit_grad(rotate(grad, cos, -sin), y, factor), None, None


class ReluSquared(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = F.relu(x)
        ctx.save_for_backward(y)
        return y * y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return (grad * y).mul_(2)


class Attend(torch.autograd.Function):
    """Causal attention over (N, T, head_dim). The CPU's flash kernel, made for long sequences, takes three times
    as long at the lengths here, whose weights fit the cache."""

    @staticmethod
    def forward(ctx, q, k, v):
        future = torch.full((q.size(1), q.size(1)), float("-inf"), dtype=q.dtype).triu_(1)
        weights = torch.softmax(torch.baddbmm(future, q, k.mT, alpha=ATTENTION_SCALE), -1)
        ctx.save_for_backward(q, k, v, weights)
        return weights @ v

    @staticmethod
    def backward(ctx, grad):
        q, k, v, weights = ctx.saved_tensors
        scores = torch._softmax_backward_data(grad @ v.mT, weights, -1, weights.dtype).mul_(ATTENTION_SCALE)
        return scores @ k, scores.mT @ q, weights.mT @ grad


def norm(x: Tensor) -> Tensor:
    return Norm.apply(x) if by_hand(x) else F.rms_norm(x, (x.size(-1),), eps=1e-6)


def norm_rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    if by_hand(x):
        return NormRotate.apply(x, cos, sin)
    a, b = norm(x).chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def relu_squared(x: Tensor) -> Tensor:
    return ReluSquared.apply(x) if by_hand(x) else F.relu(x).square()


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention; all (B, heads, T, head_dim)."""
    if by_hand(q) and torch.is_grad_enabled():
        return Attend.apply(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)).view(q.shape)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=ATTENTION_SCALE)


# ------------------------------------------------------------------------------------------------- model


class Model(nn.Module):
    """A transformer without biases. Its input adds to each token the pair that it makes with the one before,
    from a hashed table, and a share of its left neighbour: what a small model would spend a layer on.

    The matrices of all layers lie in two parameters, so that the optimiser treats each kind as one batch.
    `compute` is the type that it computes in; the parameters stay float32. An `empty` one waits for a checkpoint.
    """

    def __init__(
        self,
        *,
        vocab: int,
        window: int,
        depth: int,
        width: int,
        heads: int,
        head_dim: int,
        hidden: int,
        bigrams: int,
        empty: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.head_dim, self.bigrams = heads, head_dim, bigrams
        self.compute = torch.float32
        self.sparse = False  # gradients of the pairs' table: of the rows in use only
        new = torch.empty if empty else torch.randn
        self.embed = nn.Parameter(new(vocab, width))
        self.pairs = nn.Parameter(torch.zeros(bigrams, width))
        self.smear = nn.Parameter(torch.zeros(12, 1))
        self.attention = nn.Parameter(new(depth, 4, heads * head_dim, width))
        self.mlp = nn.Parameter(new(depth, 2, hidden, width))
        self.head = nn.Parameter(torch.zeros(vocab, width))
        if not empty:
            with torch.no_grad():
                for matrices in self.matrices():
                    matrices.mul_(0.5 * width**-0.5)
                    matrices[:, -1].zero_()  # each block begins as nothing: it writes zero into the stream
        angle = torch.outer(torch.arange(window), 10000.0 ** -torch.linspace(0, 1, self.head_dim // 2))
        self.register_buffer("cos", angle.cos()[:, None], persistent=False)
        self.register_buffer("sin", angle.sin()[:, None], persistent=False)

    def matrices(self) -> list[nn.Parameter]:
        """What Muon trains; everything else is Adam's."""
        return [self.attention, self.mlp]

    def stem(self, tokens: Tensor) -> Tensor:
        """What enters the first block, (B, T, width). Before the first token of a row stands token 0."""
        before = F.pad(tokens, (1, 0))[:, :-1]
        pair = (before * 1000003 + tokens * 8191).remainder(2147483647).remainder(self.bigrams)
        x = norm(F.embedding(tokens, self.embed)) + F.embedding(pair, self.pairs, sparse=self.sparse)
        share = torch.sigmoid(x[:, 1:, : self.smear.size(0)] @ self.smear)
        return torch.cat((x[:, :1], x[:, 1:] + share * x[:, :-1]), 1).to(self.compute)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) of the tokens that follow `tokens` (B, T), in the type of `compute`."""
        rows, length = tokens.shape
        cos, sin = self.cos[:length].to(self.compute), self.sin[:length].to(self.compute)
        x = self.stem(tokens)
        blocks = zip(self.attention.to(x.dtype).unbind(), self.mlp.to(x.dtype).unbind(), strict=True)
        for attention, mlp in blocks:
            (into, out), (up, down) = attention.split((3, 1)), mlp.unbind()  # whose gradient is one copy
            qkv = F.linear(norm(x), into.flatten(0, 1)).view(rows, length, -1, self.head_dim)
            qk, v = qkv.split((2 * self.heads, self.heads), 2)
            q, k = norm_rotate(qk, cos, sin).chunk(2, 2)
            q, k, v = (z.transpose(1, 2) for z in (q, k, v))
            x = x + attend(q, k, v).transpose(1, 2).flatten(2) @ out[0]
            x = x + relu_squared(F.linear(norm(x), up)) @ down
        return F.linear(norm(x), self.head.to(x.dtype))

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean nats a token."""
        logits = self(tokens).flatten(0, 1)
        return F.cross_entropy(logits if by_hand(logits) else logits.float(), targets.flatten())


def load_model(directory: str | Path, device: str):
    """The trained model as a callable: int64 tokens (B, T) to float32 logits (B, T, V), for T from 1 to the window.

    Position t predicts the token after it from those up to it; rows do not touch. It computes in float32, on a
    GPU with its products in TF32, so that the shape of a batch changes an answer by rounding only. Raises what
    torch.load raises on a bad file.
    """
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    saved = torch.load(Path(directory) / "model.pt", map_location=device, weights_only=True)
    model = Model(**saved["sizes"], empty=True)
    model.load_state_dict(saved["weights"], assign=True)
    model.to(device).eval().requires_grad_(False)

    @torch.no_grad()
    def logits(tokens: Tensor) -> Tensor:
        return model(tokens.to(device)).float()

    return logits


# --------------------------------------------------------------------------------------------- optimiser


def orthogonalise(batch: Tensor, dtype: torch.dtype) -> Tensor:
    """Replaces each matrix (…, rows, columns) by about its nearest orthogonal one: all its singular values near 1.

    Newton-Schulz iteration, https://kellerjordan.github.io/posts/muon; coefficients of a step each, after
    Polar Express, https://arxiv.org/abs/2505.16932.
    """
    x = batch.flatten(0, -3).to(dtype)
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-7)).contiguous()
    for a, b, c in (
        (8.1566, -22.4833, 15.8788),
        (4.0429, -2.8089, 0.5000),
        (3.8917, -2.7725, 0.5061),
        (3.2858, -2.3681, 0.4645),
        (2.3465, -1.7098, 0.4232),
    ):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).view(batch.shape)


class Muon:
    """Momentum whose step is made orthogonal, for stacks of matrices."""

    def __init__(self, parameters: list[nn.Parameter], dtype: torch.dtype) -> None:
        self.parameters = parameters
        self.momenta = [torch.zeros_like(p) for p in parameters]
        self.dtype = dtype

    @torch.no_grad()
    def step(self, scale: float, momentum: float) -> None:
        """scale: share of the full learning rate."""
        for p, m in zip(self.parameters, self.momenta, strict=True):
            m.lerp_(p.grad, 1 - momentum)
            update = orthogonalise(torch.lerp(p.grad, m, momentum), self.dtype)
            tallness = max(1.0, p.size(-2) / p.size(-1)) ** 0.5
            p.mul_(1 - scale * MATRIX_LR * WEIGHT_DECAY).add_(update, alpha=-scale * MATRIX_LR * tallness)


class Adam:
    """Adam, https://arxiv.org/abs/1412.6980, in one fused pass; of a table, over the rows in use only: one that is
    rarely used would go on for many steps in the direction of its last one.

    Not torch.optim's, whose first use imports the compiler: more than a second of the budget.
    """

    def __init__(self, rates: dict[nn.Parameter, float], table: nn.Parameter) -> None:
        self.table = table
        self.states = [(p, rate, torch.zeros_like(p), torch.zeros_like(p)) for p, rate in rates.items()]
        self.count = torch.zeros((), device=self.states[0][0].device)

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """scale: share of the full learning rates."""
        self.count += 1
        for p, rate, mean, square in self.states:
            wholes = p, mean, square
            if p.grad.is_sparse:
                grad = p.grad.coalesce()
                rows = grad.indices()[0]
                parts = p[rows], mean[rows], square[rows]
                self._update(parts[0], grad.values(), *parts[1:], rate * scale)
                for whole, part in zip(wholes, parts, strict=True):
                    whole[rows] = part
            elif p is self.table:  # the same, without asking a GPU how many rows there are
                used, before = p.grad.any(-1, keepdim=True), [whole.clone() for whole in wholes]
                self._update(p, p.grad, mean, square, rate * scale)
                for whole, old in zip(wholes, before, strict=True):
                    torch.where(used, whole, old, out=whole)
            else:
                self._update(p, p.grad, mean, square, rate * scale)

    def _update(self, p: Tensor, grad: Tensor, mean: Tensor, square: Tensor, rate: float) -> None:
        torch._fused_adamw_(
            [p], [grad], [mean], [square], [], [self.count], lr=rate, beta1=BETA1, beta2=BETA2,
            weight_decay=0.0, eps=1e-10, amsgrad=False, maximize=False,
        )  # fmt: skip


class Optimiser:
    """Muon for the matrices, Adam for the rest, on one schedule."""

    def __init__(self, model: Model) -> None:
        self.muon = Muon(model.matrices(), model.compute)
        rates = {model.embed: EMBED_LR, model.head: HEAD_LR, model.pairs: BIGRAM_LR, model.smear: SCALAR_LR}
        self.adam = Adam(rates, table=model.pairs)
        self.steps = 0

    def step(self, progress: float) -> float:
        """One step; the learning rate of the matrices in it. progress: share of the training that is over, 0 to 1."""
        scale = min(1.0, (1 - progress) / DECAY_SHARE)
        self.muon.step(scale, momentum=min(MOMENTUM, 0.85 + self.steps * 0.0005))
        self.adam.step(scale)
        self.steps += 1
        return scale * MATRIX_LR


# ------------------------------------------------------------------------------------------------- clock


class Clock:
    """How much of the training is over, by wall-clock, and when to stop so that the checkpoint is in time."""

    def __init__(self, save_seconds: float, behind: int) -> None:
        """behind: steps that a GPU may still have to do when this process has asked for them all."""
        self.save_seconds, self.behind = save_seconds, behind
        self.recent = [0.0] * 8  # seconds of the last steps
        self.restart()

    def restart(self) -> float:
        """Training begins now."""
        self.start = self.last = time.monotonic()
        return self.start

    def tick(self) -> None:
        """A step is over."""
        now = time.monotonic()
        self.recent = [*self.recent[1:], now - self.last]
        self.last = now

    def left(self) -> float:
        """Seconds until the checkpoint must be begun: twice what saving took, and a step that is slower yet."""
        return prepare.remaining() - 0.3 - 2 * self.save_seconds - (1.5 + self.behind) * max(self.recent)

    def progress(self) -> float:
        """0 at the start, 1 when it is time to stop."""
        elapsed, left = time.monotonic() - self.start, self.left()
        return 1.0 if left <= 0 else elapsed / (elapsed + left)


class Told:
    """What a step's loss was. A GPU is asked for that of the step before, so that it has always the next to do."""

    def __init__(self, gpu: bool) -> None:
        self.gpu = gpu
        self.under_way: list[tuple] = []  # losses on their way from the GPU, each with the event of its arrival

    def __call__(self, loss: Tensor) -> float:
        if not self.gpu:
            return float(loss)
        here, arrival = torch.empty((), pin_memory=True), torch.cuda.Event()
        here.copy_(loss, non_blocking=True)
        arrival.record()
        self.under_way.append((here, arrival))
        if len(self.under_way) == 1:
            return float(loss)  # the first is waited for
        here, arrival = self.under_way.pop(0)
        arrival.synchronize()
        return float(here)


# ---------------------------------------------------------------------------------------------- training


def save(model: Model, shape: dict[str, int]) -> float:
    """Writes the checkpoint in one step; returns the seconds that it took."""
    begun = time.monotonic()
    prepare.save({"sizes": shape, "weights": model.state_dict()}, "model.pt")
    return time.monotonic() - begun


def quieten(device: str) -> None:
    """No pause for garbage, and no memory handed back to the kernel only to be faulted in again."""
    gc.collect()
    gc.freeze()
    gc.disable()
    if device == "cpu" and platform.libc_ver()[0] == "glibc":
        no_mmap, no_trim = (-4, 0), (-1, -1)  # M_MMAP_MAX, M_TRIM_THRESHOLD of mallopt(3)
        for setting in (no_mmap, no_trim):
            ctypes.CDLL(None).mallopt(*setting)


def gradients(loss, x: Tensor, y: Tensor, micro_rows: int) -> Tensor:
    """Adds up the gradients of a batch, `micro_rows` at a time; returns its mean loss in nats a token."""
    total = torch.zeros((), device=x.device)
    for rows in zip(x.split(micro_rows), y.split(micro_rows), strict=True):
        part = loss(*rows) * (len(rows[0]) / len(x))
        part.backward()
        total += part.detach()
    return total


def batch_tokens(factor: int, enough: int) -> int:
    """Tokens of a batch of a training of at most `enough`: the factor's, but with steps left to learn by."""
    return max(BATCH_TOKENS, min(BATCH_TOKENS * factor, enough // LEAST_STEPS))


def batch_rows(tokens: int, window: int, dtype: torch.dtype) -> tuple[int, int]:
    """Rows of a batch of about `tokens` on a GPU, and of one pass: a power of two, so that halves fit the batch too."""
    most = CUDA_MICRO_BATCH * torch.bfloat16.itemsize // dtype.itemsize
    micro_rows = 1 << max(0, (min(tokens, most) // window).bit_length() - 1)
    return micro_rows * max(1, tokens // (window * micro_rows)), micro_rows


def fit(model: Model, x: Tensor, y: Tensor, rows: int) -> tuple:
    """(loss function, rows of a pass) that work on this GPU: compiled if it can be, and within its memory."""
    loss = torch.compile(model.loss, dynamic=False) if prepare.budget() >= COMPILE_FROM else model.loss
    while True:
        try:
            for _ in range(2):  # the second beside the gradients of the first, as in training
                gradients(loss, x[:rows], y[:rows], rows)
            model.zero_grad(set_to_none=True)
            return loss, rows
        except Exception as error:
            # Only PyTorch's own allocator tells it by an error of a kind of its own.
            full = re.search("out of memory|ALLOC_FAILED", str(error)) is not None
            if full and rows > 1:
                rows //= 2
            elif not full and loss != model.loss:  # whatever a compiler, its headers or a driver may lack
                print(f"going on without compilation: {type(error).__name__}: {error}", flush=True)
                loss = model.loss
            else:
                raise
        model.zero_grad(set_to_none=True)
        gc.collect()  # what the error's own frames held
        torch.cuda.empty_cache()


def utilisation(model: Model, shape: dict[str, int], speed: float) -> str:
    """Model FLOPs of `speed` tokens a second, and their share of the GPU's peak: 6 a weight, and attention's."""
    name = torch.cuda.get_device_name()
    weights = model.attention.numel() + model.mlp.numel() + model.head.numel()
    attention = shape["depth"] * shape["heads"] * shape["head_dim"] * shape["window"]  # half of it is masked
    tera = 6 * (weights + attention) * speed / 1e12
    peak = next((peak for key, peak in PEAK_TERAFLOPS.items() if re.search(rf"\b{key}\b", name)), None)
    if re.search(r"\b(MIG|Laptop|Max-Q|D)\b", name):  # less than the GPU that the name is of
        peak = None
    return f"{tera:.1f} TFLOP/s on {name}" + (f", {tera / peak:.1%} of its peak" if peak else "")


def main() -> None:
    device = prepare.device()
    torch.manual_seed(prepare.seed())
    quieten(device)
    gpu, factors = device == "cuda", times(device)
    shape = sizes(factors)
    model = Model(**shape).to(device)
    model.compute, model.sparse = compute_dtype(device), not gpu
    clock = Clock(save(model, shape), behind=int(gpu))  # insurance: from here on there is something to score
    optimiser = Optimiser(model)
    enough = EPOCHS * prepare.train_tokens()
    size, window = batch_tokens(factors["BATCH_TOKENS"], enough), shape["window"]
    rows, micro_rows = batch_rows(size, window, model.compute) if gpu else 2 * (max(1, size // window),)
    data = prepare.batches(rows, window, device)
    loss, micro_rows = fit(model, *next(data), micro_rows) if gpu else (model.loss, micro_rows)
    how = ", compiled" if loss != model.loss else ""
    print(f"first step after {prepare.elapsed():.1f} s, computed in {model.compute}{how}", flush=True)
    tokens, mean, speed, insured = 0, 0.0, 0.0, 0.0
    told = Told(gpu)
    started = clock.restart()
    for step, (x, y) in enumerate(data, 1):
        progress = max(clock.progress(), tokens / enough)
        if progress >= 1:
            break
        now = gradients(loss, x, y, micro_rows)
        rate = optimiser.step(progress)
        model.zero_grad(set_to_none=True)
        mean += (told(now) - mean) * max(0.02, 1 / step)
        clock.tick()
        tokens += x.numel()
        speed = tokens / (time.monotonic() - started)
        prepare.report(step, mean, tokens, speed, rate)
        if progress > (1 + insured) / 2 and clock.left() > 20 * clock.save_seconds:
            insured = progress  # halfway to the end, each time; never more than a twentieth of what is left
            clock.save_seconds = save(model, shape)
            clock.tick()
    seconds = save(model, shape) if tokens else 0.0
    print(
        f"{step - 1} steps, {tokens} tokens, {mean:.4f} nats a token, {speed:.0f} tokens/s, saved in {seconds:.2f} s"
    )
    if tokens >= enough:
        print(f"ended with {prepare.remaining():.0f} s left: the text was read {EPOCHS} times")
    if gpu:
        print(f"utilisation: {utilisation(model, shape, speed)}")


if __name__ == "__main__":
    main()
