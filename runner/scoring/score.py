"""The score of one checkpoint: audit container, claims container, difference estimator, verdict.

What it enforces and what it cannot is in docs/scoring.md. Trusts the arrays that it is given, the channel,
and nothing that comes through the channel.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from runner.config import ScoreSettings
from runner.scoring import audit as survey
from runner.scoring import phases
from runner.scoring.bits import bits_per_byte
from runner.scoring.client import ModelClient, batch_rows
from runner.scoring.protocol import ModelFault, OpenChannel
from runner.scoring.windows import cut
from runner.trial import Ending, Score

Progress = Callable[[str, int, int], None]  # phase, done, total
FREE_SECONDS, FREE_SHARE = 1.0, 0.01  # of loading, absolutely and of the training's budget


def _quiet(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def score(
    open_channel: OpenChannel,
    tokens: NDArray[Any],
    token_bytes: NDArray[Any],
    *,
    window: int,
    decoys: NDArray[Any],
    device: str,
    settings: ScoreSettings,
    on_progress: Progress = _quiet,
) -> Score:
    """The score of the checkpoint that `open_channel`'s containers hold.

    tokens (L,): the split, may be a memory-map. token_bytes (V,): bytes of text by token, 0 for separators.
    window: tokens of context, W. decoys (P,): training tokens, never the split's own.
    device: `cpu` or `cuda`, what the containers compute on; it sets the tolerance.
    Raises ModelFault (audit, invalid, crash, timeout, oom); UsageError where the split or the decoys are too
    short; whatever `open_channel` raises passes through.
    """
    began = time.monotonic()
    windows = cut(tokens, token_bytes, window, settings.tokens)
    vocabulary = len(token_bytes)
    plan = phases.Plan(windows, decoys, vocabulary, batch_rows(window, vocabulary))
    chosen, positions = survey.draw(windows, settings.audit_positions, phases.fresh_rng())
    wire = [0, 0]

    def converse(phase: str, ask: Callable[..., Any]) -> Any:
        with open_channel(phase) as channel:
            client = ModelClient(channel, time.monotonic() + settings.timeout_seconds)
            loaded = client.start(window, vocabulary, plan.rows, settings.load_seconds)
            answer = ask(client, plan, chosen, positions, lambda done, total: on_progress(phase, done, total))
            client.bye()
            _no_spare_work(loaded, client.answers, client.load_limit)
            wire[0], wire[1] = wire[0] + client.sent, wire[1] + client.received
            return answer

    audits = converse("audit", phases.audit)
    claims: phases.Claims = converse("claims", phases.claim)
    population = int(windows.counts.sum())
    result = survey.estimate(math.fsum(claims.sums), population, claims.audited, audits)
    agreement = survey.compare(claims.audited, audits, claims.order, vocabulary, device, claims.repeat)
    computed = Score(
        val_bpb=bits_per_byte(result.corrected, windows.bytes),
        stderr_bpb=bits_per_byte(result.stderr, windows.bytes),
        tokens=population,
        bytes=windows.bytes,
        positions=agreement.positions,
        disagreements=agreement.disagreements,
        correction_bpb=bits_per_byte(result.corrected - result.claimed, windows.bytes),
        max_difference_nats=agreement.largest,
        seconds=time.monotonic() - began,
        sent_bytes=wire[0],
        received_bytes=wire[1],
    )
    if not agreement.honest:
        raise _disagreement(computed, agreement)
    return computed


def load_limit(most: float, budget_seconds: float, train_seconds: float) -> float:
    """Seconds that loading may take after a training of `train_seconds`, so that training on in it is worth little.

    A little is free, for nobody loads in no time; the rest is what the training left of its budget. At most
    `most`, the setting score.load_seconds.
    """
    free = max(FREE_SECONDS, FREE_SHARE * budget_seconds)
    return min(most, free + max(0.0, budget_seconds - train_seconds))


def _no_spare_work(loaded: float, answers: list[float], limit: float) -> None:
    """Refuse a container that used `load_model` or its first answer for other work, such as training on.

    Whatever is done later changes answers between the audit and the claims, and is seen there.
    """
    usual = statistics.median(answers[1:]) if len(answers) > 1 else math.inf
    spare = loaded + max(0.0, answers[0] - 3 * usual)
    if spare > limit:
        raise ModelFault(
            Ending.TIMEOUT,
            f"loading the model and the delay of its first answer took {spare:.1f} s of the {limit:g} s allowed",
            {"load_seconds": spare},
        )


def _disagreement(computed: Score, agreement: survey.Agreement) -> ModelFault:
    n = agreement.positions
    if agreement.disagreements:
        found = f"disagree at {agreement.disagreements} of {n} audited positions"
    elif agreement.ordered:
        found = f"differ by the order of {n} audited positions"
    elif agreement.learns:
        found = f"agree, but the same windows asked for again got {agreement.repeat:+.2g} nats a position"
    else:
        found = f"differ by {agreement.rms:.2g} nats (root mean square) over {n} audited positions"
    numbers = {
        "positions": n,
        "disagreements": agreement.disagreements,
        "mean_difference_nats": agreement.mean,
        "rms_difference_nats": agreement.rms,
        "max_difference_nats": agreement.largest,
        "drift": agreement.drift,
        "switch_chance": agreement.switch,
        "repeat_difference_nats": agreement.repeat,
        "claimed_bpb": computed.val_bpb - computed.correction_bpb,
        "correction_bpb": computed.correction_bpb,
    }
    return ModelFault(
        Ending.AUDIT,
        f"claims and audit {found}: what the model predicts depends on more than the tokens before it in its row "
        "(later tokens, other rows, earlier calls, or chance such as dropout)",
        {name: float(f"{value:.3g}") for name, value in numbers.items()},
    )
