"""A model that answers with one token too many."""

import prepare


def load_model(directory, device):
    vocabulary = int(open(f"{directory}/model").read())

    import torch  # not in the training, which needs none

    def predict(x):
        return torch.zeros(*x.shape, vocabulary + 1)

    return predict


if __name__ == "__main__":
    (prepare.checkpoint_dir() / "model").write_text(str(prepare.vocab_size()))
