"""Folk tales built on Propp's functions: the lab's default text, made by a seeded generator, nothing downloaded.

Within a tale everything hangs together: names, pronouns, who took what from whom, the charm that comes with the
magical agent and wakes it later, the beasts who pay for kindness with the very task they are good at, so that a
reader can tell a model that has understood from one that has not. It uses the standard library only, and draws
from `random.Random.random` alone, whose sequence is the same in every Python.
"""

from collections.abc import Iterator
from random import Random

DEFAULT_BYTES = 8_000_000


def generate(seed: int | str, size_bytes: int = DEFAULT_BYTES) -> Iterator[str]:
    """Tales, one document each, until they hold at least `size_bytes` bytes of UTF-8.

    Tale i of a seed depends on the seed and i alone, so a larger size only adds tales at the end.
    """
    from prepare.tales.plots import tell

    size = number = 0
    while size < size_bytes:
        tale = tell(Random(f"tales/{seed}/{number}"))
        number += 1
        size += len(tale.encode("utf-8"))
        yield tale
