"""Short tales: beasts that trick each other, the wise daughter before the judge, the gift foolishly bartered away."""

SECTIONS = {
    "fox.open": """
The fox and the $k1 [once kept house together|had agreed to farm together]. “[You shall have the tops, I the
roots|Choose: above the ground or below],” said the fox in [spring|sowing time]. The $k1 [chose the tops|took
what grew above], and the fox [planted turnips|sowed carrots]. The next year the $k1 [would have the
roots|asked for what was below], and the fox [sowed wheat|planted cabbages]. So the $k1 [had nothing but
leaves the one year and straw the next|went hungry twice over].

[One cold day|In a hungry winter] the fox [lay down in the road as if dead|stretched out on the road with his
tongue hanging]. A fishmonger came by with his cart, [saw the fine pelt|thought of a collar for his wife] and
threw him up among the herrings. [One by one|Softly, softly] the fox [dropped them over the side|threw down
the fish], jumped after, and [had his supper|ate under a hedge]. Then up came the $k1. “[Where did you catch
those|Give me one],” said the $k1. “[Catch them yourself|Nothing easier]: [hang your tail through a hole in
the ice|put your tail in the water at night], [sit still, and the longer you sit the more will bite|and say:
Bite, little fish and big].” // The $k1 [sat and sat|did so], and the hole froze over. In the morning [the
women came for water with their yokes|the dogs came], and the $k1 [pulled, and left the tail behind|got away
with half a tail]. [That is why the $k1 has so little of it|From that day there has been no friendship there].

The fox [fell into a well|had gone down a well in the bucket] and could not get out. Along came the $k1 and
[looked over the rim|peeped down]. “[1:What are you doing down there|Is the water good]?” // “[1:Having my
supper: there is a whole cheese here, round and yellow, and I cannot finish it|Delicious; and see the cheese I
have found]!” It was the moon in the water. “[How do I come down to you|May I have some]?” asked the $k1.
“[Sit in the other bucket|Just step into the bucket].” As the $k1 went down, the fox came up, and [when they
met halfway|as they passed] the fox said: “[So it goes in the world: one up, the other down|Give the cheese my
regards].”
""",
    "fox.second": """
But [the $k1 had a cousin|then the fox met his match, and that was the cousin of the $k1], the $k2, who [was
small but no fool|had been listening behind a bush]. “[Godfather fox|Sir fox],” said the $k2, “[I hear you
know a hundred tricks|they say you have a whole sack of tricks]. [1:Which is the best|How many have you]?” //
“[1:I could not choose among so many|More than you have hairs]. And you?” // “[Only one|Just the one]: I [get
out of the way before I am seen|hide as soon as I hear a dog].” [At that moment|Hardly was it said,] the
huntsman's dogs [broke out of the wood|were upon them]. The $k2 [used the one trick|was gone]. “[Open your
sack, godfather!|Now, which of the hundred?]” cried the $k2; but the fox [was still thinking|had not done
choosing], and [left his brush in their teeth|came off with one ear fewer].

[When the $k2 heard of it|The $k2, who was the judge among the beasts in $wood, heard of it and] called them
both. “[I cannot understand how it was|Show me exactly how it happened],” said the $k2. [“I sat so,” said the
$k1. “And you, fox, where were you?” “Here.” “Surely not; a little further in.”|“Stand where you stood, fox.
No, inside the trap, I think?”] The fox, [who was vain|to show how clever he had been], [stepped in|went in to
the shoulders], and [click, the door fell|snap, it shut]. “[Now I understand it perfectly|So it was, and so it
may stay],” said the $k2.
""",
    "chain.open": """
[The little cock and the little hen|A cock and a hen] [went nutting on the hill|were cracking nuts by the
$shore], and the [cock|little cock] got a [great kernel|whole nut] stuck in his throat. “[Run, little hen, for
water, or I shall choke|Water, water]!” The hen ran to the well. “[Well, give me water for my cock, who lies
on the hill and chokes|Dear well, give me a drop].” // “[First|Not before you] bring me [silk|a ribbon] from
the $k3.” // The hen ran to the $k3: “[$k3, give me silk; I give the silk to the well, the well gives me
water, and the water goes to my cock, who lies on the hill and chokes.|Silk for the well, and water for my
cock!]” // “First bring me [a wreath|bread] from the $k4.” [So she ran to the $k4.|And to the $k4 she ran.] //
“[$k4, $k4|Kind $k4], give me what the $k3 wants: then the $k3 gives me silk, the well gives me water, and the
water goes to my cock, who lies on the hill and chokes.”
""",
    "chain.end": """
The $k4 [was @kind|had heard sadder things, but few so breathless], and gave it. [So the $k3 had it, and gave
the silk; the well had the silk, and gave the water|The $k3 gave the silk for it, and the well gave water for
the silk]; and the hen [came running up the hill|carried it in her beak]. [The cock drank, and the nut went
down, and he crowed so that it was heard in $home.|But the cock had coughed up the nut long ago and eaten
another, and he said: “What kept you?”|There lay the cock and had choked; and she sat and wept, and the hill
wept, and so there is a brook there now.]
""",
    "wise.open": """
Two [brothers|neighbours] of $home, a rich one and a poor one, [quarrelled over a foal|went to law about a
foal]: the poor man's mare had [dropped|borne] it, but it [was found under the rich man's cart|had crept in
the night beneath the rich man's wagon]. “[My cart has foaled|The cart is its mother],” said the rich one.
[The judges dined with him and saw no difficulty|He had paid for the judges' hats]. So it came before $r.
“[Whoever answers best shall have the foal|I give you three riddles]: what is the swiftest thing, what the
[1:fattest|richest], and what the [2:sweetest|dearest]?” // The rich man's [wife|godmother] said: “[My grey
mare, our pig, and the honey of our bees|Our greyhound, our barn, and my plum jam].” But the poor man had a
daughter [of seven|not yet grown], $s1. “[Do not weep, father|Say to $r],” she said: “[The swiftest is
thought|Swiftest is the eye, which goes to the stars and back], [1:the fattest is the earth, which feeds us
all|the richest is the autumn], and the [2:sweetest is sleep|dearest is a clear conscience].”
""",
    "wise.second": """
“[Who taught you that|That did not grow in your own garden],” said $r, and when $r.he [heard of $s1|had got it
out of him], sent her [3:a handful of flax, to be a sail by morning|a dozen boiled eggs, to be hatched by
tomorrow]. She sent back [3:a splinter of wood: “Let $r make me a loom of this.”|a bowl of boiled millet: “Let
$r sow this, that my chicks may have food.”] Then $r [commanded|sent word]: “Come to me [neither on foot nor
riding, neither by day nor by night, neither clothed nor bare, and with a gift that is no gift|not by day and
not by night, not naked and not clothed, not walking and not in the saddle, and bring me what I cannot keep].”
// $s1 [wrapped herself in a fishing net|put on a net], [sat on a goat so that her toes touched the
ground|hung by the tail of a donkey], came [at dusk, when it is neither day nor night|at twilight], and [held
out a quail, and when $r reached for it, it flew away|brought a dove, which flew from $r's hand].
""",
    "wise.end": """
“[Now one thing more|Well done],” said $r: “how can a cart have a foal?” // “[As easily as my father can catch
pike in the sand|As easily as a boiled egg can crow],” said $s1. $r [laughed|laughed aloud] and [gave the poor
man the foal and the mare as well|gave judgement for the father]; and $s1, [when she was grown, sat on the
council|in time, was asked before every law was made]. [The rich brother took his cart home and waits, they
say, for it to foal again.|And there were fewer foolish laws in $land than elsewhere.]
""",
    "swap.open": """
For [seven|nine] years' service $h got a lump of gold as big as $his head. It [weighed on $his
shoulder|pressed $him sorely]. A rider came. “[How fine it must be to ride|You do not stub your toes],” said
$h. “[Shall we change?|I will give you my horse for that lump],” said the other. And $h [rode off on the
$horse horse, as glad as a king|sat up on the $horse horse and felt like a lord], until it [threw $him into a
ditch|ran away with $him and left $him among the nettles]. [A peasant held it, who was driving a cow|There
came a farmer with a cow]. “[A cow walks quietly, and there is butter besides|Now that is a sensible beast]!”
And $h changed [the horse for the cow|the horse for her].
""",
    "swap.middle": """
[At noon|When the sun was high] $h wanted to milk her, and [not a drop came|she gave $him a kick on the
forehead]. “[She is old and fit for the butcher|That one will give no milk],” said a man with a pig [on a
barrow|on a string]. “[Dear me!|Who would have thought it?] Pork is juicier.” So $h [gave the cow for the
pig|had a pig]. A [lad|boy] with a goose under his arm [looked all about him|laid a finger to his lips]: “[In
the village behind me one was stolen from the mayor's sty|They are looking for a pig just like that; I would
not be in your skin].” [What a fright $h had|$h thanked him with tears], and was glad to take the goose. [It
was white, and heavy, and hissed.|What a fine roast it would make!]

[By and by|About noon] the cow [lay down and would not rise|swung her tail in $his eyes]. [A woman had a goat;
the goat looked wiser, and so $h had a goat|“A goat eats less,” said an old woman, and that was soon settled].
The goat [ate the band off $his hat|butted a constable], and so it was given for [a goose that could at least
be carried|a goose with red feet].
""",
    "swap.end": """
Last of all $h met a [scissors grinder|knife grinder], who [sang as he turned his wheel|had money in every
pocket]. “[A grinder finds a penny whenever he puts his hand in his pocket|For that goose of yours you may
have my second-best stone],” said he. $h [took the stone|gave the goose for the stone], [which was an ordinary
one|and another to hammer on]. But [it was heavy and the sun burned|$he was tired], and when $he bent over the
$shore to drink, [it slid in|the stone went plump to the bottom]. $h [leaped for joy|thanked heaven on both
knees]: “[Nobody under the sun is as lucky as I|Now I am rid of that too]!” And $he ran home to $kith with
empty hands and a light heart.
""",
}
