"""A checkpoint that is never loaded: every signal ignored, every thread asleep."""

import signal
import time

from prepare import checkpoint_dir


def load_model(directory, device):
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    (checkpoint_dir() / "model").write_bytes(b"weights")
