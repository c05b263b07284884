"""Downloads against a real server with every fault that a night's network has: nothing wrong is ever believed."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from shard_server import Shop, serving

from runner.errors import InfraError, UsageError
from runner.fetch import item, look
from runner.fetch.http import Limits
from runner.fetch.item import Got, Item
from runner.fetch.many import fetch_all

ROOT = Path(__file__).parents[1]
QUICK = Limits(connect=2, idle=0.5, slow_seconds=0.6, pause=0.01, longest_pause=0.05, tries=4, longest_wait=5)
SIZE = 300_000


def content(seed: int, size: int = SIZE) -> bytes:
    return b"PAR1" + random.Random(seed).randbytes(size - 8) + b"PAR1"


@pytest.fixture
def shop() -> Iterator[Shop]:
    with serving() as found:
        found.files = {f"/s{number}.parquet": content(number) for number in range(4)}
        yield found


def items(shop: Shop, count: int = 1, *, given: bool = False) -> list[Item]:
    return [
        item.item(f"{shop.url}{path}", hashlib.sha256(data).hexdigest() if given else "")
        for path, data in list(shop.files.items())[:count]
    ]


def quiet(what: str, fraction: float | None) -> None:
    pass


def fetch(wanted: list[Item], folder: Path, limits: Limits = QUICK, **more: object) -> list[Got]:
    return fetch_all(wanted, folder, quiet, limits=limits, **more)  # type: ignore[arg-type]


def whole(got: list[Got], shop: Shop) -> None:
    """Every file is there as the server has it, and nothing is left of its beginnings."""
    for one in got:
        assert one.path.read_bytes() == shop.files["/" + one.item.name]
        assert one.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()
    names = {path.name for path in got[0].path.parent.iterdir()}
    assert names == {name for one in got for name in (one.item.name, one.item.name + ".json")}


def test_files_come_whole_and_in_their_order(shop: Shop, tmp_path: Path) -> None:
    got = fetch(items(shop, 4), tmp_path)
    whole(got, shop)
    assert [one.item.name for one in got] == [f"s{number}.parquet" for number in range(4)]


def test_what_is_there_is_not_asked_for_again(shop: Shop, tmp_path: Path) -> None:
    fetch(items(shop, 2), tmp_path)
    fetch(items(shop, 2), tmp_path)
    assert len(shop.asked) == 2


def test_a_file_put_there_by_hand_counts(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "s0.parquet").write_bytes(shop.files["/s0.parquet"])
    whole(fetch(items(shop, given=True), tmp_path), shop)
    assert not shop.asked


@pytest.mark.parametrize("fault", ["drop 100000", "early 100000"])
def test_what_broke_off_is_continued_and_not_fetched_twice(shop: Shop, tmp_path: Path, fault: str) -> None:
    shop.faults["/s0.parquet"] = [fault]
    whole(fetch(items(shop), tmp_path), shop)
    assert [asked for _, asked in shop.asked] == ["", "bytes=100000-"]


def test_a_server_that_ignores_ranges_costs_time_and_no_byte(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["early 100000", "ignore-range"]
    whole(fetch(items(shop), tmp_path), shop)


def test_a_file_that_changes_midway_is_begun_anew(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["early 100000", "change"]
    whole(fetch(items(shop), tmp_path), shop)


def test_without_tag_and_digest_nothing_is_continued(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["drop-untagged 100000", "untagged"]
    whole(fetch(items(shop), tmp_path), shop)
    assert [asked for _, asked in shop.asked] == ["", ""]


def test_with_a_digest_a_file_without_tag_is_continued(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["drop-untagged 100000", "untagged"]
    whole(fetch(items(shop, given=True), tmp_path), shop)
    assert shop.asked[1][1] == "bytes=100000-"


def test_wrong_bytes_once_are_fetched_again(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["wrong"]
    whole(fetch(items(shop, given=True), tmp_path), shop)


def test_wrong_bytes_are_refused_and_removed(shop: Shop, tmp_path: Path) -> None:
    wanted = items(shop, given=True)
    shop.files["/s0.parquet"] = content(99)
    with pytest.raises(UsageError, match=r"s0\.parquet .* has SHA-256 .*, not the .* that its list gives"):
        fetch(wanted, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_page_in_a_shards_place_is_refused_even_without_a_digest(shop: Shop, tmp_path: Path) -> None:
    shop.files["/s0.parquet"] = b"<html>please log in</html>"
    with pytest.raises(UsageError, match="is not a Parquet file"):
        fetch(items(shop), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_first_download_pins_a_file_without_digest(shop: Shop, tmp_path: Path) -> None:
    wanted = items(shop)
    first = fetch(wanted, tmp_path / "one")[0]
    assert first.pinned
    shop.files["/s0.parquet"] = content(99)
    with pytest.raises(UsageError, match="it had when the lab's data were made"):
        fetch(wanted, tmp_path / "two", pins={first.item.url: first.sha256})


def test_a_file_that_was_changed_on_the_disk_is_fetched_again(shop: Shop, tmp_path: Path) -> None:
    wanted = items(shop, given=True)
    path = fetch(wanted, tmp_path)[0].path
    path.write_bytes(content(99))
    whole(fetch(wanted, tmp_path), shop)


def test_a_missing_shard_is_named(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.parquet is not there: .* answers 404"):
        fetch([*items(shop), item.item(f"{shop.url}/gone.parquet")], tmp_path)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(shop: Shop, tmp_path: Path, status: int) -> None:
    shop.faults["/s0.parquet"] = [f"{status} 1"]
    whole(fetch(items(shop), tmp_path), shop)
    assert shop.at[1] - shop.at[0] >= 1.0


def test_a_date_to_come_back_at_is_understood(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = [f"429 {formatdate(time.time() + 2, usegmt=True)}"]
    whole(fetch(items(shop), tmp_path), shop)
    assert shop.at[1] - shop.at[0] >= 0.9


def test_a_server_that_asks_for_an_hour_is_given_up_with_what_it_said(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["429 3600"]
    with pytest.raises(InfraError, match="asks to come back in 60 minutes"):
        fetch(items(shop), tmp_path)


def test_faults_of_the_server_are_tried_again(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["500", "502", "503"]
    whole(fetch(items(shop), tmp_path), shop)


def test_tries_end_and_what_came_is_kept(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["early 100000"] + ["500"] * 9
    with pytest.raises(
        InfraError, match=r"s0\.parquet could not be fetched in 4 tries: the server answers 500"
    ):
        fetch(items(shop), tmp_path)
    assert (tmp_path / "s0.parquet.part").stat().st_size == 100_000
    shop.faults.clear()
    whole(fetch(items(shop), tmp_path), shop)
    assert shop.asked[-1][1] == "bytes=100000-"


def test_redirects_in_a_loop_end(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = [f"302 {shop.url}/s0.parquet"] * 20
    with pytest.raises(UsageError, match="redirects more than 5 times"):
        fetch(items(shop), tmp_path)
    assert len(shop.asked) == 6


def test_one_redirect_is_followed(shop: Shop, tmp_path: Path) -> None:
    wanted = items(shop)
    shop.files["/elsewhere"] = shop.files["/s0.parquet"]
    shop.faults["/s0.parquet"] = [f"302 {shop.url}/elsewhere"]
    whole(fetch(wanted, tmp_path), shop)


def test_a_redirect_to_no_web_address_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["302 file:///etc/passwd"]
    with pytest.raises(UsageError, match="leads to no usable address"):
        fetch(items(shop), tmp_path)


def test_a_stalled_connection_is_dropped_and_continued(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["stall 50000"]
    start = time.monotonic()
    whole(fetch(items(shop), tmp_path), shop)
    assert time.monotonic() - start < 5
    assert shop.asked[1][1] == "bytes=50000-"


def test_a_trickle_is_given_up(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["slow 0.2"] * 9
    limits = Limits(idle=0.5, slow=1e6, slow_seconds=0.4, pause=0.01, tries=2)
    with pytest.raises(InfraError, match=r"under 1e\+06 bytes a second arrive"):
        fetch(items(shop), tmp_path, limits)


def test_a_file_larger_than_the_disk_is_refused_before_it_begins(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["huge"]
    with pytest.raises(InfraError, match=r"no room for s0\.parquet .* GB more are needed"):
        fetch(items(shop), tmp_path, Limits(largest=1 << 60))


def test_a_file_larger_than_allowed_is_refused(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="more than the 1000 that are accepted"):
        fetch(items(shop), tmp_path, Limits(largest=1000))


def test_a_file_without_announced_size_is_bounded(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["unsized"] * 9
    with pytest.raises(InfraError, match="more than the 1000 bytes arrive"):
        fetch(items(shop), tmp_path, Limits(largest=1000, tries=2, pause=0.01))


def test_a_file_without_announced_size_comes_whole(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["unsized"]
    whole(fetch(items(shop), tmp_path), shop)


def test_another_size_than_the_listed_one_is_refused(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"has {SIZE} bytes at .*, and 5 were expected"):
        fetch([item.item(f"{shop.url}/s0.parquet", size=5)], tmp_path)


def test_a_full_disk_is_said_and_what_came_is_kept(shop: Shop, tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from runner.errors import InfraError; from runner.fetch import item; from runner.fetch.many import fetch_all\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))\n"
        "try: fetch_all([item.item(sys.argv[1])], Path(sys.argv[2]), lambda what, part: None)\n"
        "except InfraError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, f"{shop.url}/s0.parquet", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30).stdout
    assert "no room for s0.parquet" in said
    assert (tmp_path / "s0.parquet.part").stat().st_size == 100_000
    whole(fetch(items(shop), tmp_path), shop)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_goes_on_where_it_was(shop: Shop, tmp_path: Path, how: signal.Signals) -> None:
    shop.faults["/s0.parquet"] = ["slow 0.2"]
    program = (
        "import sys; from pathlib import Path; from runner.fetch import item; from runner.fetch.many import fetch_all\n"
        "fetch_all([item.item(sys.argv[1])], Path(sys.argv[2]), lambda what, part: None)\n"
    )
    command = [sys.executable, "-c", program, f"{shop.url}/s0.parquet", str(tmp_path)]
    part = tmp_path / "s0.parquet.part"
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size > 60_000) and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(how)
        asked = time.monotonic()
        process.wait(20)
        assert time.monotonic() - asked < 4
    there = part.stat().st_size
    assert 60_000 < there < SIZE
    whole(fetch(items(shop), tmp_path), shop)
    assert shop.asked[-1][1] == f"bytes={there}-"


def test_four_at_once_and_no_more(shop: Shop, tmp_path: Path) -> None:
    shop.files = {f"/s{number}.parquet": content(number, 100_000) for number in range(9)}
    shop.faults = {path: ["slow 0.03"] for path in shop.files}
    whole(fetch(items(shop, 9), tmp_path), shop)
    assert shop.most_busy == 4


def test_progress_tells_files_bytes_rate_and_time_left(shop: Shop, tmp_path: Path) -> None:
    shop.faults = {path: ["slow 0.05"] for path in shop.files}
    seen: list[tuple[str, float | None]] = []
    fetch_all(items(shop, 4), tmp_path, lambda what, part: seen.append((what, part)), limits=QUICK)
    assert any("of 4 files" in what and "/s, " in what and what.endswith(" left") for what, _ in seen)
    parts = [part or 0.0 for _, part in seen]
    assert parts == sorted(parts)
    assert 0 < parts[-1] <= 1


def test_two_programs_share_one_folder(shop: Shop, tmp_path: Path) -> None:
    shop.faults["/s0.parquet"] = ["slow 0.05"]
    program = (
        "import sys; from pathlib import Path; from runner.fetch import item; from runner.fetch.many import fetch_all\n"
        "print(fetch_all([item.item(sys.argv[1])], Path(sys.argv[2]), lambda what, part: None)[0].sha256)\n"
    )
    command = [sys.executable, "-c", program, f"{shop.url}/s0.parquet", str(tmp_path)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=30)[0] for process in both}
    assert said == {hashlib.sha256(shop.files["/s0.parquet"]).hexdigest() + "\n"}
    assert len(shop.asked) == 1


def test_a_folder_that_cannot_be_made_is_said(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfraError, match=r"data\.downloads"):
        fetch(items(shop), tmp_path / "file" / "below")


# --- lists


def test_a_list_gives_addresses_with_and_without_digests(tmp_path: Path) -> None:
    digest = "ab" * 32
    (tmp_path / "list.txt").write_text(
        f"# shards\nhttps://host/a.parquet {digest}\n\n{digest.upper()}  https://host/b.parquet\n"
        "https://host/c.parquet # without\n"
    )
    found = item.in_list(tmp_path / "list.txt")
    assert [(one.name, one.sha256) for one in found] == [
        ("a.parquet", digest),
        ("b.parquet", digest),
        ("c.parquet", ""),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("https://host/a https://host/b", "line 1: an address"),
        ("ab" * 32, "line 1: an address"),
        ("ftp://host/a.parquet", "must begin with https"),
        ("https://host/", "no usable name"),
        ("https://host/..", "no usable name"),
        ("https://host/a%2fb", "no usable name"),
        ("https://host/x.part", "no usable name"),
        ("https://one/a.parquet\nhttps://two/a.parquet", "two files that are called a.parquet"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "list.txt").write_text(line)
    with pytest.raises(UsageError, match=why):
        item.in_list(tmp_path / "list.txt")


def test_a_range_keeps_its_zeros() -> None:
    found = item.in_range("https://host/shard_{00008..00011}.parquet")
    assert [one.name for one in found] == [f"shard_{n:05d}.parquet" for n in range(8, 12)]


@pytest.mark.parametrize(
    "pattern", ["https://host/{3..1}.parquet", "https://host/{1..2}-{1..2}.parquet", "https://host/{0..999999}"]
)
def test_a_range_that_cannot_be_meant_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="must hold one range"):
        item.in_range(pattern)


# --- books

BOOK = (
    "\ufeffThe Project Gutenberg eBook of {title}\r\n\r\nTitle: {title}\r\n\r\n"
    "*** START OF THE PROJECT GUTENBERG EBOOK {upper} ***\r\n\r\n{text}\r\n\r\n"
    "*** END OF THE PROJECT GUTENBERG EBOOK {upper} ***\r\n\r\nThe licence.\r\n"
)


def book(title: str, text: str) -> bytes:
    return BOOK.format(title=title, upper=title.upper(), text=text).encode()


def test_a_book_is_freed_of_the_archives_notices(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(book("Old Tales", "Once there was\r\na fox.\r\n"))
    assert look.bare(tmp_path / "x") == b"Once there was\na fox.\n"


def test_a_start_line_over_two_lines_is_one(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(
        "***START OF THE PROJECT GUTENBERG EBOOK OLD\nTALES***\n\nA fox.\n\nEnd of the Project Gutenberg's Old Tales\n"
    )
    assert look.bare(tmp_path / "x") == b"A fox.\n"


def test_a_book_cut_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(book("Old Tales", "A fox.").partition(b"*** END")[0])
    with pytest.raises(UsageError, match="has no END line"):
        look.bare(tmp_path / "x")


def test_another_book_under_the_number_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.files["/pg1.txt"] = book("A Treatise on Drains", "Pipes.")
    with pytest.raises(UsageError, match=r"is another book: 'A Treatise on Drains', not 'Old Tales'"):
        fetch([item.item(f"{shop.url}/pg1.txt", kind="book", title="Old Tales")], tmp_path)
    assert not os.listdir(tmp_path)
