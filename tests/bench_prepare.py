"""How much memory and time a large source takes to tokenise, and whether a killed builder goes on to the same bytes.

    python tests/bench_prepare.py [--characters 1000000000] [--shards 11] [--folder FOLDER]

The text is made here: words drawn one by one with the frequencies that they have in tales, as documents of about 6 kB
in Parquet shards of a column `text`. So no document is another's copy, and nothing is downloaded. `prepare.build` is
run on it as the runner does; then once more, killed with all its workers halfway, and run again on what is left.
Memory is the sum over the builder and its workers of what each holds for itself (USS: what is freed when it ends, in
Linux's smaps), looked at ten times a second; what the page cache keeps of the files is not in it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from prepare import tales  # noqa: E402

WORDS, GROUP, MB = 1_000, 1_000, 1e6


def shards(folder: Path, characters: int, count: int) -> int:
    """Writes `count` Parquet files of together about `characters` characters; the exact number."""
    text = " ".join(islice(tales.generate(1), 1_000))
    seen = Counter(text.split())
    words = np.array(list(seen), dtype=object)
    often = np.array(list(seen.values()), dtype=float)
    chance, made = np.random.default_rng(1), 0
    for number in range(count):
        schema = pa.schema([("text", pa.string())])
        with pq.ParquetWriter(folder / f"shard_{number:05d}.parquet", schema) as shard:
            wanted = characters * (number + 1) // count
            while made < wanted:
                drawn = chance.choice(len(words), (GROUP, WORDS), p=often / often.sum())
                rows = [" ".join(words[row]) for row in drawn]
                made += sum(map(len, rows))
                shard.write_table(pa.table({"text": rows}, schema))
    return made


class Build:
    """One run of `prepare.build`, watched until it ends or is killed when it has finished `kill_at` files."""

    def __init__(
        self, source: Path, place: Path, out: str, parts: str, vocabulary: int, kill_at: int = sys.maxsize
    ) -> None:
        self.out = place / out
        self.out.mkdir()
        (place / parts).mkdir(exist_ok=True)
        command = [sys.executable, "-m", "prepare.build", "--out", str(self.out)]
        command += ["--source", f"parquet:{source}"]
        command += ["--vocab-size", str(vocabulary), "--window", "256", "--seed", "1", "--progress"]
        command += ["--parts", str(place / parts), "--key", "bench"]
        log = place / f"{out}.log"
        began, self.most, self.own, self.killed = time.perf_counter(), 0.0, 0.0, False
        with log.open("wb") as said:
            builder = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, start_new_session=True)
            while builder.poll() is None:
                self._look(builder.pid)
                if not self.killed and done(place / parts) >= kill_at:
                    os.killpg(builder.pid, signal.SIGKILL)
                    self.killed = True
                time.sleep(0.1)
        self.seconds = time.perf_counter() - began
        if builder.returncode and not self.killed:
            raise SystemExit(log.read_text(errors="replace")[-2_000:])

    def _look(self, pid: int) -> None:
        each = []
        try:
            for process in (found := psutil.Process(pid), *found.children(recursive=True)):
                each.append(process.memory_full_info().uss / MB)
        except psutil.Error:
            pass
        self.most = max(self.most, sum(each))
        self.own = max([self.own, *each])

    def __str__(self) -> str:
        return f"{self.seconds:7.0f} s, {self.most:6.0f} MB together, {self.own:6.0f} MB the largest process"

    def digests(self) -> dict[str, str]:
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(self.out.glob("*.npy"))}


def done(parts: Path) -> int:
    return sum(1 for _ in parts.rglob("*") if _.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=int, default=10**9)
    parser.add_argument("--shards", type=int, default=11)
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--folder", type=Path, help="where the shards are made; a temporary one unless named")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        place = Path(name)
        source = place / "shards"
        source.mkdir()
        made = shards(source, asked.characters, asked.shards)
        size = sum(path.stat().st_size for path in source.iterdir())
        print(f"{made:,} characters in {asked.shards} shards of {size / MB:,.0f} MB", flush=True)
        print(f"{os.cpu_count()} processors, vocabulary {asked.vocabulary}", flush=True)
        whole = Build(source, place, "whole", "parts-whole", asked.vocabulary)
        files = done(place / "parts-whole")
        print(
            f"in one go            {whole}; {made / whole.seconds / MB:.2f} million characters a second",
            flush=True,
        )
        broken = Build(source, place, "broken", "parts", asked.vocabulary, kill_at=files // 2)
        print(f"killed halfway       {broken}", flush=True)
        resumed = Build(source, place, "resumed", "parts", asked.vocabulary)
        same = resumed.digests() == whole.digests()
        print(f"gone on with         {resumed}; {'the same bytes' if same else 'OTHER BYTES'}", flush=True)
        size = sum(path.stat().st_size for path in whole.out.iterdir())
        print(f"made                 {size / MB:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
