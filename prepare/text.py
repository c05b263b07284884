"""Reads a source of text as documents, without ever holding more than a few megabytes of a file.

    text:FILE    documents are sections: each ends at a form feed, or at the first blank line once it is long enough
    text:FOLDER  every *.txt below it, in the order of their paths; one file is one document
                 (with too few files to split by file, every file is cut into sections as above)

UTF-8 only; a byte-order mark is dropped and line ends become `\\n`; otherwise the text is left as it is. It splits
nothing and removes nothing. What cannot be used raises SourceError, which names the file and says why.
"""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20  # bytes read at a time
SECTION_BYTES = 2_000, 65_536  # a section is at least 1/200 of its file within these bounds
LONGEST_LINE = 1 << 16  # a section without any blank line ends here at the latest


class SourceError(Exception):
    """The source cannot be used as it is. One line: which file, what is wrong with it, what is needed."""


@dataclass(frozen=True)
class Document:
    """A piece of a source that the split never divides: bytes `start` to `end` of `path`, or `text` itself."""

    name: str
    start: int
    end: int
    path: Path | None = None
    text: str = ""

    @property
    def size(self) -> int:
        """Bytes in the source; line ends and marks are counted as they stand there."""
        return self.end - self.start

    def pieces(self) -> Iterator[str]:
        """Its text in order, in pieces of at most BLOCK characters; line ends are `\\n`, the edges are stripped of
        blank lines. Raises SourceError where the file can no longer be read."""
        yield from _trimmed([self.text] if self.path is None else _decoded(self.path, self.start, self.end))


def from_text(name: str, text: str) -> Document:
    """A document that is in memory already."""
    return Document(name, 0, len(text.encode("utf-8")), None, text)


def _decoded(path: Path, start: int = 0, end: int | None = None) -> Iterator[str]:
    """Bytes `start` to `end` of a file as text. Raises SourceError with the offset of a byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = io.IncrementalNewlineDecoder(None, translate=True)
    at = start
    try:
        with path.open("rb") as file:
            file.seek(start)
            while True:
                block = file.read(BLOCK if end is None else min(BLOCK, end - at))
                pending = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    where = at - pending + error.start
                    raise SourceError(
                        f"{path} is not UTF-8: byte {where} is 0x{error.object[error.start]:02x}"
                    ) from None
                if at == 0 and text.startswith("\ufeff"):
                    text = text[1:]
                at += len(block)
                yield lines.decode(text, final=not block)
                if not block:
                    return
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None


def _trimmed(pieces: "Iterator[str] | list[str]") -> Iterator[str]:
    """Without white space at the end and without blank lines at the start; what is inside is not touched."""
    begun, space = False, ""
    for piece in pieces:
        text = space + piece
        if not begun:
            content = text.lstrip()
            text = text[text.rfind("\n", 0, len(text) - len(content)) + 1 :] if content else ""
        body = text.rstrip()
        space = text[len(body) :]
        if body:
            begun = True
            yield body


def _section_ends(path: Path, size: int) -> Iterator[int]:
    """Offsets at which the sections of a file end; the last is its size. All are between two characters."""
    least = min(max(size // 200, SECTION_BYTES[0]), SECTION_BYTES[1])
    start = at = 0
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            if not line.endswith(b"\n") and len(line) == LONGEST_LINE:
                line = line[: _cut(line)]
                file.seek(at + len(line))
            at += len(line)
            feed = line.rfind(b"\f")
            if feed >= 0:
                start = at - len(line) + feed + 1
                yield start
            elif at - start >= least and (not line.strip() or at - start >= LONGEST_LINE):
                start = at
                yield start
    if start < at:
        yield at


def _cut(line: bytes) -> int:
    """Where to cut an endless line: after a space, else between two characters."""
    at = line.rfind(b" ") + 1
    if at < len(line) // 2:
        at = len(line) - 4
        while at > 1 and line[at] & 0xC0 == 0x80:
            at -= 1
    return at


def sections(path: Path, name: str) -> list[Document]:
    """A file as documents, by the rule above. Sections of white space alone are left out."""
    documents, start = [], 0
    try:
        for end in _section_ends(path, path.stat().st_size):
            document = Document(f"{name}:{start}", start, end, path)
            if any(document.pieces()):
                documents.append(document)
            start = end
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None
    return documents


def _check(path: Path) -> None:
    """Reads a whole file once, so that an error comes before any work. Raises SourceError."""
    blank = True
    for piece in _decoded(path):
        blank = blank and not piece.strip()
    if blank:
        raise SourceError(f"{path} is empty: it holds no text")


def files(path: Path) -> list[Path]:
    """The files of a source: itself, or the *.txt files below it. Raises SourceError if there are none."""
    try:
        if path.is_file():
            return [path]
        if not path.is_dir():
            raise SourceError(
                f"{path} " + ("is neither a file nor a folder" if path.exists() else "does not exist")
            )
        next(path.iterdir(), None)  # an unreadable folder would otherwise look empty
        found = sorted(file for file in path.rglob("*.txt") if file.is_file())
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None
    if not found:
        raise SourceError(f"{path} holds no *.txt files")
    return found


def documents(path: Path) -> tuple[list[Document], bool]:
    """The documents of a source, and whether each is a whole file. Reads everything once.

    Raises SourceError: nothing there, unreadable, empty, not UTF-8 (with the offset of the byte).
    """
    found = files(path)
    for file in found:
        _check(file)
    if len(found) == 1:
        return sections(found[0], found[0].name), False
    return [Document(str(file.relative_to(path)), 0, file.stat().st_size, file) for file in found], True


def cut_up(whole: list[Document]) -> list[Document]:
    """Whole files as sections instead."""
    return [
        section for document in whole if document.path for section in sections(document.path, document.name)
    ]
