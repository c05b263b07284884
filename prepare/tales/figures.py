"""Those who help: donors, grateful beasts, magical agents, and the things that are lost, thrown and recognised by.

Each table is text: one entry a paragraph, its fields between bars. Data only.
"""

from typing import Any

from prepare.tales.words import words


def _rows(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(words(row, "|") for row in words(text, ";"))


# noun | sex | kind | how it is first called
DONORS = _rows(
    """
    old woman | f | elder | an old woman bent like a sickle;
    old man | m | elder | an old man whose beard reached to his belt;
    beggar | m | elder | a beggar in a coat of a hundred patches;
    hermit | m | elder | a hermit with birds' nests in his eaves;
    blind miller | m | elder | a blind miller who knew every traveller by his step;
    washerwoman | f | elder | a washerwoman beating a shirt that never came clean;
    goose woman | f | elder | a goose woman with a flock as white as flour;
    dwarf | m | small | a dwarf no higher than a boot;
    moss woman | f | small | a moss woman as small as a milk jug;
    hearth sprite | m | small | a hearth sprite with soot on his eyebrows;
    grey wolf | m | beastly | a grey wolf;
    vixen | f | beastly | a vixen with a white breast;
    bear | m | beastly | a brown bear;
    raven | m | beastly | a raven as old as the forest;
    stag | m | beastly | a stag with twelve points;
    she-goat | f | beastly | a she-goat with golden eyes;
    """
)

# beast | how it is found | what is done for it | what it gives | the task it is good at | how it does it
_BEASTS = _rows(
    """
    ant | an ant drowning in a drop of honey | lifted it out on a straw | one of its six legs, which it said it
    could spare | sort a barnful of rye, wheat and poppy seed, grain from grain | came with all its people, and
    they carried the grains apart until three heaps lay in the barn;
    bee | a bee caught in a spider's web | broke the threads one by one | a crumb of wax | tell the true gown
    from twelve that are exactly like it | flew along the row and settled on the only gown that had been sewn
    with a living hand;
    pike | a pike gasping on dry sand | carried it back to deep water | a scale from its side | bring back a
    ring that has lain in the deep water for a hundred years | rose from the mud with the ring between its
    teeth;
    hawk | a hawk with its foot in a snare | cut the cord and smoothed its wing | a feather from its tail |
    fetch an apple from the top of a glass mountain | circled three times round the glass mountain and let the
    apple fall at the right feet;
    mouse | a mouse fallen into a pail of milk | tipped the pail so that it could climb out | a whisker | bring
    out the key that is locked inside an iron chest | gnawed through the floor beneath the iron chest and
    dragged out the key by its ribbon;
    hare | a hare lamed by a thorn | drew the thorn and bound the paw with a dock leaf | a tuft of its fur |
    herd a hundred hares all day and bring home every one | drummed on the ground, and a hundred hares came and
    stood in line like soldiers;
    mole | a mole lost in the dreadful daylight | carried it in a sleeve to soft dark earth | a claw as thin as
    a pin | drain the great marsh in a single night | dug all night with its cousins, and by morning the marsh
    had run away through a thousand tunnels;
    bear cub | a bear cub stuck fast in a hollow log | split the log with a wedge | a curl of brown hair | pull
    up an old forest by the roots before sunrise | came with its mother and all its uncles, and they pulled up
    the trees as one pulls radishes;
    spider | a spider with its web torn by the wind | set a forked twig for it to spin on | a thread as fine as
    breath | weave a shirt without needle or loom | spun until the moon went down, and the shirt hung ready on
    the latch;
    owl | an owl mobbed by a crowd of crows | drove the crows away with a hat | a downy feather | say what lies
    hidden under the throne | flew by in the night and whispered what lay hidden under the throne;
    beaver | a beaver pinned beneath a fallen alder | levered up the trunk with a pole | a chip of wood with its
    teeth marks | build a bridge across the river between dusk and dawn | slapped its tail on the water, and
    before dawn there stood a bridge that would have borne an army;
    goat | a goat with its horns tangled in a thorn hedge | bent the branches aside | a bell from its collar |
    eat up a haystack as high as a house and leave not one stalk | brought its whole family to supper, and there
    was not a stalk left for a sparrow's nest;
    """
)
HELPERS = {row[0]: dict(zip(("plight", "aid", "tok", "task", "deed"), row[1:], strict=True)) for row in _BEASTS}

# How a villain can be beaten: the agent's nouns | of what kind | the charm's beginnings | its ends
_METHODS = {
    "sword": """
        sword, club, axe, staff, hammer, spear | rusty, iron, old black, notched, heavy, blunt | $o, rise and
        strike/ Wake, $o, and leap/ Up, $o, be my friend | strike it low/ do your work/ end the fight
        """,
    "dance": """
        flute, fiddle, pipe, hurdy-gurdy, whistle | birchwood, bone, elder-wood, cracked, cherry-wood, little |
        $o, pipe and play/ Sing, $o, loud and clear/ Wake, $o, old and young | make them dance/ never rest/ spin
        them round
        """,
    "unseen": """
        cap, cloak, hood, shawl, hat | grey, patched, moth-eaten, felt, mouse-coloured, threadbare | $o, cover
        me/ Hide, $o, hand and heel/ Fold, $o, like the mist | dim all eyes/ let me pass/ keep me close
        """,
    "sack": """
        sack, bag, basket, bottle, box | old, patched, empty, plain, tarred, shabby | $o, open wide/ Gape, $o,
        broad and black/ Yawn, $o, like a cave | draw it in/ hold it fast/ shut it up
        """,
    "lamp": """
        lantern, lamp, tinderbox, candle | tin, brass, smoky, copper, little red, dented | $o, shine and burn/
        Wake, $o, spark and flame/ Glow, $o, warm and red | thaw the dark/ chase the cold/ bring the sun
        """,
    "bell": """
        bell, horn, rattle, clapper | silver, clay, bronze, cracked, tin, small green | $o, call the sun/ Ring,
        $o, wake the cock/ Cry, $o, loud and high | bring the dawn/ end the dark/ open heaven
        """,
    "riddle": """
        shell, nut, thimble, acorn, snail shell | grey, hollow, ivory, silver, brown, speckled | $o, whisper
        low/ Speak, $o, true and plain/ Tell, $o, what you know | say me sooth/ answer now/ hum and hiss
        """,
    "death": """
        mirror, glass, crystal, looking-glass | clouded, round, little, cracked, silver, old | $o, show the hid/
        Clear, $o, cloud and smoke/ Wake, $o, open eye | find the heart/ lift the veil/ show the life
        """,
}


def _method(text: str) -> dict[str, Any]:
    nouns, made, begins, ends = words(text, "|")
    return {"nouns": words(nouns), "made": words(made), "charm": (words(begins, "/"), words(ends, "/"))}


METHODS = {name: _method(text) for name, text in _METHODS.items()}

# What is thrown behind in flight, first, second and third | what becomes of it
OBSTACLES = tuple(
    _rows(text)
    for text in (
        """
        a comb | it became a forest so thick that no mouse could get through;
        a hair brush | a wood grew up, trunk against trunk;
        a thorn twig | a hedge of thorns shot up as high as a steeple;
        a pine cone | a thousand pines stood shoulder to shoulder;
        """,
        """
        a whetstone | it became a mountain of glass;
        a pebble | there stood a cliff that touched the clouds;
        a nail | a fence of iron stakes rose to the sky;
        a lump of salt | there lay hills of salt as sharp as knives;
        """,
        """
        a towel | behind it lay a lake without a farther shore;
        a bottle of water | a broad river rolled there from hill to hill;
        a blue ribbon | a flood ran roaring down the valley;
        a spoonful of ashes | a fog came down in which they lost each other;
        """,
    )
)

# a token of recognition | how it is halved
OBJECTS = _rows(
    """
    ring | broke the ring in two and gave one half;
    kerchief | tore the kerchief down the middle and gave one half;
    gold coin | cut the gold coin in two and gave one half;
    ribbon | cut the ribbon with a knife and gave one half;
    silver comb | snapped the silver comb in two and gave one half;
    bracelet | took the bracelet apart at the clasp and gave one half;
    """
)

# what belongs to all and is stolen | what it is good for | what its loss does
THINGS = _rows(
    """
    the golden bell | which rang by itself when danger was near | no one in {home} knew any longer when to rise
    and when to pray;
    the apple tree with silver leaves | whose fruit healed every sickness | children began to cough and old
    people took to their beds;
    the fire of the common hearth | which had not gone out since the first grandmother lit it | people ate raw
    turnips in {home} and shivered by candle ends;
    the salt mill | which ground for rich and poor alike | there was no salt to be had, and the meat spoiled and
    the tears had no taste;
    the white mare | who brought the spring over the hills on her back | the fields stayed grey and the swallows
    did not come;
    the book of names | in which every child was written down | mothers forgot what to call their own children;
    the singing well bucket | which drew sweet water even in a drought | the well gave only sand;
    the moon's own lantern | which showed the fishermen the way home | three boats were lost before the month
    was out;
    the great loom | on which the wedding cloths of {home} were woven | there were no weddings, for nobody would
    marry in sackcloth;
    the old cock of brass | which crowed the sun awake from the church roof | the mornings came later and later,
    and some days not at all;
    """
)
