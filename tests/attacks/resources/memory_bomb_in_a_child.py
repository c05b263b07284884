"""A child takes all memory; its parent lives, sees that it died, and ends with an error of its own."""

import subprocess
import sys

bomb = "taken = []\nwhile True: taken.append(bytearray(4 << 20))"
sys.exit(1 if subprocess.run([sys.executable, "-c", bomb]).returncode else 0)
