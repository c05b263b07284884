"""A model that answers with a gigabyte for every token of the vocabulary, in a view that costs it nothing."""

import prepare


def load_model(directory, device):
    import torch  # not in the training, which needs none

    def predict(x):
        return torch.zeros(1).expand(*x.shape, 1 << 28)

    return predict


if __name__ == "__main__":
    (prepare.checkpoint_dir() / "model").write_text(str(prepare.vocab_size()))
