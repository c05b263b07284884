"""The generator of tales: the same everywhere, varied, and at one with itself from a tale's first line to its last."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from prepare.tales import generate  # noqa: E402
from prepare.tales.colour import ADJECTIVES, lay_on  # noqa: E402
from prepare.tales.figures import HELPERS  # noqa: E402
from prepare.tales.grammar import Section, compile_template, expand, finish  # noqa: E402
from prepare.tales.plots import LISTS, PLOTS, SECTIONS, Teller  # noqa: E402


@pytest.fixture(scope="module")
def tales() -> list[str]:
    return list(generate(1, 1_500_000))


DIGEST = "from hashlib import sha256; from prepare.tales import generate; " \
    "print(sha256('\\0'.join(generate(3, 200_000)).encode()).hexdigest())"  # fmt: skip


def test_a_seed_gives_the_same_tales_in_another_process_with_another_hash_seed() -> None:
    here = hashlib.sha256("\0".join(generate(3, 200_000)).encode()).hexdigest()
    for hash_seed in ("1", "2"):
        run = [sys.executable, "-c", DIGEST]
        there = subprocess.run(
            run, cwd=ROOT, env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        assert there.stdout.strip() == here


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_seed_gives_the_same_tales_in_every_python(version: str) -> None:
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")) or [
        shutil.which(f"python{version}")
    ]
    if not found[0]:
        pytest.skip(f"no Python {version} here")
    there = subprocess.run([str(found[0]), "-c", DIGEST], cwd=ROOT, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == hashlib.sha256("\0".join(generate(3, 200_000)).encode()).hexdigest()


def test_only_random_random_is_drawn_from() -> None:
    class Narrow(Random):
        def getrandbits(self, k: int) -> int:
            raise AssertionError("getrandbits")

    for plot in (plot for _, plot in PLOTS):
        plot(Teller(Narrow(5)))


def test_other_seeds_give_other_tales() -> None:
    assert not set(generate(1, 100_000)) & set(generate(2, 100_000))


def test_a_larger_size_only_adds_tales_at_the_end() -> None:
    few, many = list(generate(1, 50_000)), list(generate(1, 100_000))
    assert many[: len(few)] == few
    assert 100_000 <= sum(len(tale.encode()) for tale in many) < 120_000


def test_no_sentence_of_the_template_language_is_left_over(tales: list[str]) -> None:
    assert not [
        tale for tale in tales if re.search(r"[\[\]{}|$@~“”„#]|//|  \S|None", re.sub(r"\n {4}", "\n", tale))
    ]


def test_sentences_begin_with_capitals_and_articles_fit(tales: list[str]) -> None:
    for tale in tales:
        assert not re.search(r"(?:^|\n\n)[a-z]|[.] [a-z]", tale), tale
        assert not re.search(r"\b[Aa] [aei]|\b[Aa]n [bcdfgjklmnpqrstvwyz]", tale), tale
        assert tale.count('"') % 2 == 0, tale


def test_punctuation_is_not_doubled(tales: list[str]) -> None:
    found = [
        match.group()
        for tale in tales
        for match in re.finditer(r".{20}(?:[,;.!?][,;.]|\s[,.;!?]|\b(\w+) \1\b).{5}", tale)
    ]
    assert not found, found[:10]


def told(seed: int) -> tuple[Teller, str]:
    """A quest with the facts that it was told from."""
    teller = Teller(Random(seed))
    PLOTS[seed % 4][1](teller)
    return teller, finish(lay_on("\n\n".join(teller.paragraphs), teller.rng, teller.breadth))


def test_the_charm_that_wakes_the_agent_is_the_one_that_came_with_it() -> None:
    for seed in range(200):
        teller, tale = told(seed)
        charm = re.sub(r"\W+", " ", finish(teller.slots["charm"])).lower().strip()
        song = re.sub(r"\W+", " ", finish(teller.slots["song"])).lower().strip()
        verses = [re.sub(r"\W+", " ", verse).lower().strip() for verse in re.findall(r"(?:\n {4}.*){2}", tale)]
        assert verses.count(charm) >= 2, tale
        assert set(verses) <= {charm, song}, tale


def test_a_hero_keeps_name_home_and_pronoun() -> None:
    seen = 0
    for seed in range(400):
        teller, tale = told(seed)
        assert tale.count(teller.slots["h"]) >= 8
        assert teller.slots["home"] in tale
        own = re.findall(
            rf"\b{teller.slots['h']} (?!begged)\w+ (his|her) (?:hand|arm|head|eyes|fist|tongue|hat|belt)", tale
        )
        assert set(own) <= {teller.slots["his"]}, tale
        seen += len(own)
    assert seen > 100


def test_beasts_that_come_to_help_were_met_before(tales: list[str]) -> None:
    helped = 0
    for tale in tales:
        for beast, helper in HELPERS.items():
            if (at := tale.find(f"the {beast} {helper['deed'][:25]}")) >= 0:
                assert 0 <= tale.find(" ".join(helper["plight"].split()[1:4])) < at, (beast, tale)
                helped += 1
    assert helped > 50


def test_what_the_villain_took_comes_home() -> None:
    for seed in range(200):
        teller, tale = told(seed)
        end = tale[len(tale) // 2 :]
        if "theft" in teller.tags:
            assert teller.slots["x"].split(" ", 1)[1] in end, tale
        elif "person" in teller.tags:
            assert teller.slots["t"] in end, tale


def test_every_section_can_be_told() -> None:
    """Every alternative of every section, expanded with the slots of some tale, so that no slot is misspelled."""
    teller = Teller(Random(1))
    PLOTS[1][1](teller)
    known = set(teller.slots) | {
        "judge",
        "judge.he",
        "judge.him",
        "judge.his",
        "throws",
        "b",
        "aid",
        "tok",
        "orule",
        "x",
        "x2",
    }
    known |= {"xuse", "xloss", "comrade", "prize", "tthe", "tof", "tokenhalf"}

    def names(node: list[object]) -> set[str]:
        found = set()
        for part in node:
            if isinstance(part, tuple):
                found |= {part[1]} if part[0] == "$" else set()
                assert part[0] != "@" or part[1] in LISTS, part
                found |= set().union(*map(names, part[1])) if part[0] == "[" else set()
        return found

    for section in SECTIONS.values():
        for _, _, node in section.alternatives:
            assert names(node) <= known, (section.name, names(node) - known)
    for listed in LISTS.values():
        for word in listed:
            assert isinstance(word, str) or not names(word)


def test_tales_are_varied_enough_that_a_memory_of_others_does_not_tell_them(tales: list[str]) -> None:
    lines = Counter(
        sentence for tale in tales for sentence in re.split(r"(?<=[.!?]) |\n+", tale) if len(sentence) > 60
    )
    once = sum(1 for count in lines.values() if count == 1)
    assert once / len(lines) > 0.7
    text = "\n\n".join(tales).encode()
    assert len(zlib.compress(text, 9)) / len(text) > 0.25
    assert len(set(re.findall(r"[a-z]+", text.decode().lower()))) > 2_500


def test_linked_choices_agree() -> None:
    node = compile_template("[1:a|b|c] is [1:A|B|C]")
    for seed in range(30):
        left, right = expand(node, Random(seed), {}, {}).split(" is ")
        assert left.upper() == right


def test_guards_bar_alternatives() -> None:
    section = Section("x", "{m} he\n\n{f} she\n\n{!m,!f} it")
    for tags, text in ({"m"}, "he"), ({"f"}, "she"), (set(), "it"):
        assert section.choose(Random(1), tags, set()) == [text]


def test_unbalanced_templates_are_refused() -> None:
    for text in ("[a|b", "a]"):
        with pytest.raises(ValueError, match="unbalanced"):
            compile_template(text)


@pytest.mark.parametrize(
    ("raw", "finished"),
    [
        ("a ugly hour. an useful ox", "An ugly hour. A useful ox"),
        ("“go,” said he, “and come.” then he went", '"Go," said he, "and come." Then he went'),
        ("“what?.” he asked", '"What?" he asked'),
        ("say: // x".replace(" // ", "\n\n") + "\n\n~one,\ntwo", "Say:\n\nX\n\n    One,\n    Two"),
    ],
)
def test_finishing(raw: str, finished: str) -> None:
    assert finish(raw) == finished


def test_adjectives_are_laid_on_nouns_that_no_agent_or_stolen_thing_is() -> None:
    from prepare.tales.figures import METHODS

    agents = {noun for method in METHODS.values() for noun in method["nouns"]}
    assert not (agents - {"cap", "hat"}) & set(ADJECTIVES)
