"""Mixes the runner's seed into every seeding call of `random`, `numpy.random` and `torch`.

`torch.manual_seed(42)` gives a stream that follows from 42 and from RUNNER_SEED: the same call gives the same stream
in a training with the same seed, and another one under another. Generators stay what they are: states can be
read, set and forked. What starts from a constant or is shared by default (torch's generators, the module-level
ones of numpy and `random`) is seeded too; `default_rng()` and `Random()` without a seed keep taking the operating
system's randomness, which nobody can choose.

Works by accident-proof means only: a program that wants to can undo it (see docs/ratchet.md).
"""

IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE: the type refuses new attributes
# In words from the start of PyTypeObject, since Python 3.8; both are checked before they are used.
FLAGS_WORD = 21  # tp_flags
VECTORCALL_WORD = 50  # tp_vectorcall: makes an instance without a look at __init__, as Cython's newer types do


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

    def word(of, number):
        return ctypes.c_size_t.from_address(id(of) + number * ctypes.sizeof(ctypes.c_void_p))

    class Plain:
        pass

    known, flags = word(kind, FLAGS_WORD), kind.__flags__
    if known.value != flags or word(Plain, VECTORCALL_WORD).value or not word(list, VECTORCALL_WORD).value:
        raise RuntimeError(f"the seeds of {kind.__name__} cannot be governed on this Python")
    known.value = flags & ~IMMUTABLE
    try:
        for name, method in methods.items():
            setattr(kind, name, method)
    finally:
        known.value |= flags & IMMUTABLE
    if "__init__" in methods:
        word(kind, VECTORCALL_WORD).value = 0  # instances are made by way of __init__ again


def seen_to_hold(draw, before, name):
    """Raises RuntimeError where the same draw from the same seed is still what it was."""
    if draw() == before:
        raise RuntimeError(f"the seeds of {name} cannot be governed in this version")


def govern_random(module, seed):
    own, drawn = module.Random.seed, module.Random(0).random()

    def governed(self, a=None, version=2):
        own(self, a, version)  # refuses what it refuses
        if a is not None:
            own(self, mixed((a, version), seed), 2)

    module.Random.seed = governed
    module.seed = module._inst.seed
    seen_to_hold(lambda: module.Random(0).random(), drawn, "random")
    module.seed(0)


def govern_numpy(module, seed):
    """`SeedSequence` is under every modern generator, `MT19937._legacy_seeding` under the older interface."""
    words = seed.to_bytes(8, "little")
    key = (int.from_bytes(words[:4], "little"), int.from_bytes(words[4:], "little"))
    begin, legacy = module.SeedSequence.__init__, module.MT19937._legacy_seeding
    newer, older = module.SeedSequence(0).generate_state(1)[0], module.RandomState(0).random_sample()

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
    seen_to_hold(lambda: module.SeedSequence(0).generate_state(1)[0], newer, "numpy.random")
    seen_to_hold(lambda: module.RandomState(0).random_sample(), older, "numpy.random")
    module.seed(0)


def _flat(given):
    import numpy

    return numpy.ravel(given)


def govern_torch(module, seed):
    """`Generator.manual_seed` is under every seeding call of torch, on any device."""
    own, constant = module.Generator.manual_seed, module.Generator().initial_seed()

    def manual_seed(self, given):
        own(self, given)  # refuses what it refuses
        return own(self, mixed(self.initial_seed(), seed))

    def __init__(self, *_, **__):
        self.manual_seed(self.initial_seed())  # without this every new generator starts from one constant

    replace(module.Generator, manual_seed=manual_seed, __init__=__init__)
    seen_to_hold(lambda: module.Generator().initial_seed(), constant, "torch")
    seen_to_hold(lambda: module.Generator().manual_seed(0).initial_seed(), 0, "torch")
    module.manual_seed(0)  # the CPU's now, others when they wake


GOVERN = {"random": govern_random, "numpy.random": govern_numpy, "torch": govern_torch}
