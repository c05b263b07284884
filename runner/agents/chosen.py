"""A version that a person chose, to be tried before the proposer is asked for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.trial import History, Proposal

if TYPE_CHECKING:
    from runner.parts import Proposer


class ChosenFirst:
    """A proposer that gives `chosen` once, and then whatever `other` proposes."""

    def __init__(self, chosen: Proposal, other: Proposer) -> None:
        self.name = other.name
        self._chosen: Proposal | None = chosen
        self._other = other

    def propose(self, history: History) -> Proposal:
        chosen, self._chosen = self._chosen, None
        return chosen or self._other.propose(history)

    def cancel(self) -> None:
        """Passed on to a proposer that knows it."""
        cancel = getattr(self._other, "cancel", None)
        if cancel is not None:
            cancel()
