"""Sections of the way back: pursuit, the false claim, the hard tasks, recognition, justice, the end."""

SECTIONS = {
    "pursuit": """
{person} [Hardly were they over the first hill, when|They had not gone far when] [a black cloud came up
behind|the dogs of $v were heard]. “[Now change|Quick],” said $comrade, and [in a moment|at once] there was
[1:a chapel, and in it a grey old sexton|a mill, and in it a floury miller|a field, and in it a reaper].
“[Have you seen two people running by|Did anyone pass here]?” asked the hunters. “[Yes, when I was sowing that
oak|In my grandfather's time],” said the [1:sexton|miller|reaper]. [So they turned back, cursing|They
scratched their heads and rode home].

{person} [They travelled by night and hid by day|The way home is always shorter, people say, but this one was
not]. [At the river|At the ferry] [the boatman asked for the truth as his fare, and $h told him all|there was
no boat, but a swan carried them over one by one]; [and beyond the water no evil could follow|and from there
they could see the smoke of $land].
""",
    "pursuit.thrown": """
But [the brothers of $v|the servants of $v] [had heard the fall|came storming after], [like a
thundercloud|faster than the wind]. “[Put your ear to the ground|Look round],” said $comrade. “What [do you
hear|is it]?” // “[I hear hoofs|The earth is trembling].” $throws
""",
    "thrown.home": """
But [the brothers of $v|the servants of $v] [had heard the fall|came storming after], [like a
thundercloud|faster than the wind]. $h [put an ear to the ground|looked round], and [the earth was
trembling|the dust stood up like a wall]. $throws
""",
    "throws": """
$he threw $th1 behind $him, and $te1. They [gnawed|hacked] their way through it. $he threw $th2, and $te2.
They [climbed over|toiled across]. Then $he threw $th3, and $te3, [and there the hunters burst with rage|and
there they gave it up and went howling home].
""",
    "elders": """
[In the cellar|In the last room], [among the bones|behind an iron door], $h found $elder1 and $elder2, [thin
as rakes|grey with dust], [and took them by the hand without a word of blame|and they hung their heads].
“[Where is your horse?|You gave the old one nothing, I hear],” $h said, and [laughed|then they all laughed].
""",
    "claim": """
{royal} [Near the city|At the last inn before the city] $h, who had not slept for $three2, [lay down in the
shade|fell asleep by the road]. Now $f of $r [came riding by|had been sent out to meet them], and was @cruel.
[$f said to $tthe|Then $f whispered]: “[Swear that it was I who saved you, or you shall both die here|Say that
I did it, or I shall throw this one into the gorge].” And $tthe [swore, with death before $t.his eyes|had to
swear]. So $f [left $h lying|threw $h down a dry well] and [rode into the city under the banners|was led in
with drums]. But $t [spoke not a word and did not smile|put off the wedding for a year and a day].

{royal} While $h [had gone home first to greet $kith|had stopped to thank $g], $f [went before $r|stepped
before the throne] and said: “[It was I|I and no other]. [I slew $v|I made an end of $v] and brought home
$tthe.” And [as proof|for a sign] $f.he showed [a claw bought from a tanner|an old tooth from the attic|a
burnt glove]. [$r was overjoyed|$r believed it], the wedding was [fixed for Sunday|to be in three days], [and
$t wept behind the curtain|though $t said that it was a lie, and nobody listened].
""",
    "rags": """
$h [came to the city in rags|climbed out by the roots and came to the city], [and took service with a
gardener|and nobody knew $him], [and carried dung and kept silence|and the dogs barked at $him]. [$he slept
under the stairs|By day $he weeded, and by night $he looked up at one lighted window].

“[What are the flags for|Why is the street full of flowers]?” asked $h, [who came into the city late in the
day|covered with dust]. “[Have you come out of the ground|Where have you been]? [Today the $heir is to marry
$f, who killed $v|It is the wedding of $tthe and $f],” they said. “[Is that so|Then I am in time],” said $h.
""",
    "tasks": """
But $judge said: “[Anyone can say that|Words are cheap]. [Before I believe you, do three things|Three tasks
you must do]. First you must $b1.task.” $h [sat down on the ground in despair|did not know where to begin],
until $he [remembered|thought of] the $b1, and [took out what it had given $him|reached into $his pocket]. [At
once|Before long] the $b1 $b1.deed. // “[That was the easy one|Good],” said $judge. “Now $b2.task.” [Again $he
despaired, and again help came|$h smiled this time], for the $b2 $b2.deed. // “[The third is the hardest|And
last],” said $judge: “$b3.task.” [And the third time|Then] the $b3 $b3.deed. [There was no more to be
said|$judge bit $judge.his lip and had to own it was done].

“[We shall see what you can do|I shall not give such a prize for a pair of blue eyes],” said $judge. “Can you
$b1.task?” [All night|The whole night long] $h [sat with $his head in $his hands|wept]; towards morning the
$b1 $b1.deed. “[Then|Now] $b2.task!” And [as soon as $h called|when $he had called] the $b2 $b2.deed. “[One
more|And the last]: $b3.task!” But the $b3 [was there before it was called|had been waiting], and $b3.deed.
[Three times they looked, and three times it was done|People came from all the streets to see it].
""",
    "known": """
{royal} At the feast $h [put|let fall] the half of the $token into [1:the cup of $tthe|the soup of $tthe]. $t
[1:drank, and felt it against $t.his lips|found it with the spoon], [stood up|turned red and white], and [laid
it to the other half: they fitted without a seam|held the two pieces together, and they were one again].
“[This is the one who saved me, and no other|There stands the one who came for me],” said $t, “[and $f is a
liar|and I am released from my oath].”

{royal,!death} $h [stepped into the hall|walked in past the guards]. “[If $f slew $v|If this one did it], [let
$f.him say what lay hidden there|let $f.him say what words were spoken].” $f [stammered|turned as white as
cheese]. Then $h [took the half of the $token from $his cap and spoke|held up the half of the $token and said]
before them all: // ~$charm. // “[Those are the words|I heard them],” cried $tthe, and [held out the other
half|laid $t.his half beside it].
""",
    "justice": """
“[What does one deserve who takes another's honour|What shall be done with a thief of deeds]?” asked $r of $f.
“[To be sewn in a sack with a cat and a cock and rolled into the sea|To be driven out of the land barefoot],”
said $f, [who thought of someone else|who did not see where it tended]. “[You have spoken your own sentence|So
be it],” said $r; [and it was done|but $h begged for mercy, and so $f was only sent to keep geese].

$f [tried to slip out by the kitchen|fell on both knees]; but [the cook was standing there with the ladle|it
was too late]. [They sat $f.him backwards on a donkey|They gave $f.him a broom in place of a sword], and
[$f.he is sweeping the stables to this day|that was the last anyone saw of $f.him].
""",
    "wedding": """
{royal} Then the wedding was held, [and it lasted three weeks|and it lasted till the moon was new again]. The
tables bent under @feast and @feast, [@instrument and @instrument played all night|there were @instrument in
every window], and [even the donkeys had ribbons|the beggars sat at the first table]. $kith was sent for [in a
coach with eight $horse horses|in a golden coach], [and cried into the best napkins|and sat at the right hand
of $r]. When $r grew old, $h [was made $crown|became $crown], and [ruled so that nobody had to be afraid of
the dark|kept the $o in the treasury and the old boots beside it].

{royal} “[I promised half my land|A promise is a promise],” said $r. “[And the hand of $tthe?|And what does
$tthe say?]” // “[I said yes at the first word|I have said yes long ago],” said $t. So [they were married|they
kept their wedding] [when the roses were out|before the first snow], and there was [such a feast|so much
@feast and @feast] that [the cats could not climb the stairs|people told of it for a hundred years]. [$g too
was among the guests, and sat by the stove, and winked|Under the table sat the mouse and got a crumb of
everything].
""",
    "homecoming": """
{kin} When they came over the last hill, [the dog knew them first|$kith was standing at the gate]. $kith
[dropped the pail|put both hands to $p.his mouth] and [could say nothing but $t's name|asked whether they were
hungry, and wept]. [That night there was a light in every window of $home|They sat up till cock-crow, and
still it was not all told]. [The $o hung over the hearth from then on, and nobody was allowed to touch it|And
$t sang again, so that one could hear it as far as the mill].

{theft} In $home [they saw $him from the tower|the children came running to meet $him]. When $x2 was back in
its place, [all was as it had been|the trouble went as it had come], [and a little better for the journey|and
people forgot that they had laughed]. [The elders wanted to give $h a house with a slate roof|They offered $h
the mayor's chain], but $he said: “[Mend my $ma's roof, and we are quits|Give me a sack of flour and let me
sleep].” [And so it was|They did both].

{water} [When the first drop touched the lips of $r|As soon as $r had tasted the water], the [colour came back
to $r.his cheeks|sick one sat up and asked for bacon]. “[Ask what you will|What shall I give you?],” said $r.
// “[A new roof for $kith, and no taxes in $home for seven years|Nothing that I could not carry home],” said
$h. [$r laughed for the first time in a year, and gave it, and the half of $land besides|It was given, and the
rest came of itself].
""",
    "moral": """
[@proverb.|So it goes: @proverb.|And from that time they say in $home: @proverb.]

{quest} [That is why the people of $home still leave @food on the step for strangers|Since then nobody in
$home laughs at a $onoun|And whoever digs near $wood may still find a bone or a button of that time].
""",
    "closing": """
{!brief} [And if they have not died, they are living still.|And they lived in peace until death came, late and
on soft feet.|They lived long and well, and so may we.]

[I was there too, and drank mead; it ran down my chin and none of it got into my mouth.|I was at the feast
myself; they gave me a paper coat and glass shoes, and I came home through the rain.]

[My tale is done, there runs a mouse; whoever catches it may make a cap of the fur.|Snip, snap, snout, this
tale is told out.|The cock has crowed, the tale is done.|Here my story ends, and the soup is boiling over.]

[Whoever told me this had it from one who was there, and that one's mouth is still warm.|Some tell it
otherwise, but they were not there.|If it is not true, the $bird told a lie.]

[A loaf for you, a story for me.|Three apples fell from heaven: one for the teller, one for the listener, and
one for whoever comes next.]
""",
}
