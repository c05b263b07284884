"""Whole tales of other shapes, told in fewer sections: the stepchild, the bargain, the innkeeper, the silent sister."""

SECTIONS = {
    "step.open": """
A [$trade|man] in $home had a daughter called $s1, and when his wife died he [married again|took a second
wife], a widow with a [daughter|girl] of her own, [whose name was|called] $s2. [The new wife was @cruel|From
that day there was no peace]: $s1 [had to rise before day|slept in the ashes], [chop the wood and carry the
slops|spin until her fingers bled], while $s2 [lay in bed till noon|ate cream and looked in the glass].

$s1 [had a stepmother|lived with her stepmother] and a stepsister, $s2, in $home, and [the one had all the
work and the other all the butter|what was white for $s2 was black for $s1]. [If $s2 broke a jug, $s1 was
beaten|For $s2 there was cake, for $s1 the burnt edge]; but $s1 [was @kind and did not answer back|sang over
her work].
""",
    "step.sent": """
[One winter's day|One day] the stepmother said: “[Go into $wood and fetch strawberries from under the
snow|Take this wool to the brook and wash it white, black as it is|The fire is out; go and borrow a coal in
$wood], and [do not come home without|do not show your face until it is done].” [She gave her a paper frock
and a crust|She shut the door behind her]. $s1 [went weeping|went, and the snow filled her shoes].

One day the spindle [fell into the well|rolled down the well]. “[You let it fall, you fetch it up|In with
you],” said the stepmother. $s1 [did not know what to do|was so frightened that] [and jumped|she leaped in],
and [when she opened her eyes|when she came to herself] she was lying in [a meadow full of @flower|a wood
where it was always summer].
""",
    "step.good": """
[There was an oven full of bread, and it cried: “Take me out, or I shall burn!” She took out every loaf. There
was an apple tree, and it cried: “Shake me, my apples are ripe!” She shook it and laid the apples in a heap.|A
lame dog asked her for water, and she gave it; a bent birch asked her for a ribbon, and she tied it up with
her own.] // Then she came to [a house|a hut], and [out looked|at the window stood] $ga. “[Do not be
afraid|Come in],” said $g. “[Stay with me and do my work, and it shall go well with you|Comb my hair, shake my
bed, feed my beasts].” $s1 [did everything that she was told|shook the bed till the feathers flew like snow],
[gave the cat her milk|spoke gently to the beasts], and [was well content|had roast and boiled every day].
[After $three she grew homesick|But in time she longed for home]. “[You have served me truly|I like it that
you want to go home],” said $g, and [2:led her to a gate|gave her a little chest], and [2:as she went through,
it rained gold on her|when she opened it at home, it was full of $gem].
""",
    "step.bad": """
“[1:Cock-a-doodle-doo, here comes our golden girl|Bow-wow, our $s1 comes home in gold],” cried the [1:cock on
the gate|dog in the yard]. The stepmother [turned yellow with envy|clapped her hands] and [sent her own
daughter the same way|made $s2 go out too]. $s2 [let the bread burn|kicked the dog]: “[Am I your servant|Why
should I dirty my hands]?” And the apples she left hanging. At the house of $g she [worked one morning and
slept two days|pulled the cat by the tail and tore the comb through the hair]. “[You may go home|I have had
enough of your service],” said $g, and [2:led her to a gate|gave her a chest as well]; but [2:what came down
was a kettle of pitch, and it stuck to her all her life|what was in it was toads and hot coals, and her pretty
shoes were burned off her feet]. “[1:Cock-a-doodle-doo, here comes our dirty girl|Bow-wow, our $s2 comes home
in rags],” cried the [1:cock on the gate|dog in the yard].
""",
    "step.end": """
$s1 [married a forester who asked for nothing but her hand|bought back her father's mill], and [on her table
there was always a plate for strangers|she never sent anyone away from her door].

[As for $s1, she|And $s1] [bought a cow, and gave the rest to the poor|gave half of it to her father and with
the other half went out into the world], and [was happy|no one ever heard her raise her voice].
""",
    "deal.open": """
A [$trade|poor $trade] of $home [had lost his way in $wood|bent down to drink at the $shore], when [something
seized him by the beard|a hand closed round his wrist]. It was $va. “[I shall let you go|You shall go free],”
said $v, “[if you give me|for the price of] what you have at home and do not know of.” [What can that be,
thought the man; I know every nail in the house|The man thought of mice and cobwebs]; and he [promised|gave
his hand on it]. But when he came home, [his wife laid a newborn child in his arms|there was a cradle by the
stove], and that was $h. // [Years went by|The $child grew up] and no one [spoke of it|said a word], until,
[on $his fifteenth birthday|when $h was grown], $sign, and [a voice called down the chimney|someone knocked
three times]: “[$trade, pay your debt|What is mine is overdue]!” Then [the father told everything|it all came
out]. “[What you have promised you must keep|Do not grieve],” said $h. “[I shall go, and I shall come back|No
wolf is as big as its shadow].”
""",
    "deal.serve": """
$h [went to $lair|came to $lair], and there sat $v. “[You have kept me waiting|So there you are],” said $v.
“[Work, then, and if you do it, you are free; if not, I shall eat you with mustard|Do three tasks and your
father's debt is paid].” Now [in the house there lived|there served in that house] a [young captive|young
prisoner] named $t, [stolen long ago|who had been there seven years], who [pitied $h|looked at $h and was
sorry]. [“Do whatever is asked,” whispered $t, “and thank nobody.”|“Call those who owe you something,”
whispered $t.]
""",
    "deal.flight": """
“[That was not your own wit|Somebody has helped you],” said $v [through clenched teeth|and ground $v.his
teeth]. “[Tomorrow I will boil you both|Tomorrow we shall see who it was].” [But that same night|At midnight]
$t [woke $h|came to $h's bed]: “[We must fly|Now or never].” $t [spat three times upon the floor|set three
dolls behind the door], and when $v called, “[Are you asleep|Is the water hot]?” [the first answered: “Soon”;
the second: “At once”; the third: “Here I am”|they answered for them, each more faintly than the one before].
[By that time the two were far away|So they gained half the night].
""",
    "deal.end": """
[Then they were over the border|So they came out into the daylight], and $v, [who had no power there|who could
not cross running water], [stood on the other side and raged, and|choked with fury and] $end. At home in $home
[the father was sitting before the door, grown grey|they had long ago lit candles for $h]; [there was such
joy|they ate and drank], and $t [stayed with them, and was like a child of the house|never had to be afraid
again].
""",
    "inn.open": """
$h of $home, [a $owner's $child|$kin], went out [to learn a trade|into service] and came to $ga, [who needed a
pair of hands|who kept a queer sort of workshop]. [A year $he worked|$h worked for a year], [and never broke a
plate|and was never heard to grumble], and at the end $g said: “[Money I have none|Wages are soon spent];
[take this cloth|here is a tablecloth]. [Say ‘Cover yourself’|Tell it to cover itself], and it will be spread
with [all that you like|meat and wine].” [$h was well pleased.|How glad $h was!] // [On the way home|That
evening] $h [put up at an inn|stopped at an inn] in $town, and [had the cloth spread itself before all the
guests|fed the whole room, carters and all]. But the [landlord|innkeeper] [was @cruel|rubbed his chin], and in
the night he [laid another cloth in its place|changed it for one of his own]. When $h [invited all the
neighbours|came home and called together all the kin], the cloth [lay there like any other|did not stir], and
they [laughed|went home hungry] [and $he was ashamed|and told everyone].
""",
    "inn.second": """
So $h went back and served a second year, and $g gave $him a [$horse donkey|donkey] that [let fall gold pieces
when one said: “Bricklebrit”|coughed up ducats on a cloth]. “[Only keep it by you|Take care where you sleep],”
said $g. But [the road was long and it rained|where should $he sleep if not in $town], and the landlord
[peeped through a crack|saw the gold]; and in the morning a [common|dull] donkey stood in the stall. [At home
it was the same tale as before|At home it gave what donkeys give, and no more].
""",
    "inn.third": """
“[You are honest, and that is half a sense; here is the other half|Where did you sleep both times?],” said $g
[after the third year|when the third year was out], and gave $him a [sack with a stick in it|stick in a bag].
“[Say ‘Stick, out of the sack’, and it dances on every back until you call it in|It will do you justice when
nobody else does].” [This time|Then] $h [told the landlord|said at table] that [the best thing of all was in
the sack|cloth and donkey were nothing to what $he had there]. At midnight [came the landlord on his
stockings|there was a soft step and a hand at the bag]. “[Stick, out of the sack|Out with you, stick]!” cried
$h. [How it thumped|And it beat the dust from his coat], [up and down|front and back], till he [cried for
mercy|promised everything]: [cloth, donkey and the money for the supper|he would give back cloth and donkey,
and ask no reckoning]. “[Grace before right|In with you, stick],” said $h. // So $h [came home with all
three|brought home all three], and [fed the neighbours and gave each a lapful of gold|now the cloth was
covered in earnest]. [And the stick? It stands behind the door.|Nobody laughed then.]
""",
    "mute.open": """
[A $trade|A widow] in $home had $years sons and one daughter, $s1. [In anger|One day, when they had broken the
pitcher,] the [mother|old one] cried out: “[I wish you were all ravens|I would you were birds and flew away]!”
[Hardly was it said|The words were not out], when [there was a rush of wings|$years black birds flew from the
window] and [the house was still|every stool at the table was empty]. When $s1 was old enough [to be told|to
ask why there were so many beds], she [took a stool to sit on when she was tired, and a loaf, and went to seek
them|said: “Then I shall find them,”] and [walked to the end of the world|walked till her shoes were gone].
""",
    "mute.vow": """
[In $wood|At the edge of the world] she met $ga. “[It can be undone|There is a way],” said $g, “[but it is
hard|only it is harder than iron]. For $years years you must not speak nor laugh, and in that time you must
sew a shirt of [nettles|starflowers] for each. [One word, and all is lost|If a single word falls from your
lips, they will be ravens for ever].” $s1 [nodded, and from that moment was dumb|closed her mouth and began].
// [She sat in a hollow @tree and sewed|Her hands were blistered, but she sewed]. [Then came a young king
hunting|There a king's son found her], and [she was so fair and looked at him so gently that|since she did not
answer in any tongue,] he [lifted her on his $horse horse and made her his queen|married her, silent as she
was]. But [the king's mother|an old aunt at court] was @cruel and said: “[One who does not speak has something
to hide|She is a witch; at night she gathers nettles among the graves].”
""",
    "mute.end": """
[Twice the king would not hear of it|The king defended her as long as he could], but the third time [the
judges had their way|the law was stronger than he]: [she was led to the stake|they built the pyre]. She [had
the shirts over her arm, all done but the last sleeve|sewed as she stood in the cart]. [And just then the
$years years were over|The last minute of the $years years ran out]: [with a great rushing|out of the sky]
came the $years ravens. She threw the shirts over them, and there stood her brothers, [whole and
hearty|handsome as ever], only [the youngest had a wing in place of his left arm|the youngest kept a black
feather in his hair]. // “[Now I may speak|Dear husband],” said $s1, “[and say that I am guiltless|I have done
no wrong].” [Then there was rejoicing|How they wept and kissed]; and [the old one was put in a barrel of her
own slanders, as the saying is, and sent out to sea|the liar was sent to mind the ravens' nest].
""",
}
