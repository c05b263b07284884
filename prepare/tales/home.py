"""Sections told at home: opening, family, warning and its breach, the villainy or the lack, the setting out."""

SECTIONS = {
    "opening": """
[Once upon a time|Once|Long ago|A long time ago|In the old days], [when wishing still helped|when the hills
were younger|before your grandmother's grandmother was born|when animals could speak and men could
listen|while the wolves still kept Lent], there lived in $home a $owner whose $rank $child was [named|called]
$h.

In $home, [not far from|half a day's walk from|on the edge of] $wood, [there stood|stood] a
[small|crooked|low|lonely] house, and in that house lived a $owner and $his2 $rank $child, whose name was $h.

{widow} There was once a widow in $home who had [buried her husband in a hard winter|lost her husband to a
fever|seen her husband go to the wars and not come back], and [all that was left to her was|the only comfort
left her was] her $rank $child, $h.

[They tell|It is told|The old people tell|I have heard it said] in $home that [once|in the days of $r's
grandfather|many harvests ago] a $owner lived there [who was poorer than a church mouse|who had more debts
than shirts|who had one cow and nine mouths to feed|whose roof let in both rain and stars], and that $h, the
$rank $child of the house, [became the talk of seven parishes|went farther than anyone before or since|was the
one to whom all this happened].

Beyond the [seventh|third|ninth] hill, [where the road forgets its name|where the @bird calls at noon|where
the crows turn back], lies $home. There [once lived|lived] a $owner whose $rank $child was $h, [a @clever
$lad|a @kind $lad|a @brave $lad], with $eye eyes and [not a penny in the world|hair the colour of straw|holes
in both shoes].

[This happened|What I shall tell you happened] [in $home|in $home, on the edge of $wood], in [a year when the
corn stood high|a year of locusts|the year of the great snow|a year with two summers]. [There was|There lived
there] a $owner whose $rank $child was called $h, and [everyone thought there was nothing more to be said|that
is the one to watch].

Everybody has heard of the wise; [this tale is about|now hear of] $h, who was [not wise at all|only thought a
fool|no wiser than most], the $rank $child of a $owner in $home.
""",
    "household": """
[They were poor|They had little], but [they had a goat, a stove and a good name|the door was never bolted
against a beggar|there was soup on most days and singing on all of them]. [The $trade's tools hung on the
wall|A @tree grew before the door|A @bird nested under the eaves], and $h [knew every plank of the place|slept
on the warm side of the stove|had carved a mark there for every birthday].

$h [rose with the sun|was up before the cock], [fetched water|carried wood|fed the hens], [mended what was
broken|swept the step] and [never|seldom] [complained|lost heart]; [and in the evening|and when the work was
done] $he [played on a reed|told stories to the cat|sat under the $tree and listened to the @bird].

{only} $h was the only child, and [so had to be son, daughter and ox all in one|so there was nobody to quarrel
with but the goat].

{youngest} The two elder ones, $elder1 and $elder2, [wore the good boots|took the best of everything|laughed
at whatever $h said] and [left the scrapings to $h|let $h do the work of three|called $h Ash-poke and
Sleepyhead].

{seventh} Seven children sat round that table, and the seventh was $h, who [got the spoon last|had only the
dish to lick] and [grew clever by it|never grumbled].

{eldest} As $h was the eldest, [the cares of the house fell on $his shoulders|$he had the little ones to wash,
to feed and to scold], and $he [bore it gladly|did it with a song].

{couple} Father and mother [worked from dark to dark|did what honest people can], yet [the meal chest was
always nearer empty than full|every spring they had less than the spring before].
""",
    "season": """
{winter} It was [deep|hard|bitter] winter. [The snow lay to the window sills|The wells were frozen|The wolves
came as far as the garden wall], and [at night the beams cracked with cold|smoke stood straight up from every
roof|nobody went out who had a stove to sit by].

{spring} It was spring, [the ice had gone out of the river|the storks were back|the first lambs stood on shaky
legs], and [the @flower were opening in every ditch|the whole wood smelled of @smell|even the old people left
off their stockings].

{summer} It was the height of summer. [The corn stood as high as a man|Bees hung in the linden trees|The dust
lay warm on the roads], and [the nights were so short that the cocks were confused|thunder walked round the
hills|children slept in the hay].

{autumn} It was autumn; [the plums were in|mist stood in the valleys until noon|the cranes flew over crying],
and [leaves ran about the yard like mice|the threshing was heard from every barn|the cellars smelled of
apples].
""",
    "warning": """
Now [it happened|it fell out] that the $owner [had to go to market|was called away for three days]. “Dear
child,” said the $owner, “[do what you like|go where you please], but [do not open the shutter after sunset|do
not go near the $shore when the mist is up|do not answer if someone calls your name three times].” $h
[promised|gave $his word]. // But [the evening was long|curiosity has sharp elbows|a thing forbidden itches],
and [before the third day was out|when the moon had risen|when it grew quiet] $he [forgot|did the very thing].

There was one rule in that house, [older than the roof|which nobody could explain]: [the red door must stay
shut|no fire might be lent over the threshold|no one might whistle after dark]. [For years it was kept|All had
kept it]. Then, one [evening|night], [a stranger asked so sweetly|a voice outside wept so bitterly] that [the
rule was broken|pity was stronger than the rule], and [what had waited outside came in|that was the beginning
of all the trouble].

“[Mind you do not go|Never go] beyond the [last fence|white stone|old @tree],” the people of $home told their
children. [But the strawberries were redder there|But a ball rolls where it will|But forbidden ground is soft
to the feet], and one day [somebody went|someone crossed it].
""",
    "abduction": """
{kin} [One evening|One day|On the eve of the fair] $t, $tof, [went to the $shore for water|was hanging out the
washing|had gone to look for a lost lamb]. [All at once|Suddenly] $sign, and [out of nowhere|down from the
hill] came $va. [No one could stir hand or foot.|It was done in the winking of an eye.] $v [seized $t|caught
$t] [by the hair|round the waist|by both hands] and carried $t.him off [to $lair|before anyone could cry
out|over the roofs and away]. [Nothing was left but|They found only] [one shoe|a torn sleeve|the empty pail]
by the $shore.

{royal} Now $r of $land had [a child|one child], $t, [fairer than the day|who laughed so that flowers
opened|who was dearer to $r than crown and country]. [On a @bright morning|In the middle of a feast] $sign.
Then [the doors flew open and in came|there stood in the hall] $va, who said: “[What I see I want, and what I
want I take|I have come for my due|Such a jewel belongs in my house].” And $v [wrapped $tthe in a cloak|threw
$tthe over a shoulder] and was gone. // $r [wept until the crown slipped|tore the velvet from the throne|shut
every window in the palace], and had it cried in every market: “Whoever brings $t back to me shall have half
of $land, and $t.his hand in marriage if $t.he will give it.”

{royal} [Word came|The news ran] to $home [with a pedlar|with the salt carts] that $t, $tof, had been stolen
by $va. [Forty knights had ridden out and four horses had come home|The bravest had gone, and only their dogs
had returned]. “[Half of $land|Half the kingdom], and the hand of $tthe,” $r had promised, “[to the one who|to
whoever] brings $t.him back alive.”

{kin} $t, $tof, had [a song|a laugh] that could be heard [across three fields|as far as the mill]. [One
night|At midsummer] it stopped in the middle. When they ran out, $sign, and [above $wood|far off over $wood]
they saw $va, [already|by then] no more than a speck. “[What I take I keep|Look for $t.him where the roads
end]!” they heard, [fainter and fainter|from very far away].
""",
    "theft": """
In [the middle of $home|the church of $home|the square at $home] there was kept $x, $xuse. [Nobody locked it
up|Nobody thought of guarding it], for [who would steal what belonged to all|who would rob his own mother]?
But [one night|in the darkest hour of the year] $sign, and in the morning [the place was empty|there was
nothing but a claw mark in the stone|it was gone]. The thief was $va. It had been carried [off|away] to $lair;
and from that day on $xloss.

[The pride|The treasure] of $home was $x, $xuse. [Then came a night|There came a night] when $sign. [The
watchman saw|A sleepless child saw] $va [stride across the roofs|step over the wall], put $x under one arm,
and go off towards $wood. [Soon|Before long] $xloss. // The elders [sat together for three days|shook their
grey heads]. “[Somebody must go|Someone must fetch it back],” they said, and [each looked at his
neighbour|looked at their shoes].
""",
    "sickness": """
In those days $r of $land [fell ill|was struck with blindness|lay down and could not rise], and [the doctors
came with their jars and leeches|nine physicians argued round the bed], but [it grew worse with every
bottle|none of them could help]. At last [an old nurse|a shepherd|a passing pilgrim] said: “[There is one
cure|Only one thing will help]: the water of life, which [springs|rises] in $lair. [The master of that place
is|There dwells] $va, and [day and night|summer and winter] $v [keeps|guards] it.” // “Whoever brings it,”
said $r, “[shall inherit after me|shall have half of all I own].”
""",
    "grief": """
[They wept at home|There was weeping in $home], [the neighbours shook their heads|the dog would not eat], and
[no one dared to go|nobody knew what to do].

[For three days|For a whole week] no one in $home [lit a fire|sang|spoke above a whisper]. [@proverb, as they
say, but nobody said it then.|Even the $bird in the $tree was silent.]

“[There is nothing to be done|What is gone is gone],” said the [wise|old] people, as they always do. [But $h
thought otherwise.|But $h struck the table with $his fist.]
""",
    "resolve": """
{!elders} Then $h stood up. “[I will go|Let me go],” $he said, “[and I shall not come back with empty hands|if
it takes me to the end of the world|for sitting still is no remedy].” [They laughed|They begged $him to stay],
but [$he had already taken $his cap from the nail|a made-up mind is harder than stone].

{!elders} That night $h could not sleep. [Towards morning|At cock-crow] $he woke $kith and said: “[Give me
your blessing|Bake me something for the road], for I am going to find [$v|$v and look $v.him in the eye], [and
bring back what is ours|and set this right].”

{!elders} “[You? You cannot even find your own shoes!|You are too young|You will be eaten before noon],” said
the neighbours when $h said that $he would go. “[Then I shall be spared your soup|We shall see|A small axe
fells a big tree],” answered $h, and [laced $his boots|went to pack].

{elders} First $elder1 [rode out|set out] on [the good|a strong] $horse horse. At the edge of $wood $ga [asked
for a bite of bread|begged for a morsel]. “[Get out of my way|Ask the crows for bread],” said $elder1, and
[rode on, and never came back|was not heard of again]. Then $elder2 [rode out|set out] [with a sword and a
silver cup|singing loudly]. There again was $g. “[I have nothing to spare|Am I a baker?],” said $elder2, and
[rode on, and did not come back either|that was the last of $elder2]. [At last|Then] $h said: “[Now it is my
turn|I too have two feet].” $kith [wept|wrung $p.his hands], but [let $him go|had to let $him go].
""",
    "farewell": """
$kith baked $him a [loaf|cake] of [the last flour|flour and ashes|rye and tears], gave $him $gift [and
said|and whispered]: “[Keep to the path|Never refuse bread to one who asks|Be civil to the small, for they
have large cousins].” So $h [kissed $p.him|embraced $p.him] and set out, [and the dog went with $him as far as
the bridge|and did not look round|with the sun at $his back].

[Before the sun was up|While the dew still lay], $h [put @food in $his bag|tied up @food in a cloth],
[pocketed|took besides] $gift that $kith had [kept for many years|put by $p.his bed], and went out at the
door. “[Come back|Come home again],” called $kith. “[As sure as the $tree bears leaves|When my work is done],”
called $h.

So $h took [a stick|a hazel stick], @food and $gift for luck, [said goodbye to $kith|bade $kith farewell],
[and the world lay before $him, as wide as it is|and off $he went].
""",
}
