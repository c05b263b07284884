"""What of the bulky things that pile up may go, by age and by size. Pure; what an item is, and how it goes, others say.

Age is the time since an item was last used. Size counts what is left after that: the items used longest ago go until
the rest fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from runner.errors import UsageError

SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_SPEC = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([A-Za-z]+)")


@dataclass(frozen=True)
class Keep:
    """What is kept: things used within so many seconds, and so many bytes of them; None: no bound."""

    seconds: float | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Item:
    """One thing that may go.

    what: a word for a person. name: which. bytes: what it takes, 0 where that is not known. used: when it was used
    last, seconds since the epoch. remove: does it, and says whether it went; False where something holds it. by_size:
    whether it may also go because there is too much.
    """

    what: str
    name: str
    bytes: int
    used: float
    remove: Callable[[], bool]
    by_size: bool = True


def parse(specs: Iterable[str]) -> Keep:
    """`14d`, `36h`, `20GB`, `1.5TiB`: the least of the ages, the least of the sizes. Raises UsageError."""
    ages: list[float] = []
    sizes: list[int] = []
    for spec in specs:
        found = _SPEC.fullmatch(spec.strip())
        number, unit = found.groups() if found else ("", "")
        if unit in SECONDS:
            ages.append(float(number) * SECONDS[unit])
        elif unit.upper() in BYTES:
            sizes.append(int(float(number) * BYTES[unit.upper()]))
        else:
            raise UsageError(
                f"{spec!r} is neither an age nor a size",
                "Say for example --keep 14d (units: m h d w) or --keep 20GB (MB GB TB)",
            )
    return Keep(min(ages, default=None), min(sizes, default=None))


def doomed(items: Sequence[Item], keep: Keep, now: float) -> list[Item]:
    """Those of `items` that go, the longest unused first. Nothing goes where `keep` has no bound."""
    old = [item for item in items if keep.seconds is not None and now - item.used > keep.seconds]
    names = {id(item) for item in old}
    left = sorted((i for i in items if id(i) not in names and i.by_size), key=lambda item: item.used)
    held = sum(item.bytes for item in left)
    if keep.bytes is not None:
        for item in left:
            if held <= keep.bytes:
                break
            if item.bytes:
                held -= item.bytes
                old.append(item)
    return sorted(old, key=lambda item: item.used)


def size(count: int) -> str:
    """Bytes for a person, in powers of ten as disks are sold: `1.2 GB`."""
    for unit, of in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if count >= of:
            return f"{count / of:.1f} {unit}"
    return f"{count} bytes"
