"""The score of one checkpoint: audit container, claims container, difference estimator, verdict.

What it enforces and what it cannot is in docs/scoring.md. Trusts the arrays that it is given, the channel,
and nothing that comes through the channel.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from runner.config import ScoreSettings
from runner.scoring import audit as survey
from runner.scoring import phases
from runner.scoring.bits import bits_per_byte
from runner.scoring.client import ModelClient, batch_rows
from runner.scoring.protocol import ModelFault, OpenChannel, Slow
from runner.scoring.windows import cut
from runner.trial import Ending, Score

Progress = Callable[[str, int, int], None]  # phase, done, total
FREE_SECONDS, FREE_SHARE = 1.0, 0.01  # of loading, absolutely and of the training's budget
FIRST_SHARE = 0.02  # of the training's budget, for the first answers
AUDIT_SECONDS, AUDIT_SHARE = 5.0, 0.05  # of all of an audit on a GPU, likewise
TRIES = 3  # containers of each kind, where one is too slow to begin with
FIRST = len(phases.RAMP)  # answers of the audit after which another model shows as a switch, see order.py


def _quiet(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Allowance:
    """Seconds of an audit beyond those of loading: for its first answers, and for all of them."""

    first: float = 0.0
    whole: float = math.inf


@dataclass(frozen=True)
class Measured:
    """A score, and what it is believed by.

    spent, whole: seconds that loading and the first answers of the audit took, and loading and all of them.
    limit: what `spent` may be.
    """

    score: Score
    agreement: survey.Agreement
    spent: float
    whole: float
    limit: float


@dataclass(frozen=True)
class Clocked:
    """A container's conversation with its time: `loaded` seconds went before its first answer.

    Refuses an audit container that may have trained on. All that it takes counts, the honest work too, and nothing that
    it does later buys more: a container could be slow on purpose. Training that is the same in both containers changes
    no answer between them, so only time bounds it. It has to be over with the first answers, for seven
    that came from another model show as a switch; the same training again in every answer gains no more than in the
    first. The claims need no such limit: what is scored, on the mean, is the audit's model.
    """

    client: ModelClient
    loaded: float

    @property
    def spent(self) -> float:
        return self.loaded + math.fsum(self.client.answers[:FIRST])

    def no_spare_work(self, allowed: Allowance) -> None:
        """Raises Slow where loading and the first answers took longer than they may together."""
        limit = self.client.load_limit + allowed.first
        if self.spent > limit:
            raise Slow(_slow(f"its first {FIRST} answers", self.spent, limit), self.spent)

    def no_spare_audit(self, allowed: Allowance) -> float:
        """Seconds of the whole audit. Raises ModelFault, not Slow, where they are more: it has seen all prefixes."""
        whole, limit = self.loaded + math.fsum(self.client.answers), self.client.load_limit + allowed.whole
        if whole > limit:
            raise ModelFault(Ending.TIMEOUT, _slow("all of its audit", whole, limit), {"audit_seconds": whole})
        return whole


def _slow(what: str, seconds: float, limit: float) -> str:
    return f"loading the model and {what} took {seconds:.1f} s of the {limit:.3g} s allowed"


def score(open_channel: OpenChannel, tokens: NDArray[Any], token_bytes: NDArray[Any], **given: Any) -> Score:
    """The score of the checkpoint that `open_channel`'s containers hold; arguments as of `measure`.

    Raises ModelFault (audit, invalid, crash, timeout, oom); UsageError where the split or the decoys are too
    short; whatever `open_channel` raises passes through.
    """
    found = measure(open_channel, tokens, token_bytes, **given)
    if not found.agreement.honest:
        raise _disagreement(found.score, found.agreement)
    return found.score


def measure(
    open_channel: OpenChannel,
    tokens: NDArray[Any],
    token_bytes: NDArray[Any],
    *,
    window: int,
    decoys: NDArray[Any],
    device: str,
    settings: ScoreSettings,
    allowed: Allowance = Allowance(),
    on_progress: Progress = _quiet,
) -> Measured:
    """What `score` rests on; a disagreement of claims and audit is told in it, every other fault is raised.

    tokens (L,): the split, may be a memory-map. token_bytes (V,): bytes of text by token, 0 for separators.
    window: tokens of context, W. decoys (P,): training tokens, never the split's own.
    device: `cpu` or `cuda`, what the containers compute on; it sets the tolerance.
    allowed: what the audit may take beyond the time of loading, see `allowance`.
    """
    windows = cut(tokens, token_bytes, window, settings.tokens)
    vocabulary = len(token_bytes)
    plan = phases.Plan(windows, decoys, vocabulary, batch_rows(window, vocabulary))
    chosen, positions = survey.draw(windows, settings.audit_positions, phases.fresh_rng())
    costs: list[
        tuple[float, int, int]
    ] = []  # of the conversations that count: seconds, bytes sent and received

    def converse(phase: str, ask: Callable[..., Any]) -> tuple[Any, Clocked]:
        began = time.monotonic()
        with open_channel(phase) as channel:
            client = ModelClient(channel, time.monotonic() + settings.timeout_seconds)
            clocked = Clocked(client, client.start(window, vocabulary, plan.rows, settings.load_seconds))

            def progress(done: int, total: int) -> None:
                if phase == "audit" and len(client.answers) == FIRST:
                    clocked.no_spare_work(allowed)
                on_progress(phase, done, total)

            answer = ask(client, plan, chosen, positions, progress)
            client.bye()
        costs.append((time.monotonic() - began, client.sent, client.received))
        return answer, clocked

    audits, clocked = _in_time(lambda: converse("audit", phases.audit))
    whole = clocked.no_spare_audit(allowed)
    claims: phases.Claims = _in_time(lambda: converse("claims", phases.claim))[0]
    population = int(windows.counts.sum())
    result = survey.estimate(math.fsum(claims.sums), population, claims.audited, audits)
    agreement = survey.compare(claims.audited, audits, claims.order, vocabulary, device, claims.repeat)
    seconds, sent, received = map(sum, zip(*costs, strict=True))
    computed = Score(
        val_bpb=bits_per_byte(result.corrected, windows.bytes),
        stderr_bpb=bits_per_byte(result.stderr, windows.bytes),
        tokens=population,
        bytes=windows.bytes,
        positions=agreement.positions,
        disagreements=agreement.disagreements,
        correction_bpb=bits_per_byte(result.corrected - result.claimed, windows.bytes),
        max_difference_nats=agreement.largest,
        seconds=seconds,
        sent_bytes=int(sent),
        received_bytes=int(received),
    )
    return Measured(computed, agreement, clocked.spent, whole, clocked.client.load_limit + allowed.first)


def load_limit(most: float, budget_seconds: float, train_seconds: float) -> float:
    """Seconds that loading may take after a training of `train_seconds`, so that training on in it is worth little.

    A little is free, for nobody loads in no time; the rest is what the training left of its budget. At most
    `most`, the setting score.load_seconds.
    """
    free = max(FREE_SECONDS, FREE_SHARE * budget_seconds)
    return min(most, free + max(0.0, budget_seconds - train_seconds))


def allowance(device: str, budget_seconds: float) -> Allowance:
    """What an audit may take beyond the time of loading.

    The first answers get what the largest model that learns anything within its budget needs. All of them have no
    limit on a CPU, where claims and audit agree so closely that training later than in the first answers shows. On a
    GPU rounding may hide that, and a training sees many times the tokens of an audit.
    """
    whole = max(AUDIT_SECONDS, AUDIT_SHARE * budget_seconds) if device == "cuda" else math.inf
    return Allowance(FIRST_SHARE * budget_seconds, whole)


def _in_time(converse: Callable[[], tuple[Any, Clocked]]) -> tuple[Any, Clocked]:
    """What `converse` gives, in a fresh container again where one was too slow: the machine may have been busy.

    Harmless: it has seen seven prefixes at the most, and the next one, which knows nothing of it, is asked the same.
    """
    for _ in range(TRIES - 1):
        try:
            return converse()
        except Slow:
            continue
    return converse()


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
