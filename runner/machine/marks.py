"""When a training is not to be believed: what was watched of the machine meanwhile, and where the line is drawn.

Pure. A mark means that the same version, trained again, may well come out otherwise for a reason that lies outside of
it. What is merely unusual, or is so on this machine all the time, is told (`telemetry.py`) and is no mark.
"""

from __future__ import annotations

from collections.abc import Collection

SHARED, THROTTLED, XID, ECC = "shared", "throttled", "xid", "ecc"
OVERLOADED, SWAPPING = "overloaded", "swapping"
RERUN = frozenset({SHARED, THROTTLED, XID, ECC})  # those that another training may be without
BROKEN = frozenset({XID, ECC})  # a training that failed under one of these did not fail by itself
SAID = {  # the gravest first
    XID: "the driver told of an error of the GPU",
    ECC: "the GPU's memory had errors that it could not correct",
    SHARED: "another process was at work on its GPU",
    THROTTLED: "its GPU was slowed for heat or want of power",
    SWAPPING: "the machine was short of memory and swapped",
    OVERLOADED: "other programs took the CPU from it",
}

# Bits of NVML's clocks event reasons (nvml.h, "NvmlClocksEventReasons"), which do not change between versions.
REASONS = {
    0x1: "idle",
    0x2: "clocks set",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal",
    0x40: "hardware thermal",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
# Slower than it could be, and not all the time. The power cap is none of them: at full load most GPUs run at their
# power limit, whatever they train, and the limit is a setting. Nor are clocks, a sync group or limits that someone set.
SLOW = 0x8 | 0x20 | 0x40 | 0x80
# The hardware slowdown halves the clock or worse; it may also be told in the moment in which the clock changes. So one
# look is no evidence, and 5 % of the time at half the clock is 2.5 % of the training, which is what noise is.
SLOW_SHARE, SLOW_LOOKS = 0.05, 2
# Errors that a program makes by itself: 13 a kernel's exception, 31 a page fault, 43 and 45 its end for these, 68 of
# the video unit, 109 a switch of contexts that took too long. The GPU is well after them; NVIDIA's own device plugin
# for Kubernetes passes over the same six. A proposal with a broken kernel must not be able to call itself innocent.
# NVIDIA's catalog of Xids has the application looked at for 11, 25, 37, 69 and 80 as well.
OF_PROGRAMS = frozenset({11, 13, 25, 31, 37, 43, 45, 68, 69, 80, 109})
# No errors, by the same catalog: 106 and 107 tests, 121 one that was corrected between processor and GPU, 154 what is
# to be done about another one, which is told by itself (from R570 on also after 109).
NOTICES = frozenset({106, 107, 121, 154})
# Of a CPU that is not idle (5 %) others took so much that the training had that much less.
IDLE, OTHERS, LEAST_SECONDS = 0.05, 0.15, 5.0
SWAPPED_MB = 5.0  # a second, read back from swap, over all of the training: a window that wakes up takes less


def words(reasons: int) -> list[str]:
    """The names of the bits that are set; a bit without a name by its number."""
    return [REASONS.get(1 << at, hex(1 << at)) for at in range(reasons.bit_length()) if reasons >> at & 1]


def throttled(slow: int, looks: int) -> bool:
    """slow: looks at which the GPU was slower than it could be, of `looks` at which it told."""
    return slow >= SLOW_LOOKS and slow >= SLOW_SHARE * looks


def of_hardware(xids: Collection[int]) -> list[int]:
    """Those of the driver's errors that no program makes by itself, each once."""
    return sorted(set(xids) - OF_PROGRAMS - NOTICES)


def overloaded(idle: float, others: float, seconds: float) -> bool:
    """idle, others: shares of the CPUs that it may run on, of which others are all but the training."""
    return seconds >= LEAST_SECONDS and idle <= IDLE and others >= OTHERS


def swapping(swapped_mb: float, seconds: float) -> bool:
    return seconds >= LEAST_SECONDS and swapped_mb >= SWAPPED_MB * seconds
