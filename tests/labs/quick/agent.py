"""The quick lab's proposer: the next greater K, which is always better."""

import pathlib
import re

path = pathlib.Path("train.py")
text = path.read_text()
k = int(re.search(r"^K = (\d+)$", text, re.MULTILINE)[1]) + 1
path.write_text(re.sub(r"^K = \d+$", f"K = {k}", text, flags=re.MULTILINE))
pathlib.Path("note.txt").write_text(f"K = {k}\n")
