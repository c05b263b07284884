"""Text from a checkpoint, for a person to read: tokens drawn in a container, checked and returned.

No score depends on it. The container draws, so that no logits need to cross; it may return anything.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.config import ScoreSettings
from runner.scoring.client import ModelClient
from runner.scoring.protocol import ModelFault, OpenChannel
from runner.trial import Ending


def sample(
    open_channel: OpenChannel,
    prompts: Sequence[NDArray[Any]],
    count: int,
    *,
    window: int,
    vocabulary: int,
    settings: ScoreSettings,
    temperature: float = 0.8,
    seed: int = 1,
) -> list[NDArray[np.uint16]]:
    """For each of `prompts` (T,), T ≥ 1, `count` tokens (count,) that continue it, all below `vocabulary`.

    One container draws them all, each from `seed`. Raises ModelFault.
    """
    if any(len(prompt) == 0 for prompt in prompts):
        raise ValueError("a prompt needs at least one token")
    with open_channel("sample") as channel:
        client = ModelClient(channel, time.monotonic() + settings.timeout_seconds)
        client.start(window, vocabulary, 1, settings.load_seconds)
        drawn = [client.sample(prompt, count, temperature, seed) for prompt in prompts]
        client.bye()
    if any(tokens.size and int(tokens.max()) >= vocabulary for tokens in drawn):
        raise ModelFault(Ending.INVALID, "the model container drew a token that is none of the vocabulary's")
    return drawn
