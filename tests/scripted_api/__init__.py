"""A scripted model's API for real coding agents: see `server.py`. Standard library only."""

from .script import Edit, Read, Say, Shell, Step, Write, misbehave, proposal
from .server import Request, ScriptedApi, Trouble, status

__all__ = [
    "Edit", "Read", "Request", "Say", "ScriptedApi", "Shell", "Step", "Trouble", "Write", "misbehave", "proposal",
    "status",
]  # fmt: skip
