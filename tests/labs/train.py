"""A train.py for tests: a bigram model, trained in a few steps, so that a trial takes seconds."""

import torch
from torch import nn

import prepare

LR = 0.03  # range: 0.001..0.3 log
WIDTH = 16  # choices: 8, 16, 32


class Bigrams(nn.Module):
    def __init__(self, vocabulary, width):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens):
        return self.head(self.embedding(tokens))


def load_model(directory, device):
    saved = torch.load(f"{directory}/model.pt", map_location=device, weights_only=True)
    model = Bigrams(*saved["size"])
    model.load_state_dict(saved["weights"])
    return model.to(device).eval()


def main():
    torch.manual_seed(prepare.seed())
    size = (prepare.vocab_size(), WIDTH)
    model = Bigrams(*size)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LR)
    for step, (x, y) in enumerate(prepare.batches(8, prepare.window(), "cpu")):
        loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        prepare.report(step, loss.item(), step * 8 * prepare.window(), 1.0)
        if step == 40 or prepare.remaining() < 1.0:
            break
    torch.save({"size": size, "weights": model.state_dict()}, prepare.checkpoint_dir() / "model.pt")


if __name__ == "__main__":
    main()
