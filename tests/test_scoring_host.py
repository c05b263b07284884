"""The model host as a process: what is printed there cannot reach the channel, and errors are told once."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scoring_lab import process_channel
from scoring_peers import table

from runner.scoring.client import ModelClient
from runner.scoring.protocol import ModelFault
from runner.trial import Ending

PEERS = Path(__file__).with_name("scoring_peers.py")
TOKENS = np.arange(12).reshape(2, 6)


def peer(kind: str, log: Path):
    return process_channel([sys.executable, str(PEERS), kind], log)


def test_prints_of_the_model_of_its_descriptors_and_of_its_children_go_to_the_log(tmp_path):
    with peer("noisy", tmp_path / "log") as channel:
        client = ModelClient(channel, time.monotonic() + 20)
        client.start(5, 20, 2, 20)
        found = client.claims(TOKENS)
        client.bye()
    normal = table(20) - np.log(np.exp(table(20)).sum(axis=1, keepdims=True))
    assert np.allclose(found, normal[TOKENS[:, :-1], TOKENS[:, 1:]])
    log = (tmp_path / "log").read_text()
    for line in ("a line on stdout", "bytes on descriptor 1", "a child", "input: "):
        assert line in log


@pytest.mark.parametrize(
    ("kind", "told"), [("broken", "ValueError: no such weights"), ("quits", "SystemExit: enough")]
)
def test_a_model_that_does_not_load_is_invalid_and_says_why(kind, told, tmp_path):
    with peer(kind, tmp_path / "log") as channel, pytest.raises(ModelFault, match=told) as caught:
        ModelClient(channel, time.monotonic() + 20).start(5, 20, 2, 20)
    assert caught.value.ending is Ending.INVALID
    assert len(caught.value.detail) < 700


def test_an_exception_that_quotes_the_text_stays_in_the_log(tmp_path):
    with peer("tells", tmp_path / "log") as channel:
        client = ModelClient(channel, time.monotonic() + 20)
        client.start(5, 20, 2, 20)
        with pytest.raises(ModelFault) as caught:
            client.claims(TOKENS)
    assert caught.value.ending is Ending.CRASH
    assert caught.value.detail == "the model raised an exception while it was scored"
    assert "the text is [[0, 1, 2" in (tmp_path / "log").read_text()
