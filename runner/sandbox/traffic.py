"""What an agent may spend at its API, and what went through its gateway, by the gateway's own count. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

KEPT_REFUSALS = 50


@dataclass(frozen=True)
class Spending:
    """What one proposal may use of the API; 0: no limit. Prices: USD for a million tokens.

    price_cached: of those sent that the API read from its cache.
    """

    requests: int = 0
    tokens: int = 0
    cost: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0
    price_cached: float = 0.0

    @property
    def priced(self) -> bool:
        """Whether money can be counted."""
        return self.price_in + self.price_out > 0


@dataclass(frozen=True)
class Traffic:
    """What went through one gateway, by its own count. refusals: lines for a person, the first few.

    requests: those that count for the limit, the ones beyond it too. refused: by the gateway itself, most of them
    without being counted as a request, so neither can be taken from the other.
    """

    requests: int = 0
    answered: int = 0  # questions to a model that the API answered with less than 400
    failed: int = 0  # answered by the API with 400 or more, or not answered
    silent: int = 0  # of the failed: not answered by the API; nginx says 502 or 504 of its own then
    limited: str = ""  # the limit that was reached, in words
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0  # of tokens_in
    statuses: tuple[int, ...] = ()  # the API's different answers of 400 and more, in order of coming
    retry_after: float = 0.0  # seconds that the API asked for when it last refused
    refused: int = 0
    refusals: tuple[str, ...] = ()

    def cost(self, spending: Spending) -> float:
        """USD at the prices in `spending`."""
        read = (self.tokens_in - self.tokens_cached) * spending.price_in
        return (read + self.tokens_cached * spending.price_cached + self.tokens_out * spending.price_out) / 1e6


def add(so_far: Traffic, told: Mapping[str, str]) -> Traffic:
    """`so_far` and one more request. Its counts are totals, so that a lost line loses nothing."""
    status, refused = int(told["status"]), str(told["refused"])
    heard = told["heard"].split(",")[-1].strip()  # seconds until the API's header came; "-": it did not
    new = replace(
        so_far,
        requests=max(so_far.requests, _whole(told["requests"])),
        tokens_in=max(so_far.tokens_in, _whole(told["tokens_in"])),
        tokens_out=max(so_far.tokens_out, _whole(told["tokens_out"])),
        tokens_cached=max(so_far.tokens_cached, _whole(told["tokens_cached"])),
        limited=refused if refused.startswith("the limit of") else so_far.limited,
    )
    if refused or not told["upstream"]:
        why = refused or f"answered {status} without asking the API"
        line = f"{told['request'][:200]} ({told['host'][:100]}): {why}"
        kept = (*new.refusals, line) if len(new.refusals) < KEPT_REFUSALS else new.refusals
        return replace(new, refused=new.refused + 1, refusals=kept)
    if heard in ("", "-"):
        return replace(new, failed=new.failed + 1, silent=new.silent + 1)
    if status >= 400:
        seen = new.statuses if status in new.statuses else (*new.statuses, status)[:20]
        wait = float(_whole(told["retry_after"])) or new.retry_after
        return replace(new, failed=new.failed + 1, statuses=seen, retry_after=wait)
    return replace(new, answered=new.answered + (told["method"] == "POST"))


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else 0
