"""Leaves names that break those who print, split or join them: line breaks, escape codes, dots, dashes, 255 bytes,
bytes that are no UTF-8; hard links; a deep path."""

import os

from prepare import leave_checkpoint, write

leave_checkpoint()
os.chdir("/out/checkpoint")
for name in (b"a\nb", b"..a", b"...", b"-rf", b"--checkpoint-action=exec=sh", b" ", b"\x1b[2J", b"S F 0", b"n" * 255,
             b"\xff\xfe", "\u202e".encode(), b"$(reboot)", b"`reboot`", b"a\\b", b"*", b"\x7f"):  # fmt: skip
    write(name, "odd")
os.link("model", "hard link")
os.makedirs("/".join(["d" * 100] * 12))
