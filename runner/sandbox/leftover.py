"""What a training left in /out: a script of the image's own programs, and what its words mean. Pure.

The script runs in the keeper once no code of a proposal runs any more, by the payload's user. It opens nothing: what
it says of a checkpoint decides whether anything else is ever done with it.
"""

from __future__ import annotations

from runner.sandbox.evidence import MIB, Left

# Free blocks and files of /out, then of a checkpoint that is a folder S (something in it is no file, no folder, or
# cannot be read), F (a file is there), and the bytes that its files claim.
LOOK = r"""
stat -f -c "%a %d" /out
[ -d /out/checkpoint ] && [ ! -L /out/checkpoint ] || exit 0
cd /out
find checkpoint ! \( -type f -readable -o -type d -readable -executable \) -printf "S " -quit
find checkpoint -type f -printf "F " -quit
du --apparent-size --block-size=1 --summarize checkpoint | cut -f1
"""


def read(said: bytes, out_mb: int) -> Left:
    """What the script said. out_mb: what /out may hold. Raises ValueError for words that it cannot have said."""
    words = said.split()
    counts, marks, claimed = words[:2], words[2:-1], words[2:][-1:]
    known = all(w.isdigit() for w in counts) and all(w.isdigit() or w == b"Infinity" for w in claimed)
    if len(counts) < 2 or not known or not set(marks) <= {b"S", b"F"}:
        raise ValueError(f"{words!r}")
    return Left(
        checkpoint=b"F" in marks,
        full=0 in map(int, counts),
        strange=b"S" in marks,
        # du says Infinity of a sum beyond 64 bits; its folders count as a little more than nothing
        oversized=any(float(w) > (out_mb + 1) * MIB for w in claimed),
    )
