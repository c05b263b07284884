"""Encodes the parts of a corpus on all cores, each part in one process, and goes on where a killed builder stopped.

A small corpus is encoded here, by the tokenizer's own threads. A large one is handed to processes of this machine:
each reads, compares and encodes its own part, so memory follows from the number of processes and not from the
corpus. Which process encoded what, and in what order, leaves no trace in the tokens.
"""

import concurrent.futures
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from prepare import corpus, split, tokens

ALONE_BYTES = 64_000_000  # a corpus up to this size is encoded in this process
WORKER_BYTES = 600_000_000  # of memory that must be there for each process
Job = tuple[str, int, corpus.Part]


class _Worker:
    """What a process keeps between two parts."""

    tokenizer: Any
    lengths: Any
    held: split.HeldOut
    folder: Path
    done: Any


def _begin(folder: Path, lengths: Any, done: Any, builder: int) -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)  # no part outlives a builder that was killed
    if os.getppid() != builder:  # which may have been before this process came so far
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _Worker.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    _Worker.lengths, _Worker.folder, _Worker.done = lengths, folder, done
    _Worker.held = split.HeldOut.load(folder / split.HELD_FILE)


def _work(job: Job, compared: bool) -> dict[str, Any]:
    name, index, part = job
    held = _Worker.held if compared and name == "train" else None

    def progress(count: int) -> None:
        with _Worker.done.get_lock():
            _Worker.done.value += count

    path = _Worker.folder / tokens.part_name(name, index)
    return tokens.encode_part(part.documents(), _Worker.tokenizer, _Worker.lengths, held, path, progress)


def processes(jobs: int) -> int:
    """As many as there are cores for this program and memory for each, at least one."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    return max(min(len(os.sched_getaffinity(0)), jobs, free // WORKER_BYTES), 1)


def encode(
    found: corpus.Corpus,
    tokenizer: Any,
    lengths: Any,
    held: split.HeldOut,
    folder: Path,
    tell: corpus.Tell,
    alone: int = ALONE_BYTES,
) -> dict[str, list[dict[str, Any]]]:
    """The tokens of every part in `folder`, which holds the tokenizer and the hashes; what is there already stays.

    Returns for each split the descriptions of its parts in their order. Raises SourceError, OSError, RuntimeError.
    """
    every: list[Job] = [(name, i, part) for name in corpus.SPLITS for i, part in enumerate(found.parts[name])]
    every.sort(key=lambda job: ("val", "holdout", "train").index(job[0]))
    about = {job[:2]: tokens.finished(folder / tokens.part_name(*job[:2])) for job in every}
    jobs = [job for job in every if about[job[:2]] is None]
    total = max(sum(part.weight for _, _, part in every), 1)
    before = sum(part.weight for name, i, part in every if about[name, i] is not None)

    def say(done: int, name: str) -> None:
        tell(0.4 + 0.55 * min((before + done) / total, 1.0), f"encoding {name}")

    if sum(part.weight for _, _, part in every) <= alone:
        fresh = _here(jobs, found.compared, tokenizer, lengths, held, folder, say)
    else:
        fresh = _elsewhere(jobs, found.compared, lengths, folder, say)
    about |= fresh
    return {name: [about[name, i] or {} for i in range(len(found.parts[name]))] for name in corpus.SPLITS}


Said = dict[tuple[str, int], dict[str, Any] | None]


def _here(
    jobs: list[Job],
    compared: bool,
    tokenizer: Any,
    lengths: Any,
    held: split.HeldOut,
    folder: Path,
    say: Callable[[int, str], None],
) -> Said:
    about: Said = {}
    done = 0
    for name, index, part in jobs:

        def progress(count: int, name: str = name) -> None:
            nonlocal done
            done += count
            say(done, name)

        say(done, name)
        against = held if compared and name == "train" else None
        path = folder / tokens.part_name(name, index)
        about[name, index] = tokens.encode_part(part.documents(), tokenizer, lengths, against, path, progress)
    return about


def _elsewhere(
    jobs: list[Job], compared: bool, lengths: Any, folder: Path, say: Callable[[int, str], None]
) -> Said:
    if not jobs:
        return {}
    context = multiprocessing.get_context("spawn")  # a fork would inherit threads' locks
    done = context.Value("q", 0)
    pool = concurrent.futures.ProcessPoolExecutor(
        processes(len(jobs)),
        context,
        initializer=_begin,
        initargs=(folder, np.asarray(lengths), done, os.getpid()),
    )
    try:
        waiting = {pool.submit(_work, job, compared): job for job in jobs}
        about: Said = {}
        while waiting:
            ready, _ = concurrent.futures.wait(waiting, 0.5, concurrent.futures.FIRST_COMPLETED)
            for future in ready:
                name, index, _ = waiting.pop(future)
                about[name, index] = future.result()
            say(done.value, f"{len(about)} of {len(jobs)} parts")
        pool.shutdown()
        return about
    except concurrent.futures.process.BrokenProcessPool:
        raise MemoryError("a process that encodes was killed, perhaps for want of memory") from None
    except BaseException:
        _end(pool)
        raise


def _end(pool: Any) -> None:
    """No waiting for parts that nobody wants any more."""
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)
