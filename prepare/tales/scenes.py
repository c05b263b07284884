"""Scenes by the way that any tale may pass through: landscapes, inns, gossip, dreams, people, rooms, feasts."""

SECTIONS = {
    "view": """
[From the top of the ridge|From the next hill] one could see [the whole of $land|as far as the sea]: [to the
left|in the east] @sight, [to the right|in the west] @sight, and between them [fields of @plant and @plant|a
road as white as a thread|@sight]. [A @bird hung in the air|Bells were ringing somewhere|Smoke went up from
the @house at @town].

[The road ran beside a @shore|There was a @shore to cross], [and there $h saw @sight|and on the bank stood
@sight]. [The water was @dark|The water was as clear as glass], and [at the bottom lay a @state @tool that
nobody had dared to fetch|a @tree had fallen across it for a bridge|one had to jump from stone to stone].

[It was a @bright morning|It was a @dark evening]. [Dew hung on the @plant like @gem|Mist lay in the hollows
like milk in a dish|The sky was the colour of @metal]. $h saw @sight, and [a little after that|not far from
it] @sight. [$he thought of @memory.|It made $him think of @memory.|“That is something to tell at home,”
thought $h.]

[There stood by the road|They had built there] a @small chapel [with a roof of @metal|without a door], and in
it [slept a @animal|burned a candle that nobody had lit|hung @possession, and nobody could say whose]. $h [put
a flower on the sill|said a short prayer for @person|rested there until the rain was over, and thought of
@memory].

The [first|next] day $h saw @sight; the [second|day after that] $he saw @sight; and on the [third|last] [there
was nothing but @plant from one edge of the world to the other|$he saw @sight, and wondered at it|@omen, and
$he walked faster].
""",
    "people": """
[On the way|That same day|Towards noon] $h met @person, coming the other way. “[What news|What is to be heard
in the world]?” asked $h. // “[Bad and worse|Much, and little of it good|This and that]: @rumour, and @rumour.
And you, $lad?” // “[I am going to $v|I have an errand with $v],” said $h. // “[Then God help you|Then you had
better make your will|I knew a @craft who said the same @when],” said the other, [and gave $him @food|and
walked on faster|and spoke of nothing more but @memory].

In [a village|@town], [where $he stopped for water|which has a crooked steeple], [they were holding a
fair|there was a christening|it was market day]. [One could buy|They were selling] @possession, @possession
and @possession; and @person was [dancing with|shouting at|pulling the nose of] @person. “[Stay with us|Why go
farther]?” [they called|said a @temper @craft]; “[we have @dish and @dish|here nobody asks what you have left
undone|@man will marry on Sunday, and there will be @dish].” $h [ate a cake and went on|laughed and shook $his
head|bought a @wear for $kith and went on].

$h [shared the fire|kept company for an hour] with @person, who [had been everywhere|had much to tell]. “In
@country,” [said|began] the stranger, “@rumour; and in @country [I have seen|one may see] @sight. [But never
have I seen anyone come back from $v|But the strangest of all was @sight].” [And they broke the last crust in
two.|Then they slept, back to back, and in the morning the stranger was gone, and the @dish too.]

At the toll gate of @town sat @person. “[The toll is|That will be] @num @coin,” said the [keeper|gatekeeper],
“or else [@possession|a story that I have not heard].” // “[I have nothing but|All I own is] @food,” said $h,
“but [I can tell you that @rumour|have you heard that @rumour]?” // “[Is that so?|That I did not know.] Pass,
then, [@saw|and mind the @animal].”

“[Do you see that @house|Do you know that @house]?” asked @person on the road. “[There lived @person|It
belonged to @person], who [would not part with|lost at cards|dug for] @possession; and now [there is nothing
in it but a @animal|a @animal sits there @doing, every night that God sends].” “[And what is to be learned
from that?|Why do you tell me this?]” asked $h. // “[Only this: @saw.|Nothing. It is a long road, and my @body
hurts when I am silent.]”

[Two|A pair of] [carters|pedlars|pilgrims] stood quarrelling [beside a broken cart|at the crossroads] over
@possession. “[You sold it to me|It was promised to me] @when, @insult!” “[I never did|I lent it], @insult!”
[So $h judged between them|They asked $h to judge]: “[Let one divide and the other choose|Give it to the first
who passes|Sell it, and drink the money together].” [They looked at one another|Both scratched their heads],
and [it was done, and $h had a share in the @dish|thanked $him and went on quarrelling about @possession].
""",
    "dream": """
That night $h dreamed of [@sight, and of @sight|a @colour @animal that carried @possession|$kith, who stood at
the window and held @possession|a @tree full of birds, and every one of them said $his name]. “[Do not sleep
so sound|Remember the @tool|Whatever you do, do not forget this: @saw],” said [the @animal|a voice]. [What it
meant $he did not know.|In the morning @omen.|And it seemed to $h that $he had heard it before, @when.]

[Before sleeping|In the dark] $h [sang to keep up $his courage|sang the old song of $home]: // ~$song. //
[Then $he slept until the sun stood high.|And it seemed that somebody in the dark was humming with $him.]

[$h could not sleep|$h lay awake] and [thought of|remembered] @memory; and [after that of|then of] @memory.
[Towards morning|At last] it began to rain.
""",
    "talk": """
[In $home they talked of nothing else|At the well they talked of it]. “[It comes of|I blame] [the new
calendar|@person|eating @dish @when],” said the @craft. “[Nothing of the kind|On the contrary]: @omen, and I
said so at the time,” said [@name|the @craft's wife]. “[If I were young again|If it were not for my @body],
@oath, [I would show them|you would see something],” said the old @craft. [So they talked until nothing was
left of the @dish.|Only $h said nothing.]

There had been signs: @omen, and @omen, and [the very night before|a week before] @omen. But [who heeds such
things|nobody had understood them], and [@name the @craft had even laughed|they had all been thinking of the
price of @plant].

“[Did you hear|Have you heard], @rumour,” said the @craft. “[That is nothing|What of that]: @rumour,” said the
@craft's wife. [And each went home and told it as something else.|So one thing was soon talked of like
another; but $h could not forget.]
""",
    "house": """
[In the house stood|There were in the house] a @state @tool, a @tool and [a clock without hands|a picture of a
@animal|a @animal that was older than $h]; [over the door hung a @state @tool|a bunch of @plant dried under
the beam|on the wall hung @possession], and [it always smelled of @smell|in the evenings $kith told of
@memory].

[On Sundays|On feast days] there was [@dish|@dish and a little @dish], and $kith wore [a shawl|a coat] of
@cloth; [on other days|the rest of the week] there was [@food|@dish without salt], and [nobody asked for
more|the cat had the rind]. [What $h liked best was|In the evening they spoke of] @memory.

As a [child|little one] $h had once [found|broken|hidden] @possession, [and had to herd the neighbour's
@animal for a month to pay for it|and nobody ever learned of it but the @animal|and cried about it until there
was @dish]; [$he knew the name of every @animal in $home|$he could whistle so that a @animal came running|$he
was afraid of nothing but @person].
""",
    "wonder": """
[In the yard|Behind the gate] [grew @plant with leaves of @metal|lay heaps of @gem as other people have
turnips|stood a @animal and a @animal, turned to stone]. [There was @sight|A @colour @animal was there,
@doing], and beside it @sight; [but $h did not stay to stare|and all of it was as still as a painted thing].

[The first door was of @metal, the second of @metal, and the third was of plain wood|There were three doors,
one hung with @cloth, one set with @gem, and one so low that one had to stoop]. [Behind the first lay|In the
first room lay] @possession and @possession; behind the second @possession, and a @animal @doing; [and so $h
took the third|but $h chose the third].

There hung on the walls [what had been taken from travellers|all that $v had ever stolen]: @possession,
@possession, the @tool of a @craft from @town, [@num @coin on a string|the @wear of a bishop], and
@possession. [$h wondered who had wept for it|“And each of them was missed by somebody,” thought $h].

A @colour @animal [lay across the threshold|kept watch], @doing. “[Who comes here|What have you brought me]?”
it asked. // “[Only a @craft|Nobody with a name],” said $h, “and [here is @food|I can tell you that @rumour].”
// “[I have not heard a kind word since|It is a long while since anyone brought me @dish, not since] @person
came this way,” said the @animal, [and let $him pass|and lay down again].
""",
    "misdeed": """
[Of $v it was known|They said of $v] that [@num years before|once, @when,] $v had [eaten|carried off|turned
into @plant] @person[, and @person after that|]; [nor was the @house at @town spared|and the @house at @town
stands empty to this day]. [In @country|In @town] they [paid $v.him every year|gave $v.him] @num @coin and
@possession [to be left in peace|and were not left in peace for all that].
""",
    "history": """
“[I was not always as you see me|It is long since I came here],” said $g [as they parted|by the fire]. “[Once
I lived|I grew up] in @town, [in the @house|near the @house], and had @possession and @possession. Then came
@person and [cheated me of it all|asked me for help, and I gave none]; [and ever since I remember @memory, and
how true it is: @saw|and from it I have learned this: @saw].” $h [listened|heard it out] and [did not know
what to say|thought of @memory].

“[And how do things go out there|What do they say in the world now]?” $g asked. $h told how @rumour, and how
@rumour. $g [laughed|shook $g.his head]: “[So nothing has changed|When I was young it was no different]. @saw,
[they used to say|that is all the wisdom there is].”
""",
    "aside": """
[They still tell in $home|The old people remember] that in that same year @omen, and [a week later|the year
after] @omen.

“@rumour,” [people were saying in those days|it was said at that time in $town]; and [they have a saying
there|they had a proverb]: @saw.

[Meanwhile|At that same hour] @person was sitting in $town over a dish of @dish and thinking of @memory; but
that has nothing to do with the tale.
""",
    "guests": """
[Among the guests were|Everybody came:] @person, @person[, @person|] and @person, [and they sat down wherever
they liked|and nobody was turned away]. [They brought|For a gift they gave] @possession, @possession and [@num
@coin in a @wear|@possession]. They ate @dish, @dish and @dish; [and when nothing was left of the @dish|and
towards midnight] @person [fell under the table|began to sing|told how @rumour].

[The cook|The head cook] served @dish in a @tool, @dish with @plant, and [a @animal baked whole|a @animal made
of marzipan]. [@person ate so much that it is still spoken of|It was then that @person proposed to @person].
“[Never since @person was buried have I eaten so well|@oath, I could eat it all again],” said @name the
@craft.
""",
    "after": """
As for the others: @person [got|came by] @possession; @name the @craft [went to live in|was made mayor of]
@town; and [the @animal lived to a great age|nobody ever learned what became of the @state @tool].

[It was long ago|All that was long ago]. [In $home there is now a @house in that place|Where the house of $h
stood, @plant grow now], but [@person still shows for @num @coin @possession that is said to come from it|on
some evenings one may still see a @animal there, @doing].
""",
}
