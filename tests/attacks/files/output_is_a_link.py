"""Leaves a checkpoint that is a symbolic link to the lab, for whoever reads or packs it."""

import os

os.symlink("/lab", "/out/checkpoint")
