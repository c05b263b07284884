"""Brings what a GPU's compilers build for any program to where they look for it, and may add to it.

The source is mounted read-only and the same for every training; the copy is the container's own and ends with it.
"""

import os

MADE, COMPILE = "/lab/compiled/checkpoint", "/compile"


def bring(made=MADE, to=COMPILE):
    """Does nothing where nothing was made, or where a process before this one has brought it."""
    if not os.path.isdir(made) or not os.path.isdir(to) or os.listdir(to):
        return
    import shutil

    for entry in os.scandir(made):  # `to` itself is root's, and stays as it is
        path = os.path.join(to, entry.name)
        if entry.is_dir(follow_symlinks=False):
            shutil.copytree(entry.path, path, symlinks=True)
        else:
            shutil.copy2(entry.path, path, follow_symlinks=False)
