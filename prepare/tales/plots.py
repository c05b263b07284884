"""The order in which a tale's functions are told: Propp's sequence, with its omissions, doublings and other shapes.

Source of the sequence: V. Propp, Morphology of the Folktale (1928), functions I to XXXI: absentation, interdiction and
violation, villainy or lack, mediation, departure, the donor's test and gift, guidance, struggle, victory, return,
pursuit, unfounded claims, difficult task, recognition, exposure, punishment, wedding.
"""

from collections.abc import Callable
from random import Random

from prepare.tales import beasts, home, homeward, lore, others, road, scenes, trial
from prepare.tales.cast import Tale, cast, pronouns, set_goal
from prepare.tales.colour import lay_on
from prepare.tales.figures import DONORS, HELPERS
from prepare.tales.grammar import Section, compile_lists, expand, finish, pick, shuffled
from prepare.tales.words import LISTS as WORDS

SECTIONS = {
    name: Section(name, block)
    for module in (home, road, scenes, trial, homeward, others, beasts)
    for name, block in module.SECTIONS.items()
}

LISTS = compile_lists(WORDS | lore.LISTS)


class Teller:
    """Tells one tale: draws its cast, says its sections in an order, and keeps what has been said."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.tale: Tale = cast(rng)
        self.slots, self.tags = self.tale.slots, self.tale.tags
        self.breadth = (
            rng.random() * rng.random() ** 0.5
        )  # how fully this teller tells: 0 tersely, 1 with every scene by the way
        self.paragraphs: list[str] = []

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def text(self, section: str) -> str:
        """One alternative of `section` as raw text; empty if its guards allow none."""
        node = SECTIONS[section].choose(self.rng, self.tags, self.tale.told)
        return "" if node is None else expand(node, self.rng, self.slots, LISTS)

    def say(self, *sections: str) -> None:
        """A new paragraph made of `sections`."""
        said = [text for text in map(self.text, sections) if text]
        if said:
            self.paragraphs.append(" ".join(said))

    def maybe(self, probability: float, *sections: str) -> None:
        """As `say`, for what may be left out."""
        if self.chance(probability * 2 * self.breadth):
            self.say(*sections)

    def beast(self, number: int) -> None:
        """The meeting with the grateful beast of that number."""
        slots = self.slots
        helper = HELPERS[slots[f"b{number}"]]
        slots["b"], slots["aid"], slots["tok"] = helper["plight"], helper["aid"], helper["tok"]
        self.say("beast")

    def judge(self, key: str) -> None:
        """Who sets the hard tasks: the ruler (`r`) or the villain (`v`)."""
        self.slots["judge"] = self.slots[key]
        for name in ("he", "him", "his"):
            self.slots[f"judge.{name}"] = self.slots[f"{key}.{name}"]


def _road(teller: Teller, method: str) -> None:
    """From the door of home to the door of the villain: donor, gift, beasts, and what is seen between."""
    kind = next(tag for tag in ("elder", "small", "beastly") if tag in teller.tags)
    teller.slots["orule"] = teller.text(f"rule.{method}")
    beasts_met = 3 if method == "death" or "tasks" in teller.tags else 0
    teller.maybe(0.6, "walk")
    for stop in shuffled(teller.rng, ["donor"] + [str(n) for n in range(1, beasts_met + 1)]):
        if stop == "donor":
            teller.say(f"meet.{kind}")
            teller.say("gift")
            if "thrown" in teller.tags:
                teller.say("gift.thrown")
            teller.maybe(0.3, "advice")
            if kind != "beastly":
                teller.maybe(0.4, "history")
        else:
            teller.beast(int(stop))
        for _ in range(2):
            teller.maybe(0.4, pick(teller.rng, ("view", "people", "dream", "walk", "people", "view")))


def _home(teller: Teller, goal: str) -> None:
    """From the opening to the setting out."""
    villainy = {"kin": "abduction", "royal": "abduction", "theft": "theft", "water": "sickness"}[goal]
    teller.say("opening", *(["household"] if teller.chance(0.5) else []))
    teller.maybe(0.5, "house")
    teller.maybe(0.3, "season")
    if goal == "kin":
        teller.maybe(0.3, "warning")
    teller.say(villainy)
    teller.maybe(0.4, "misdeed")
    teller.maybe(0.5, pick(teller.rng, ("grief", "talk", "talk")))
    teller.say("resolve")
    teller.maybe(0.5, "farewell")


def _quest(teller: Teller, goal: str) -> None:
    """The full sequence, for someone carried off or for a thing."""
    tags = teller.tags
    tags.add("quest")
    method = next(name[4:] for name in SECTIONS if name.startswith("use.") and name[4:] in tags)
    set_goal(teller.rng, teller.tale, goal)
    false_claim = goal == "royal" and teller.chance(0.4)
    if goal == "royal" and (false_claim or teller.chance(0.25)):
        tags.add("tasks")
    pursued = teller.chance(0.3)
    if pursued and teller.chance(0.5):
        tags.add("thrown")
    if "youngest" in tags and "elder" in tags and teller.chance(0.5):
        tags.add("elders")
    _home(teller, goal)
    _road(teller, method)
    teller.say("arrive")
    teller.maybe(0.5, "wonder")
    for section in ("within", "challenge", f"use.{method}", "freed"):
        teller.say(section)
    if "elders" in tags:
        teller.say("elders")
    if false_claim:
        teller.say("token")
    if pursued and "person" in tags:
        _pursuit(teller)
    elif pursued and "thrown" in tags:
        teller.slots["throws"] = teller.text("throws")
        teller.say("thrown.home")
    _ending(teller, goal, false_claim)


def _pursuit(teller: Teller) -> None:
    teller.slots["throws"] = teller.text("throws") if "thrown" in teller.tags else ""
    teller.say("pursuit.thrown" if "thrown" in teller.tags else "pursuit")


def _ending(teller: Teller, goal: str, false_claim: bool) -> None:
    if false_claim:
        teller.say("claim")
        teller.maybe(0.7, "rags")
    if "tasks" in teller.tags:
        teller.judge("r")
        teller.say("tasks")
    if false_claim:
        teller.say("known")
        teller.say("justice")
    teller.say("wedding" if goal == "royal" else "homecoming")
    teller.maybe(0.6 if goal == "royal" else 0.3, "guests")
    _close(teller)


def _close(teller: Teller) -> None:
    teller.maybe(0.25, "after")
    teller.say(*(["moral"] if teller.chance(0.3) else []), "closing")


def _bargain(teller: Teller) -> None:
    set_goal(teller.rng, teller.tale, "kin")
    teller.slots["t"] = teller.slots["comrade"] = teller.tale.names["f" if "m" in teller.tags else "m"].pop()
    pronouns(teller.slots, "t", "f" if "m" in teller.tags else "m")
    teller.judge("v")
    teller.say("deal.open")
    teller.maybe(0.6, "farewell")
    teller.say("walk")
    for number in shuffled(teller.rng, [1, 2, 3]):
        teller.beast(number)
    teller.say("deal.serve")
    teller.say("tasks")
    teller.say("deal.flight")
    _pursuit(teller)
    teller.say("deal.end", "closing")


def _short(teller: Teller, *sections: str) -> None:
    """A tale of another shape, told in its own sections; its donor is human."""
    if "beastly" in teller.tags:
        human = pick(teller.rng, [donor for donor in DONORS if donor[2] == "elder"])
        teller.slots["g"], teller.slots["ga"] = f"the {human[0]}", human[3]
        pronouns(teller.slots, "g", human[1])
    for section in sections:
        teller.say(section)
        teller.maybe(0.25, "aside")
    _close(teller)


def _beasts(teller: Teller) -> None:
    teller.tags.add("brief")
    _short(teller, "fox.open", *(["fox.second"] if teller.chance(0.7) else []))


def _chain(teller: Teller) -> None:
    teller.tags.add("brief")
    _short(teller, "chain.open", "chain.end")


PLOTS: tuple[tuple[float, Callable[[Teller], None]], ...] = (
    (0.20, lambda teller: _quest(teller, "kin")),
    (0.25, lambda teller: _quest(teller, "royal")),
    (0.15, lambda teller: _quest(teller, "theft")),
    (0.09, lambda teller: _quest(teller, "water")),
    (0.09, _bargain),
    (0.06, lambda teller: _short(teller, "step.open", "step.sent", "step.good", "step.bad", "step.end")),
    (0.04, lambda teller: _short(teller, "inn.open", "inn.second", "inn.third")),
    (0.03, lambda teller: _short(teller, "mute.open", "mute.vow", "mute.end")),
    (0.03, _beasts),
    (0.02, _chain),
    (0.02, lambda teller: _short(teller, "wise.open", "wise.second", "wise.end")),
    (0.02, lambda teller: _short(teller, "swap.open", "swap.middle", "swap.end")),
)


def _plot(rng: Random) -> Callable[[Teller], None]:
    at = rng.random()
    for share, plot in PLOTS:
        at -= share
        if at < 0:
            return plot
    return PLOTS[0][1]


def tell(rng: Random) -> str:
    """One tale: a few paragraphs of finished English, separated by blank lines."""
    teller = Teller(rng)
    _plot(rng)(teller)
    return finish(lay_on("\n\n".join(teller.paragraphs), rng, teller.breadth))
