"""How much code a train.py is: tokens of Python, so that fewer of them can count for something.

Comments, blank lines, indentation and docstrings are free, so that nothing is won by stripping them; words
within other strings count as tokens, so that code is not hidden in one. A measure for honest code, and no
defence: a program can read its own comments.
"""

from __future__ import annotations

import io
import re
import tokenize

_FREE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
_STARTS = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}
_BLANK = {tokenize.COMMENT, tokenize.NL}
_TEXT = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}  # the latter from Python 3.12
_WORDS = re.compile(r"\w+|[^\w\s]")


def _weight(token: tokenize.TokenInfo) -> int:
    if token.type in _FREE:
        return 0
    if token.type in _TEXT:
        return max(1, len(_WORDS.findall(token.string.strip("\"'"))))
    return 1


def count_tokens(source: bytes) -> int:
    """Tokens of a UTF-8 Python source. Raises ValueError if it cannot be tokenised."""
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"not Python: {error}") from None
    solid = [token for token in tokens if token.type not in _BLANK]
    total = sum(map(_weight, solid))
    for before, token, after in zip(solid, solid[1:], solid[2:], strict=False):
        alone = before.type in _STARTS and after.type in (tokenize.NEWLINE, tokenize.ENDMARKER)
        if token.type == tokenize.STRING and alone:
            total -= _weight(token)
    return total
