"""The words of the tales: names, trades, beasts, plants, weathers, sayings. Lists only, no story."""


def words(text: str, separator: str = ",") -> tuple[str, ...]:
    """The parts of `text` between separators, white space put right."""
    return tuple(" ".join(part.split()) for part in text.split(separator) if part.strip())


MEN = words(
    """
    Ivan, Emil, Jorin, Peter, Anders, Matthias, Tomas, Wenzel, Casper, Ludo, Osric, Halvor, Nils, Aldo, Piet,
    Marek, Florian, Rolf, Stefan, Kester, Bram, Conrad, Dov, Egil, Fergus, Gaspar, Henrik, Ilmar, Janko, Kaspar,
    Lars, Milos, Noll, Odo, Pavel, Quentin, Roland, Silvan, Tobias, Ulrich, Valentin, Wilf, Yanni, Zoltan,
    Arvid, Benno, Corin, Denzil, Edmund, Felix, Gregor, Hob, Iven, Jack, Karel, Linus, Mads, Niklas, Oleg,
    Radko, Simon, Tam, Urban, Viggo, Wat, Alaric, Bastian, Crispin, Dunstan, Ewan, Fabian, Gavril, Hugo, Ingram,
    Jory, Lorenz, Mungo, Orlo, Perrin
    """
)
WOMEN = words(
    """
    Marta, Elsa, Vasilisa, Ingrid, Katrin, Annika, Rosalind, Gerda, Liesel, Solveig, Tilda, Zlata, Agnes, Brida,
    Catrin, Dorothea, Emmeline, Freya, Greta, Hanna, Isolde, Jutta, Karin, Lena, Mila, Nadia, Oda, Petra, Ragna,
    Sabine, Thora, Ursula, Vera, Wilhelmina, Ysolde, Zora, Alena, Birgit, Cecily, Danika, Edda, Fenna, Gisela,
    Hedwig, Ilse, Johanna, Klara, Linnea, Maren, Nell, Olga, Perpetua, Renata, Sigrid, Tatiana, Una, Veronika,
    Wanda, Yrsa, Adela, Bettina, Clemence, Dagny, Elspeth, Fiammetta, Gwen, Helga, Ivana, Jorunn, Kirsten,
    Ludmila, Minna, Odile
    """
)
PLACE_HEADS = words(
    """
    Raven, Alder, Stone, Under, Over, Black, White, Grey, Wolf, Hare, Thorn, Winter, Summer, Long, Low, High,
    Apple, Mill, Fox, Elm, Oak, Ash, Salt, Iron, Copper, Swan, Heron, Crow, Moon, Star, Bell, Ember, Frost,
    Honey, Nettle, Marsh, Otter, Rush, Silver, Amber, Barrow, Candle, Dusk, Falcon, Glass, Hollow, Kettle,
    Linden, Mist, Quill
    """
)
TOWN_TAILS = words(
    """
    holt, mere, ford, stead, wick, ham, ton, bridge, dale, by, thorpe, well, combe, gate, garth, brook
    """
)
LAND_TAILS = words(
    """
    mark, land, reach, march, fell, moor, shore, vale, wold, strand, water, haven
    """
)
TRADES = words(
    """
    woodcutter, miller, fisherman, blacksmith, shepherd, charcoal burner, cobbler, tailor, potter, weaver,
    ploughman, ferryman, beekeeper, basket maker, bell founder, tinker, gardener, cooper, carter, candle maker,
    baker, mason, saddler, clockmaker, rope maker, hunter, gravedigger, goatherd, lamplighter, salt boiler,
    thatcher
    """
)
RHYMES = (
    ("rain", "again"), ("night", "light"), ("stone", "alone"), ("wood", "good"), ("sea", "free"), ("snow", "go"),
    ("day", "way"), ("deep", "sleep"), ("fire", "briar"), ("bell", "well"), ("moon", "soon"), ("hill", "still"),
    ("wall", "fall"), ("sky", "by"), ("tree", "me"), ("land", "hand"), ("corn", "morn"), ("door", "more"),
)  # fmt: skip

