"""`--agent-on-host`: a recipe's program as the user has it installed, run like any `command:`, with what it tells read.

There is no gateway here, so tokens and money are the program's own words, found where its recipe says; at the prices
that are known, tokens may count for more than the cost that it states, never for less. Its rights, its network and its
login are the user's own: see `command.py` for what is promised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.agents import takeback
from runner.agents.command import CommandProposer
from runner.agents.fault import AgentFault
from runner.agents.nouns import Report
from runner.agents.plan import Prices
from runner.agents.process import Ran
from runner.agents.usage import read_result
from runner.sandbox.traffic import Spending, Traffic
from runner.usage import Usage, larger

REPORT_BYTES = 16 << 20


class OnHostAgent(CommandProposer):
    """Runs one recipe's program for each proposal, and reads its report.

    prices: as `plan.prices` has them.
    """

    def __init__(self, command: str, *, report: Report, prices: Prices, **rest: Any) -> None:
        """The rest as for `CommandProposer`."""
        super().__init__(command, **rest)
        self._report = report
        self._spending = Spending(0, 0, 0.0, *prices)

    def _usage(self, folder: int, ran: Ran, said: Mapping[str, Any]) -> dict[str, Any]:
        """What its report says; nothing where it was killed before it wrote one."""
        del said  # an agent of a recipe knows nothing of usage.json
        found = read_result(self._report, ran.output, self._file(folder))
        told = Traffic(
            tokens_in=found.tokens_in or 0,
            tokens_out=found.tokens_out or 0,
            tokens_cached=min(found.tokens_cached or 0, found.tokens_in or 0),
        )
        counted = self._spending.priced and told.tokens_in + told.tokens_out > 0
        cost = larger(told.cost(self._spending) if counted else None, found.cost_usd)
        return Usage(found.tokens_in, found.tokens_out, cost, found.model).plain()

    def _file(self, folder: int) -> dict[str, bytes]:
        source = self._report.source
        if source == "stdout":
            return {}
        try:
            return {source: takeback.read(folder, source, REPORT_BYTES)}
        except AgentFault:
            return {}
