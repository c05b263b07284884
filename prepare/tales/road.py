"""Sections told on the road: the way, the donor with the test and the gift, the grateful beasts, the arrival."""

SECTIONS = {
    "walk": """
$h walked and walked, @far, for $three. [Is it far, is it near? A tale is soon told, but a road must be
walked.|A tale has wings; feet have only shoes.|The road went on, and so did $he.]

$he went [on and on|ever onward], @far, until [the last house of $land lay behind $him|$his soles were as thin
as paper|$he no longer knew the names of the birds].

[First came fields, then heath, then nothing but stones|First the road was broad, then narrow, then only the
track of a @beast]. [At night|When it grew dark] $h slept [under a @tree|in a haystack|in a dry ditch], with
[the stars|the wind|an owl] for company, and in the morning [$he washed in the dew and went on|ate what $he
had and went on].

After $three $h came [into|to the edge of] $wood. It was @dark [in there|under the branches], [the moss
swallowed every footstep|roots lay across the path like sleeping snakes|not a leaf moved], and it smelled of
@smell. [Somewhere a @bird called|Far off a branch cracked under a @beast], and [all was silent again|then it
was still].

[The wind blew|A thin rain fell|The sun burned], and the road led @far. $h [whistled to keep up $his
courage|counted the milestones, and then the crows|thought of $kith and walked faster]; [for @proverb.|for
whoever turns back at the first puddle never sees the sea.|and the $gift3 in $his pocket was all $he had of
home.]

[On the third evening|Towards dusk] $h [saw a light|saw smoke] [among the trees|far off on the heath]. [It was
an inn|It was a forester's house|It was a charcoal burner's hut], where [they gave $him a bed of straw|there
was soup for whoever would stir it]; but when [$he asked|they heard] the way to $v, [the host made a cross and
bolted the shutters|all the spoons stopped at once|they looked into their bowls]. “[Three days beyond
$wood|Where the maps are empty],” said [one at last|a child]. “[Nobody comes back to tell|Those who go have no
need to ask the way back].”
""",
    "meet.elder": """
[There|By the wayside|At a crossroads] sat $ga. “[Good day|God be with you], [$lad|child],” said $g. “[I have
not eaten for three days|I am hungry]. Have you anything for an old mouth?” // “[It is little, but half of it
is yours|What I have we shall share],” said $h, and [took out|broke in two] @food. They ate it together [on a
stone|under a @tree], and [never was a meal so good|a robin had the crumbs].

[Under a @tree|On a bridge|At a well] $h found $ga, [1:bent under a bundle of wood too heavy to
carry|struggling with a bucket|looking for something in the grass]. [Others had gone by that way|Two rich men
had ridden past] and had only laughed. But $h [put down $his bag|stopped at once] and [1:carried the wood to
the door|drew the water and filled the trough besides|searched until the sun went down, and found a needle].
“[You did not ask who I am|You asked for nothing],” said $g. // “[Does one need to know a name to lend a
hand?|You are old, and I am strong],” said $h.

Deep in $wood stood [a hut|a little house] no bigger than a [bread oven|hayrick], and in it lived $ga. “[Stay
three nights and keep my fire|Serve me for three days],” said $g, “[and let it not go out, whatever you
hear|and I will pay you as you deserve].” The first night [the rain beat down the chimney|something scratched
at the door]; the second night [a voice begged to be let in|three black dogs sat round the hearth]; the third
night [the roof seemed to fly off|the floor heaved like the sea]. But $h [fed the fire and sang|never left the
stool], and [each morning|in the morning] it was still burning.
""",
    "meet.small": """
[Out of the grass|From beneath a root] came a [thin|small] voice: “[Help|Have a care, great booby]!” There was
$ga, [1:held fast by the hair in a split log|held by the sleeve under a stone|hanging in a thorn bush]. $h
[might have laughed|did not laugh], but [1:drove in a wedge and loosed the hair|lifted the stone with two
fingers|bent the thorns apart] and [brushed off the dust|begged $g.his pardon for being so large]. “[You have
good manners for one of the long people|The big ones mostly pull],” said $g.

$h sat down to eat, and [suddenly|all at once] there stood on the stump [before $him|beside $him] $ga. “[A
crumb would be a feast for me|Where two eat, three can eat],” said $g. $h gave [the softer half|more than
half] and [asked no questions|poured milk into an acorn cup besides]. [When the meal was done|When all was
eaten] $g [wiped $g.his mouth and laughed|bowed to the ground].

“[Answer me|Guess]!” cried $ga, who [stood suddenly in the middle of the path|dropped from a branch]. “[1:What
runs without feet|What has teeth and does not bite|What grows larger the more is taken from it]?” $h [thought
as long as one takes to peel an apple|scratched $his head]. “[1:Water|A comb|A hole in the ground],” $he said;
[for $kith had often asked it on winter evenings|it was an old one at home]. “[And most people only curse and
walk round me|You are the first in a hundred years],” said $g.
""",
    "meet.beastly": """
[In the thickest part of the wood|In a clearing] $h came upon $ga [1:caught in a trap|with a splinter of iron
in one foot|pinned under a fallen @tree]. $h [was afraid|trembled], for [such teeth are not made for
praying|one never knows]; but [pity was stronger|$he could not bear to see it suffer]. $he [1:forced the trap
open with $his stick|drew out the iron|lifted the trunk with all $his strength]. “[You could have had my
skin|You did not ask what I was worth],” said $g, [who could speak like you and me|in a human voice], “[and
you gave me my life|therefore listen].”

$h had [taken aim with a stone|bent $his bow], for $he was [very hungry|half starved], when $ga said: “[Do not
kill me|Spare me], $h. [I have young ones at home|One day you will need me].” $h [let $his arm sink|threw the
stone away] and [went to bed hungry|chewed bark for supper]. [In the morning|At daybreak] $g [stood by the
fire|was waiting].

[There lay|Beside the path lay] $ga, [too weak to rise|half dead with thirst]. $h [brought water in $his
hat|gave $g.him the last of the food], and [sat by $g.him all night|warmed $g.him under $his own coat]. When
the sun rose $g [shook $g.self|stood up] and said: “[Good for good|One kindness pays another].”
""",
    "gift": """
{!beastly} Then $g [reached under a floorboard|felt in a deep pocket|opened a chest that had three locks] and
[brought out|drew out] $oa. “[Take this|This is for you],” said $g. “[It looks like nothing|You would not pick
it up in the road], but [it is worth more than a kingdom|kings have died wanting it]. $orule When you need it,
say:” // ~$charm. // “[Say it once, and say it right|Do not forget a word of it].” $h [thanked $g.him and
repeated the words|said the words over until $he had them by heart].

{beastly} “[Dig|Look] under the roots of [that @tree|the old @tree yonder],” said $g. $h [did so|dug with $his
hands], and [found|there lay] $oa, [wrapped in birch bark|as if it had waited for $him]. “[It was lost by a
king|It fell from a star|It was made before there were smiths],” said $g. “$orule And these are the words that
wake it:” // ~$charm. // “[Go, and be quick|Now go, and good luck].” And $g [vanished among the trees|was gone
in three bounds].

{!beastly} “[I know where you are going|You are seeking $v],” said $g, “and [with bare hands you will not go
far|nobody goes there unless he must]. Take this $o. $orule And speak to it so:” // ~$charm. // “That is all.”
[When $h looked up|When $he turned to give thanks], [there was nobody there|only the wind was there].
""",
    "gift.thrown": """
“[And these besides|Take these too],” said $g, and [gave $him|laid in $his hand] $th1, $th2 and $th3: “[if you
are hunted, throw them behind you one by one|when you have to run, throw them over your shoulder, one at a
time].”
""",
    "rule.sword": """
It strikes by itself, and it needs one blow only; [never|but never] strike a second, [for the second gives
back what the first has taken|whatever you are told].
""",
    "rule.dance": """
Whoever hears it must dance as long as it sounds; but [do not stop to take breath|do not leave off], [however
they beg you|whatever they promise], until you have what you came for.
""",
    "rule.unseen": """
[Put it on|Put it over you], and no eye can see you; but [hold your tongue|do not speak a word], for [one word
and you stand there like a candle|at the first word it is only rags].
""",
    "rule.sack": """
Whatever you wish goes into it, and nothing comes out; only do not open it [for a promise|for any promise],
[though it be sworn by heaven|however golden].
""",
    "rule.lamp": """
It burns as warm as the sun and nothing cold can bear it; only [do not cover it|do not turn it away], [not
even out of pity|though your own hand should smart].
""",
    "rule.bell": """
It wakes the morning before its time, and what belongs to the night cannot bear that; but [use it only
once|sound it only once], [and not too soon|when there is no other way].
""",
    "rule.riddle": """
Hold it to your ear, and it will tell you the answer to any question; but [only three times|three times and no
more], [so do not waste it|and never for idle pleasure].
""",
    "rule.death": """
It shows what is hidden, were it under the sea; but [look only when you must|do not look for your own sake],
for [it clouds over when it is used in vain|one look too many makes it blind].
""",
    "advice": """
“[One thing more|And mark this],” [$g had said|had been the last words of $g]: “[neither eat nor drink at $v's
table|take nothing that is offered you there|do not look back when you leave].” $h [tied a knot in $his
kerchief so as to remember|kept it in mind].

[Now $h went on with a lighter heart|So $h went on], the $o [in $his bag|at $his side|under $his coat], [and
the way seemed half as long|and the magpies made way for $him].
""",
    "beast": """
[A little farther on|The next day|By and by] $he [found|came upon] $b. $h [was in haste, but not in such haste
as that|could not pass by]: $he $aid. “[I shall remember it|I will not forget you],” said the creature, and
gave $him $tok. “[In need, think of me|Keep it, and call when you are at your wits' end].”

There, [beside the way|at the foot of a @tree|near the $shore], was $b. “[Help me, $h|Have pity],” it cried.
$h $aid. “[Take this|Here],” it said, and it was $tok: “[Small thanks may come in handy|The day will come when
you need me].”

$h had not gone [a mile|a hundred paces] when $he saw $b. [Others would have walked on|It was no business of
$his], but $he $aid, and for thanks was given $tok. [$he put it away with the rest of $his riches|$he wrapped
it in a leaf].
""",
    "arrive": """
[At last|In the end], [where the path stopped|at the end of the third day], $h saw [before $him|in the
distance] $lair. [No bird sang there|The grass itself grew away from it], [and bones lay about like
firewood|and the air tasted of iron|and the gate was set with skulls that turned to look]. It was the house of
$v.

[So $he came|And so $he came] to $lair, [where $v lived|which belonged to $v]. [The door stood open, and that
was worse than if it had been shut|Before the door lay an old dog; $h gave it the last crust, and it let $him
by|$h oiled the rusty hinges, and the gate opened without a creak].

“[Turn back|Do not go on],” sighed the [reeds|dead leaves|stones]; but $h [went on|walked straight ahead], and
there it was: $lair, and [smoke rose from it|a single light was burning in it].
""",
}
