"""What a key of `runner.toml` may hold: its type, and the choices or the range that it has."""

from __future__ import annotations

from typing import Any, get_type_hints

from runner.errors import UsageError

_CHOICES = {
    "trial.device": ("auto", "cuda", "cpu"),
    "trial.gpu_access": ("auto", "toolkit", "cdi", "nodes"),
    "trial.alone": ("gpu", "always", "never"),
    "trial.distrust": ("rerun", "mark"),
    "ratchet.rule": ("confirm", "margin", "greedy"),
    "notify.format": ("json", "slack", "ntfy"),
    "notify.events": ("improvement", "trouble", "end"),
}
_RANGES: dict[str, tuple[float, float]] = {
    "data.vocab_size": (257, 65_536),
    "data.shards": (0, 100_000),
    "trial.budget_seconds": (1, 7 * 86_400),
    "trial.memory_mb": (64, 1 << 24),
    "trial.cpus": (0, 4096),
    "trial.pids": (16, 1 << 20),
    "trial.out_mb": (1, 1 << 20),
    "trial.out_files": (8, 1 << 20),
    "trial.tmp_mb": (1, 1 << 20),
    "trial.shm_mb": (1, 1 << 20),
    "trial.log_kb": (16, 1 << 20),
    "trial.source_kb": (1, 16_384),
    "data.window": (8, 1 << 20),
    "score.tokens": (8, 1 << 40),
    "score.audit_positions": (16, 1 << 20),
    "score.timeout_seconds": (1, 86_400),
    "score.load_seconds": (0.1, 86_400),
    "ratchet.min_delta": (0, 100),
    "ratchet.calibrate_trials": (1, 100),
    "ratchet.max_reruns": (0, 100),
    "ratchet.alpha": (1e-6, 0.5),
    "ratchet.design_sigmas": (0.1, 100),
    "ratchet.futility": (0.001, 0.5),
    "ratchet.incumbent_trials": (1, 1000),
    "ratchet.rescore_trials": (1, 100),
    "ratchet.refresh_every": (0, 10_000),
    "ratchet.margin_sigmas": (0, 100),
    "ratchet.simpler_share": (0.001, 1),
    "ratchet.first_rank": (0, 1),
    "ratchet.simpler_sigmas": (0, 100),
    "ratchet.simpler_margin": (0, 100),
    "ratchet.max_memory_mb": (0, 1 << 30),
    "ratchet.max_vram_mb": (0, 1 << 30),
    "ratchet.max_score_seconds": (0, 86_400),
    "ratchet.max_slowdown": (0, 10_000),
    "ratchet.suspicious_share": (0.01, 1),
    "ratchet.suspicious_sigmas": (0, 1_000_000),
    "ratchet.jump_sigmas": (1, 1_000_000),
    "ratchet.jump_after": (0, 1_000_000),
    "agent.timeout_seconds": (1, 86_400),
    "engine.patience_seconds": (0, 86_400),
    "agent.patience_minutes": (0, 100_000),
    "agent.ahead": (0, 1),
    "agent.quiet_seconds": (1, 86_400),
    "agent.max_requests": (0, 1 << 30),
    "agent.max_tokens": (0, 1 << 40),
    "agent.memory_mb": (256, 1 << 24),
    "agent.max_turns": (0, 100_000),
    "agent.max_proposal_cost": (0, 100_000),
    "agent.price_in": (0, 100_000),
    "agent.price_out": (0, 100_000),
    "agent.price_cached": (0, 100_000),
    "sample.length": (1, 1024),
    "sample.temperature": (0, 10),
    "sample.seed": (0, (1 << 31) - 1),
}
_ZERO = {"trial.memory_mb", "trial.out_mb"}  # below their range, for what the machine suggests
_TEXTS = tuple[str, ...]
_MANY, _LONG = 8, 1000  # texts in a list, characters of each


def _texts(where: str, key: str, value: Any) -> tuple[str, ...]:
    """A list of texts, or one alone."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise UsageError(f"{where}: {key} must be a list of texts, not {value!r}")
    if len(found) > _MANY or any(not one.strip() or len(one) > _LONG for one in found):
        raise UsageError(f"{where}: {key} holds at most {_MANY} texts of 1 to {_LONG} characters")
    if key in _CHOICES and (wrong := [one for one in found if one not in _CHOICES[key]]):
        raise UsageError(f"{where}: {key} may hold {', '.join(_CHOICES[key])}, not {wrong[0]!r}")
    return tuple(found)


def value_of(where: str, key: str, value: Any, kind: Any) -> Any:
    """`value` of the dotted `key`, as the type `kind`. Raises UsageError that says what is allowed."""
    if kind == _TEXTS:
        return _texts(where, key, value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise UsageError(f"{where}: {key} must be of type {kind.__name__}, not {value!r}")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise UsageError(f"{where}: {key} must be one of {', '.join(_CHOICES[key])}, not {value!r}")
    if key in _RANGES:
        low, high = _RANGES[key]
        if not (low <= value <= high or (value == 0 and key in _ZERO)):
            raise UsageError(f"{where}: {key} must lie between {low:g} and {high:g}, not {value!r}")
    return value


def section_of(where: str, name: str, kind: type, raw: Any) -> Any:
    """The dataclass `kind` from the table `raw`. Raises UsageError, also on a key that it does not know."""
    if not isinstance(raw, dict):
        raise UsageError(f"{where}: [{name}] must be a section")
    hints = get_type_hints(kind)
    for key in raw:
        if key not in hints:
            raise UsageError(f"{where}: unknown key {name}.{key}", f"[{name}] knows: {', '.join(hints)}")
    return kind(**{key: value_of(where, f"{name}.{key}", value, hints[key]) for key, value in raw.items()})
