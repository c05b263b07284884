"""The villains: where they live, how they come, what they boast of, how they end, and what can beat them.

`methods` ties a villain to the magical agents: the one received early in a tale is the one that decides it. Data only.
"""

import re
from typing import Any

from prepare.tales.words import words

# name: one line a field (sex, intro, lair = its noun, sign, sniff, boast, end, methods), parts between semicolons
_TEXTS = {
    "dragon": """
        sex: m
        intro: a dragon with three heads; a dragon with seven heads; a dragon as long as a church; an old green
            dragon with a blind eye; a dragon whose scales rang like roof tiles
        lair: a cave under a burnt hill = cave; a gorge where no grass grew = gorge; a ruined tower full of
            bones = tower; a cavern behind a waterfall = cavern
        sign: the sky turned the colour of brass; smoke rolled over the barley; the cattle broke their ropes and
            ran; the shingles grew too hot to touch
        sniff: I smell a human bone, and I have not breakfasted; Who walks on my ashes without wiping his feet;
            Something small has come to be eaten
        boast: I have swallowed forty knights with their spurs on; no sword was ever forged that can bite me; I
            was old when these hills were sand
        end: fell so hard that the hills rang, and never stirred again; crumbled into slag and cinders; burned
            up in his own fire until only the claws were left
        methods: sword; dance; unseen; death; sack
        """,
    "witch": """
        sex: f
        intro: a witch with an iron tooth; a witch who rode about in a kneading trough; a witch as thin as a
            rake; a witch with nine black cats; a witch who kept her left eye in a jar
        lair: a hut that stood on goose feet = hut; a house thatched with feathers = house; a crooked mill in a
            swamp = mill; a cottage with a fence of bones = cottage
        sign: the milk turned in the pails; every candle burned blue; the hens fell silent and the well went
            dry; a cold wind blew out of the chimney
        sniff: Fie, fie, I smell a christened soul; Who is nibbling at my threshold; What the cat did not bring
            has come on its own feet
        boast: my broth has boiled for a hundred years and never lacked for meat; I can count every leaf in this
            wood; no child that saw my oven ever saw its mother again
        end: shrank to the size of a thimble and rolled away down a mouse hole; flew to pieces like a cracked
            jug; turned into a grey stone, which stands there to this day
        methods: dance; sack; bell; riddle; unseen
        """,
    "giant": """
        sex: m
        intro: a giant who used a fir tree for a walking stick; a giant with a beard like a hedge; a one-eyed
            giant; a giant so tall that the crows nested in his hat; a giant with six fingers on each hand
        lair: a castle without a door = castle; a stone hall on the top of a mountain = hall; a house as big as
            a hill = house; a quarry roofed with tree trunks = quarry
        sign: the ground shook and the plates fell from the shelf; the steeple swayed like a reed; a shadow fell
            across three fields together
        sniff: There is a flea in my house that breathes like a man; I smell fresh bread with a heart in it;
            Something tickles my nose, and it is not a fly
        boast: I have drunk the lake at Undermere dry in one draught; I can crack a millstone between two
            fingers; I throw church bells as boys throw pebbles
        end: toppled like a tower, and the hole he made is a lake now; sank into the bog up to his hat and was
            gone; fell on his back, and grass has grown over him since
        methods: sword; dance; death; sack; riddle
        """,
    "sorcerer": """
        sex: m
        intro: a sorcerer in a coat of raven feathers; a sorcerer who had no shadow; a sorcerer as old as
            winter; a sorcerer who could not die; a sorcerer with a voice like a creaking gate
        lair: a tower of black glass = tower; a palace that turned with the moon = palace; a house with a
            hundred locked rooms = house; a castle at the bottom of a well = castle
        sign: all the mirrors went dark; the clocks stopped at the same stroke; a black cloud stood still above
            the roof
        sniff: There is a heart beating here that is not mine; Somebody is thinking in my house; I hear a shoe
            that was not made in this country
        boast: death has knocked here often and gone away again; I have turned wiser heads than yours into
            doorknobs; what I have locked no one unlocks
        end: gave one long sigh and fell into dust; faded like breath on a window pane; turned into a heap of
            dead leaves
        methods: death; unseen; riddle; lamp
        """,
    "troll": """
        sex: m
        intro: a troll with moss on his back; a troll with three noses; a troll who had never seen the sun; a
            troll with a tail like a cow; a fat old troll who ate goats with their horns on
        lair: a hall inside a mountain = hall; a cave beneath a bridge = cave; a barrow on the heath = barrow; a
            mine that the miners had deserted = mine
        sign: the dogs crept under the beds; there was a smell of wet stones and old soup; the bridge groaned
            from end to end
        sniff: Ugh, ugh, there is a smell of Christian blood; Who tramples on my roof; I smell butter and bones
        boast: I have three hundred goats' worth of fat on me; my mountain has never given anything back; my
            grandfather ate a bishop, and I have his spoon
        end: burst into flints, and children still find them there; turned to stone from the feet upwards; split
            down the middle like a rotten log
        methods: bell; lamp; riddle; sack; sword
        """,
    "frost king": """
        sex: m
        intro: the frost king in his cloak of hoar; the frost king with icicles in his beard; the frost king,
            who drives a sledge of ice; the frost king, whose breath splits oaks
        lair: a palace of blue ice = palace; a hall at the end of the north wind = hall; a fortress built of
            frozen waves = fortress; a grotto where the snow is made = grotto
        sign: the birds dropped frozen from the air; flowers of ice grew over all the windows; the fire in the
            hearth burned small and white
        sniff: Something warm has come in and left the door open; I hear a drop of water fall, and I forbid
            dropping; Who breathes so hot in my house
        boast: I have stopped the river in the middle of a word; I have put kings to bed under one white sheet;
            the sun himself turns back at my gate
        end: dwindled to an icicle and dripped away; melted into a brook that ran chattering down the hill;
            broke like a window and the wind swept up the pieces
        methods: lamp; riddle; dance; bell
        """,
    "water king": """
        sex: m
        intro: the water king with his green teeth; the water king, whose coat is always wet at the hem; the
            water king, whose beard is full of eels; the water king, who keeps drowned souls under pots
        lair: a palace at the bottom of a lake = palace; a hall beneath the mill wheel = hall; a house of mussel
            shells under the river = house
        sign: the river rose without any rain; wet footprints appeared upon the stairs; the fish leaped out on
            the bank in terror
        sniff: Something dry has come into my house; Who stirs up the mud on my doorstep; I smell dust and
            daylight
        boast: I have more crowns in my mud than there are kings above it; every drowned bell in the land rings
            for my supper; whatever falls into my water is mine
        end: ran out under the door like spilled water; sank to the bottom and was a fat old carp from then on;
            went up in a white mist and rained down far away
        methods: dance; riddle; sack; lamp
        """,
    "ogress": """
        sex: f
        intro: an ogress with teeth like fence posts; an ogress who combed her hair with a harrow; an ogress
            with a face like a full moon in a bad year; an ogress who sharpened knives all night
        lair: a kitchen as large as a cathedral = kitchen; a castle with smoke always over it = castle; a farm
            where no animal dared to speak = farm
        sign: the knives rattled in the drawers; the smoke went down the chimney instead of up; the babies all
            woke at once
        sniff: Sniff, snaff, I smell supper on two legs; Somebody in here has been fed on honest bread; Which of
            my dishes has got out of the pot
        boast: I have a tooth for every day in the year; I have pickled three mayors and a schoolmaster; I never
            yet rose hungry from the table
        end: tumbled into her own cauldron and was soup by evening; burst with rage like an overfilled sack; ran
            off howling over the hills and has not come back
        methods: sword; sack; dance; riddle; unseen
        """,
    "grey huntsman": """
        sex: m
        intro: the grey huntsman with his pack of ghostly hounds; the grey huntsman, who has no face under his
            hat; the grey huntsman, whose horse has eight legs; the grey huntsman, who hunts where no deer are
        lair: a hunting lodge that no road leads to = lodge; a hall hung with the antlers of men = hall; a tower
            in the middle of the marsh = tower
        sign: a horn blew where there was no rider; the stags came out of the forest and hid in the barns;
            hounds were heard baying high in the air
        sniff: My hounds are silent, so a thief is in the house; Here is game that came without being called; I
            smell a hare that walks upright
        boast: nothing that runs has ever outrun me; I have ridden down the wind and hung up its skin; every
            track in this forest ends at my door
        end: was hunted away by his own hounds and is running still; blew away over the tree tops like a rag of
            fog; fell from his saddle, and there was nothing in his coat but leaves
        methods: bell; sword; unseen; sack; death
        """,
}


def _villain(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for line in re.split(r"\n {8}(?! )", text.rstrip()):
        name, _, listed = line.strip().partition(":")
        if name:
            fields[name] = words(listed, ";")
    fields["lair"] = [words(lair, "=") for lair in fields["lair"]]
    fields["sex"] = fields["sex"][0]
    return fields


VILLAINS = {name: _villain(text) for name, text in _TEXTS.items()}
