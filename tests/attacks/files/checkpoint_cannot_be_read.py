"""Leaves a file and a folder that nobody but root may read: what is archived would not be what was scored."""

import os

from prepare import leave_checkpoint, write

leave_checkpoint()
os.mkdir("/out/checkpoint/folder")
write("/out/checkpoint/folder/file")
os.chmod("/out/checkpoint/folder", 0)
