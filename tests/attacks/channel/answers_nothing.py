"""A model that answers with None."""

import prepare


def load_model(directory, device):
    def predict(x):
        return None

    return predict


if __name__ == "__main__":
    (prepare.checkpoint_dir() / "model").write_text(str(prepare.vocab_size()))
