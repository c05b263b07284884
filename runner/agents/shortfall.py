"""Why a coding agent's visit gave nothing to try: the most telling name for it, from outside evidence first."""

from __future__ import annotations

from runner.agents.fault import AgentFault, Fault
from runner.agents.usage import AgentReport
from runner.config import AgentSettings
from runner.report import text
from runner.sandbox.task import Visit

KILLED = 137  # exit code of a program that ended by SIGKILL
_MEMORY = "killed by the kernel for want of memory"


def ended(visit: Visit, settings: AgentSettings) -> None:
    """Raises AgentFault where the visit was ended from outside."""
    if visit.stopped == "cancelled":
        raise AgentFault(Fault.DROPPED, "told to end")
    if visit.stopped == "timeout":
        raise AgentFault(
            Fault.TIMEOUT, f"killed after {settings.timeout_seconds:g} s", "See agent.timeout_seconds"
        )
    if visit.stopped == "quiet":
        quiet = f"{settings.quiet_seconds:g} s without output and without a sign of its API"
        raise AgentFault(Fault.SILENT, f"killed after {quiet}", "See agent.quiet_seconds")
    if visit.stopped:
        raise AgentFault(Fault.OUTPUT, f"killed after {visit.output_bytes:,} bytes of output")
    if visit.oom and visit.exit_code == KILLED:
        raise AgentFault(Fault.MEMORY, _MEMORY, _ADVICE[Fault.MEMORY])


def unchanged(visit: Visit, report: AgentReport) -> AgentFault:
    """Where train.py is as it was: the most telling name for it, from outside evidence first."""
    traffic = visit.traffic
    by_status = {401: Fault.AUTH, 403: Fault.AUTH, 402: Fault.CREDIT, 429: Fault.RATE}
    said = (
        f"; it said: {report.error or report.message[:200]}" if report.error or report.message else _last(visit)
    )
    overcome = traffic.answered > 0  # then that is not why nothing was changed
    for status in () if overcome else traffic.statuses:
        if status in by_status:
            return AgentFault(
                by_status[status], f"its API answered {status}{said}", _ADVICE.get(by_status[status], "")
            )
        if status >= 500:
            return AgentFault(Fault.SERVER, f"its API answered {status}{said}")
    if traffic.silent and not overcome:
        return AgentFault(Fault.SILENT, f"its API did not answer: it cannot be reached, or is silent{said}")
    if traffic.limited:
        return AgentFault(Fault.LIMIT, traffic.limited)
    if visit.oom:
        return AgentFault(Fault.MEMORY, f"{_MEMORY}{said}", _ADVICE[Fault.MEMORY])
    if not traffic.requests:
        return AgentFault(
            Fault.EXIT, f"it ended with exit code {visit.exit_code} and asked its API nothing{said}"
        )
    if visit.exit_code or report.error:
        return AgentFault(Fault.EXIT, f"exit code {visit.exit_code}, train.py unchanged{said}")
    if report.message.rstrip().endswith("?"):
        return AgentFault(Fault.ASKED, f"train.py unchanged, and nobody is there to answer{said}")
    return AgentFault(Fault.UNCHANGED, f"train.py was not changed{said}")


_ADVICE = {
    Fault.MEMORY: "See agent.memory_mb",
    Fault.AUTH: "See that the key is the right one for this API: runner agents",
    Fault.CREDIT: "The account of the key has no credit left",
}


def _last(visit: Visit) -> str:
    lines = [
        line
        for raw in (visit.stdout + b"\n" + visit.stderr)[-4096:].splitlines()
        if (line := text.line(raw, 160))
    ]
    return f"; it said last: {lines[-1]}" if lines else ""
