"""Fills /out with empty files."""

import itertools

for count in itertools.count():
    open(f"/out/{count}", "w").close()
