"""Nothing that others wrote is markup in a summary: seen with a CommonMark renderer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import ci_lab
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from runner.ci import markdown
from runner.ci.summary import LIMIT, summary

OURS = re.compile(r"<details(?: open)?><summary>[A-Za-z0-9 .,:;()%−'-]+</summary>|</details>")
# What GitHub makes of plain text: mentions, issues, addresses, commits.
TURNED = re.compile(r"@\w|#\d|https?:|www\.|\b[0-9a-f]{7,}\b|<", re.IGNORECASE)


def tokens(text: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text):
        yield token
        yield from token.children or ()


def markup(text: str) -> list[str]:
    """Everything that a reader's browser would get besides headings, tables, lists and code of ours."""
    found = []
    for token in tokens(text):
        if token.type in ("html_block", "html_inline") and OURS.sub("", token.content).strip():
            found.append(token.content)
        if token.type in ("link_open", "image", "blockquote_open", "hr", "code_block"):
            found.append(token.type)
        if token.type == "text" and TURNED.search(token.content):
            found.append(token.content)
    return found


@pytest.mark.parametrize("said", ci_lab.HOSTILE, ids=lambda said: repr(said[:20]))
def test_no_text_of_others_becomes_markup_in_a_summary(said: str) -> None:
    shown = summary(ci_lab.hostile(said))
    assert markup(shown) == []
    headings = [token for token in tokens(shown) if token.type == "heading_open"]
    assert len(headings) == 1


@pytest.mark.parametrize("said", ci_lab.HOSTILE, ids=lambda said: repr(said[:20]))
def test_no_text_of_others_ends_a_part_that_is_folded(said: str) -> None:
    blocks = "".join(t.content for t in tokens(summary(ci_lab.hostile(said))) if t.type == "html_block")
    ends = re.findall(r"<(/?)details", blocks)
    assert ends == ["", "/"] * (len(ends) // 2)
    assert len(ends) >= 12


@pytest.mark.parametrize("said", ci_lab.HOSTILE, ids=lambda said: repr(said[:20]))
def test_a_summary_holds_no_control_or_bidirectional_character(said: str) -> None:
    shown = summary(ci_lab.hostile(said))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", shown)


def test_the_oracle_of_these_tests_sees_what_is_not_escaped() -> None:
    assert markup("<img src=x>\n\ntext <b>x</b>") != []
    assert markup("a [link](https://x.example) here") != []
    assert markup("dear @maintainers") != []


@pytest.mark.parametrize("said", ["a`b", "``", "`x`", " ` ", "a``b`c```"])
def test_a_code_span_holds_the_backticks_of_its_text(said: str) -> None:
    [inline] = [t for t in MarkdownIt("commonmark").parse(f"x {markdown.code(said)} y") if t.type == "inline"]
    [span] = [t for t in inline.children or () if t.type == "code_inline"]
    assert span.content.strip() == said.strip()


def test_a_fence_is_longer_than_any_backticks_in_it() -> None:
    shown = markdown.fence("a\n``````\nb\n```", 1000)
    [block] = [t for t in MarkdownIt("commonmark").parse(shown) if t.type == "fence"]
    assert block.content == "a\n``````\nb\n```\n"


def test_a_fence_that_is_cut_says_so_and_stays_closed() -> None:
    shown = markdown.fence("line\n" * 1000, 100) + "\n\nafter"
    parsed = MarkdownIt("commonmark").parse(shown)
    assert [t.type for t in parsed].count("fence") == 1
    assert "4,999 bytes" in parsed[0].content
    assert parsed[-2].content == "after"


def test_sentences_of_ours_stay_as_they_are() -> None:
    ours = "0.0031 lower than the incumbent's 2.2294 ± 0.0017 bits per byte, 3.1 sigma over 3 trials: kept."
    assert markdown.prose(ours) == ours


def test_a_summary_is_bounded_whatever_is_in_it() -> None:
    long = ci_lab.hostile("x" * 70_000 + "\n" + "`" * 500)
    many = replace(
        long,
        refused=long.refused * 5000,
        record=tuple(long.record) * 5000,
        outside=long.outside * 5000,
        trainings=tuple(long.trainings) * 500,
        samples=tuple(long.samples) * 8,
        diff="+x\n" * 200_000,
    )
    assert len(summary(many).encode()) <= LIMIT
    assert markup(summary(many)) == []
