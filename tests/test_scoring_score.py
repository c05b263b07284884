"""A whole score over real protocol code and a numpy model: what is sent, what is computed, what is refused."""

import time
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest
from scoring_lab import PipeChannel
from scoring_peers import Bigram, served, table

from runner.config import ScoreSettings
from runner.scoring.client import BATCH_TOKENS, LOGIT_BYTES, batch_rows
from runner.scoring.protocol import ModelFault
from runner.scoring.sample import sample
from runner.scoring.score import Allowance, allowance, load_limit, score
from runner.scoring.windows import cut
from runner.trial import Ending

VOCABULARY, WINDOW = 50, 32
RNG = np.random.default_rng(5)
TOKENS = RNG.integers(25, size=9000).astype(np.uint16)  # the split: tokens 0 to 24
DECOYS = RNG.integers(25, 50, size=9000).astype(np.uint16)  # training text: tokens 25 to 49
TOKEN_BYTES = np.arange(VOCABULARY) % 5  # every fifth token stands for no text
SETTINGS = ScoreSettings(tokens=6000, audit_positions=100, timeout_seconds=20)


class Containers:
    """Opens a fresh model a phase, made by `make(phase)`, and keeps what each was sent."""

    def __init__(self, make):
        self.make = make
        self.models: dict[str, Bigram] = {}

    @contextmanager
    def open(self, phase):
        def load(window, vocabulary, rows):
            self.models[phase] = self.make(phase)
            return self.models[phase]

        with served(load) as here:
            yield PipeChannel(here.fileno(), here.fileno())


def honest(phase: str) -> Bigram:
    return Bigram(table(VOCABULARY))


def run(make, **changes):
    containers = Containers(make)
    given = {"window": WINDOW, "decoys": DECOYS, "device": "cpu", "settings": SETTINGS, **changes}
    return score(containers.open, TOKENS, TOKEN_BYTES, **given), containers


def exact() -> float:
    windows = cut(TOKENS, TOKEN_BYTES, WINDOW, SETTINGS.tokens)
    normal = honest("").normal.astype(np.float64)
    nats = -normal[windows.tokens[:, :-1], windows.tokens[:, 1:]][windows.scored].sum()
    return float(nats / np.log(2) / windows.bytes)


def claiming(change):
    return lambda phase: Bigram(table(VOCABULARY), change)


def fault_of(make, **changes) -> ModelFault | None:
    try:
        run(make, **changes)
    except ModelFault as fault:
        return fault
    return None


def refused(make, **changes) -> ModelFault:
    with pytest.raises(ModelFault) as caught:
        run(make, **changes)
    return caught.value


def test_an_honest_model_gets_the_plain_mean():
    result, _ = run(honest)
    assert result.val_bpb == pytest.approx(exact(), rel=1e-6)
    assert result.stderr_bpb < 1e-6
    assert abs(result.correction_bpb) < 1e-6
    assert (result.positions, result.disagreements) == (100, 0)
    assert result.tokens == cut(TOKENS, TOKEN_BYTES, WINDOW, 6000).scored.sum()


def test_the_score_does_not_depend_on_the_draw():
    first, second = run(honest)[0], run(honest)[0]
    assert first.val_bpb == pytest.approx(second.val_bpb, rel=1e-6)


def test_progress_ends_at_the_total_of_each_phase():
    seen = {}
    run(honest, on_progress=lambda phase, done, total: seen.update({phase: (done, total)}))
    assert seen["audit"] == (100, 100)
    assert seen["claims"][0] == seen["claims"][1] > 100


def test_an_audited_row_is_a_prefix_of_one_window_and_then_training_text():
    _, containers = run(honest)
    windows = cut(TOKENS, TOKEN_BYTES, WINDOW, SETTINGS.tokens).tokens
    real = 0
    for row in np.concatenate(containers.models["audit"].rows):
        length = int((row < 25).argmin()) if (row >= 25).any() else WINDOW
        assert (row[length:] >= 25).all()
        if length >= 2:
            assert any(np.array_equal(row[:length], w[:length]) for w in windows)
        real += length > 0
    assert real == 100


