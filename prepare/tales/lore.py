"""Free detail: what people own, gossip, remember, see and dream. The lists are templates that use each other.

This is where most of the text's surprise comes from; none of it changes what happens in a tale.
"""

from prepare.tales.words import LAND_TAILS, MEN, PLACE_HEADS, TOWN_TAILS, WOMEN, words

LISTS = {
    "town": tuple(head + tail for head in PLACE_HEADS for tail in TOWN_TAILS),
    "country": tuple(head + tail for head in PLACE_HEADS for tail in LAND_TAILS),
    "man": MEN,
    "woman": WOMEN,
    "name": MEN + WOMEN,
}

# words
_WORDS = {
    "num": """
        two, three, four, five, six, seven, nine, ten, eleven, twelve, thirteen, fifteen, twenty, thirty, forty,
        a hundred
        """,
    "tool": """
        ladle, sieve, pitchfork, bellows, thimble, spindle, churn, lantern, kettle, anvil, saddle, mousetrap,
        ladder, trowel, rolling pin, candlestick, barrel, cradle, hourglass, birdcage, wheelbarrow, whetstone,
        mortar, bucket, sickle, fishing net, flail, yoke, plough, pepper mill, jug, pan, broom, distaff, saw,
        chisel, trumpet, drum, umbrella, walking stick, tobacco box, weathercock, millstone, doorknob, warming
        pan, beehive, horse collar, snuffbox, inkwell, harp, oar, anchor
        """,
    "wear": """
        waistcoat, petticoat, pair of boots, bonnet, apron, nightcap, pair of gloves, shawl, belt, wig, collar,
        doublet, cloak, ruff, pair of breeches, veil, garter, muff, hood, jerkin, pair of slippers, kerchief,
        smock, sash, fur hat
        """,
    "temper": """
        deaf, stingy, cheerful, red-haired, one-eyed, sleepy, pious, talkative, lame, stout, bald, freckled,
        quarrelsome, toothless, forgetful, hungry, melancholy, boastful, left-handed, long-nosed, widowed,
        honest, drunken, shy, gouty, squinting, superstitious, ambitious, homesick, runaway, learned, penniless,
        hard-working, jealous, near-sighted, good-humoured
        """,
    "state": """
        broken, stolen, silver, wooden, rusty, enormous, borrowed, painted, second-hand, golden, mouldy,
        bewitched, lost, famous, forgotten, leaking, patched, polished, carved, crooked, unpaid, inherited,
        blessed, squeaking, worm-eaten, brand-new, copper, ivory, striped, spotted, sooty, frozen, sunken,
        haunted, hand-made, half-finished, double, upside-down
        """,
    "animal": """
        ox, cow, calf, goat, sheep, ram, lamb, pig, sow, hen, goose, gander, duck, turkey, donkey, mule, mare,
        foal, cat, kitten, dog, puppy, mouse, rat, hare, fox, wolf, bear, badger, hedgehog, stag, doe, otter,
        beaver, frog, toad, newt, snail, carp, pike, eel, trout, herring, crab, owl, crow, magpie, stork, heron,
        swan, cuckoo, swallow, sparrow, peacock, parrot, bee, wasp, ant, beetle, cricket, moth, flea, spider,
        snake, lizard, mole, bat, squirrel, weasel, monkey, camel, lion
        """,
    "doing": """
        washing its face, counting its toes, asleep in the sun, chasing its own shadow, looking for its supper,
        scolding, sitting quite still, eating clover, rolling in the dust, sharpening its claws, listening at
        the ground, drinking, limping, carrying straw, quarrelling with an echo, shaking the rain off, staring
        at the moon, digging, sneezing, humming to itself, teaching its young to run, hiding something, warming
        itself, dancing on three legs, waiting for nobody, yawning
        """,
    "plant": """
        nettles, thistles, heather, bracken, ivy, clover, rye, barley, oats, flax, hops, cabbages, turnips,
        beans, peas, poppies, violets, primroses, daisies, foxgloves, bluebells, lilies, roses, sunflowers,
        mint, sage, rue, parsley, moss, reeds, brambles, gooseberries, strawberries, elderberries, sloes,
        mushrooms, toadstools, mistletoe, ferns, dandelions, cowslips
        """,
    "house": """
        mill, chapel, barn, smithy, inn, tollhouse, windmill, dovecote, monastery, gallows, market cross,
        school, brewery, lighthouse, bakery, brick kiln, hospital, sheepfold, town hall, ruin, watchtower,
        bathhouse, apothecary's shop, tannery
        """,
    "ache": """
        toothache, the hiccups, a cold in the head, gout, bad dreams, warts, a stiff neck, the itch, chilblains,
        a limp, a buzzing in the ears, a sore thumb, hay fever, rheumatism, a squint, the fidgets, freckles, a
        swollen knee
        """,
    "body": """
        left ear, right ear, nose, little finger, thumb, big toe, knee, elbow, chin, left eyebrow, heel, tongue,
        stomach, back
        """,
    "dish": """
        pea soup, black pudding, herring pie, dumpling stew, goose fat, buckwheat porridge, sour cabbage, onion
        tart, eel in jelly, chestnut soup, apple cake, barley broth, blood sausage, cheese rind, poppy-seed
        cake, beet soup, rabbit stew, potato pancake, gingerbread, boiled tongue, roast hedgehog, plum cake,
        cream, mustard, beer soup, bacon, fried trout, marzipan, plum jam
        """,
    "coin": """
        farthings, ducats, pennies, thalers, florins, shillings, crowns, groats, buttons, eggs, cheeses,
        candles, sheepskins
        """,
    "when": """
        on a Monday, on Saint Martin's eve, at harvest, in Lent, last winter, before breakfast, at midnight, in
        a thunderstorm, on the shortest day, after the flood, in the year of the comet, at low tide, during the
        sermon, on market day, at full moon, between two showers, on the way to church, when nobody was looking,
        in the hungry year, one Friday
        """,
    "simile": """
        like a bell in fog, like a cat on ice, like an old hinge, like a leaf in a mill race, like a candle in a
        draught, like a king in a puppet play, like smoke through a keyhole, like a bear in a pantry, like a
        fish on a plate, like a wet hen, like a nail in a plank, like a beggar at a wedding, like bees before
        thunder, like a stone down a well, like a dog on a grave, like a thief in stockings, like butter on a
        stove, like a drum with a hole, like snow in April, like a moth at a lamp, like a mill without corn,
        like a goose in a procession, like a bishop in a bath, like hail on a tin roof, like a sack of cats
        """,
}