LISTS = {
    "tree": words(
        """
        oak, ash tree, linden, birch, rowan, hawthorn, pine, willow, elder, beech, alder, walnut tree, yew
        """
    ),
    "flower": words(
        """
        foxgloves, cornflowers, wild roses, bluebells, poppies, meadowsweet, harebells, marsh marigolds
        """
    ),
    "bird": words(
        """
        cuckoo, nightingale, magpie, heron, owl, blackbird, crane, jay, woodpecker, lark, rook, kingfisher
        """
    ),
    "beast": words(
        """
        fox, hare, hedgehog, badger, stag, otter, wild boar, marten, squirrel, roe deer, wolf, lynx
        """
    ),
    "food": words(
        """
        a crust of rye bread, a piece of hard cheese, an oatcake, a cold potato, half a loaf, a heel of bread, a
        handful of dried pears, a barley cake, a boiled egg, an onion and some salt, a slice of bacon, a pancake
        """
    ),
    "feast": words(
        """
        roast goose, honey cakes, white bread, spiced wine, plum dumplings, buttered trout, mead, saffron buns,
        apple pies, stuffed carp, almond milk, a whole ox, pepper soup, marzipan castles, pickled walnuts
        """
    ),
    "cloth": words(
        """
        linen, velvet, sackcloth, silk, homespun, sheepskin, brocade, grey wool, patched leather
        """
    ),
    "metal": words(
        """
        gold, silver, copper, iron, bronze, brass, tin, blue steel
        """
    ),
    "gem": words(
        """
        pearls, rubies, garnets, amber, opals, sapphires, moonstones, emeralds, turquoises
        """
    ),
    "colour": words(
        """
        red, white, black, grey, green, blue, yellow, brown, dappled, rust-coloured, silver, golden
        """
    ),
    "instrument": words(
        """
        fiddles, drums, bagpipes, trumpets, flutes, lutes, hurdy-gurdies, shawms, cymbals
        """
    ),
    "small": words(
        """
        small, little, tiny, thin, narrow, crooked, bent, shabby, plain, dusty, cracked, worn
        """
    ),
    "great": words(
        """
        great, huge, mighty, broad, towering, vast, monstrous, heavy, enormous
        """
    ),
    "dark": words(
        """
        dark, gloomy, black, silent, tangled, trackless, whispering, ancient, dripping, moonless
        """
    ),
    "bright": words(
        """
        bright, shining, clear, golden, merry, gleaming, dazzling, rosy, glittering
        """
    ),
    "sad": words(
        """
        sad, heavy-hearted, sorrowful, weary, downcast, silent, pale, troubled
        """
    ),
    "glad": words(
        """
        glad, merry, light-hearted, cheerful, happy, content, joyful
        """
    ),
    "brave": words(
        """
        brave, bold, steadfast, dauntless, fearless, stout-hearted, resolute
        """
    ),
    "clever": words(
        """
        clever, quick, sharp-witted, shrewd, nimble-minded, wise, thoughtful
        """
    ),
    "kind": words(
        """
        kind, gentle, patient, good-natured, tender-hearted, friendly, mild
        """
    ),
    "cruel": words(
        """
        cruel, greedy, spiteful, pitiless, wicked, cold-hearted, envious, sly
        """
    ),
    "slowly": words(
        """
        slowly, softly, quietly, carefully, steadily, without a word, step by step, little by little
        """
    ),
    "shore": words(
        """
        lake, river, mill pond, marsh, sea, waterfall, brook, well, weir
        """
    ),
    "three": words(
        """
        three days and three nights, three weeks, three months, a year and a day, seven days, nine nights
        """
    ),
    "far": words(
        """
        over hill and dale, through thick and thin, across moor and marsh, past mills and meadows, by highway
        and byway, up hill and down, through seven parishes, over stock and stone, across fallow and furrow
        """
    ),
    "smell": words(
        """
        pine resin, wet wool, wood smoke, thyme, new bread, wild garlic, cold iron, mushrooms, hay, rain
        """
    ),
    "furniture": words(
        """
        stove, loom, settle, cradle, chest, spinning wheel, bench, table, cupboard, churn, kettle
        """
    ),
    "proverb": words(
        """
        a borrowed coat does not keep one warm; he who sows thistles must not go barefoot; a soft word opens an
        iron gate; even a long night has a morning; what the heart gives away the hand keeps; a small key opens
        a large chest; whoever counts the stars sleeps little; a full sack is silent but an empty one rattles;
        trouble rides in and walks out; a guest sees more in an hour than the host in a year; the well is
        deepest when the bucket is short; a good deed does not drown; the wolf is not fed by counting sheep; no
        one ploughs a field by turning it over in his mind; the slow ox has good hay; fear has large eyes; bread
        eaten alone is half eaten; every cock crows on his own dunghill; the road is long only for those who
        stand still; one does not ask the fire for water; a bought friend is dear at any price; still water
        turns no mill
        """,
        ";",
    ),
    "craft": tuple(trade for trade in TRADES if " " not in trade),
}
