"""A load_model that gives nothing."""

from prepare import checkpoint_dir


def load_model(directory, device):
    return None


if __name__ == "__main__":
    (checkpoint_dir() / "model").write_bytes(b"weights")