# templates
_TEMPLATES = {
    "possession": """
        a @state @tool; a @tool; a @state @wear; @num @animal bones; a @colour @animal; a @temper @animal; a
        field of @plant; a jar of @dish; @num @coin; a @house with a @state roof; a map of @country; a lock of
        @woman's hair; a cure for @ache; a @tool that once belonged to @man of @town; a @state @tool and a
        @state @wear; a chest of @cloth
        """,
    "person": """
        a @temper @craft from @town; a @temper @craft; old @name the @craft; @name of @town; a @craft with a
        @state @tool; a @temper widow with a @animal on a string; a @temper monk from @country; a @craft's
        daughter called @woman; a @craft in a @colour @wear; the @temper son of a @craft; a @temper nun; a
        one-legged soldier from @country; a @craft's @temper apprentice; a @temper student from @town; the
        abbess of @town
        """,
    "rumour": """
        the @craft's wife in @town has given birth to a @animal; the @animal of @town has been made mayor; @man
        the @craft has found @possession in his well; there is not a @tool to be had in @town for @num @coin; in
        @country they have put a tax on @plant; @woman of @town has run away with @person; the bridge at @town
        has fallen on @person; a @animal was seen @doing in the @house at @town; the old lord of @country has
        died of @ache; it rained @animal after @animal at @town @when; @person has wagered @possession against
        @possession; the bells of @town rang by themselves @when; in @town a @craft was fined @num @coin for
        selling @dish as @dish; the @house at @town was burned down by a @temper @animal
        """,
    "memory": """
        how @man the @craft had fallen into the @house pond @when; the taste of @dish @when; the @colour @animal
        that was sold for @num @coin; what old @woman used to say about @plant; a song about a @animal and a
        @animal; the @state @tool behind the stove at home; how the @animal had got into the @dish @when; the
        smell of @plant after rain; the day when @person had come to the door with @possession; the @craft who
        could cure @ache with @dish; a game that was played with @num @coin and a @wear; the fair at @town, and
        the @animal that could count
        """,
    "sight": """
        a @colour @animal @doing; @person asleep under a @tree; a @state @tool hanging in a @tree; a field of
        @plant with @num scarecrows in it; a @house without a roof; @num @animal tracks that ended in the middle
        of a field; a signpost to @town, pointing straight up; a @animal and a @animal @doing; smoke from the
        @house at @town; a milestone with a @wear on it; a @craft's cart with a @state wheel; @num children
        herding one @animal; a well with a @state @tool for a bucket; a garden full of @plant and @plant; a
        stone carved like a @animal; a scarecrow in a @colour @wear
        """,
    "omen": """
        a @animal crossed the road from the left; the @tool fell from its nail; a @bird looked in at the window;
        the @craft dreamed of a @state @tool; a @animal was born with @num eyes; all the @plant bloomed on one
        side only; the @dish boiled over @num times; a @colour ring stood round the moon; the @animal would not
        go into its stall; somebody heard a @tool ringing under the ground
        """,
    "saw": """
        a @tool does not make a @craft; he who buys a @animal must also buy the @tool; a @state @tool is still a
        @tool; never lend a @wear to a @craft; one @animal in the pot is worth @num in the pond; where there is
        a @house there is a @temper @craft; @plant grow best where nobody asks them to; do not sell the @animal
        before you own the @tool; the @craft's own @tool is always @state; better a @temper neighbour than a
        @state @tool; a @animal may look at a @craft; whoever sleeps with a @animal will wake with @ache; @dish
        today is better than @dish tomorrow; even a @temper @craft was once a child; the @animal does not ask
        what the @tool costs; you cannot plough with a @animal and a @animal
        """,
    "oath": """
        by my @body; by my grandmother's @tool; as sure as a @animal has feet; may I be turned into a @animal;
        upon my @state @tool
        """,
    "insult": """
        you @temper @animal; you @state @tool; son of a @animal; you heap of @plant; you bowl of @dish; you
        @temper @craft without a @tool
        """,
}

LISTS |= {name: words(text) for name, text in _WORDS.items()}
LISTS |= {name: words(text, ";") for name, text in _TEMPLATES.items()}
