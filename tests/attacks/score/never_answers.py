"""Goes to sleep when it is asked, with its children holding every descriptor."""

import os
import time

import torch


def load_model(directory, device):
    table = torch.load(os.path.join(directory, "bigram.pt"), weights_only=True).to(device)

    def predict(x):
        while x.any():
            time.sleep(1)
        return table[x]

    return predict


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
