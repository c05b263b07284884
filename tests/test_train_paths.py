"""train.py computes the same by hand, in plain operations and compiled; a batch fits a GPU's passes.

Where there is no GPU this is what can be said of its path: it is traced whole, without a break, to the same numbers.
"""

from __future__ import annotations

import textwrap

import pytest
from conftest import with_subject

from runner.config import TrialSettings
from runner.sandbox import volumes
from runner.sandbox.box import Sandbox
from runner.sandbox.payloads import PLACES

pytestmark = pytest.mark.engine
SMALL = TrialSettings(memory_mb=2048, pids=128, out_mb=8, out_files=64, tmp_mb=64, shm_mb=64, log_kb=64)
BEGIN = """
import os, sys
sys.path.insert(0, '/lab/train')
import torch
import subject
os.makedirs('/out/checkpoint')
open('/out/checkpoint/model', 'w').write('x')
torch.manual_seed(0)
"""
PATHS = """
model = subject.Model(vocab=97, window=32, depth=2, width=32, heads=2, head_dim=16, hidden=64, bigrams=128)
with torch.no_grad():
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
tokens, targets = torch.randint(97, (4, 32)), torch.randint(97, (4, 32))

def path(loss):
    model.zero_grad(set_to_none=True)
    value = loss(tokens, targets)
    value.backward()
    return value.detach(), [parameter.grad.clone() for parameter in model.parameters()]

by_hand = path(model.loss)
compiled = path(torch.compile(model.loss, backend='aot_eager', fullgraph=True, dynamic=False))
hand, subject.by_hand = subject.by_hand, lambda x: False
plain = path(model.loss)
for name, (value, gradients) in {'plain': plain, 'compiled': compiled}.items():
    torch.testing.assert_close(value, by_hand[0], rtol=1e-5, atol=1e-6)
    for one, other in zip(gradients, by_hand[1], strict=True):
        torch.testing.assert_close(one, other, rtol=2e-4, atol=2e-6)
    print('SAME', name)
"""
BATCHES = """
for tokens in (4096, 65536, 262144):
    for window in (8, 100, 256, 1000, 2048, 8192, 100000):
        rows, micro = subject.batch_rows(tokens, window, torch.bfloat16)
        assert rows >= micro >= 1, (tokens, window)
        assert micro * window <= max(window, subject.CUDA_MICRO_BATCH), (tokens, window)
        half = subject.batch_rows(tokens, window, torch.float32)[1]
        assert half * window <= max(window, subject.CUDA_MICRO_BATCH // 2), (tokens, window)
        assert rows * window <= max(window, tokens), (tokens, window)
        while micro:
            assert rows % micro == 0, (tokens, window, micro)
            micro //= 2
least, steps = subject.BATCH_TOKENS, subject.LEAST_STEPS
assert subject.batch_tokens(1, 100) == subject.batch_tokens(1, 10**12) == least  # a CPU's, whatever the text
assert subject.batch_tokens(64, 10**12) == 64 * least
assert subject.batch_tokens(64, 100) == least
assert subject.batch_tokens(64, steps * 3 * least) == 3 * least
print('FIT')
"""
TIMES = """
class Properties:
    def __init__(self, gib): self.total_memory = int(gib * 2**30)

known = set(subject.CPU_TIMES)
subject.torch.cuda.get_device_capability = lambda: (8, 9)
for gib, depth in ((141, 3), (79.2, 3), (31.4, 3), (23.6, 2), (15.6, 2), (7.8, 2)):
    subject.torch.cuda.get_device_properties = lambda _, gib=gib: Properties(gib)
    factors = subject.times('cuda')
    assert set(factors) == known
    assert factors['DEPTH'] == depth, gib
subject.torch.cuda.get_device_capability = lambda: (7, 5)  # a Quadro RTX 8000: large, and without bfloat16
subject.torch.cuda.get_device_properties = lambda _: Properties(48)
assert subject.times('cuda') == subject.CUDA_TIMES[0]
assert subject.times('cpu') == dict.fromkeys(known, 1)
print('SIZED')
"""

