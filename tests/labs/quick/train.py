"""A train.py for crash walks: token frequencies mixed with the uniform distribution, in numpy alone.

Every greater K is better by a little. It is never done by itself: the deadline ends it.
"""

import os
import time

import numpy as np

import prepare

K = 1


def load_model(directory, device):
    return np.load(f"{directory}/model.npy")  # logits of the next token, whatever came before


def main():
    counts = np.bincount(np.load("/lab/data/train.npy"), minlength=prepare.vocab_size()).astype(np.float64)
    weight = 0.9 * (1 - 1 / (K + 2))
    logits = np.log(weight * counts / counts.sum() + (1 - weight) / len(counts))
    folder = prepare.checkpoint_dir()
    np.save(folder / "unfinished.npy", logits)
    os.replace(folder / "unfinished.npy", folder / "model.npy")
    prepare.report(1, 1.0, len(counts), 1.0)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
