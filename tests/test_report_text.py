"""Untrusted text on its way to a terminal, and numbers as a person reads them."""

from __future__ import annotations

import random
import unicodedata

import pytest
from rich.cells import cell_len

from runner.report import marks, text

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07after",
    "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
    "\x9b2Jgone\x9d0;t\x9c",
    "\x1bP1$r\x1b\\x\x1b_apc\x1b\\y\x1b^pm\x1b\\",
    "\x1b\x1b[31m[32m",
    "\x1b[\x1b[2J2J",
    "tail\x1b",
    "tail\x1b[",
    "tail\x1b[38;5;",
    "a\u202eb\u2066c\u200fd\u061c",
    "zero\u200bwidth\u2060\ufeff\u00ad",
    "back\x08\x08space\x7f\x00\x07",
    "lone \ud800 surrogate",
    "tags \U000e0041\U000e0042",
    "e" + "\u0301" * 500,
    "line\u2028sep\u2029par",
]


def safe(character: str) -> bool:
    return character == "\n" or unicodedata.category(character) not in (
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Cn",
        "Zl",
        "Zp",
    )


@pytest.mark.parametrize("raw", HOSTILE)
def test_nothing_a_terminal_obeys_is_left(raw: str) -> None:
    assert all(safe(c) for c in text.clean(raw))
    text.clean(raw).encode("utf-8")


def test_no_random_bytes_leave_a_control_character() -> None:
    chance = random.Random(1)
    pieces = [
        b"\x1b",
        b"[",
        b"]",
        b"\x9b",
        b"\xc2\x9b",
        b"0;",
        b"m",
        b"\x07",
        b"\\",
        b"\r",
        b"\xff",
        b"a",
        b"\xe2\x80\xae",
    ]
    for _ in range(3000):
        cleaned = text.clean(b"".join(chance.choices(pieces, k=12)))
        assert all(safe(c) for c in cleaned), repr(cleaned)


def test_ordinary_text_of_any_script_stays_as_it_is() -> None:
    plain = "Es war einmal — 从前有一个 · Жили-были · MATRIX_LR 0.04 → 0.055 [red] é 🎉"
    assert text.clean(plain) == plain


def test_line_breaks_stay_in_a_block_and_go_in_a_line() -> None:
    assert text.clean("a\r\nb\rc\td") == "a\nb\nc   d"
    assert text.line(" a\n\n b\tc ") == "a b c"


def test_combining_marks_are_thinned() -> None:
    assert len(text.clean("e" + "\u0301" * 500)) == 3


def test_invalid_utf8_is_replaced_not_raised() -> None:
    assert text.clean(b"ok \xff\xfe end") == "ok \ufffd\ufffd end"


def test_a_very_long_line_is_cut_and_says_so() -> None:
    assert text.clean("x" * 5000, 100) == "x" * 100 + "… (cut)"


@pytest.mark.parametrize("width", [0, 1, 2, 5, 20])
def test_fit_never_exceeds_its_columns(width: int) -> None:
    for raw in (
        "plain text that is long enough",
        "日本語の文章は幅が広い文字",
        "e\u0301" * 40,
        "🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉",
    ):
        assert cell_len(text.fit(raw, width)) <= width


def test_fit_leaves_what_fits() -> None:
    assert text.fit("日本", 4) == "日本"
    assert text.fit("日本語", 5) == "日本…"


def test_a_block_is_the_tail_of_a_log() -> None:
    log = b"".join(b"step %d\n" % i for i in range(100_000))
    assert text.block(log, 2) == ["step 99998", "step 99999"]
    assert text.block(b"", 3) == [""]
    assert text.block(b"a", 0) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2.18734, "2.1873"),
        (0.0, "0.0000"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (1e9, "1e+09"),
    ],
)
def test_bits_per_byte_have_four_decimals(value: float | None, shown: str) -> None:
    assert text.bpb(value) == shown


def test_a_difference_has_its_sign() -> None:
    assert text.delta(-0.0102) == "−0.0102"
    assert text.delta(0.01) == "+0.0100"


def test_a_gain_is_in_bits_and_percent() -> None:
    assert text.gain(2.2294, 2.1873) == "0.0421 bpb (1.9 %)"
    assert text.gain(2.0, 1.999) == "0.0010 bpb (0.05 %)"
    assert text.gain(2.0, 2.1) == "−0.1000 bpb (−5.0 %)"
    assert text.gain(2.0, 2.0) == "0.0000 bpb (0.0 %)"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"), (8.24, "8.2 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"), (7500, "2 h 05 min"), (3 * 86400 + 4 * 3600, "3 d 4 h"), (-1, "0.0 s"), (None, "–"),
    ],
)  # fmt: skip
def test_durations_read_as_people_say_them(seconds: float | None, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_an_estimate_is_no_more_exact_than_it_is() -> None:
    assert [text.roughly(s) for s in (-5, 47, 89, 754, 7390)] == [
        "10 s",
        "50 s",
        "90 s",
        "13 min",
        "2 h 05 min",
    ]


def test_sizes_are_decimal() -> None:
    assert [text.size(x) for x in (0, 999, 1500, 812e6, 3.14e9)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "812 MB",
        "3.1 GB",
    ]


@pytest.mark.parametrize("value", [10**400, float("nan"), "7", None, True, [1]])
def test_a_number_that_is_none_is_not_formatted(value: object) -> None:
    assert text.finite(value) is None


def test_signs_have_a_one_column_form_in_ascii() -> None:
    shown = "0.04 → 0.055 · −0.01 … ━╸─ ▁▂▃▄▅▆▇█ ✓✗ ⠋⠙"
    assert text.to_ascii(shown).isascii()
    assert len(text.to_ascii(shown)) == len(shown)
    assert "?" not in text.to_ascii(shown)


def test_a_sparkline_falls_with_its_values() -> None:
    assert marks.sparkline([8, 7, 6, 5, 4, 3, 2, 1], 8) == "█▇▆▅▄▃▂▁"
    assert len(marks.sparkline(list(range(1000)), 10)) == 10
    assert marks.sparkline([], 10) == marks.sparkline([1.0], 0) == ""


@pytest.mark.parametrize("values", [[1.0] * 9, [1e308, -1e308] * 40, [1e308] * 50])
def test_a_sparkline_of_extreme_values_is_drawn_all_the_same(values: list[float]) -> None:
    assert len(marks.sparkline(values, 5)) == 5


@pytest.mark.parametrize("fraction", [-1.0, 0.0, 0.33, 1.0, 7.0])
def test_a_bar_always_fills_its_width(fraction: float) -> None:
    done, rest = marks.bar(fraction, 13)
    assert len(done) + len(rest) == 13
