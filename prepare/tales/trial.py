"""Sections of the struggle: the villain comes home, is met with the agent of this tale, and loses the prize."""

SECTIONS = {
    "within": """
{person} Inside, [by a cold hearth|at a spinning wheel of iron|behind seven doors], sat $t, [weeping|as pale
as wax]. “[Unhappy one, what brings you here|Who are you, and how did you come here alive]?” cried $t. “[$v
will be back before dark|When $v comes home we are both lost].” // “[I have come to fetch you home|I have not
walked so far to be frightened now],” said $h, [and showed $t.him the $o|and told $t.him everything]. [Hardly
had $he spoken, when|At that moment] $sign.

{person} $t [knew the step at once|heard the latch and came running]: “[Quick, hide|Go, while there is time]!
[$v has gone out to hunt, but will be back at nightfall|$v is asleep and never sleeps long].” $h [did not
go|shook $his head]. “[Either both of us or neither|I shall go when you go],” $he said. [Then|But by then]
$sign.

{thing} $h [went from room to room|looked through one keyhole after another]. [In the first lay nothing but
bones, in the second nothing but gold|One was full of stolen shoes, another of stolen years]; [and in the
last|but in the innermost], under [a web|a heap of rags], $he saw $x2. [Before $he could touch it|$he had just
put out $his hand, when] $sign.

{thing} [Through a crack in the wall|Through a knothole] $h saw $x2: it stood [in the middle of the
$den|beside the bed of $v], and [a chain lay round it|a ring of sleeping toads guarded it]. [$he would have
crept in, but|Then all at once] $sign.
""",
    "challenge": """
“$sniff” [roared|growled|said] $v, [coming in|stooping under the lintel]. “[Who are you, and what do you
want|What do you seek here, earthworm]?” // “I am $h, $kin from $home,” said $h, “[and I want back what you
have stolen|and I have come for $prize].” // $v [laughed until the rafters shook|grinned from ear to ear].
“[Do you not know|Have they not told you] that $boast?”

[In came|There in the doorway stood] $v. “$sniff,” said $v. [“Come out, or I shall pull down the wall.”|“I can
wait; hunger makes a good sauce.”] $h [came out|stepped into the light] [with a heart that went @simile|with
dry lips], but [$his voice did not shake|$he held $his head high]: “[Give back $prize|Hand over $prize], and
[I will let you live in peace|you shall keep the rest].” // “[Give|Back]!” said $v. “[I do not know the
word|What would I be if I gave things back?]. Hear this, $lad: $boast.”

$v [had smelled $him from afar|came home early that day]. “$sniff” [At supper|At the table] $v pushed a dish
across. “[Eat|Drink], guest!” But $h [remembered what $he had been told|thought of the knot in $his kerchief]
and [let it fall to the dog under the table, and the dog lay down and was stone|poured it out behind the
bench, and it burned a hole in the floor]. “[So you are not as stupid as you look|You have had a good
teacher],” said $v, “but $boast.”
""",
    "use.sword": """
Then [they went out on the threshing floor|they stood face to face]. [The first time|At the first rush] $v
[1:drove $him into the ground to the ankles|hurled $him against the wall|broke $his shield], the second time
[1:to the knees|against the other wall|$his staff], and [at the third rush|the third time] $h
[remembered|called out]: // ~$charm! // The $o [leaped from $his hand|flashed like summer lightning] and
struck [one blow, from the crown down|a single blow]. // “[Strike again|Once more]!” [groaned|begged] $v. “[Do
not let me suffer|Only one more blow]!” // “[My mother bore me once, and once is enough|Once is all you get],”
said $h, [and lowered the $onoun|for $he had not forgotten $g]. And $v $end.

$h drew the $o, and it [looked so poor|was such a sorry thing] that $v [laughed aloud|held both sides with
laughing]. “[Is that for picking teeth|Did you find it on a dunghill]?” // But $h said [softly|loud and
clear]: // ~$charm! // [The laughing stopped|There was no more laughing]. [The $onoun rose, it whistled
through the air, it fell|Once it struck, and the $den split from end to end]. “[Again|Hit me again], or you
are a coward!” [hissed|howled] $v. $h [put it behind $his back|stood still as a post]. [Then|So] $v $end.
""",
    "use.dance": """
“[Before I die|Before you eat me], let me play one [tune|little tune],” said $h. “[Play, then; it will help my
appetite|I like music before meat],” said $v. So $h took out the $o and said: // ~$charm. // [At the first
note|Hardly had the first note sounded, when] $v's [toes began to twitch|foot began to tap]; at the second
[the tables danced|the pots jumped from their hooks]; at the third $v went [hopping and leaping|whirling]
round the $den, [through the hearth and over the benches|from wall to wall]. “[Stop|Have mercy]! I will give
you gold!” // $h played on. “[I will give you half of all I have|You shall be my heir]!” // $h played
[faster|on]. “[Then take $prize|Take $prize] and be hanged!” // “[Louder, I could not hear for the music|Swear
it],” said $h; [but the dancing had gone on too long, and|and with the last turn] $v $end.

$h [set the $onoun to its work|did not stop to argue]: // ~$charm! // [And it began|Then it sounded], [a tune
like a brook in spring|a jig that would have made a gravestone skip]. $v [danced|had to dance],
[roaring|cursing], [up the stairs and down again|among the bones and the kettles], till [sparks flew from the
flagstones|the sweat ran down in streams]. “[Only a breath|One breath, one breath]!” [pleaded|panted] $v. $h
[was tired to death|had no feeling left in $his fingers], but [$he thought of $g's words and did not leave
off|did not rest]. [At sunrise|When the night was over] $v $end.
""",
    "use.unseen": """
$h had [only just time|just time enough] to take out the $o and [murmur|whisper]: // ~$charm. // [Then|And] $v
looked [left and right|under the bench and up the chimney] and saw nobody. “[I hear you breathe|I smell you
still]! [Say one word, and I will give you a kingdom|Speak, and you may go free].” $h [bit $his tongue|held
$his breath]. $v [struck about|threw ladles and axes], [and the walls fell in|and broke everything in the
$den]. $h [slipped between $v.his feet|crept softly behind], took the keys [from the belt|from the nail], [and
tied $v.his long hair to the bedpost|and poured the lamp oil over the threshold]. [In the morning|When at last
$v leaped up in a rage], $v [slipped|was jerked backwards], and $end.

[For three nights|Three times] $h went [in and out|through the $den], covered by the $o, after saying: //
~$charm. // The first [night|time] $he [stole the bolt from the door|put out the fire]. The second
[night|time] $he [led away the watch dogs|blunted every blade in the place]. “[Who is there? Only answer, and
I will do you no harm|Speak to me, little mouse],” called $v; but $h [did not say a word|kept silent as a
fish]. The third [night|time] [$he took the heart of the house, which was the key to it|$he broke the staff in
which all the strength of the place was kept]. When $v [found it gone|saw what was missing], $v [gave a
cry|turned grey], and $end.
""",
    "use.sack": """
“[You are great, I see that|Everybody knows how great you are],” said $h; “but [can you make yourself small?|I
have heard that you could never get into this $onoun].” // “[I can do anything|That I should like to see the
end of],” cried $v. $h held out the $o and said [under $his breath|quickly]: // ~$charm! // [There was a
rushing sound|A wind blew], and in went $v, [head first|feet last], and $h [tied the string|shut it with three
knots]. // “[Let me out, and I will fill it with @gem|Open, and you shall be king of three countries]!” cried
the voice inside. // “[Sweet words, but the knot is tight|I was told that you would say so],” said $h; and
[carried it to the deepest part of the $shore and threw it in|laid it on the anvil and called three smiths].
There $v $end.

$v [sprang at $him|reached out with both hands]. $h [stepped aside|ducked] and held [up|open] the $o: //
~$charm! // [The next moment|Before you could say knife] $v was inside, [kicking and scolding|no bigger than a
cat]. [First there came threats, then promises, then tears|It threatened like thunder, then it begged like a
child]: “[Open only a finger's breadth|Untie it, and all my treasure is yours]!” [$h sat down on it and ate
@food|$h hummed a song so as not to listen]. “[A promise made in a $onoun is worth what a $onoun is
worth|Where you are, you can do least harm],” $he said. By morning it was [quiet in there|very light], for $v
$end.
""",
    "use.lamp": """
[It grew so cold that words froze|It was as dark as the inside of a cow]; $h's [fingers were stiff|teeth
chattered], and $v came [nearer and nearer|closer step by step]. Then $h took out the $o and [breathed on
it|held it up], and said: // ~$charm! // [A little flame stood up, then a larger|Light poured out as from a
baker's oven], and it [fell on the face of $v|filled the $den]. “[Cover it|Put it out]!” cried $v. “[It hurts,
have you no pity?|I am old, and my eyes are weak!]” [The $onoun burned in $h's hand like a coal|$h's own hand
was scorched], but $he [held it high|did not let go]. [Then|And] $v $end, and [there was warmth in that place
for the first time in a thousand years|water dripped from all the walls].

“[Stay with me|Come closer],” said $v [softly|in a voice like falling snow], “[you are tired; here one sleeps
well|here nothing hurts].” $h's [eyes closed|head sank] already; but [with the last of $his strength|half
asleep] $he felt for the $o and stammered: // ~$charm. // And [see, it was light|all was as bright as noon in
hay time]. $v [shrank back|threw up both arms]: “[Turn it away, only a little|Shade it, and I will give you
whatever you ask]!” $h [did neither|did not turn it away, not by a hair]. So $v $end.
""",
    "use.bell": """
“[One night is long enough for me to break your neck|Before morning you will be in my pot],” said $v. // “[And
how do you cook such a one as me|Let me at least ask you something first],” said $h, and [asked about the
spices, and the wood, and the pot|asked one thing after another], [so that the hours went by|until the night
was half over]. [When $v at last stood up and whetted the knife|At last $v lost patience], $h took the $o: //
~$charm! // $he sounded it once. [Far away a cock crowed, then another|The cocks woke in seven villages], [a
red streak ran along the sky|the sun in its shirt looked over the hill], and $v [stood as if nailed down|had
no time to reach the shutter] and $end.

$h [ran|fled], and $v [came after|followed], [up the stairs, across the roof and down the ivy|three times
round the $den]. [It was still black night|It was barely midnight]. “[Nobody will help you before
daybreak|Run, run, the night is long]!” laughed $v. [Now, thought $h, or never|It was high time]. $he lifted
the $o and called: // ~$charm! // [Clear and high it sounded, and only once|It gave a single note], and [the
east grew white|the night folded up like a cloth]. “[That is against all law|It is not time, it is not time]!”
cried $v, and $end.
""",
    "use.riddle": """
“[I am tired of eating without talk|We will do this in the old way],” said $v. “[Three riddles I shall ask
you|Three questions]: answer, and [$prize shall be yours|take what you came for]; fail, and [your head goes on
the fence|you stay here for ever].” // $h [turned to the wall as if to think|scratched behind $his ear], held
the $o there and murmured: // ~$charm. // “[1:What is swifter than the wind|What is softer than the softest
bed|What do all men carry and no one puts down]?” asked $v. “[1:Thought|A mother's arm|Their years],” said $h.
“[2:What feeds all and is never thanked|What is born every night and dies every morning|What drinks all the
rivers and is thirsty still]?” // “[2:The black earth|A dream|The sea].” // “[3:And what have I in my hand|And
how many hairs are on my head]?” [shouted|screamed] $v. “[3:Nothing, for you have never been able to keep
anything|One fewer than an hour ago],” said $h, [as the $onoun had whispered|for so it hummed in $his ear].
[It was right|It was the answer]. At that $v $end.

$v [yawned|cracked $v.his knuckles]. “[Guess, and you may go|I like riddles better than roast]. What [1:stands
on four legs and is always hungry|is my name, which no one alive has heard]?” // $h [asked for time|held the
$o to $his ear]: // ~$charm. // And it [hummed|whispered like the sea]. “[1:A table in the house of the
poor|Your name is the one your mother cried when she left you on the moor],” said $h. $v [turned
pale|swallowed hard]. “[2:And what is it that I fear|What has no weight, and yet I cannot lift it]?” //
“[2:Someone who is not afraid of you|The debt you owe].” // “[Who told you, who told you?|Once more!]”
[shrieked|roared] $v, [stamping so hard that|so loudly that] the $den [cracked|shook]. “[What comes next|The
last question: what happens now]?” // “[This|The end of you],” said $h; and $v $end.
""",
    "use.death": """
$h [struck at $v with whatever lay to hand|threw a stone at $v's breast], but [it was like striking smoke|the
wound closed like water]. “[You may hack until doomsday; my death is not in me|I keep my life elsewhere]!”
laughed $v, and [shut $h up in the cellar|lay down to sleep off the joke]. Then $h took out the $o: //
~$charm. // It [misted over and grew clear|trembled like a pool], and $he saw [an island in the sea, and on
it|far off in the marshes] an oak; under the oak a chest, in the chest a goose, and in the goose an egg. [$he
ran by night, and|In the dark of the moon] $he called the three beasts to whom $he had been kind. The $b1
[showed $him the root under which the chest lay|found the place where the chest was buried]; the $b2 [kept
watch on the goose so that it could not fly away|held the goose]; the $b3 [brought back the egg when it had
fallen into the sea|found the egg among the reeds]. [$h closed $his hand on it, and it cracked|$h threw the
egg against the oak, and it broke]. In that same hour, [in the middle of a laugh|with the cup at $v.his lips],
$v $end.

“[Where do you keep your strength|Why does no blade bite you]?” [asked $h at supper, as one asks about the
weather|$h asked]. “[In the broom|In the doorpost],” said $v, [and lied|and laughed]. [But in the night|When
all was quiet] $h looked into the $o and said: // ~$charm. // And there in the depths of it lay [a lake|an
island], and a [hollow @tree|well without a rope], and in it [a candle that burned under a bowl|an egg as
black as coal]. // [The $b1 went before and showed the way, the $b2 kept off the watchers, and the $b3 reached
it when $h could not|With the $b1 to find it, the $b2 to guard $his back, and the $b3 to bring it up, it was
done before day]. $h [breathed on it, and it was out|broke it in two]. “[I feel so strange|What is that, I am
cold],” said $v at home in the $den, and $end.
""",
    "freed": """
{person} $h [took $t by the hand|broke the lock], and [all the doors sprang open|the chains fell away like
straw]. “[Is it day, or am I dreaming?|I had forgotten how the air smells],” said $t. [With them came out all
those whom $v had kept: millers, queens and chimney sweeps, blinking in the light|They did not stay to count
the gold].

{person} Then $t [laughed and wept at once|fell on $h's neck]. “[How did you find me?|I knew that someone
would come],” $t.he said. [They filled their pockets with @gem, but only as much as they could carry|They took
nothing away but each other's hand], and [before they had crossed the yard the $den had fallen in behind
them|the $den sank into the earth behind them].

{thing} $h [lifted|took up] $x2 [with both arms|as one lifts a sleeping child]. [It was heavier than it
looked|It seemed to know $him], [and the way home was long|and it grew lighter with every step homeward]. [Of
$v's gold $he took only enough for the ferry|What else lay there $he left for the rats].

{thing} [So|Thus] $h [had back|won back] $x2, [and wrapped it in $his coat|and tied it on $his back]. “[Now
home|Home now],” $he said [to nobody|to the wind], [and the crows flew up and told it to the whole wood|and
for the first time in weeks $he was hungry].
""",
    "token": """
{royal} Before they parted at the border, $tthe [drew out|took] $t.his $token, $tokenhalf to $h. “[By this I
shall know you, if we should be parted|Keep it; faces change, but this will fit],” $t.he said. $h [sewed it
into $his cap|hung it round $his neck on a thread].
""",
}
