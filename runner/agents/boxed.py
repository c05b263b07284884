"""A coding agent in a box: for each proposal its program visits a container of its own and works on train.py there.

Joins a recipe (`plan.py`, `usage.py`) with the box (`runner/sandbox/visit.py`). Nothing the program says decides
what is tried: success is a changed train.py that compiles, tokens are the gateway's count, and its end is seen from
outside. What it reports of itself is shown and kept as its own words; of these only its cost counts, where it is more
than the gateway's: nobody can say less.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from runner.agents import history as told
from runner.agents import takeback
from runner.agents.fault import AgentFault, Fault
from runner.agents.plan import AgentPlan, Places, plan, prices
from runner.agents.prompt import prompt
from runner.agents.recipe import Key, Recipe
from runner.agents.shortfall import ended, unchanged
from runner.agents.usage import AgentReport, read_result
from runner.config import AgentSettings
from runner.errors import InfraError
from runner.report import text
from runner.sandbox import gateway
from runner.sandbox.gateway import GatewayPlan
from runner.sandbox.task import Task, Visit
from runner.sandbox.traffic import Spending
from runner.sandbox.volumes import archive
from runner.trial import History, Proposal, digest
from runner.usage import Usage, larger

REPORT_BYTES = 16 << 20
MESSAGE_CHARACTERS = 400
LOG_BYTES = 128 << 10  # of each output, from its head and from its tail
LEAST_DOLLARS = 1e-9
HOLDS_KEY = "or another file that was wanted holds the API key"
TOKEN = (
    "token-without-worth"  # what the program is given as its key: the gateway puts the real one in its place
)


class Box(Protocol):
    """Where a program visits: `runner.sandbox.visit.AgentBox`."""

    def visit(self, tag: str, proposal: str, task: Task, cancelled: threading.Event | None = None) -> Visit: ...


@dataclass
class BoxedAgent:
    """Asks the program of one recipe for each proposal.

    key, secret: which of the user's variables pays, and its value, which goes to the gateway and nowhere else.
    prepare_files: what train.py imports, by relative path. sample: some of the training text. source_limit: bytes of
    train.py. logs: a folder for what the program prints. cost_left: the dollars that the run may still spend, asked for
    at each proposal; None where it has no limit.
    """

    recipe: Recipe
    settings: AgentSettings
    box: Box
    key: Key
    secret: str = field(repr=False)
    prepare_files: Mapping[str, bytes]
    sample: bytes
    source_limit: int
    log_tail: told.LogTail
    logs: Path | None = None
    cost_left: Callable[[], float | None] = lambda: None
    name: str = field(init=False)
    _refused: str = ""
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.name = self.recipe.name

    def check(self) -> None:
        """Raises UsageError where its key or its API's address cannot be used, before anything is trained."""
        settings = self._allowed()
        gateway.configuration(
            self._task(self._plan(settings), settings, History("check", (), b"", "", 0)).gateway
        )

    def _allowed(self) -> AgentSettings:
        """The settings of this one proposal: of its own limit of money and the run's rest, the smaller."""
        left, own = self.cost_left(), self.settings.max_proposal_cost
        if left is None:
            return self.settings
        least = max(left, LEAST_DOLLARS)  # 0 would be no limit
        return replace(self.settings, max_proposal_cost=min(own, least) if own else least)

    def _plan(self, settings: AgentSettings) -> AgentPlan:
        places = Places()
        return plan(
            self.recipe, settings, prompt=prompt(places), gateway=gateway.URL, token=TOKEN, key=self.key, places=places
        )  # fmt: skip

    def cancel(self) -> None:
        """Ends the visit under way in another thread, and refuses all later ones."""
        self._cancelled.set()

    def propose(self, history: History) -> Proposal:
        """What the program makes of the incumbent. Raises AgentFault where that cannot be tried, InfraError."""
        if self._cancelled.is_set():
            raise AgentFault(Fault.DROPPED, "told to end")
        settings = self._allowed()
        planned = self._plan(settings)
        task = self._task(planned, settings, history)
        visit = self._visit(history, task)
        report = read_result(self.recipe.report, visit.stdout, self._report(planned, visit), visit.stderr)
        meta = self._meta(visit, report, planned, task.gateway.spending)
        try:
            proposal = self._taken(history, visit, report, planned.places, meta)
        except AgentFault as fault:
            self._refused = fault.detail
            fault.meta = meta
            if fault.kind in (Fault.RATE, Fault.SERVER):
                fault.retry_after = visit.traffic.retry_after
            raise
        finally:
            self._log(history.number, visit)
        self._refused = ""
        return proposal

    def _task(self, planned: AgentPlan, settings: AgentSettings, history: History) -> Task:
        places = planned.places
        lab = {
            "program.md": history.program.encode(),
            "history.md": told.markdown(history, self.log_tail, self._refused).encode(),
            "history.json": told.as_json(history).encode(),
            "sample.txt": self.sample,
            **self.prepare_files,
        }
        wanted = {f"{places.work}/train.py": self.source_limit, f"{places.work}/note.txt": 1 << 20}
        if planned.reads:
            wanted[f"{places.out}/{planned.reads}"] = REPORT_BYTES
        limits = (settings.max_requests, settings.max_tokens, settings.max_proposal_cost)
        spending = Spending(*limits, *prices(self.recipe, settings))
        start = ("sh", "-c", 'git init -q . && exec "$@"', "git") if planned.git else ()
        return Task(
            command=(*start, *planned.command),
            environment=planned.environment,
            lab=archive(lab),
            work={"train.py": history.incumbent, "note.txt": b""},
            home=planned.files,
            gateway=GatewayPlan(
                origin=planned.upstream,
                prefix=planned.prefix or "/",
                dialect=planned.dialect,
                header=planned.key.header,
                value=planned.key.value.replace("{key}", self.secret) if planned.key.variable else "",
                spending=spending,
                idle_seconds=int(min(settings.timeout_seconds, settings.quiet_seconds)),
            ),
            seconds=settings.timeout_seconds,
            quiet_seconds=settings.quiet_seconds,
            wanted=wanted,
            work_path=places.work,
            home_path=places.home,
            folders=(str(Path(places.out).relative_to(places.home)),),
        )  # fmt: skip

    def _visit(self, history: History, task: Task) -> Visit:
        """One visit, of whose outputs the key is taken out, should a server have echoed it."""
        try:
            visit = self.box.visit(history.tag, f"{history.number:04d}", task, self._cancelled)
        except InfraError as error:
            if "host not found in upstream" in error.what:
                raise AgentFault(Fault.SILENT, "the name of its API cannot be resolved") from None
            raise
        if not self.secret:
            return visit
        key, files = self.secret.encode(), visit.files
        if any(isinstance(content, bytes) and key in content for content in files.values()):
            files = dict.fromkeys(files, HOLDS_KEY)
        out, err = (text.replace(key, b"[key]") for text in (visit.stdout, visit.stderr))
        return replace(visit, stdout=out, stderr=err, files=files)

    def _report(self, planned: AgentPlan, visit: Visit) -> Mapping[str, bytes]:
        content = visit.files.get(f"{planned.places.out}/{planned.reads}")
        return {planned.reads: content} if isinstance(content, bytes) else {}

    def _meta(
        self, visit: Visit, report: AgentReport, planned: AgentPlan, spending: Spending
    ) -> dict[str, Any]:
        """For the record. Tokens are the gateway's count where it counted any, else what the program says."""
        traffic = visit.traffic
        counted = traffic.tokens_in + traffic.tokens_out > 0
        usage = Usage(
            traffic.tokens_in if counted else report.tokens_in,
            traffic.tokens_out if counted else report.tokens_out,
            larger(traffic.cost(spending) if spending.priced else None, report.cost_usd),
            report.model or planned.model,
        )
        return {
            **usage.plain(),
            "version": self.recipe.install.version,
            "seconds": round(visit.seconds, 3),
            "setup_seconds": round(visit.setup_seconds, 3),
            "exit_code": visit.exit_code,
            "requests": visit.traffic.requests,
            "refused": visit.traffic.refused,
            "said": text.line(report.message[:MESSAGE_CHARACTERS].encode(), MESSAGE_CHARACTERS),
        }

    def _taken(
        self, history: History, visit: Visit, report: AgentReport, places: Places, meta: Mapping[str, Any]
    ) -> Proposal:
        ended(visit, self.settings)
        source = visit.files[f"{places.work}/train.py"]
        if isinstance(source, str):
            kinds = {"has ": Fault.TOO_LARGE, HOLDS_KEY: Fault.FORBIDDEN}
            kind = next((kind for start, kind in kinds.items() if source.startswith(start)), Fault.NOT_A_FILE)
            raise AgentFault(kind, f"train.py {source}")
        if source == history.incumbent:
            raise unchanged(visit, report)
        takeback.check(source, history.incumbent, takeback.tried(history))
        note = visit.files[f"{places.work}/note.txt"]
        parent = digest(history.incumbent)
        line = takeback.note_in(note) if isinstance(note, bytes) else takeback.NO_NOTE
        return Proposal(source, line, self.name, parent, {"parent": parent, **meta})

    def _log(self, number: int, visit: Visit) -> None:
        """What it printed, its head and its tail, and what the gateway refused, for a person."""
        if not self.logs:
            return
        refused = "".join(f"refused: {line}\n" for line in visit.traffic.refusals).encode("utf-8", "replace")
        parts = [("output", visit.stdout), ("error output", visit.stderr), ("gateway", refused)]
        whole = "".join(
            f"--- {title}\n{text.clean(_ends(content), limit=4 * LOG_BYTES).rstrip()}\n"
            for title, content in parts
            if content
        )
        with contextlib.suppress(
            OSError
        ):  # a full disk must not cost a good proposal; the ledger will tell of it
            self.logs.mkdir(parents=True, exist_ok=True)
            (self.logs / f"proposal-{number:04d}.log").write_text(whole, encoding="utf-8", errors="replace")


def _ends(content: bytes) -> bytes:
    lost = len(content) - 2 * LOG_BYTES
    return content if lost <= 0 else content[:LOG_BYTES] + b"\n[...]\n" + content[-LOG_BYTES:]
