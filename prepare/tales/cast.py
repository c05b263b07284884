"""Who and what a tale is about: everything that must stay the same from its first line to its last.

`cast` draws the people, places, the villain, the magical agent with its charm, and returns them as slots
(`h.name` style keys for the templates) and tags (which alternatives may be told). It writes no sentences.
"""

from dataclasses import dataclass
from random import Random

from prepare.tales.figures import DONORS, HELPERS, METHODS, OBJECTS, OBSTACLES, THINGS
from prepare.tales.grammar import pick, shuffled
from prepare.tales.villains import VILLAINS
from prepare.tales.words import LAND_TAILS, LISTS, MEN, PLACE_HEADS, RHYMES, TOWN_TAILS, TRADES, WOMEN, words

PRONOUNS = {
    "m": ("he", "him", "his", "himself"),
    "f": ("she", "her", "her", "herself"),
    "n": ("it", "it", "its", "itself"),
}
SEASONS = ("spring", "summer", "autumn", "winter")
RULERS = (
    ("king", "m"),
    ("queen", "f"),
    ("old king", "m"),
    ("emperor", "m"),
    ("young queen", "f"),
    ("empress", "f"),
)
RANKS = ("only", "youngest", "youngest", "eldest", "seventh", "youngest")
FALSE_ONES = {
    "m": (
        "steward",
        "chamberlain",
        "captain of the guard",
        "coachman",
        "red knight",
        "seneschal",
        "marshal",
        "cup-bearer",
    ),
    "f": (
        "lady-in-waiting",
        "duchess",
        "countess",
        "mistress of the robes",
        "red huntress",
        "head cook",
        "governess",
    ),
}
SONGS = (
    "The $a stood by the water,\nthe $b stood by the wall",
    "My $a has gone to market,\nmy $b has stayed at home",
    "Who rides so late past the $a?\nThe $b knows, and will not say",
    "There was a $a in the clover,\nthere was a $b on the hill",
    "Sleep, little $a, in the barley,\nsleep, little $b, in the rye",
    "Three times round went the $a,\nand once went the grey $b",
)


@dataclass
class Tale:
    """The facts of one tale.

    slots: what `$name` stands for. tags: what guards ask for. told: ids of the alternatives used so far.
    """

    slots: dict[str, str]
    tags: set[str]
    told: set[int]
    names: dict[str, list[str]]  # those that nobody in this tale bears yet


def pronouns(slots: dict[str, str], key: str, sex: str) -> None:
    """Adds `key.he`, `key.him`, `key.his`, `key.self`."""
    for name, word in zip(("he", "him", "his", "self"), PRONOUNS[sex], strict=True):
        slots[f"{key}.{name}"] = word


def place(rng: Random, tails: tuple[str, ...]) -> str:
    return pick(rng, PLACE_HEADS) + pick(rng, tails)


def _hero(rng: Random, slots: dict[str, str], tags: set[str], names: dict[str, list[str]]) -> None:
    sex = pick(rng, "mmf")
    tags.add(sex)
    slots["h"] = names[sex].pop()
    pronouns(slots, "h", sex)
    for name in ("he", "him", "his", "self"):
        slots[name] = slots[f"h.{name}"]
    slots["lad"], slots["child"], slots["sib"] = (
        ("lad", "son", "brother") if sex == "m" else ("girl", "daughter", "sister")
    )
    slots["youth"] = "young man" if sex == "m" else "young woman"
    slots["trade"] = pick(rng, TRADES)
    rank = pick(rng, RANKS)
    tags.add(rank)
    slots["rank"] = rank
    slots["elder1"], slots["elder2"] = names[sex].pop(), names[sex].pop()
    house = pick(rng, ("couple", "widow", "widower"))
    tags.add(house)
    slots["parent"], parent_sex, slots["kith"] = {
        "couple": (f"the {slots['trade']}'s wife", "f", f"{slots['his']} mother"),
        "widow": ("the widow", "f", f"{slots['his']} mother"),
        "widower": (f"the {slots['trade']}", "m", f"{slots['his']} father"),
    }[house]
    slots["ma"] = "mother" if parent_sex == "f" else "father"
    pronouns(slots, "p", parent_sex)
    slots["owner"] = "widow" if house == "widow" else slots["trade"]
    slots["kin"] = f"the {slots['owner']}'s {rank} {slots['child']}"