FITS = """
class Lacks(RuntimeError): pass

def fitted(rows, most, fault, budget='300', compiles=True):
    calls = []
    def gradients(loss, x, y, micro_rows):
        calls.append((loss == model.loss, len(x)))
        if loss != model.loss and not compiles:
            raise Lacks('no C compiler')
        if len(x) > most:
            raise fault
    os.environ['RUNNER_BUDGET_SECONDS'] = budget
    subject.gradients, subject.torch.cuda.empty_cache = gradients, lambda: None
    subject.torch.compile = lambda loss, dynamic: (lambda *rows: loss(*rows))
    loss, found = subject.fit(model, torch.zeros(64, 8), torch.zeros(64, 8), rows)
    return loss != model.loss, found, calls

model = subject.Model(vocab=97, window=32, depth=2, width=32, heads=2, head_dim=16, hidden=64, bigrams=128)
full = torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 MiB')
assert fitted(16, 64, full)[:2] == (True, 16)
triton = RuntimeError('Triton Error [CUDA]: out of memory')
for fault in (full, triton, RuntimeError('CUBLAS_STATUS_ALLOC_FAILED')):
    compiled, rows, calls = fitted(16, 4, fault)
    assert (compiled, rows) == (True, 4), fault
    assert calls == [(False, 16), (False, 8), (False, 4), (False, 4)], 'the second pass has gradients beside it'
for rows in (16, 1):
    assert fitted(rows, 64, full, compiles=False)[:2] == (False, rows)
assert fitted(16, 4, full, compiles=False)[:2] == (False, 4)
assert fitted(16, 64, full, budget='30')[:2] == (False, 16), 'a short budget has no time to compile'
for fault, budget in ((full, '300'), (RuntimeError('an illegal memory access was encountered'), '30')):
    try:
        fitted(16, 0, fault, budget)
    except RuntimeError as error:
        print('RAISED', error)
"""
ROWS = """
shape = dict(vocab=97, window=32, depth=2, width=32, heads=2, head_dim=16, hidden=64, bigrams=4096)
ends = []
for sparse in (True, False):
    torch.manual_seed(1)
    model = subject.Model(**shape)
    model.sparse = sparse
    optimiser = subject.Optimiser(model)
    for step in range(8):
        tokens, targets = torch.randint(97, (2, 32)), torch.randint(97, (2, 32))
        model.loss(tokens, targets).backward()
        assert model.pairs.grad.is_sparse == sparse
        optimiser.step(0.0)
        model.zero_grad(set_to_none=True)
    ends.append([*model.parameters()])
for one, other in zip(*ends, strict=True):
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
assert 100 < int((ends[0][1] != 0).any(-1).sum()) < 520
print('MOVED')
"""
LOADS = """
shape = dict(vocab=97, window=32, depth=2, width=32, heads=2, head_dim=16, hidden=64, bigrams=128)
model = subject.Model(**shape)
with torch.no_grad():
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
subject.save(model, shape)
drawn = torch.get_rng_state()
logits = subject.load_model('/out/checkpoint', 'cpu')
assert torch.equal(drawn, torch.get_rng_state()), 'nothing is drawn for what is loaded'
tokens = torch.randint(97, (4, 32))
with torch.no_grad():
    torch.testing.assert_close(logits(tokens), model(tokens).float(), rtol=1e-5, atol=1e-6)
assert torch.get_float32_matmul_precision() == 'highest'
print('LOADED')
"""
TOLD = """
waited = []

class Event:
    def record(self): self.number = len(waited)
    def synchronize(self): waited.append(self)

empty = torch.empty
subject.torch.cuda.Event, subject.torch.empty = Event, lambda shape, pin_memory: empty(shape)
told = subject.Told(True)
assert [told(torch.tensor(float(n))) for n in range(4)] == [0.0, 0.0, 1.0, 2.0]
assert len(waited) == 3
told = subject.Told(False)
assert [told(torch.tensor(float(n))) for n in range(4)] == [0.0, 1.0, 2.0, 3.0]

shape = dict(vocab=97, window=32, depth=2, width=32, heads=2, head_dim=16, hidden=64, bigrams=128)
model = subject.Model(**shape)
for name, share in {'NVIDIA H100 80GB HBM3': True, 'NVIDIA GeForce RTX 4090': True, 'NVIDIA GeForce RTX 4090 D': False,
                    'NVIDIA GeForce RTX 4090 Laptop GPU': False, 'NVIDIA A100-SXM4-40GB MIG 1g.5gb': False,
                    'NVIDIA A100-SXM4-40GB': True, 'Tesla T4': False}.items():
    subject.torch.cuda.get_device_name = lambda name=name: name
    assert ('of its peak' in subject.utilisation(model, shape, 1e6)) == share, name
print('TOLD')
"""


def run(sandbox: Sandbox, tag: str, source: str) -> str:
    code = volumes.archive(with_subject(textwrap.dedent(BEGIN + source)), PLACES)
    with sandbox.box(tag, "0001", code, 150) as box:
        return box.train(120, seed=1).log.decode()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (PATHS, ("SAME plain", "SAME compiled")),
        (BATCHES, ("FIT",)),
        (TIMES, ("SIZED",)),
        (FITS, ("RAISED CUDA out of memory", "RAISED an illegal memory access")),
        (ROWS, ("MOVED",)),
        (LOADS, ("LOADED",)),
        (TOLD, ("TOLD",)),
    ],
    ids=[
        "by hand, in plain operations and compiled it is one function",
        "a batch is whole passes however often a pass is halved",
        "depth and batch follow from the memory of the gpu",
        "a pass is halved for memory alone and compiled where it can be",
        "a gpu's table learns by its rows as a cpu's",
        "what is loaded answers as what was saved",
        "a gpu is asked for the step before, and a share of its peak is of its own",
    ],
)
def test_inside(sandbox: Sandbox, tag: str, source: str, words: tuple[str, ...]) -> None:
    said = run(sandbox, tag, source)
    assert all(word in said for word in words), said
