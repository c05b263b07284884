"""The lab's data: what is read, what is held out, how it is put in place, and that nothing is ever half there."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from runner import data, data_build
from runner.config import DataSettings
from runner.errors import MissingError, UsageError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from prepare import bpe, corpus, split, text  # noqa: E402
from prepare.tales import generate  # noqa: E402

FOLKLORE = ROOT.parent / "shared" / "data" / "folklore"
SETTINGS = DataSettings(source="text:books", vocab_size=512, window=32, seed=1)


def quiet(what: str, fraction: float | None) -> None:
    pass


def make(lab: Path, settings: DataSettings = SETTINGS, force: bool = False) -> data.Manifest:
    return data.prepare(lab, settings, quiet, force)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty small books of different tales."""
    folder = tmp_path_factory.mktemp("source") / "books"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.txt").write_text("\n\n".join(generate(f"book {number}", 9_000)))
    return folder


@pytest.fixture
def lab(tmp_path: Path, made: Path) -> Path:
    """A lab of its own with data."""
    shutil.copytree(made, tmp_path / "lab")
    return tmp_path / "lab"


@pytest.fixture
def bare(lab: Path) -> Path:
    """A lab of its own without data."""
    shutil.rmtree(lab / "data")
    return lab


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, books: Path) -> Path:
    """A lab with data, to look at and not to change."""
    lab = tmp_path_factory.mktemp("made")
    shutil.copytree(ROOT / "prepare", lab / "prepare", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(books, lab / "books")
    make(lab)
    return lab


def decoded(lab: Path, name: str) -> list[str]:
    """The documents of a split, from its tokens."""
    tokenizer = Tokenizer.from_file(str(lab / "data" / "tokenizer.json"))
    tokens = data.split(lab, name)
    starts = [*np.flatnonzero(tokens == data.load(lab).separator), len(tokens)]
    return [tokenizer.decode(tokens[a + 1 : b].tolist()) for a, b in itertools.pairwise(starts)]


# --- what is there afterwards


def test_tokens_are_mapped_uint16_and_read_only(made: Path) -> None:
    for name in data.SPLITS:
        tokens = data.split(made, name)
        assert isinstance(tokens, np.memmap)
        assert tokens.dtype == np.uint16
        assert not tokens.flags.writeable
        assert len(tokens) == data.load(made).tokens[name]


def test_every_document_follows_a_separator_and_is_as_it_was_written(made: Path) -> None:
    written = {path.read_text().strip() for path in (made / "books").glob("*.txt")}
    found = [document for name in ("val", "holdout") for document in decoded(made, name)]
    assert found
    assert set(found) <= written
    assert data.split(made, "val")[0] == data.load(made).separator


def test_no_document_is_on_two_sides(made: Path) -> None:
    sides = [set(decoded(made, name)) for name in data.SPLITS]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 30


def test_the_counts_of_the_manifest_are_those_of_the_files(made: Path) -> None:
    manifest = data.load(made)
    lengths = data.token_bytes(made)
    assert lengths.dtype == np.int64
    assert lengths.shape == (512,)
    assert lengths[manifest.separator] == 0
    assert (lengths[: manifest.separator] > 0).all()
    for name in data.SPLITS:
        assert int(lengths[data.split(made, name)].sum()) == manifest.bytes[name]
        assert manifest.documents[name] == len(decoded(made, name))


def test_public_files_hold_no_held_out_text_and_no_secret(made: Path) -> None:
    files = data.public_files(made)
    assert sorted(path.name for path in files) == ["meta.json", "tokenizer.json", "train.npy"]
    held = data.split(made, "val").tobytes()[2:400], data.split(made, "holdout").tobytes()[2:400]
    assert not [path for path in files for part in held if part in path.read_bytes()]
    assert set(json.loads((made / "data" / "meta.json").read_text())) == {
        "format", "separator", "source", "train_bytes", "train_tokens", "vocab_size", "window",
    }  # fmt: skip


@pytest.mark.parametrize(("side", "learned"), [("val", False), ("train", True)])
def test_the_tokenizer_learns_from_training_text_alone(lab: Path, side: str, learned: bool) -> None:
    held = {name: data.load(lab).raw["source"][name] for name in ("val", "holdout")}
    others = [p.name for p in (lab / "books").iterdir() if p.name not in held["val"] + held["holdout"]]
    path = lab / "books" / (held["val"] if side == "val" else others)[0]
    path.write_text(path.read_text() + "\n\n" + "zyzzyva qwxqwx " * 100)
    make(lab, DataSettings("text:books", 1024, 32))
    assert any("zyzzyva" in document for document in decoded(lab, side))
    tokenizer = Tokenizer.from_file(str(lab / "data" / "tokenizer.json"))
    assert any(b"qwx" in token for token in bpe.token_strings(tokenizer)) == learned


def test_the_same_source_and_seed_give_the_same_bytes(bare: Path, made: Path) -> None:
    make(bare)
    for name in ("train.npy", "val.npy", "holdout.npy", "tokenizer.json", "token_bytes.npy", "meta.json"):
        assert (bare / "data" / name).read_bytes() == (made / "data" / name).read_bytes()
    assert data.load(bare).digest == data.load(made).digest


def test_another_seed_holds_out_other_books(lab: Path, made: Path) -> None:
    make(lab, DataSettings("text:books", 512, 32, seed=2))
    assert data.load(lab).raw["source"]["val"] != data.load(made).raw["source"]["val"]
    assert data.load(lab).digest != data.load(made).digest


# --- tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return bpe.train(generate(1, 200_000), 1024)


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "  two  spaces\t\ttabs\r\n",
        "naïve 🐺🏰 Ærøskøbing",
        "<|endoftext|> [UNK] <s>",
        "Ġhello Ċ",
        "\x00\x01\x7f",
        "'s 'S'll\n\n\n x",
    ],
)
def test_what_is_encoded_is_decoded_exactly(tokenizer: Tokenizer, written: str) -> None:
    ids = tokenizer.encode(written).ids
    strings = bpe.token_strings(tokenizer)
    assert tokenizer.decode(ids) == written
    assert b"".join(strings[index] for index in ids) == written.encode()
    assert max(ids, default=0) < tokenizer.get_vocab_size() == 1023


