"""Counting tokens: what is free, what is not."""

from __future__ import annotations

import pytest

from runner.ratchet import count_tokens


def test_comments_blank_lines_and_docstrings_are_free():
    bare = b"def f(x):\n    return x + 1\n"
    dressed = (
        b'"""About."""\n\n# why\ndef f(x):\n    """Adds one.\n\n    Really."""\n\n    return x + 1  # so\n'
    )
    assert count_tokens(bare) == count_tokens(dressed) == 10


def test_formatting_is_free():
    assert count_tokens(b"f(a, b)\n") == count_tokens(b"f(\n    a,\n    b\n)\n")


def test_code_within_a_string_counts_by_its_words():
    assert count_tokens(b"exec('a = 1; b = 2; c = 3')\n") > count_tokens(b"a = 1; b = 2\n")


def test_less_code_is_fewer_tokens():
    assert count_tokens(b"x = [i for i in y]\n") > count_tokens(b"x = list(y)\n")


@pytest.mark.parametrize("source", [b"def f(:\n  (", b"\xff\xfe\x00", b"if x:\n    a\n  b\n"])
def test_what_is_not_python_is_refused(source):
    with pytest.raises(ValueError, match="not Python"):
        count_tokens(source)


def test_nothing_is_nothing():
    assert count_tokens(b"") == 0
