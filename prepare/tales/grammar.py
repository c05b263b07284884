"""The small template language in which the tales are written, and the finishing of English sentences.

A section is a block of alternatives separated by blank lines. In an alternative

    [a|b|]      one of these, nested at will          $slot   a fact of this tale, e.g. $h, $v.his
    [1:a|b]     one of these, and all [1: …] of an alternative choose alike
    @list       a word from a list, drawn anew        //      a new paragraph
    {x,!y}      at the start: only if the tale has tag x and not tag y
    “ ”         direct speech                         ~       a verse, set in from the margin

`finish` puts capitals at the starts of sentences and chooses between "a" and "an". This module knows no story.
Only `Random.random` is drawn from, the one method whose sequence Python promises to keep.
"""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, TypeVar

Item = TypeVar("Item")
Node = list[Any]  # str, or ("$", slot), or ("@", list), or ("[", [Node, …], label)

_TOKEN = re.compile(r"\[(?:\d:)?|\]|\||\$[a-z]+[0-9]?(?:\.[a-z]+)?|@[a-z]+|[^\[\]|$@]+")
_GUARD = re.compile(r"\{([^}]*)\}\s*")


def pick(rng: Random, items: Sequence[Item]) -> Item:
    """One of `items`, uniformly."""
    return items[int(rng.random() * len(items))]


def shuffled(rng: Random, items: Sequence[Item]) -> list[Item]:
    """`items` in a random order (Fisher and Yates)."""
    deck = list(items)
    for last in range(len(deck) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        deck[last], deck[other] = deck[other], deck[last]
    return deck


def compile_template(text: str) -> Node:
    """`text` as a tree. Raises ValueError on unbalanced brackets."""
    stack: list[list[Node]] = [[[]]]  # open brackets, each a list of alternatives under way
    labels: list[str] = []
    for token in _TOKEN.findall(text):
        if token[0] == "[":
            stack.append([[]])
            labels.append(token[1:-1])
        elif token == "|" and len(stack) > 1:
            stack[-1].append([])
        elif token == "]":
            if len(stack) < 2:
                raise ValueError(f"unbalanced ] in: {text}")
            choices = stack.pop()
            stack[-1][-1].append(("[", choices, labels.pop()))
        elif token[0] in "$@":
            stack[-1][-1].append((token[0], token[1:]))
        else:
            stack[-1][-1].append(token)
    if len(stack) != 1:
        raise ValueError(f"unbalanced [ in: {text}")
    return stack[0][0]


def compile_lists(lists: Mapping[str, Sequence[str]]) -> dict[str, tuple[str | Node, ...]]:
    """Lists whose words may be templates themselves, ready for `expand`."""
    return {
        name: tuple(compile_template(word) if set("[$@") & set(word) else word for word in listed)
        for name, listed in lists.items()
    }


class Section:
    """The alternatives of one section, each with its guard: the tags it needs and those it bars."""

    def __init__(self, name: str, block: str) -> None:
        self.name = name
        self.alternatives: list[tuple[frozenset[str], frozenset[str], Node]] = []
        for raw in re.split(r"\n\s*\n", block.strip()):
            text = " ".join(raw.split()).replace(" // ", "\n\n").replace("// ", "\n\n")
            guard = _GUARD.match(text)
            tags = [tag.strip() for tag in guard.group(1).split(",")] if guard else []
            needs = frozenset(tag for tag in tags if not tag.startswith("!"))
            bars = frozenset(tag[1:] for tag in tags if tag.startswith("!"))
            body = text[guard.end() :] if guard else text
            self.alternatives.append((needs, bars, compile_template(body)))

    def choose(self, rng: Random, tags: set[str], told: set[int]) -> Node | None:
        """An alternative allowed by `tags`, if possible one that is not in `told` (ids); None if none is."""
        open_ = [node for needs, bars, node in self.alternatives if needs <= tags and not bars & tags]
        if not open_:
            return None
        fresh = [node for node in open_ if id(node) not in told]
        node = pick(rng, fresh or open_)
        told.add(id(node))
        return node


def _another(rng: Random, words: Sequence[str | Node], name: str, drawn: dict[str, str | Node]) -> str | Node:
    word = pick(rng, words)
    if word == drawn.get(name):
        word = pick(rng, words)
    drawn[name] = word
    return word


def expand(
    node: Node,
    rng: Random,
    slots: Mapping[str, str],
    lists: Mapping[str, Sequence[str | Node]],
    linked: dict[str, float] | None = None,
    drawn: dict[str, str | Node] | None = None,
) -> str:
    """The text of a compiled template. Raises KeyError for a slot or list that does not exist.

    linked, drawn: what the labels and the lists of this alternative have drawn so far; no list gives the same
    word twice running.
    """
    linked = {} if linked is None else linked
    drawn = {} if drawn is None else drawn
    out = []
    for part in node:
        if isinstance(part, str):
            out.append(part)
        elif part[0] == "$":
            out.append(slots[part[1]])
        elif part[0] == "@":
            word = _another(rng, lists[part[1]], part[1], drawn)
            out.append(word if isinstance(word, str) else expand(word, rng, slots, lists, None, drawn))
        else:
            at = linked.setdefault(part[2], rng.random()) if part[2] else rng.random()
            out.append(expand(part[1][int(at * len(part[1]))], rng, slots, lists, linked, drawn))
    return "".join(out)


_ARTICLE = re.compile(r"\b([Aa])n? (?=([A-Za-z]+))")
_CONSONANT = re.compile(r"(?:one|once|uni|use|usu|eu|ewe)", re.IGNORECASE)
_SILENT_H = re.compile(r"(?:hour|honest|honour|heir)", re.IGNORECASE)
_START = re.compile(r"((?:^|\n(?: {4})?|[.!?]\s|\.”\s|“)\s*)([a-z])")
_GOES_ON = re.compile(r"(,” [^”“\n.]*[,;] )“")  # “…,” said he, “… : no capital
_TWICE = re.compile(r"([?!])([”]?)[.,;?!]+")


def _article(match: re.Match[str]) -> str:
    word = match.group(2)
    vowel = (word[0] in "aeiouAEIOU" and not _CONSONANT.match(word)) or bool(_SILENT_H.match(word))
    return f"{match.group(1)}n " if vowel else f"{match.group(1)} "


def _verse(match: re.Match[str]) -> str:
    return "\n".join("    " + line for line in match.group(1).split("\n"))


def finish(text: str) -> str:
    """Articles, capitals, spaces, verses and plain ASCII quotation marks: the last step for every tale."""
    text = re.sub(r"[ ]{2,}", " ", text)
    text = re.sub(r" +([,.;:!?])", r"\1", text)
    text = re.sub(r"[ ]*\n[ ]*", "\n", text).strip()
    text = _TWICE.sub(r"\1\2", text)
    text = _ARTICLE.sub(_article, text)
    text = _GOES_ON.sub(r"\1„", text)
    text = re.sub(r"~((?:.|\n(?!\n))*)", _verse, text)
    text = _START.sub(lambda match: match.group(1) + match.group(2).upper(), text)
    return text.replace("“", '"').replace("”", '"').replace("„", '"')