def test_each_of_the_256_bytes_is_a_token(tokenizer: Tokenizer) -> None:
    assert {bytes([byte]) for byte in range(256)} <= set(bpe.token_strings(tokenizer))


def test_text_in_chunks_encodes_as_text_in_one_piece(tokenizer: Tokenizer) -> None:
    whole = "\n\n".join(generate(2, 60_000)) + "\n  indented\n\n\nWort\u00a0wort 北京 a\n b \n c"
    chunks = list(bpe.chunks([whole[:1000], whole[1000:]], 500))
    assert len(chunks) > 50
    assert "".join(chunks) == whole
    assert np.concatenate(bpe.encode(tokenizer, chunks)).tolist() == tokenizer.encode(whole).ids


def test_a_vocabulary_out_of_reach_names_the_one_within(lab: Path) -> None:
    with pytest.raises(UsageError, match=r"vocabulary of 60000: set data.vocab_size to \d{4,5} or less"):
        make(lab, DataSettings("text:books", 60_000, 32))


# --- split


def test_near_duplicates_stay_on_one_side(lab: Path) -> None:
    tale = "\n\n".join(generate("twice", 9_000))
    for number in range(15):
        changed = tale.replace(" the ", " that ", number).replace(" and ", " & ", number // 2)
        (lab / "books" / f"copy{number}.txt").write_text(changed)
    manifest = make(lab)
    copies = [sum("copy" in name for name in manifest.raw["source"][side]) for side in ("val", "holdout")]
    assert sorted(copies) in ([0, 0], [0, 15])
    assert manifest.raw["duplicates"]["near_duplicates"] == 14


def test_documents_that_only_share_a_genre_are_no_duplicates() -> None:
    signatures = [split.signature([tale]) for tale in generate(1, 300_000) if len(tale) > 2500]
    assert len(set(split.groups(signatures))) == len(signatures) > 40


def test_training_text_that_repeats_validation_is_dropped_and_counted(lab: Path) -> None:
    first = make(lab)
    quoted = max((lab / "books" / first.raw["source"]["val"][0]).read_text().split("\n\n"), key=len)
    name = next(p for p in sorted((lab / "books").glob("*.txt"))
                if p.name not in first.raw["source"]["val"] + first.raw["source"]["holdout"])  # fmt: skip
    name.write_text(name.read_text() + "\n\n" + quoted.upper().replace(" ", "\n") + "\n\nAnd so to bed.")
    second = make(lab)
    assert second.raw["source"]["val"] == first.raw["source"]["val"]
    assert second.raw["duplicates"]["dropped_training_bytes"] >= len(quoted)
    assert not any(quoted.upper().split()[5:9] == document.split()[5:9] for document in decoded(lab, "train"))
    assert any(document.endswith("And so to bed.") for document in decoded(lab, "train"))


def test_each_held_out_part_is_near_a_twentieth(made: Path) -> None:
    counts = data.load(made).bytes
    for name in ("val", "holdout"):
        assert 0.03 < counts[name] / sum(counts.values()) < 0.08


def test_two_big_files_are_divided_by_sections(lab: Path) -> None:
    shutil.rmtree(lab / "books")
    (lab / "books").mkdir()
    for number in range(2):
        (lab / "books" / f"{number}.txt").write_text("\n\n".join(generate(f"big {number}", 150_000)))
    manifest = make(lab)
    assert manifest.raw["source"]["unit"] == "section"
    assert manifest.documents["val"] >= 1


def test_sections_end_at_form_feeds_and_blank_lines_and_lose_nothing(tmp_path: Path) -> None:
    paragraphs = [f"paragraph {number} " * 20 for number in range(40)]
    whole = "\n\n".join(paragraphs[:20]) + "\f" + "\r\n\r\n".join(paragraphs[20:])
    path = tmp_path / "x.txt"
    path.write_bytes(b"\xef\xbb\xbf" + whole.encode())
    found = ["".join(document.pieces()) for document in text.sections(path, "x")]
    assert "\n\n".join(found).split() == whole.split()
    assert all(
        len(document) >= 2_000 for document in found[:-1] if not document.endswith(paragraphs[19].strip())
    )
    assert not any(paragraphs[19].strip() in document and paragraphs[20] in document for document in found)
    assert not any("\r" in document or "\ufeff" in document for document in found)


def test_a_file_without_a_line_end_is_cut_between_characters(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("🐺" * 60_000)
    found = text.sections(path, "x")
    assert len(found) == 2
    assert "".join("".join(document.pieces()) for document in found) == "🐺" * 60_000


# --- tales


def test_held_out_tales_follow_from_the_secret_and_not_from_the_seed() -> None:
    def texts(seed: int, secret: str) -> dict[str, list[str]]:
        made = corpus.from_tales(seed, secret, lambda fraction, what: None, 300_000)
        return {
            name: ["".join(pieces) for part in parts for pieces in part.documents()]
            for name, parts in made.parts.items()
        }

    one, other = texts(1, "a"), texts(1, "b")
    assert one["train"] == other["train"]
    assert not set(one["val"]) & set(other["val"])
    known = {tale for seed in range(20) for tale in generate(seed, 60_000)}
    assert not known & {*one["val"], *one["holdout"]}


def test_tales_made_anew_keep_their_secret(lab: Path) -> None:
    code = (lab / "prepare" / "tales" / "__init__.py").read_text()
    (lab / "prepare" / "tales" / "__init__.py").write_text(code.replace("8_000_000", "300_000"))
    first = make(lab, DataSettings("tales", 512, 32))
    make(lab)
    second = make(lab, DataSettings("tales", 600, 32))
    assert first.raw["secret"] == second.raw["secret"]
    assert len(first.raw["secret"]) == 32
    assert decoded(lab, "val")
    assert first.bytes["val"] == second.bytes["val"]
    assert not any(first.raw["secret"].encode() in path.read_bytes() for path in data.public_files(lab))


# --- refusals


def refused(lab: Path, source: str) -> str:
    before = tree(lab / "data")
    with pytest.raises(UsageError) as error:
        make(lab, DataSettings(source, 512, 32))
    assert tree(lab / "data") == before
    assert not list(lab.glob(".data*"))
    assert "\n" not in error.value.what
    return error.value.what


def test_invalid_utf8_is_refused_with_file_and_byte(bare: Path) -> None:
    path = bare / "books" / "07.txt"
    path.write_bytes("é".encode() * 700_000 + b"\xff" + b"x" * 100)
    assert refused_after(bare) == f"{path} is not UTF-8: byte 1400000 is 0xff"


def refused_after(lab: Path) -> str:
    with pytest.raises(UsageError) as error:
        make(lab)
    assert not (lab / "data").exists()
    return error.value.what


def test_a_character_cut_off_at_the_end_is_refused(bare: Path) -> None:
    (bare / "books" / "07.txt").write_bytes(b"abc " * 10 + "🐺".encode()[:2])
    assert "07.txt is not UTF-8: byte 40" in refused_after(bare)


def test_an_empty_file_is_refused(bare: Path) -> None:
    (bare / "books" / "07.txt").write_text(" \n\n ")
    assert refused_after(bare).endswith("07.txt is empty: it holds no text")


def test_too_little_text_is_refused_with_what_is_needed(lab: Path) -> None:
    (lab / "few.txt").write_text("Once upon a time.\n" * 1000)
    assert refused(lab, "text:few.txt").endswith("holds 18000 bytes of text; at least 65536 are needed")


def test_text_that_is_all_the_same_is_refused(lab: Path) -> None:
    (lab / "same.txt").write_text("\n\n".join(["the same words again and again and nothing else " * 60] * 60))
    assert "cannot be split by whole documents" in refused(lab, "text:same.txt")


def test_a_path_that_is_not_there_is_refused(lab: Path) -> None:
    assert refused(lab, "text:nowhere").endswith("nowhere does not exist")


def test_a_folder_without_text_files_is_refused(lab: Path) -> None:
    (lab / "empty").mkdir()
    assert refused(lab, "text:empty").endswith("holds no *.txt files")


def test_an_unreadable_file_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "x.txt"
        path.write_text("x" * 1000)
        path.chmod(0)
        was = os.geteuid()
        os.seteuid(was or 65534)  # root reads everything
        try:
            with pytest.raises(text.SourceError, match=r"x\.txt cannot be read: Permission denied"):
                text.documents(Path(folder))
        finally:
            os.seteuid(was)


@pytest.mark.parametrize("source", ["tale", "text:", "http://example.org/x"])
def test_a_source_of_no_known_kind_is_refused(lab: Path, source: str) -> None:
    assert "must be tales or text:PATH" in refused(lab, source)


def test_a_window_longer_than_the_held_out_text_is_refused(lab: Path) -> None:
    with pytest.raises(UsageError, match=r"val has \d+ tokens, and a window of 50000 needs 50001"):
        make(lab, DataSettings("text:books", 512, 50_000))


# --- put in place


def test_up_to_date_data_is_left_alone_and_found_out_fast(lab: Path) -> None:
    start = time.monotonic()
    make(lab)
    made = time.monotonic() - start
    before = {path: path.stat() for path in (lab / "data").iterdir()}
    start = time.monotonic()
    make(lab)
    assert time.monotonic() - start < made / 3
    assert {path: path.stat() for path in (lab / "data").iterdir()} == before


def test_a_changed_source_file_makes_the_data_anew(lab: Path) -> None:
    first = make(lab)
    path = lab / "books" / "07.txt"
    path.write_text(path.read_text() + "\n\nAnd that was that.")
    assert make(lab).digest != first.digest


def test_a_truncated_file_makes_the_data_anew(lab: Path) -> None:
    first = make(lab)
    os.truncate(lab / "data" / "val.npy", 1000)
    with pytest.raises(MissingError, match=r"val\.npy has another size"):
        data.load(lab)
    assert make(lab).digest == first.digest
    data.verify(lab)


def test_verify_finds_one_changed_byte(lab: Path) -> None:
    make(lab)
    data.verify(lab)
    path = lab / "data" / "holdout.npy"
    with path.open("r+b") as file:
        file.seek(500)
        byte = file.read(1)
        file.seek(500)
        file.write(bytes([byte[0] ^ 1]))
    data.load(lab)
    with pytest.raises(MissingError, match=r"holdout\.npy was changed"):
        data.verify(lab)


def test_without_data_the_advice_is_to_make_it(bare: Path) -> None:
    for call in (
        data.load,
        data.verify,
        data.token_bytes,
        data.public_files,
        lambda lab: data.split(lab, "val"),
    ):
        with pytest.raises(MissingError) as error:
            call(bare)
        assert "runner prepare" in error.value.advice


def test_kill_9_in_the_middle_leaves_the_data_of_before(lab: Path) -> None:
    make(lab)
    before = tree(lab / "data")
    program = (
        "import sys; from pathlib import Path; from runner import data; from runner.config import DataSettings\n"
        "data.prepare(Path(sys.argv[1]), DataSettings('text:books', 600, 32), lambda what, f: print(what, flush=True))"
    )
    command = [sys.executable, "-c", program, str(lab)]
    for stage in ("reading", "encoding train"):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert any(stage in line for line in process.stdout)
            process.send_signal(signal.SIGKILL)
        assert tree(lab / "data") == before
        assert list(lab.glob(".data.new-*"))
    assert make(lab, DataSettings("text:books", 600, 32)).vocab_size == 600
    assert not list(lab.glob(".data*"))


def test_a_kill_between_the_two_renames_is_mended(lab: Path) -> None:
    make(lab)
    before = tree(lab / "data")
    (lab / "data").rename(lab / ".data.old-1234")
    make(lab)
    assert tree(lab / "data") == before
    assert not list(lab.glob(".data*"))


def test_where_names_cannot_be_exchanged_two_renames_do_it(tmp_path: Path) -> None:
    for name in ("new", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "which").write_text(name)
    data_build.put_in_place(tmp_path / "new", tmp_path / "data", exchange=lambda one, other: False)
    assert (tmp_path / "data" / "which").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_two_at_once_take_turns(lab: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from runner import data; from runner.config import DataSettings\n"
        "print(data.prepare(Path(sys.argv[1]), DataSettings('text:books', 512, 32), lambda what, f: None).digest)"
    )
    command = [sys.executable, "-c", program, str(lab)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=60)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(said) == 1


def test_progress_rises_and_names_what_is_done(bare: Path) -> None:
    seen: list[tuple[str, float | None]] = []
    data.prepare(bare, SETTINGS, lambda what, fraction: seen.append((what, fraction)))
    fractions = [fraction for _, fraction in seen if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.9
    assert {"reading", "training the tokenizer", "encoding train"} <= {what for what, _ in seen}


def test_the_manifest_states_the_digest_of_every_file(made: Path) -> None:
    files = data.load(made).raw["files"]
    assert set(files) == {path.name for path in (made / "data").iterdir()} - {"manifest.json", "state.json"}
    for name, stated in files.items():
        assert hashlib.sha256((made / "data" / name).read_bytes()).hexdigest() == stated["sha256"]


@pytest.mark.slow
@pytest.mark.skipif(not FOLKLORE.is_dir(), reason="the folder of real tales is not beside this repository")
def test_real_books_take_less_than_a_minute_and_one_and_a_half_gigabytes(lab: Path) -> None:
    start = time.monotonic()
    manifest = make(lab, DataSettings(f"text:{FOLKLORE}", 2048, 256))
    assert time.monotonic() - start < 60
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1_500_000
    assert manifest.documents["train"] >= 14
