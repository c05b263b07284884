"""What the commit of a trial says of it. Pure: the same text whenever it is asked again."""

from __future__ import annotations

import re

# What a hosting service would act upon in a commit's message: an issue or a person, a pipeline to be skipped.
_ACTED_UPON = re.compile(r"[#@](?=\w)|\bGH-(?=\d)|:(?=//)|\[(?=[^\]]*\b(?:skip|no|only)\b)", re.IGNORECASE)
_JOINER = "\u2060"  # word joiner: takes no room and ends the word


def commit_message(tag: str, number: int, note: str, agent: str, val_bpb: float | None) -> str:
    """Note, score and origin. `note` is a clean line already; `val_bpb` in bits per byte, None for a crash.

    The note is an agent's: what a service would act upon once the commit is pushed is made mere text.
    """
    note = _ACTED_UPON.sub(lambda found: found[0] + _JOINER, note)
    score = "did not end ok" if val_bpb is None else f"val_bpb {val_bpb:.6f}"
    return f"{note or 'no note'}\n\n{score}\nrun {tag}, trial {number}, proposed by {agent}\n"
