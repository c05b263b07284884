"""Leaves a checkpoint that is a file instead of a folder."""

from prepare import write

write("/out/checkpoint")
