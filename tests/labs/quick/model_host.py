"""The quick lab's model host: `prepare/model_host.py`, which lies beside it as protocol_host.py, without torch."""

import importlib.util
import os
import sys

import numpy as np
import protocol_host


class Unigrams:
    """Answers requests from one vector of logits."""

    def __init__(self, logits):
        self.logits_ = logits.astype("<f4")
        self.normal = (logits - np.log(np.exp(logits).sum())).astype("<f4")

    def logits(self, tokens, rows, columns, positions, wanted):
        return np.tile(self.logits_, rows * wanted).tobytes()

    def claims(self, tokens, rows, columns):
        given = np.frombuffer(tokens, dtype="<u2").reshape(rows, columns)
        return self.normal[given[:, 1:]].tobytes()

    def sample(self, prompt, count, temperature, seed):
        chance = np.random.default_rng(seed)
        weights = np.exp(self.normal.astype(np.float64))
        return chance.choice(len(weights), size=count, p=weights / weights.sum()).astype("<u2").tobytes()


def load(window, vocabulary, rows):
    spec = importlib.util.spec_from_file_location("train", os.path.join("/lab", "train", "train.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["train"] = module
    spec.loader.exec_module(module)
    return Unigrams(module.load_model("/out/checkpoint", "cpu"))


if __name__ == "__main__":
    protocol_host.main(load)
