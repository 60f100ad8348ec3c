"""Made-up names and small values: the material of every record we write.

Everything is drawn from a `random.Random` that the caller seeds, so the same seed gives the same text.
Names are put together from syllables or from two plain words; they are open-ended on purpose, because a
model can only write such a name by copying it from the record.
"""

ONSETS = ("b bl br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sc sh sk sl sn st str sw t th tr "
          "v w wh z").split()
VOWELS = "a a a e e e i i o o o u ai ea ee ia ie oa oo ou".split()
CODAS = ["", "", "", "", "n", "n", "r", "r", "l", "s", "m", "t", "th", "nd", "ck", "sk", "x", "rn", "lm", "st", "sh"]
ENDINGS = ("a o is en an or ia el us ay ine elle ard win ley ford ton by wick mere holm stead field moor haven dale"
           ).split()

COLORS = ("red green blue yellow white black grey brown orange purple pink silver golden turquoise crimson violet "
          "amber ivory copper teal scarlet olive").split()
ADJECTIVES = ("old quiet little lucky silver golden blue green red hidden merry wild crooked sleepy wandering broken "
              "lonely happy brave clever gentle frozen burning hollow painted singing dancing laughing northern "
              "southern last first second lost bright dark tall humble proud rusty velvet wooden iron").split()
NOUNS = ("lantern kettle fox river harbour garden bridge tower owl rabbit anchor candle cloud feather forest gate "
         "hammer horse island key lemon maple mill mirror moon mountain orchard otter pearl pepper piano pigeon "
         "pine plum rose sail sparrow spoon star stone swan table thistle tiger train valley violin walnut wheel "
         "whistle window wolf barrel basket bell button clock comet compass crown drum falcon goose heron").split()
FIRST = ("Anna Boris Clara David Elena Felix Greta Hugo Ines Jonas Karin Leo Mara Nils Olga Pablo Rosa Samuel Tilda "
         "Victor Wanda Yusuf Zoe Amir Bela Carmen Dario Edith Farah Gustav Hana Ivan Julia Kofi Lucia Miguel Nadia "
         "Oscar Petra Ravi Sofia Tomas Uma Vera Walter Ximena Yara Zeno Agnes Bruno Chiara Dmitri").split()
MATERIALS = ("oak pine steel iron brass copper glass leather bamboo clay wool cotton linen silk stone marble granite "
             "paper rubber bronze aluminium ceramic walnut felt").split()
MONTHS = ("January February March April May June July August September October November December").split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
SMALL = "two three four five six seven eight nine ten eleven twelve".split()


# parts of names; each is a token of the starter model or two
FRONTS = ("Al Am An Ar Bal Bel Bor Bran Brel Cal Cor Cur Dal Dor Dun El Er Fal Fen Gal Gar Gor Gren Hal Har Hol Il Jan Jor Kal "
          "Kel Kor Lan Lor Lun Mal Mar Mel Mor Nar Nor Ol Or Pel Per Pol Quin Ral Ras Ros Sal Sar Sel Sor Tal Tar Tel Tor Tren "
          "Ul Var Vel Ver Vol Wal Wel Wil Yar Yor Zan Zel").split()
MIDDLES = "a e i o".split()
BACKS = ("wick ford ley ton by mere holm stead field moor haven dale win gard bury den low mont port side ster well worth "
         "rick nell dor kin mar nak ric tas vik zan").split()


def syllable(r):
    return r.choice(ONSETS) + r.choice(VOWELS) + r.choice(CODAS)


def made_up(r):
    """A pronounceable word nobody has seen: Velwick, Torinmere, Garholm."""
    return r.choice(FRONTS) + (r.choice(MIDDLES) if r.random() < 0.3 else "") + r.choice(BACKS)


def strange(r):
    """One put together from any letters that can follow each other: Praocrulm, Troon."""
    kind = r.random()
    if kind < 0.3:
        word = syllable(r) + syllable(r)
    elif kind < 0.8:
        word = syllable(r) + r.choice(ENDINGS)
    else:
        word = syllable(r) + r.choice(VOWELS[:11]) + syllable(r)
    return word.capitalize()


def person(r):
    return f"{r.choice(FIRST)} {made_up(r)}"


def sign(r):
    """A name as over a shop door."""
    kind = r.random()
    if kind < 0.35:
        return f"The {r.choice(ADJECTIVES).capitalize()} {r.choice(NOUNS).capitalize()}"
    if kind < 0.55:
        return f"{r.choice(NOUNS).capitalize()} and {r.choice(NOUNS).capitalize()}"
    if kind < 0.75:
        return f"{made_up(r)} {r.choice(NOUNS).capitalize()}"
    return f"{r.choice(FIRST)}'s {r.choice(NOUNS).capitalize()}"


def title(r):
    """A title as on a book."""
    kind = r.random()
    noun, other = r.choice(NOUNS).capitalize(), r.choice(NOUNS).capitalize()
    if kind < 0.3:
        return f"The {noun} of {made_up(r)}"
    if kind < 0.5:
        return f"{r.choice(ADJECTIVES).capitalize()} {noun}"
    if kind < 0.7:
        return f"The {noun} and the {other}"
    if kind < 0.85:
        return f"{capital(article(noun))} for {r.choice(FIRST)}"
    return f"{r.choice(SMALL).capitalize()} {plural(noun)}"


def place(r):
    return made_up(r) if r.random() < 0.75 else f"{r.choice(('Port', 'New', 'Upper', 'Old', 'East', 'West'))} {made_up(r)}"


def year(r):
    return str(r.randint(1702, 2019))


def price(r):
    kind = r.random()
    if kind < 0.4:
        return f"{r.randint(2, 95)} euros"
    if kind < 0.7:
        return f"{r.randint(2, 95)} crowns"
    return f"£{r.randint(2, 60)}"


def clock(r):
    return f"{r.randint(5, 11)}:{r.choice(('00', '15', '30', '45'))}"


def named(r):
    """A made-up name with a plain word or a number beside it: Velwick Fair, Torinmere 17, Silver Garholm."""
    kind = r.random()
    if kind < 0.5:
        return f"{made_up(r)} {r.choice(NOUNS)}" if r.random() < 0.5 else f"{made_up(r)} {r.choice(NOUNS).capitalize()}"
    if kind < 0.65:
        return f"{made_up(r)} {r.randint(2, 99)}"
    if kind < 0.85:
        return f"{r.choice(ADJECTIVES).capitalize()} {made_up(r)}"
    return f"The {made_up(r)} {plural(r.choice(NOUNS)).capitalize()}" if r.random() < 0.5 else f"{r.choice(NOUNS).capitalize()} of {made_up(r)}"


def article(phrase):
    return ("an " if phrase[0].lower() in "aeiou" else "a ") + phrase


def plural(noun):
    odd = {"wolf": "wolves", "goose": "geese", "fish": "fish", "knife": "knives"}
    if noun in odd:
        return odd[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


def listing(parts):
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def capital(text):
    return text[0].upper() + text[1:]
