"""`runner.toml` as frozen dataclasses, checked when it is read.

An unknown key, a wrong type or a value out of range raises UsageError that names the file, the key and what is
allowed. Trusts the human who wrote the file; no agent can write it.
"""

from runner.config.reading import from_dict, load, override, preset
from runner.config.sections import (
    AgentSettings,
    DataSettings,
    EngineSettings,
    ImageSettings,
    NotifySettings,
    RatchetSettings,
    SampleSettings,
    ScoreSettings,
    Settings,
    TrialSettings,
)

__all__ = [
    "AgentSettings",
    "DataSettings",
    "EngineSettings",
    "ImageSettings",
    "NotifySettings",
    "RatchetSettings",
    "SampleSettings",
    "ScoreSettings",
    "Settings",
    "TrialSettings",
    "from_dict",
    "load",
    "override",
    "preset",
]
