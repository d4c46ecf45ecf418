"""Words that say nothing of what a question is about, folded as terms are before they are stemmed."""

_ENGLISH = """
a about after all also am an and any are as at be because been before being between both but by can could did do does
doing down during each few for from further had has have having he her here hers him his how i if in into is it its
just me more most my no nor not now of off on once only or other our out over own s same she should so some such t
than that the their them then there these they this those through to too under until up very was we were what when
where which while who whom why will with would you your
"""
_GERMAN = """
aber als am an auch auf aus bei bin bis bist da damit das dass dein dem den der des die dies diese dieser dieses doch
du durch ein eine einem einen einer eines er es euch fur hat hatte ich ihm ihn ihr im in ist ja kann kein keine mein
mit nach nicht noch nun nur ob oder sich sie sind so uber um und uns vom von vor war was wenn wer wie wir wird zu
zum zur
"""
_FRENCH = """
au aux avec ce ces cette dans de des du elle en est et il ils je l la le les leur lui mais me meme mes mon ne nos
notre nous on ou ont par pas pour qu que qui sa se ses son sont sur ta te tu un une vos votre vous
"""
_SPANISH = """
al con como cual cuando del donde e el ella ellos en era es esta este esto fue ha hay la las lo los mas me mi muy no
nos o para pero por que quien se ser si sin sobre son su sus tambien te un una uno y ya yo
"""

STOP_WORDS = frozenset(" ".join((_ENGLISH, _GERMAN, _FRENCH, _SPANISH)).split())
