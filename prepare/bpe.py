"""The tokenizer: byte-level BPE whose every token is a string of bytes, and text cut so that it encodes as one piece.

Nothing is normalised and no space is added, so decoding gives back exactly what was encoded. There are no special
tokens: no text, whatever it spells, can produce the document separator, which is the one id that the tokenizer
does not have (the last). Owns the library `tokenizers`.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from prepare.text import SourceError

CHUNK = 16_384  # characters
# Between these the pre-tokenizer's pattern always begins a new word, so encoding the two sides apart changes nothing:
# before " x" after a letter, and after a single line end between two characters.
_SEAM = re.compile(r"(?<=[A-Za-z])(?= [A-Za-z])|(?<=\S\n)(?=\S)")


def train(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A tokenizer with `vocab_size` - 1 tokens, of which 256 are the single bytes.

    Raises SourceError if the text has not enough distinct pairs for that many.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    reached = tokenizer.get_vocab_size() + 1
    if reached != vocab_size:
        raise SourceError(
            f"the text is too small or too uniform for a vocabulary of {vocab_size}: "
            f"set data.vocab_size to {reached} or less"
        )
    return tokenizer


def _byte_of() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (Radford et al. 2019, encoder.py)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + index): byte for index, byte in enumerate(others)}


def token_strings(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes of every token by id, without the separator. Their concatenation is the encoded text."""
    byte_of = _byte_of()
    return [
        bytes(byte_of[char] for char in str(tokenizer.id_to_token(index)))
        for index in range(tokenizer.get_vocab_size())
    ]


def chunks(texts: Iterable[str], size: int = CHUNK) -> Iterator[str]:
    """The same text in chunks of about `size` characters, cut at seams where there are any."""
    buffer = ""
    for text in texts:
        buffer += text
        start = 0
        while len(buffer) - start > 2 * size:
            seam = _SEAM.search(buffer, start + size, start + 2 * size)
            end = seam.start() if seam else start + size
            yield buffer[start:end]
            start = end
        buffer = buffer[start:]
    if buffer:
        yield buffer


def encode(tokenizer: Tokenizer, texts: list[str]) -> list["np.ndarray[tuple[int], np.dtype[np.uint16]]"]:
    """Each text as uint16 ids (T,), encoded in parallel."""
    return [np.asarray(encoding.ids, dtype=np.uint16) for encoding in tokenizer.encode_batch_fast(texts)]
