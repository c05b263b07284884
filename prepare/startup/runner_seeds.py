"""Mixes the runner's seed into every seeding call of `random`, `numpy.random` and `torch`.

`torch.manual_seed(42)` gives a stream that follows from 42 and from RUNNER_SEED: the same call gives the same stream
in a training with the same seed, and another one under another. Generators stay what they are: states can be
read, set and forked. What starts from a constant or is shared by default (torch's generators, the module-level
ones of numpy and `random`) is seeded too; `default_rng()` and `Random()` without a seed keep taking the operating
system's randomness, which nobody can choose.

Works by accident-proof means only: a program that wants to can undo it (see docs/ratchet.md).
"""

IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE: the type refuses new attributes
FLAGS_WORD = (
    21  # tp_flags in PyTypeObject, in words from its start, since Python 3.8; checked before it is used
)


def mixed(given, seed):
    """A whole number of 63 bits that follows from both."""
    try:
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b

    return int.from_bytes(blake2b(f"{seed}:{given!r}".encode(), digest_size=8).digest(), "big") >> 1


def replace(kind, **methods):
    """Sets methods of a type, also of one that is made in C and refuses that: its flag is lifted meanwhile.

    Instances that exist, and calls from C through the type's slots, get the new methods as well. Raises
    RuntimeError where the type does not lie in memory as expected.
    """
    import ctypes

    word = ctypes.c_ulong.from_address(id(kind) + FLAGS_WORD * ctypes.sizeof(ctypes.c_void_p))
    flags = kind.__flags__
    if word.value != flags:
        raise RuntimeError(f"the seeds of {kind.__name__} cannot be governed on this Python")
    word.value = flags & ~IMMUTABLE
    try:
        for name, method in methods.items():
            setattr(kind, name, method)
    finally:
        word.value |= flags & IMMUTABLE


def govern_random(module, seed):
    own = module.Random.seed

    def governed(self, a=None, version=2):
        own(self, a, version)  # refuses what it refuses
        if a is not None:
            own(self, mixed((a, version), seed), 2)

    module.Random.seed = governed
    module.seed = module._inst.seed
    module.seed(0)


def govern_numpy(module, seed):
    """`SeedSequence` is under every modern generator, `MT19937._legacy_seeding` under the older interface."""
    words = seed.to_bytes(8, "little")
    key = (int.from_bytes(words[:4], "little"), int.from_bytes(words[4:], "little"))
    begin, legacy = module.SeedSequence.__init__, module.MT19937._legacy_seeding

    def __init__(self, entropy=None, *, spawn_key=(), **more):
        spawn_key = tuple(spawn_key)
        if entropy is not None and spawn_key[:2] != key:  # children have it from their parent
            spawn_key = (*key, *spawn_key)
        begin(self, entropy, spawn_key=spawn_key, **more)

    def _legacy_seeding(self, given):
        legacy(self, given)  # refuses what it refuses
        if given is not None:
            whole = mixed(given if isinstance(given, int) else [int(part) for part in _flat(given)], seed)
            legacy(self, [whole & 0xFFFFFFFF, whole >> 32])

    replace(module.SeedSequence, __init__=__init__)
    replace(module.MT19937, _legacy_seeding=_legacy_seeding)
    module.seed(0)


def _flat(given):
    import numpy

    return numpy.ravel(given)


def govern_torch(module, seed):
    """`Generator.manual_seed` is under every seeding call of torch, on any device."""
    own = module.Generator.manual_seed

    def manual_seed(self, given):
        own(self, given)  # refuses what it refuses
        return own(self, mixed(self.initial_seed(), seed))

    def __init__(self, *_, **__):
        self.manual_seed(self.initial_seed())  # without this every new generator starts from one constant

    replace(module.Generator, manual_seed=manual_seed, __init__=__init__)
    module.manual_seed(0)  # the CPU's now, others when they wake


GOVERN = {"random": govern_random, "numpy.random": govern_numpy, "torch": govern_torch}