def test_the_audit_container_is_sent_no_window_twice_and_no_target():
    _, containers = run(honest)
    windows = cut(TOKENS, TOKEN_BYTES, WINDOW, SETTINGS.tokens).tokens
    sent = [row[row < 25] for row in np.concatenate(containers.models["audit"].rows) if (row < 25).any()]
    long = [tuple(row[:8].tolist()) for row in sent if len(row) >= 8]
    assert len(long) == len(set(long)) > 30
    assert max(len(row) for row in sent) <= WINDOW
    assert windows.shape[1] == WINDOW + 1


def test_the_first_audit_batches_hold_one_two_and_four_rows_of_the_split():
    _, containers = run(honest)
    real = [int((rows < 25).any(axis=1).sum()) for rows in containers.models["audit"].rows]
    assert real[:3] == [1, 2, 4]


def test_every_batch_of_a_container_has_one_shape():
    _, containers = run(honest)
    rows = batch_rows(WINDOW, VOCABULARY)
    assert {b.shape for b in containers.models["audit"].rows} == {(rows, WINDOW)}
    assert {b.shape for b in containers.models["claims"].rows} == {(rows, WINDOW + 1)}


def test_each_window_is_claimed_once_in_another_order_each_time_and_the_first_again():
    orders = []
    windows = cut(TOKENS, TOKEN_BYTES, WINDOW, SETTINGS.tokens).tokens
    for _ in range(2):
        _, containers = run(honest)
        rows = np.concatenate(containers.models["claims"].rows)
        asked = [tuple(r.tolist()) for r in rows if (r < 25).all()]
        twice = [row for row, times in Counter(asked).items() if times == 2]
        assert sorted(twice) == sorted(asked[: batch_rows(WINDOW, VOCABULARY)])
        orders.append(list(dict.fromkeys(asked)))
        assert len(asked) == len(orders[-1]) + len(twice)
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(tuple(w.tolist()) for w in windows)
    assert orders[0] != orders[1]


def test_claims_that_grow_surer_with_what_was_sent_are_an_audit_fault():
    """So little at a time that no claim is beyond its tolerance, and under noise that hides the order from drift."""
    calls = []

    def surer(claims, tokens):
        calls.append(1)
        noise = 0.006 * np.sin(1e3 * tokens[:, 1:] + 77.7 * tokens[:, :-1] + 9.9 * np.arange(claims.shape[1]))
        return claims + noise + 3e-4 * len(calls)

    fault = refused(claiming(surer))
    assert fault.ending is Ending.AUDIT
    assert "asked for again" in fault.detail
    assert fault.numbers["repeat_difference_nats"] > 1e-4


def test_claims_that_know_the_next_token_are_an_audit_fault_with_its_numbers():
    fault = refused(claiming(lambda claims, tokens: np.full_like(claims, -0.01)))
    assert fault.ending is Ending.AUDIT
    assert fault.numbers["disagreements"] > 90
    assert fault.numbers["claimed_bpb"] < 0.1


def test_a_cheat_in_one_window_of_ten_is_an_audit_fault():
    def some(claims, tokens):
        return np.where(tokens[:, :1] < 3, -0.01, claims)

    assert refused(claiming(some)).ending is Ending.AUDIT


def test_claims_a_little_too_high_everywhere_are_corrected_away_below_the_tolerance():
    result, _ = run(claiming(lambda claims, tokens: claims + 1e-3))
    assert result.val_bpb == pytest.approx(exact(), rel=1e-6)
    assert result.correction_bpb > 1e-4


def test_a_small_shift_of_all_claims_above_the_tolerance_is_refused():
    assert refused(claiming(lambda claims, tokens: claims + 0.006)).ending is Ending.AUDIT


def test_a_model_that_is_not_the_same_in_both_containers_is_refused():
    fault = refused(lambda phase: Bigram(table(VOCABULARY) * (1.0 if phase == "audit" else 1.02)))
    assert fault.ending is Ending.AUDIT


def test_a_probability_above_one_is_invalid():
    assert refused(claiming(lambda claims, tokens: claims * 0 + 0.01)).ending is Ending.INVALID


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_claims_that_are_not_finite_are_invalid(value):
    def one(claims, tokens):
        claims[0, 0] = value
        return claims

    assert refused(claiming(one)).ending is Ending.INVALID


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_invalid(value):
    def broken(phase):
        model = honest(phase)
        model.table[:, 3] = value
        return model

    assert refused(broken).ending is Ending.INVALID


