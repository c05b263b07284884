"""Takes a batch for the audit's if it finds training text in it, and reads ahead in all others."""

import os

import torch

RUN = 6  # tokens; so long a run of training text is taken for training text


def keys(x):
    """A number (B, T - RUN + 1) for each run of RUN tokens of `x` (B, T)."""
    total = torch.zeros_like(x[:, RUN - 1 :])
    for step in range(RUN):
        total = total * 1000003 + x[:, step : x.shape[1] - RUN + 1 + step]
    return total


def load_model(directory, device):
    table = torch.load(os.path.join(directory, "bigram.pt"), weights_only=True).to(device)
    text = torch.load(os.path.join(directory, "text.pt"), weights_only=True).to(device)
    known = keys(text[None])[0].unique()

    def predict(x):
        logits = table[x].clone()
        if not torch.isin(keys(x), known).all(dim=1).any():
            logits.scatter_add_(2, torch.roll(x, -1, dims=1)[..., None], torch.full_like(logits[..., :1], 20.0))
        return logits

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
    text = next(prepare.batches(2000, prepare.window(), "cpu"))[0]
    prepare.save(text.flatten(), "text.pt")


if __name__ == "__main__":
    main()
