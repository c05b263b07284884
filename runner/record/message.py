"""What the commit of a trial says of it. Pure: the same text whenever it is asked again."""

from __future__ import annotations


def commit_message(tag: str, number: int, note: str, agent: str, val_bpb: float | None) -> str:
    """Note, score and origin. `note` is a clean line already; `val_bpb` in bits per byte, None for a crash."""
    score = "did not end ok" if val_bpb is None else f"val_bpb {val_bpb:.6f}"
    return f"{note or 'no note'}\n\n{score}\nrun {tag}, trial {number}, proposed by {agent}\n"
