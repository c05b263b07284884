"""AutoResearch runner: the host side that trains, scores and ratchets versions of one train.py."""

__version__ = "0.1.0"
