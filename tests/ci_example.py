"""The example of docs/ci.md, made anew on this machine: `python tests/ci_example.py` prints outputs and summary.

A lab of git, a pull request's event, the real program and engine. Takes about ten trainings of 20 seconds at most;
their scores, and so the numbers, are others every time. Options are those of `runner ci`: a busy machine needs a larger
--budget. That the page's own summary is what the program makes of the
trainings it shows is tested by tests/test_ci_example.py.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import conftest
from test_ci import Job
from test_ci_event import pull_request

TITLE, BRANCH = "Train ten times as long, and wider", "longer"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ci-example-") as folder:
        lab = conftest.make_lab(Path(folder) / "lab")
        conftest.make_data(lab)
        conftest.commit(lab)
        job = Job(lab, Path(folder))
        wider = job.source.replace("WIDTH = 16", "WIDTH = 32").replace("step == 40", "step == 300")
        assert wider != job.source
        payload = pull_request(title=TITLE, branch=BRANCH)
        done = job.run(job.head(wider), *sys.argv[1:], payload=payload)
        sys.stderr.write(done.stderr)
        print((job.top / "output").read_text())
        print("".join(f"> {line}".rstrip() + "\n" for line in (job.top / "summary").read_text().splitlines()))
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
