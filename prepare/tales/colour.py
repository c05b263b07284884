"""Small variations laid over a finished sentence: a fitting adjective, a manner of speaking, another word for a word.

Nothing here may touch what must stay the same: names, the magical agent, the charm, the thing that was stolen.
"""

import re
from random import Random

from prepare.tales.grammar import pick
from prepare.tales.words import words

# nouns: adjectives that fit them
_ADJECTIVES = {
    "door gate": """
        narrow, oaken, low, iron-bound, crooked, heavy, creaking, worm-eaten, green, unpainted, battered, little
        """,
    "window shutter": "small, round, dusty, open, broken, lighted, barred, frosted, crooked, high",
    "table bench stool": "scrubbed, three-legged, rickety, stone, long, bare, wobbling, knife-scarred, oaken",
    "stove hearth chimney kettle pot": """
        warm, sooty, cold, tiled, black, smoking, enormous, cracked, humming, old
        """,
    "bed pillow": "hard, soft, narrow, straw, feather, cold, unmade, wide",
    "road path track": """
        dusty, stony, winding, muddy, lonely, straight, steep, white, grassy, rutted, sunken, endless
        """,
    "hill ridge mountain": """
        bare, green, steep, windy, round, stony, purple, wooded, sleeping, distant, snowy, long
        """,
    "wood forest": """
        dark, silent, dripping, ancient, tangled, pathless, whispering, red, leafless, thick, sleeping
        """,
    "river brook lake pond shore": """
        cold, slow, swollen, muddy, shining, deep, quiet, green, frozen, rushing, black, shallow
        """,
    "wind": "cold, warm, salt, bitter, wet, soft, west, howling, playful, north",
    "rain snow mist fog": "thin, cold, grey, fine, soft, endless, silent, driving, thick",
    "moon": "full, thin, yellow, white, late, cold, red, waning, horned, pale",
    "sky": "grey, wide, empty, red, cloudless, low, starry, green, windy",
    "hand hands fingers": "bare, trembling, cold, rough, small, steady, strong, floury, tired, careful, clumsy",
    "eyes": "bright, wet, tired, pale, merry, sleepy, wide, dark, red, watchful",
    "voice": "small, hoarse, deep, clear, cracked, friendly, thin, hollow, sweet, trembling, rough",
    "heart": "heavy, brave, beating, sore, stout, light, good, foolish",
    "beard": "tangled, white, long, red, curly, dusty, wet, grizzled, uncombed",
    "bread loaf cake crust": "stale, fresh, black, sweet, dry, burnt, warm, crumbly, salted, good",
    "coat cap shoes boots hat": """
        patched, wet, old, Sunday, dusty, worn-out, borrowed, brown, grey, ill-fitting, mended
        """,
    "dog cat": "old, three-legged, lazy, black, spotted, wise, thin, hungry, deaf, yellow, shaggy, half-blind",
    "crows ravens geese": "black, noisy, hungry, quarrelling, cold, fat, grey, solemn",
    "bones skulls": "white, old, gnawed, mossy, yellow, small, dry",
    "city town village": "great, walled, noisy, sleeping, grey, rich, old, crowded, white, little",
    "palace castle tower hall": "tall, gloomy, shining, draughty, cold, silent, ruinous, vast, lonely, grim",
    "neighbours elders guests people": """
        old, good, startled, curious, whispering, worthy, sleepy, anxious, honest, gaping
        """,
    "hunters servants guards judges": "angry, weary, armed, surly, stupid, grim, hired, barefoot, sweating",
    "feast wedding supper meal": "splendid, noisy, long, merry, modest, unforgettable, hurried, glorious",
    "cellar room stairs floor wall": "damp, bare, whitewashed, dark, cold, cobwebbed, narrow, smoky, stone",
    "innkeeper landlord host": "fat, greasy, sly, smiling, surly, bald, yawning, red-faced",
    "donkey cow goat pig goose horse": """
        stubborn, skinny, fat, brown, limping, patient, vain, bony, whistling, moth-eaten, fine
        """,
    "boatman sexton miller reaper": "deaf, grumbling, sleepy, toothless, old, whistling, sour, bearded",
    "cart barrow coach wagon": "creaking, overloaded, gilded, two-wheeled, broken-down, painted, muddy",
    "steeple roof thatch": "leaking, crooked, mossy, pointed, red, slate, sagging",
    "children child": "barefoot, pale, shouting, sleepy, curious, freckled, hungry, silent",
    "stone stump log": "mossy, cold, flat, grey, hollow, wet, fallen, split",
    "creature": "poor, little, grateful, odd, solemn, dripping, weary, nimble",
}
ADJECTIVES = {noun: words(listed) for nouns, listed in _ADJECTIVES.items() for noun in nouns.split()}
MANNERS = words(
    """
    softly, with a sigh, after a while, and smiled, in a low voice, without looking up, and nodded, and
    shrugged, drily, and scratched one ear, between two breaths, half to nobody, kindly enough, with great
    dignity, and yawned, and counted on ten fingers, and looked at the sky, as if it were nothing, and blinked,
    hoarsely, and spat in the sand, quite calmly, with a crooked smile, and turned red, and sniffed, and stamped
    one foot, sadly, in a whisper, very slowly, all in one breath, and coughed, with a wink, and shivered,
    rather crossly, like one who had thought of it long ago, and held out a hand, and would not be moved,
    cheerfully
    """
)
_SYNONYMS = {
    "all at once": "all at once, suddenly, with no warning, before anyone knew how",
    "at once": "at once, straightway, without delay, there and then, on the spot, without a moment's thought",
    "At last": "At last, In the end, After long waiting, When hope was nearly gone, Finally",
    "at last": "at last, at long last, finally",
    "By and by": "By and by, After a time, A little later, Before long, In due course, Presently",
    "For three days": "For three days, For a whole week, For nine days, All that time",
    "In the morning": "In the morning, At daybreak, When the sun rose, At first light",
    "in the morning": "in the morning, at daybreak, at sunrise, at first light",
    "by night": "by night, after dark, by starlight, under cover of dark",
    "suddenly": "suddenly, all at once, with no warning, in the twinkling of an eye, unlooked for",
    "wept": "wept, sobbed, shed tears, cried bitterly, wept aloud",
    "afraid": "afraid, frightened",
    "roared": "roared, bellowed, thundered, shouted, bawled",
    "trembled": "trembled, shook, shivered, quaked, quailed",
    "whispered": "whispered, murmured, breathed",
    "answered": "answered, replied",
    "hungry": "hungry, starving, famished, half starved",
    "tired": "tired, weary",
    "glad": "glad, happy, joyful, light of heart, pleased",
    "beautiful": "beautiful, lovely, fair, comely",
    "said": "said, said, said, said, said, said, observed, declared, remarked, put in",
    "set out": "set out, set off, started out, took the road, went forth",
    "carried": "carried, bore",
    "seized": "seized, grasped, snatched, laid hold of, clutched",
    "shut": "shut, closed, fastened, barred",
    "hurled": "hurled, flung, tossed, dashed",
}
_NEW_WORD = {old: words(listed) for old, listed in _SYNONYMS.items() if old != "said"}
_SAYING = words(_SYNONYMS["said"])
_NOUN = re.compile(
    r"\b(the|a|an|his|her|my|your|their|every|no|that) ("
    + "|".join(sorted(ADJECTIVES, key=len, reverse=True))
    + r")\b(?! of\b| woman| sprite|-)"
)
_WORDS = re.compile(r"\b(" + "|".join(sorted(_NEW_WORD, key=len, reverse=True)) + r")\b")
_TAG = re.compile(r"(?<=” )said ((?:the )?[A-Za-z' -]{2,24})\.(?= |\n|$)")
_SAID = re.compile(r"(?<=,” )said(?= [A-Zt])")


def lay_on(text: str, rng: Random, richness: float) -> str:
    """`text` with such variations, more of them the nearer `richness` is to 1. Verses (after ~) are left alone."""
    adjective, manner = 0.15 + 0.35 * richness, 0.1 + 0.3 * richness

    def describe(match: re.Match[str]) -> str:
        if rng.random() > adjective:
            return match.group()
        return f"{match.group(1)} {pick(rng, ADJECTIVES[match.group(2)])} {match.group(2)}"

    def speak(match: re.Match[str]) -> str:
        return match.group() if rng.random() > manner else f"said {match.group(1)} {pick(rng, MANNERS)}."

    def reword(match: re.Match[str]) -> str:
        return pick(rng, _NEW_WORD[match.group(1)])

    paragraphs = text.split("\n\n")
    for index, paragraph in enumerate(paragraphs):
        if "~" not in paragraph:
            paragraph = _TAG.sub(speak, paragraph)
            paragraph = _NOUN.sub(describe, paragraph)
            paragraphs[index] = _SAID.sub(lambda _: pick(rng, _SAYING), _WORDS.sub(reword, paragraph))
    return "\n\n".join(paragraphs)