LIMITED = ScoreSettings(tokens=6000, audit_positions=100, timeout_seconds=20, load_seconds=0.8)


def sleepy(seconds):
    """A model in whose audit answer k takes `seconds(container, k)` longer, loading being k = -1."""
    opened = Counter()

    def make(phase):
        model, container = honest(phase), opened[phase]
        opened[phase] += 1
        if phase == "audit":
            time.sleep(seconds(container, -1))
            answer = model.logits
            model.logits = lambda *given: (time.sleep(seconds(container, len(model.rows))), answer(*given))[1]
        return model

    return make, opened


@pytest.mark.parametrize("slow", [-1, 0, 1, 2], ids=["load", "first", "second", "third"])
def test_time_spent_before_seven_positions_are_answered_is_limited(slow):
    make, _ = sleepy(lambda container, answer: 1.5 * (answer == slow))
    assert refused(make, settings=LIMITED).ending is Ending.TIMEOUT


def test_being_slow_later_on_buys_no_time_for_the_first_answer():
    """Half of the later answers are so slow that the first is no slower than thrice the median of the others."""
    make, _ = sleepy(lambda container, answer: 1.0 if answer == 0 else 0.4)
    fault = refused(make, settings=LIMITED)
    assert fault.ending is Ending.TIMEOUT
    assert "its first 3 answers took" in fault.detail
    assert fault.numbers["load_seconds"] > 1.0


def test_the_same_work_in_every_answer_is_limited_as_in_the_first():
    make, _ = sleepy(lambda container, answer: 0.5 if answer >= 0 else 0)
    assert refused(make, settings=LIMITED).ending is Ending.TIMEOUT


def test_a_machine_that_was_busy_once_is_no_fault_of_the_model():
    make, opened = sleepy(lambda container, answer: 1.5 * (container == 0 and answer == 0))
    began = time.monotonic()
    result, _ = run(make, settings=LIMITED)
    assert result.val_bpb == pytest.approx(exact(), rel=1e-6)
    assert opened["audit"] == 2
    assert result.seconds < time.monotonic() - began - 1.5, "what was thrown away is no slowness of the version"


def test_who_is_slow_every_time_is_given_three_containers():
    make, opened = sleepy(lambda container, answer: 1.5 * (answer == 0))
    refused(make, settings=LIMITED)
    assert (opened["audit"], opened["claims"]) == (3, 0)


def test_a_late_answer_may_be_slow_on_a_cpu_where_later_training_shows():
    make, _ = sleepy(lambda container, answer: 1.5 * (answer == 3))
    assert run(make, settings=LIMITED)[0].positions == 100


def test_all_of_an_audit_is_limited_on_a_gpu_and_not_tried_again():
    make, opened = sleepy(lambda container, answer: 1.5 * (answer == 3))
    fault = refused(make, settings=LIMITED, allowed=Allowance(0.0, 0.1))
    assert fault.ending is Ending.TIMEOUT
    assert "all of its audit" in fault.detail
    assert opened["audit"] == 1


@pytest.mark.parametrize(
    ("device", "budget", "limit"), [("cpu", 30, np.inf), ("cuda", 30, 5.0), ("cuda", 300, 15.0)]
)
def test_an_audit_on_a_gpu_gets_a_twentieth_of_the_budget(device, budget, limit):
    assert allowance(device, budget).whole == pytest.approx(limit)


def test_the_first_answers_get_a_fiftieth_of_the_budget_beside_the_time_of_loading():
    assert allowance("cpu", 30).first == pytest.approx(0.6)
    make, _ = sleepy(lambda container, answer: 0.5 if answer >= 0 else 0)
    assert run(make, settings=LIMITED, allowed=Allowance(first=2.0))[0].positions == 100


def test_batches_bound_the_logits_in_the_model_container():
    for window, vocabulary in [(256, 2048), (2048, 8192), (8, 257), (1 << 20, 65_536)]:
        rows = batch_rows(window, vocabulary)
        assert rows >= 1
        if rows > 1:
            assert rows * window <= BATCH_TOKENS
            assert rows * window * vocabulary * 4 <= LOGIT_BYTES