def _lands(rng: Random, slots: dict[str, str], tags: set[str]) -> None:
    slots["home"], slots["town"] = place(rng, TOWN_TAILS), place(rng, TOWN_TAILS)
    slots["land"] = place(rng, LAND_TAILS)
    slots["wood"] = f"the {pick(rng, PLACE_HEADS)} {pick(rng, ('Wood', 'Forest', 'Wood', 'Thicket'))}"
    slots["season"] = pick(rng, SEASONS)
    tags.add(slots["season"])
    title, sex = pick(rng, RULERS)
    slots["r"], slots["r.title"] = f"the {title}", title
    pronouns(slots, "r", sex)
    slots["crown"] = {"m": "king", "f": "queen"}["m" if "m" in tags else "f"]
    own = "m" if "m" in tags else "f"
    slots["f"] = f"the {pick(rng, FALSE_ONES[own])}"
    pronouns(slots, "f", own)


def set_goal(rng: Random, tale: "Tale", kind: str) -> None:
    """What the tale is about: `kin` or `royal` (one who is carried off), `theft` or `water` (a thing)."""
    slots, tags = tale.slots, tale.tags
    tags |= {kind, "person" if kind in ("kin", "royal") else "thing"}
    _lost(rng, slots, tags, tale.names)
    slots["x2"] = "the water of life" if kind == "water" else slots["x"]
    slots["prize"] = slots["t"] if "person" in tags else slots["x2"]
    slots["comrade"] = slots["t"]


def _lost(rng: Random, slots: dict[str, str], tags: set[str], names: dict[str, list[str]]) -> None:
    """The one who is carried off, and the thing that is stolen; a tale uses one of them."""
    sex = "f" if "m" in tags else "m"
    slots["heir"] = {"m": "prince", "f": "princess"}[sex]
    slots["spouse"] = {"m": "husband", "f": "wife"}[sex]
    if "royal" in tags:
        slots["t"], slots["tthe"] = names[sex].pop(), f"the {slots['heir']}"
        slots["tof"] = f"{slots['r']}'s {'son' if sex == 'm' else 'daughter'}"
    else:
        sex = pick(rng, "mf")
        slots["t"] = names[sex].pop()
        slots["tthe"] = slots["tof"] = f"{slots['his']} {'brother' if sex == 'm' else 'sister'}"
    pronouns(slots, "t", sex)
    thing, use, loss = pick(rng, THINGS)
    slots["x"], slots["xuse"], slots["xloss"] = thing, use, loss.replace("{home}", slots["home"])
    slots["xuse"] = slots["xuse"].replace("{home}", slots["home"])


def _charm(rng: Random, slots: dict[str, str], method: str) -> None:
    first, second = pick(rng, RHYMES)
    lines = METHODS[method]["charm"]
    opening, closing = pick(rng, lines[0]), pick(rng, lines[1])
    call = opening.replace("$o", slots["o"])
    slots["charm"] = f"{call} {_tail(rng, first)},\n{closing} {_tail(rng, second)}"


def _tail(rng: Random, word: str) -> str:
    return pick(rng, _TAILS[word])


_TAILS = {
    "rain": ("by wind and rain", "of mist and rain"), "again": ("now and again", "and once again"),
    "night": ("by day and night", "through the night"), "light": ("by candle light", "and bring me light"),
    "stone": ("by stick and stone", "of root and stone"), "alone": ("or leave me alone", "for me alone"),
    "wood": ("in field and wood", "of withered wood"), "good": ("for bad or good", "and make it good"),
    "sea": ("by land and sea", "across the sea"), "free": ("and set me free", "till all go free"),
    "snow": ("in frost and snow", "through sleet and snow"), "go": ("before I go", "and let me go"),
    "day": ("by dark and day", "at break of day"), "way": ("along the way", "and show the way"),
    "deep": ("by dark and deep", "however deep"), "sleep": ("and do not sleep", "while others sleep"),
    "fire": ("by frost and fire", "through smoke and fire"), "briar": ("by thorn and briar", "past bush and briar"),
    "bell": ("by book and bell", "at stroke of bell"), "well": ("and serve me well", "for ill or well"),
    "moon": ("by star and moon", "beneath the moon"), "soon": ("and serve me soon", "for late or soon"),
    "hill": ("by mill and hill", "beneath the hill"), "still": ("and then lie still", "when all is still"),
    "wall": ("by gate and wall", "through bar and wall"), "fall": ("and never fall", "though towers fall"),
    "sky": ("by earth and sky", "beneath the sky"), "by": ("as I go by", "and stand you by"),
    "tree": ("by bush and tree", "by leaf and tree"), "me": ("and work for me", "for none but me"),
    "land": ("by sea and land", "from land to land"), "hand": ("within my hand", "and lend a hand"),
    "corn": ("by oats and corn", "through rye and corn"), "morn": ("until the morn", "from eve to morn"),
    "door": ("by lock and door", "by sill and door"), "more": ("this once, no more", "and nothing more"),
}  # fmt: skip


