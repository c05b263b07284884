"""The scripted API as a program, for use beside containers: `PYTHONPATH=tests python -m scripted_api --work /task …`.

Every request is a line of JSON on stdout. A script is a JSON list with one item a proposal, `{"old": …, "new": …,
"note": …}` or `{"shell": [COMMAND, …]}`; after the last one it starts again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from .script import Step, misbehave, proposal
from .server import ScriptedApi


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripted_api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument(
        "--key", default="", help="the key that requests must carry (default: none is asked for)"
    )
    parser.add_argument("--work", default="/task", help="the agent's working folder, as it sees it")
    parser.add_argument("--script", type=Path, help="a JSON file (default: LR = 1 becomes LR = 2)")
    given = parser.parse_args()
    default = [{"old": "LR = 1", "new": "LR = 2", "note": "LR twice as high"}]
    items = json.loads(given.script.read_text()) if given.script else default

    def script(number: int) -> list[Step]:
        item = items[number % len(items)]
        if "shell" in item:
            return misbehave(item["shell"], given.work)
        return proposal(given.work, item["old"], item["new"], item["note"])

    with ScriptedApi(script, key=given.key, host=given.host, port=given.port) as api:
        told = 0
        while True:
            time.sleep(0.05)
            for request in api.requests[told:]:
                line = {k: v for k, v in asdict(request).items() if k != "body"}
                print(json.dumps(line), flush=True)
                told += 1


if __name__ == "__main__":
    main()
