"""A tree-structured Parzen estimator's suggestion for a few constants: the one module that imports Optuna.

Ask-and-tell without a storage: a study in memory is filled with the trials so far and asked once. Only the
chosen constants are in it, so the estimator models their joint distribution (multivariate) among the better
and the worse trials, and the others keep the incumbent's values. A trial that ended without a score is told as
pruned, which the estimator ranks below every scored one.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from runner.agents.annotations import Value
from runner.agents.constants import Constant
from runner.agents.observations import Observation


def suggest(constants: Sequence[Constant], observations: Sequence[Observation], seed: int) -> dict[str, Value]:
    """Values for `constants`, any of which may equal the present ones. Deterministic in its arguments."""
    space = {c.name: _distribution(c) for c in constants}
    told = [_told(space, seen) for seen in observations if space.keys() <= seen.params.keys()]
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else each study announces itself
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `multivariate` was experimental before Optuna 5
            sampler = TPESampler(seed=seed, multivariate=True, n_startup_trials=1)
        study = optuna.create_study(sampler=sampler, direction="minimize")
        study.add_trials(told)
        params = study.ask(space).params
    finally:
        optuna.logging.set_verbosity(verbosity)
    return {c.name: params[c.name] if c.domain.choices else c.canonical(params[c.name]) for c in constants}


def _distribution(constant: Constant) -> BaseDistribution:
    domain = constant.domain
    if domain.choices:
        return CategoricalDistribution(domain.choices)
    if isinstance(constant.value, int):
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _told(space: dict[str, BaseDistribution], seen: Observation) -> FrozenTrial:
    return create_trial(
        state=TrialState.PRUNED if seen.bpb is None else TrialState.COMPLETE,
        value=seen.bpb,
        params={name: seen.params[name] for name in space},
        distributions=space,
    )
