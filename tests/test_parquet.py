"""Parquet sources and presets, end to end: streamed, split by shard, resumed after a kill to the same bytes."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from shard_server import Shop, serving
from test_fetch import book
from tokenizers import Tokenizer

from runner import config, data
from runner.config import DataSettings
from runner.errors import MissingError, UsageError
from runner.fetch import item

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
import pyarrow  # noqa: E402
import pyarrow.parquet  # noqa: E402

from prepare import bpe, corpus, encode, parquet, split, tokens  # noqa: E402
from prepare import build as builder  # noqa: E402
from prepare.tales import generate  # noqa: E402
from prepare.text import SourceError  # noqa: E402


def quiet(what: str, fraction: float | None) -> None:
    pass


def settings(source: str, **more: object) -> DataSettings:
    return DataSettings(**({"source": source, "vocab_size": 512, "window": 32} | more))  # type: ignore[arg-type]


def write(
    path: Path, texts: list[str | None], group: int = 7, column: str = "text", kind: str = "string"
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table(
        {"id": list(range(len(texts))), column: pyarrow.array(texts, getattr(pyarrow, kind)())}
    )
    pyarrow.parquet.write_table(table, path, row_group_size=group, compression="zstd")


@pytest.fixture(scope="session")
def stories() -> list[list[str]]:
    """Texts of three shards."""
    return [list(generate(f"shard {number}", size)) for number, size in enumerate((120_000, 120_000, 60_000))]


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory, stories: list[list[str]]) -> Path:
    folder = tmp_path_factory.mktemp("source") / "shards"
    for number, texts in enumerate(stories):
        write(folder / f"shard_{number:05d}.parquet", list(texts))
    return folder


@pytest.fixture
def lab(tmp_path: Path, shards: Path) -> Path:
    lab = tmp_path / "lab"
    shutil.copytree(ROOT / "prepare", lab / "prepare", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(shards, lab / "shards")
    return lab


@pytest.fixture
def shop(shards: Path) -> Iterator[Shop]:
    with serving() as found:
        found.files = {f"/data/{path.name}": path.read_bytes() for path in sorted(shards.iterdir())}
        yield found


def decoded(lab: Path, name: str) -> list[str]:
    tokenizer = Tokenizer.from_file(str(lab / "data" / "tokenizer.json"))
    found = data.split(lab, name)
    starts = [*np.flatnonzero(found == data.load(lab).separator), len(found)]
    return [tokenizer.decode(found[a + 1 : b].tolist()) for a, b in itertools.pairwise(starts)]


def files(lab: Path) -> dict[str, bytes]:
    names = ("train.npy", "val.npy", "holdout.npy", "tokenizer.json", "token_bytes.npy", "meta.json")
    return {name: (lab / "data" / name).read_bytes() for name in names}


# --- the split


def test_the_last_shard_is_held_out_by_halves_and_the_others_are_trained_on(
    lab: Path, stories: list[list[str]]
) -> None:
    data.prepare(lab, settings("parquet:shards"), quiet)
    middle = len(stories[2]) // 2
    assert decoded(lab, "val") == [text.strip() for text in stories[2][:middle]]
    assert decoded(lab, "holdout") == [text.strip() for text in stories[2][middle:]]
    trained = decoded(lab, "train")
    assert len(trained) == len(stories[0] + stories[1])
    dropped = 0
    for kept, whole in zip(trained, stories[0] + stories[1], strict=True):
        left = kept.strip().split("\n\n")
        gone = [part for part in whole.strip().split("\n\n") if not (left and left[0] == part and left.pop(0))]
        assert left == []  # nothing but whole paragraphs went, those that held-out text has too
        dropped += len(gone)
    assert dropped == data.load(lab).raw["duplicates"]["dropped_training_paragraphs"] > 0
    data.verify(lab)


def test_training_text_that_repeats_the_last_shard_is_dropped(lab: Path, stories: list[list[str]]) -> None:
    write(lab / "shards" / "shard_00001.parquet", [*stories[1], "A new beginning.\n\n" + stories[2][0]])
    raw = data.prepare(lab, settings("parquet:shards"), quiet).raw
    assert raw["duplicates"]["dropped_training_bytes"] > len(stories[2][0]) // 2
    assert any(text.startswith("A new beginning.") for text in decoded(lab, "train"))
    assert not any(stories[2][0][200:400] in text for text in decoded(lab, "train"))


def test_rows_without_text_are_no_documents(lab: Path) -> None:
    write(lab / "shards" / "shard_00001.parquet", [None, "", " \n ", "One\r\nline.", None])
    data.prepare(lab, settings("parquet:shards"), quiet)
    assert decoded(lab, "train")[-1] == "One\nline."


@pytest.mark.parametrize("kind", ["string", "large_string"])
@pytest.mark.parametrize("group", [1, 5, 10_000])
def test_row_groups_of_any_size_give_the_same_documents(tmp_path: Path, kind: str, group: int) -> None:
    texts: list[str | None] = [f"text {number}" for number in range(300)]
    write(tmp_path / "x.parquet", texts, group, kind=kind)
    found = parquet.parts(tmp_path / "x.parquet", "text", 100)
    assert ["".join(d) for part in found for d in part.documents()] == texts
    first, second = parquet.halves(found)
    assert ["".join(d) for part in first for d in part.documents()] == texts[:150]
    assert ["".join(d) for part in second for d in part.documents()] == texts[150:]


def test_held_out_text_is_bounded(
    tmp_path: Path, stories: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, texts in enumerate(stories):
        write(tmp_path / f"shard_{number}.parquet", list(texts), group=1)
    monkeypatch.setattr(corpus, "HELD_SHARD_BYTES", 10_000)
    monkeypatch.setattr(corpus, "PART_BYTES", 1_000)
    found = corpus.from_parquet(sorted(tmp_path.iterdir()), "text", lambda part, what: None)
    for name in corpus.HELD:
        assert 10_000 <= sum(part.weight for part in found.parts[name]) < 30_000


# --- what is refused


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda folder: [path.unlink() for path in sorted(folder.iterdir())[1:]],
            "holds 1 .* files: at least 2",
        ),
        (
            lambda folder: (folder / "shard_00001.parquet").write_bytes(b"PAR1" + b"x" * 99),
            "shard_00001.* as Parquet",
        ),
        (
            lambda folder: write(folder / "shard_00001.parquet", ["x"], column="body"),
            "no column text: set data.column to",
        ),
        (lambda folder: write(folder / "shard_00009.parquet", ["x"]), "holds one row"),
        (
            lambda folder: write(folder / "shard_00001.parquet", [b"\xff"], kind="binary"),
            "holds binary, not text",
        ),  # type: ignore[list-item]
    ],
)
def test_shards_that_cannot_be_used_are_refused_by_name(lab: Path, change, why: str) -> None:  # type: ignore[no-untyped-def]
    change(lab / "shards")
    with pytest.raises(UsageError, match=why) as error:
        data.prepare(lab, settings("parquet:shards"), quiet)
    assert "\n" not in error.value.what
    assert not list(lab.glob(".data*"))


def test_a_shard_damaged_in_the_middle_is_named(lab: Path) -> None:
    path = lab / "shards" / "shard_00001.parquet"
    content = bytearray(path.read_bytes())
    content[1000:9000] = b"\0" * 8000
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"shard_00001\.parquet cannot be read"):
        data.prepare(lab, settings("parquet:shards"), quiet)


def test_another_column_is_read_where_the_lab_names_it(lab: Path, stories: list[list[str]]) -> None:
    for number, texts in enumerate(stories):
        write(lab / "shards" / f"shard_{number:05d}.parquet", list(texts), column="body")
    assert data.prepare(lab, settings("parquet:shards", column="body"), quiet).documents["train"] > 20


def test_without_pyarrow_the_command_that_mends_it_is_named(lab: Path) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path; from runner import data; from runner.config import DataSettings\n"
        "from runner.errors import MissingError\n"
        "try: data.prepare(Path(sys.argv[1]), DataSettings('parquet:shards', 512, 32), lambda what, part: None)\n"
        "except MissingError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, str(lab)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "needs pyarrow" in done.stdout, done.stderr
    assert "-m pip install pyarrow" in done.stdout


# --- all cores, and after a kill


def build(lab: Path, name: str, key: str, alone: int, limit: int = 0) -> subprocess.Popen[str]:
    """The builder as a program, with small parts; `limit`: it kills itself once so many parts are finished."""
    program = (
        "import sys, os, signal; from pathlib import Path; from prepare import build, corpus, encode\n"
        "def main():\n"
        "    corpus.PART_BYTES = 5_000\n"
        "    out, parts, key = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]\n"
        "    alone, limit = map(int, sys.argv[4:])\n"
        "    def tell(part, what):\n"
        "        if limit and len(list(parts.glob('train-*.json'))) >= limit: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    build.build('parquet:' + os.path.abspath('shards'), out, 512, 32, 1, 'secret', tell,\n"
        "                parts=build.open_parts(parts, key), alone=alone)\n"
        "if __name__ == '__main__': main()\n"
    )
    (lab / "small.py").write_text(program)
    (lab / name).mkdir(exist_ok=True)
    command = [sys.executable, "small.py", name, "parts", key, str(alone), str(limit)]
    return subprocess.Popen(command, cwd=lab, stderr=subprocess.PIPE, text=True)


def made(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_many_processes_a_kill_and_one_process_give_the_same_bytes(lab: Path) -> None:
    with build(lab, "one", "a", alone=1 << 40) as process:
        assert process.wait(120) == 0, process.stderr
    shutil.rmtree(lab / "parts")
    with build(lab, "killed", "a", alone=0, limit=5) as process:
        assert process.wait(120) == -signal.SIGKILL
    described = sorted((lab / "parts").glob("train-*.json"))  # the others may be whole, and are done again
    finished = {path.stem: path.with_suffix("").stat().st_mtime_ns for path in described}
    assert len(finished) >= 5
    assert len(finished) < 40
    shutil.rmtree(lab / "killed")
    with build(lab, "many", "a", alone=0) as process:
        assert process.wait(120) == 0, process.stderr
    assert made(lab / "many") == made(lab / "one")
    kept = {name: (lab / "parts" / name).stat().st_mtime_ns for name in finished}
    assert kept == finished


def test_no_process_outlives_a_builder_that_was_killed(lab: Path) -> None:
    def workers() -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if (path / "cwd").resolve() == lab:
                    found.append((path / "cmdline").read_text())
            except OSError:
                continue
        return found

    with build(lab, "killed", "a", alone=0, limit=1) as process:
        process.wait(120)
    until = time.monotonic() + 10
    while workers() and time.monotonic() < until:
        time.sleep(0.05)
    assert not workers()


def test_parts_that_follow_from_something_else_are_not_used(lab: Path) -> None:
    for key in ("a", "b"):
        with build(lab, key, key, alone=1 << 40) as process:
            assert process.wait(120) == 0
        (lab / "parts" / "train-00000").write_bytes(b"\0" * 100)  # never asked of by another key
    assert made(lab / "a") == made(lab / "b")


def test_a_finished_part_that_was_damaged_is_made_again(lab: Path) -> None:
    with build(lab, "one", "a", alone=1 << 40) as process:
        assert process.wait(120) == 0
    part = lab / "parts" / "train-00001"
    part.write_bytes(b"\1" * part.stat().st_size)
    with build(lab, "two", "a", alone=1 << 40) as process:
        assert process.wait(120) == 0
    assert made(lab / "one") == made(lab / "two")


def test_a_source_that_cannot_be_read_ends_all_processes_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"")
    rows = parquet.Rows(tmp_path / "x.parquet", "text", (0,), 0, 0, 5, 100)
    tokenizer = bpe.train(generate(1, 60_000), 300)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    split.HeldOut.write([], tmp_path / split.HELD_FILE)
    found = corpus.Corpus({"train": [rows], "val": [], "holdout": []}, {})
    lengths = np.asarray([*map(len, bpe.token_strings(tokenizer)), 0], dtype=np.int32)
    held = split.HeldOut.load(tmp_path / split.HELD_FILE)
    with pytest.raises(SourceError, match=r"x\.parquet cannot be read"):
        encode.encode(found, tokenizer, lengths, held, tmp_path, lambda part, what: None, alone=0)
    assert tokens.finished(tmp_path / "train-00000") is None


# --- downloads and presets


def test_a_range_of_addresses_is_fetched_and_its_digests_pinned(lab: Path, shop: Shop, tmp_path: Path) -> None:
    source = f"parquet:{shop.url}/data/shard_{{00000..00002}}.parquet"
    raw = data.prepare(lab, settings(source, downloads=str(tmp_path / "down")), quiet).raw
    fetched = raw["source"]["fetched"]
    assert fetched["source"] == source
    assert [(s["name"], s["sha256"], s["pinned"]) for s in fetched["shards"]] == [
        (path.rpartition("/")[2], hashlib.sha256(content).hexdigest(), True)
        for path, content in shop.files.items()
    ]
    data.prepare(lab, settings("parquet:shards"), quiet)
    local = files(lab)
    data.prepare(lab, settings(source, downloads=str(tmp_path / "down")), quiet)
    assert files(lab) == local
    assert len(shop.asked) == 3


def test_up_to_date_data_ask_no_server_even_when_the_downloads_are_gone(
    lab: Path, shop: Shop, tmp_path: Path
) -> None:
    wanted = settings(
        f"parquet:{shop.url}/data/shard_{{00000..00002}}.parquet", downloads=str(tmp_path / "down")
    )
    data.prepare(lab, wanted, quiet)
    shutil.rmtree(tmp_path / "down")
    data.prepare(lab, wanted, quiet)
    assert len(shop.asked) == 3


def test_a_pinned_shard_that_is_another_later_is_refused_and_force_takes_it(
    lab: Path, shop: Shop, tmp_path: Path
) -> None:
    source = f"parquet:{shop.url}/data/shard_{{00000..00002}}.parquet"
    wanted = settings(source, downloads=str(tmp_path / "down"))
    data.prepare(lab, wanted, quiet)
    before = files(lab)
    shutil.rmtree(tmp_path / "down")
    shop.files["/data/shard_00000.parquet"] = shop.files["/data/shard_00001.parquet"]
    changed = settings(source, downloads=str(tmp_path / "down"), seed=2)
    with pytest.raises(UsageError, match="it had when the lab's data were made"):
        data.prepare(lab, changed, quiet)
    assert files(lab) == before
    data.prepare(lab, changed, quiet, force=True)
    assert files(lab) != before


def test_a_list_of_addresses_beside_the_lab_is_fetched_and_held_to_its_digests(
    lab: Path, shop: Shop, tmp_path: Path
) -> None:
    lines = [f"{shop.url}{path} {hashlib.sha256(content).hexdigest()}" for path, content in shop.files.items()]
    (lab / "shards.txt").write_text("\n".join(lines))
    wanted = settings("parquet:shards.txt", downloads=str(tmp_path / "down"), shards=1)
    raw = data.prepare(lab, wanted, quiet).raw
    assert [shard["name"] for shard in raw["source"]["fetched"]["shards"]] == [
        "shard_00000.parquet",
        "shard_00002.parquet",
    ]
    assert not any(shard["pinned"] for shard in raw["source"]["fetched"]["shards"])
    (lab / "shards.txt").write_text("\n".join([lines[0].replace(lines[0][-64:], "0" * 64), *lines[1:]]))
    with pytest.raises(UsageError, match="that its list gives"):
        data.prepare(lab, wanted, quiet)


def test_climbmix_fetches_ten_shards_and_the_last(
    lab: Path, shop: Shop, tmp_path: Path, stories: list[list[str]]
) -> None:
    names = [f"shard_{number:05d}.parquet" for number in (*range(10), 6542)]
    for name in names:
        shop.files[f"/mirror/{name}"] = shop.files[f"/data/shard_0000{2 if name == names[-1] else 0}.parquet"]
    wanted = settings("climbmix", base_url=f"{shop.url}/mirror", downloads=str(tmp_path / "down"))
    raw = data.prepare(lab, wanted, quiet).raw
    assert sorted(path for path, _ in shop.asked) == [f"/mirror/{name}" for name in names]
    assert raw["source"]["val"] == ["shard_06542.parquet"]
    assert decoded(lab, "val") == [text.strip() for text in stories[2][: len(stories[2]) // 2]]


def test_tinystories_refuses_a_file_of_another_size(lab: Path, shop: Shop, tmp_path: Path) -> None:
    for name in config.preset("tinystories")["files"]:
        shop.files[f"/{name}"] = shop.files["/data/shard_00000.parquet"]
    with pytest.raises(UsageError, match="were expected"):
        data.prepare(lab, settings("tinystories", base_url=shop.url, downloads=str(tmp_path / "down")), quiet)


def test_folklore_is_made_of_books_without_the_archives_notices(lab: Path, shop: Shop, tmp_path: Path) -> None:
    for number, title in config.preset("folklore")["books"].items():
        text = "\n\n".join(generate(f"book {number}", 9_000))
        shop.files[f"/cache/epub/{number}/pg{number}.txt"] = book(title, text)
    wanted = settings("folklore", base_url=shop.url, downloads=str(tmp_path / "down"))
    manifest = data.prepare(lab, wanted, quiet)
    assert manifest.raw["source"]["files"] == len(config.preset("folklore")["books"])
    text = "".join(text for name in data.SPLITS for text in decoded(lab, name))
    assert "PROJECT GUTENBERG" not in text
    assert "The licence." not in text
    assert shop.most_busy == 1
    data.prepare(lab, wanted, quiet, force=True)
    assert len(shop.asked) == len(config.preset("folklore")["books"])


@pytest.mark.parametrize("name", ["climbmix", "tinystories", "folklore"])
def test_every_preset_is_whole_and_sets_what_the_lab_leaves_open(name: str) -> None:
    preset = config.preset(name)
    found = config.from_dict({"data": {"source": name}})
    assert preset["base_url"].startswith("https://")
    assert found.data.vocab_size == preset["settings"]["data.vocab_size"]
    assert found.data.window == preset["settings"]["data.window"]


def test_a_preset_yields_to_what_the_lab_says() -> None:
    found = config.from_dict({"data": {"source": "climbmix", "vocab_size": 2048}, "score": {"tokens": 1000}})
    assert (found.data.vocab_size, found.data.window, found.score.tokens) == (2048, 2048, 1000)


def test_a_source_of_the_command_line_brings_its_preset_and_leaves_what_the_file_says(tmp_path: Path) -> None:
    toml = tmp_path / "runner.toml"
    toml.write_text("")
    told = config.load(toml, "climbmix")
    assert (told.data.vocab_size, told.data.window, told.score.tokens) == (8192, 2048, 20_971_520)
    toml.write_text("[data]\nsource = 'tinystories'\n")
    told = config.load(toml, "climbmix")
    assert (told.data.source, told.data.vocab_size, told.data.window) == ("climbmix", 8192, 2048)
    assert config.load(toml, "tales").data == config.DataSettings("tales")
    toml.write_text("[data]\nvocab_size = 2048\nwindow = 256\n")  # the defaults, and said all the same
    told = config.load(toml, "climbmix")
    assert (told.data.vocab_size, told.data.window) == (2048, 256)


def test_a_row_group_as_large_as_its_shard_is_cut_by_rows(tmp_path: Path, stories: list[list[str]]) -> None:
    write(tmp_path / "one.parquet", list(stories[0]), group=10_000)
    found = parquet.parts(tmp_path / "one.parquet", "text", 10_000)
    assert 4 < len(found) <= parquet.CUTS
    read = ["".join(document) for part in found for document in part.documents()]
    assert [text.strip() for text in read] == [text.strip() for text in stories[0]]


def test_shards_of_one_name_in_several_folders_are_refused() -> None:
    with pytest.raises(UsageError, match=r"two files that are called data\.parquet"):
        item.in_range("https://host/part_{0..2}/data.parquet")


def test_what_a_killed_builder_left_keeps_its_secret(tmp_path: Path) -> None:
    parts = builder.open_parts(tmp_path / "parts", "key")
    begun = builder._secret(None, parts)
    assert builder._secret(None, builder.open_parts(tmp_path / "parts", "key")) == begun
    assert builder._secret(None, builder.open_parts(tmp_path / "parts", "another key")) != begun


def test_no_path_is_read_as_a_preset() -> None:
    for name in ("../config", "/etc/passwd", "climbmix.toml", ""):
        assert config.preset(name) == {}


def test_the_manifest_is_what_a_container_is_never_given(lab: Path, shop: Shop, tmp_path: Path) -> None:
    source = f"parquet:{shop.url}/data/shard_{{00000..00002}}.parquet"
    data.prepare(lab, settings(source, downloads=str(tmp_path / "down")), quiet)
    assert shop.url not in "".join(path.read_bytes().decode("latin-1") for path in data.public_files(lab))
    assert json.loads((lab / "data" / "meta.json").read_text())["source"] == "parquet"
    assert not list(lab.glob(".data*"))


def test_missing_data_is_said_as_before(lab: Path) -> None:
    with pytest.raises(MissingError):
        data.load(lab)
