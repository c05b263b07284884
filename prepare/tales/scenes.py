"""Scenes by the way that any journey may pass through: landscapes, weathers, inns, dreams, people, songs."""

SECTIONS = {
    "view": """
[From the top of the ridge|From the next hill] one could see [the whole of $land|as far as the sea]: [to the left|in the east] a @colour @shore, [to the right|in the west] a village with a @colour steeple, and between them [fields like a patched coat|a road as white as a thread|a herd of @colour cows]. [A @bird hung in the air|Bells were ringing somewhere|Smoke went up from a lime kiln].

[The road ran beside a @shore|There was a @shore to cross], [and a @beast drank there and was not afraid|where @flower grew in the shallows|and a @bird stood in it on one leg]. [The water was @dark|The water was as clear as glass], and [at the bottom lay a @metal spoon that nobody had dared to fetch|a @tree had fallen across it for a bridge|one had to jump from stone to stone].

[It was a @bright morning|It was a @dark evening]. [Dew hung on the spiders' threads like @gem|Mist lay in the hollows like milk in a dish|The sky was the colour of @metal], and [the whole country smelled of @smell|a @bird sang as if it were paid for it|every @tree dripped].

[They passed|There stood by the road] a @small chapel [with a roof of @metal|that had lost its door], and in it [slept a @beast|burned a candle that nobody had lit|a @bird had built its nest in the poor box]. $h [put a flower on the sill|said a short prayer|rested there until the rain was over].
""",
    "people": """
[On the way|That same day] $h met [three hay cutters|a @craft with a barrow|an old @craft leading a @colour donkey], coming the other way. “[What news|What is to be heard in the world]?” asked $h. // “[Bad and worse|Little that is good]: [the bread is dear and the roads are long|two kings are fighting about a bridge that fell down last year|in $town the clock strikes thirteen]. And you, $lad?” // “[I am going to $v|I have an errand with $v],” said $h. // “[Then God help you|Then you had better make your will],” said the other[, and gave $him @food|, and walked on faster|, and took off his hat].

In a village [where $he stopped for water|with a crooked steeple] [they were holding a fair|there was a christening]. [There was a stall of @metal bells, and one of @cloth, and one where a man swallowed fire|A @craft was dancing with a @craft's wife, and a fiddler stood on a barrel]. “[Stay with us|Why go farther]?” [they called|said the girl with the cakes]; “[we have @feast and @feast|here nobody asks what you have left undone].” $h [ate a cake and went on|laughed and shook $his head].

$h [shared the fire|kept company for an hour] with [a pedlar|a soldier with a wooden leg|two wandering students], who [had been everywhere|had much to tell]. “[In $land2|Far to the south] I have seen [cattle with horns of @metal|a @tree that bears @gem|a town where they milk @beast and @beast],” he said. “[But never have I seen anyone come back from $v|But this one thing I have not seen: a grateful miser].” And he [broke his last pipe in two|drew his cap over his ears and slept].
""",
    "dream": """
That night $h dreamed [of a @colour @beast that carried a @metal key|that $kith stood at the window and called|of a @tree full of @bird after @bird, and every one of them said $his name]. [“Do not sleep so sound,” it said.|What it meant $he did not know.|In the morning there was a feather in $his hand, and it was @colour.]

[Before sleeping|In the dark] $h [sang to keep up $his courage|sang the old song of $home]: // ~$song. // [Then $he slept like a stone.|And it seemed that somebody in the dark was humming with $him.]
""",
    "talk": """
[In $home they talked of nothing else|At the well they talked of it]. “[It comes of the new calendar|It was the comet],” said the @craft. “[It comes of ringing the bell on a Tuesday|My knee told me of it],” said the @craft's [wife|mother]. “[If I were young again|If it were not for my back],” said the old @craft, “[I would show them|you would see something].” [So they talked until the soup was cold.|Only $h said nothing.]

[The @craft blamed the @craft, and the @craft blamed the priest|Some said one thing and some another]; [the oldest @craft in $home remembered that it had been so in his grandfather's time|a @bird had been seen at midnight on the roof, and nobody liked it|and all went home and bolted the door, and put @food on the sill, just to be safe].
""",
    "house": """
[In the house stood|There were in the house] a @furniture, a @furniture and [a clock without hands|a picture of a ship|a cat that was older than $h]; [over the door hung a horseshoe|a bunch of @flower dried under the beam|on the wall hung a @metal sieve], and [it always smelled of @smell|in the evenings $kith told of @beast and @beast, and how they learned to be afraid of men].

[On Sundays|On feast days] there was [a pancake for each|meat in the soup], and $kith wore [a shawl|a coat] of @cloth; [on other days|the rest of the week] there was [@food|bread and an onion], and [nobody asked for more|the cat had the rind].
""",
    "wonder": """
[In the yard|Behind the gate] [grew @tree after @tree with leaves of @metal|lay heaps of @gem as other people have turnips|stood @beast and @beast, turned to stone]. [A @colour cat was counting mice on an abacus|A fountain ran with @colour sand|The weathercock turned its head]; [but $h did not stay to stare|and all of it was as still as a painted thing].

[The first door was of @metal, the second of @metal, and the third was of plain @tree wood|There were three doors, one hung with @cloth, one set with @gem, and one so low that one had to stoop]. $h [thought of home and took the third|chose the poorest], and that was the right one; [behind the others something was breathing|the others had never led anywhere but down].
""",
}
