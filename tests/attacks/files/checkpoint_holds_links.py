"""Leaves symbolic links beside its weights: to the host's files, upwards, to themselves, to nothing."""

import os

from prepare import leave_checkpoint

leave_checkpoint()
os.symlink("/etc/shadow", "/out/checkpoint/absolute")
os.symlink("../../../../../../etc/shadow", "/out/checkpoint/upwards")
os.symlink("round", "/out/checkpoint/round")
os.symlink("nowhere", "/out/checkpoint/nowhere")
os.symlink("/proc/self/fd/0", "/out/checkpoint/process")
