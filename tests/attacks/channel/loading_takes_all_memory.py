"""A checkpoint of one byte that unfolds into gigabytes when it is loaded."""

from prepare import checkpoint_dir


def load_model(directory, device):
    return open(f"{directory}/model", "rb").read() * (1 << 34)


if __name__ == "__main__":
    (checkpoint_dir() / "model").write_bytes(b"x")
