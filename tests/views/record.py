"""Records what a train container of this machine's engine sees: `python tests/views/record.py > tests/views/NAME.json`.

The engine is the one that DOCKER_HOST names. Kept beside the answer is what the engine was asked for.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import sys
from pathlib import Path

from runner.config import ImageSettings, TrialSettings
from runner.sandbox import inside
from runner.sandbox.box import Sandbox
from runner.sandbox.engine import Engine
from runner.sandbox.images import trial_image

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    engine = Engine()
    image = trial_image(engine, ROOT, ImageSettings(), cuda=False, progress=lambda what, fraction: None)
    name = f"autoresearch-record-{secrets.token_hex(4)}"
    engine.api.create_volume(name)
    try:
        sandbox = Sandbox(engine, image, TrialSettings(cpus=1.5), name)
        found = {}
        for seen in inside.stages(sandbox, {}, whole=True):
            asked = dataclasses.asdict(seen.asked) | {"image_environment": sorted(seen.asked.image_environment)}
            asked["body"]["HostConfig"]["SecurityOpt"] = ["no-new-privileges"]  # the profile is long
            found[seen.stage] = {"asked": asked, "raw": seen.view.raw}
    finally:
        engine.api.remove_volume(name, force=True)
    json.dump(found, sys.stdout, indent=None, separators=(",", ":"), sort_keys=True)
    print()


if __name__ == "__main__":
    main()