def _villain(rng: Random, slots: dict[str, str], tags: set[str]) -> str:
    kind = pick(rng, tuple(VILLAINS))
    villain = VILLAINS[kind]
    tags.add(kind)
    slots["v"], slots["va"] = f"the {kind}", pick(rng, villain["intro"])
    pronouns(slots, "v", villain["sex"])
    for key in ("sign", "sniff", "end", "boast"):
        slots[key] = pick(rng, villain[key])
    slots["lair"], slots["den"] = pick(rng, villain["lair"])
    slots["sniff"] += "?" if slots["sniff"].startswith(("Who ", "Which ")) else "!"
    return pick(rng, villain["methods"])


def _donor(rng: Random, slots: dict[str, str], tags: set[str]) -> None:
    name, sex, kind, intro = pick(rng, DONORS)
    slots["g"], slots["ga"] = f"the {name}", intro
    slots["g.noun"] = name
    pronouns(slots, "g", sex)
    tags.add(kind)


def cast(rng: Random) -> Tale:
    """Draws the facts of one tale."""
    slots: dict[str, str] = {}
    tags: set[str] = set()
    names = {"m": shuffled(rng, MEN)[:8], "f": shuffled(rng, WOMEN)[:8]}
    _hero(rng, slots, tags, names)
    _lands(rng, slots, tags)
    method = _villain(rng, slots, tags)
    _donor(rng, slots, tags)
    tags.add(method)
    slots["onoun"] = pick(rng, METHODS[method]["nouns"])
    slots["omade"] = pick(rng, METHODS[method]["made"])
    slots["o"] = f"{slots['omade']} {slots['onoun']}"
    _charm(rng, slots, method)
    slots["token"], slots["tokenhalf"] = pick(rng, OBJECTS)
    helpers = shuffled(rng, tuple(HELPERS))[:3]
    for number, beast in enumerate(helpers, 1):
        slots[f"b{number}"] = beast
        for key, value in HELPERS[beast].items():
            slots[f"b{number}.{key}"] = value
    for name in ("tree", "bird", "food", "gem", "metal", "colour", "shore", "three", "flower"):
        slots[f"{name}"] = pick(rng, LISTS[name])
    slots["eye"] = pick(rng, ("blue", "grey", "brown", "green", "black"))
    slots["years"] = pick(rng, ("seven", "three", "nine", "twelve", "five"))
    slots["horse"] = pick(rng, ("bay", "grey", "chestnut", "black", "white", "dun", "piebald", "roan"))
    slots["gift"] = pick(rng, GIFTS)
    slots["gift3"] = slots["gift"].split(" ", 1)[1]
    slots["oa"] = f"a {slots['o']}"
    slots["three2"] = pick(rng, ("three nights", "seven nights", "nine days"))
    slots["his2"] = "her" if "widow" in tags else "his"
    for number, choices in enumerate(OBSTACLES, 1):
        slots[f"th{number}"], slots[f"te{number}"] = pick(rng, choices)
    first, second = shuffled(rng, LISTS["beast"])[:2]
    slots["song"] = pick(rng, SONGS).replace("$a", first).replace("$b", second)
    slots["s1"], slots["s2"] = names["f"].pop(), names["f"].pop()  # the girls of the shorter tales
    slots["k1"], slots["k2"] = shuffled(rng, words("wolf, bear, badger, hare, goose, cat, hedgehog, otter"))[:2]
    slots["k3"], slots["k4"] = shuffled(rng, words("bride, cobbler, spinner, miller, baker, weaver"))[:2]
    slots["land2"] = place(rng, LAND_TAILS)
    return Tale(slots, tags, set(), names)


GIFTS = words(
    """
    a pair of new stockings, a thimble, a wooden spoon, a little knife with a horn handle, a red kerchief,
    a ball of darning wool, a candle end, a pinch of salt in a paper, a sprig of rosemary, a copper farthing,
    a needle stuck in a cork, a lump of beeswax
    """
)