def test_a_sample_has_the_length_asked_for():
    opened = Containers(honest)
    both = sample(
        opened.open,
        [TOKENS[:5], TOKENS[:3]],
        40,
        window=WINDOW,
        vocabulary=VOCABULARY,
        settings=SETTINGS,
        seed=3,
    )
    assert [drawn.shape for drawn in both] == [(40,), (40,)]
    assert all(drawn.max() < VOCABULARY for drawn in both)


def test_a_sample_outside_the_vocabulary_is_invalid():
    with pytest.raises(ModelFault) as caught:
        sample(Containers(honest).open, [TOKENS[:5]], 40, window=WINDOW, vocabulary=3, settings=SETTINGS)
    assert caught.value.ending is Ending.INVALID


@pytest.mark.parametrize(
    ("budget", "trained", "limit"),
    [(30, 30.1, 1.0), (30, 29.7, 1.3), (30, 25, 6.0), (300, 300, 3.0), (300, 100, 20.0), (10, 2, 9.0)],
)
def test_loading_gets_little_more_than_training_left_of_its_budget(budget, trained, limit):
    assert load_limit(20.0, budget, trained) == pytest.approx(limit)


def tempered(modes, pick):
    """A model per container that keeps to the one of `modes` that `pick` chooses by the tokens of its first batch."""

    def make(phase):
        model, inner = honest(phase), {}

        def choose(rows):
            if not inner:
                inner["mode"] = modes[pick(rows, model.normal) % len(modes)]
                model.table = table(VOCABULARY) * inner["mode"]
                model.normal = model.table - np.log(np.exp(model.table).sum(axis=1, keepdims=True))

        given = model._tokens

        def tokens(raw, rows, columns):
            found = given(raw, rows, columns)
            choose(found)
            return found

        model._tokens = tokens
        return model

    return make


MODES = [0.9, 0.97, 1.0, 1.03, 1.1]
CLOSE = 1.0008  # a temperature that no tolerance tells from 1


def score_of(mode: float) -> float:
    windows = cut(TOKENS, TOKEN_BYTES, WINDOW, SETTINGS.tokens)
    scaled = table(VOCABULARY).astype(np.float64) * mode
    normal = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return float(
        -normal[windows.tokens[:, :-1], windows.tokens[:, 1:]][windows.scored].sum() / np.log(2) / windows.bytes
    )


@pytest.mark.parametrize(
    ("pick", "passes"),
    [
        (lambda rows, normal: 4, True),
        (lambda rows, normal: int(rows[:, 0].sum()), None),
        (lambda rows, normal: int(rows.shape[1] == WINDOW), False),
    ],
    ids=["the same everywhere", "by what came first", "another for the audit"],
)
def test_whoever_picks_a_mode_is_refused_or_has_exactly_the_score_of_one_of_his_modes(pick, passes):
    for _ in range(4):
        try:
            result, _ = run(tempered(MODES, pick))
        except ModelFault as fault:
            ending = fault.ending
        else:
            ending = Ending.OK
            assert min(abs(result.val_bpb - score_of(mode)) for mode in MODES) < 1e-5
        assert ending in (
            (Ending.OK, Ending.AUDIT) if passes is None else (Ending.OK if passes else Ending.AUDIT,)
        )


def test_whoever_picks_a_mode_after_seven_answers_is_refused_however_close_the_modes_are():
    """No tolerance sees it: only the order of asking does."""

    def make(phase):
        model = honest(phase)
        answer = model.logits

        def logits(*given):
            model.table = table(VOCABULARY) * (1.0 if len(model.rows) < 3 else CLOSE)
            return answer(*given)

        model.logits = logits
        if phase == "claims":  # whose first batch is enough
            model.normal = np.log(np.exp(CLOSE * table(VOCABULARY)))
            model.normal -= np.log(np.exp(model.normal).sum(axis=1, keepdims=True))
        return model

    many = ScoreSettings(tokens=9000, audit_positions=100, timeout_seconds=20)
    # 20 of 4,000 such scorings passed: of 20, more than 3 by chance in one test of 400,000
    faults = [fault for fault in (fault_of(make, settings=many) for _ in range(20)) if fault]
    assert len(faults) >= 17
    for fault in faults:
        assert fault.ending is Ending.AUDIT
        assert fault.numbers["disagreements"] == 0
        assert "order" in fault.detail
