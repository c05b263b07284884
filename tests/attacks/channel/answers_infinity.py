"""A model that is infinitely sure of one token."""

import prepare


def load_model(directory, device):
    vocabulary = int(open(f"{directory}/model").read())

    import torch  # not in the training, which needs none

    def predict(x):
        logits = torch.zeros(*x.shape, vocabulary)
        logits[..., 0] = float("inf")
        return logits

    return predict


if __name__ == "__main__":
    (prepare.checkpoint_dir() / "model").write_text(str(prepare.vocab_size()))
