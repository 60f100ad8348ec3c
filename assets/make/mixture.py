"""Records and sentences for pretraining: the text from which the starter model learns to copy out of a record.

A document holds one to five records of one sort of thing, each told in sentences. Sort, format of the record, order,
openings and what is said of each field are drawn anew for every document, most of them from lists, some put together
from words that have never met. So a model learns to take the values from the record and the manner from what it
has seen before: the gap that a prefix fills later. The kinds, the format, the fields and what is said of them in the
starter dataset (`records.py`) are left out.

    python mixture.py --seed 1 --documents 5     prints a few documents
"""
import argparse
import random

import records
import words as w

END = "<|endoftext|>"
RECORD, SAID = 0.15, 1.0  # weights in the loss: what a record holds cannot be guessed, what is said of it can
THEIRS = {text.format("{v}") for sort in records.SORTS.values() for _, text in sort["fields"].values()}
THEIR_KEYS = {key for sort in records.SORTS.values() for key in sort["fields"]} | {"name", "kind"}
THEIR_KINDS = {kind for sort in records.SORTS.values() for kind in sort["kind"]}


def plain_words(draws=4000):
    """The single words of the starter dataset but its names, so that none of them is a stranger."""
    r = random.Random(0)
    drawn = [records.draw(r) for _ in range(draws)]
    text = " ".join(f"{records.write(record)} {records.describe(record)}" for record in drawn)
    return sorted({word for word in (part.strip(".,") for part in text.split(" ")) if word.replace("-", "").isalpha() and word == word.lower()})


WORDS = plain_words()


def own(phrases):
    """Those that the starter dataset does not have."""
    return [p for p in phrases if p not in THEIRS]

# key names, value, verb phrases
ATTRIBUTES = [
    (["colour", "color", "paint"], lambda r: r.choice(w.COLORS), ["is {v}", "is {v} in colour", "looks {v}"]),
    (["material", "made from", "stuff"], lambda r: r.choice(w.MATERIALS), ["is made from {v}", "is built from {v}"]),
    (["cost", "fee", "worth"], w.price, ["costs {v}", "is worth {v}", "sells for {v}"]),
    (["owner", "belongs to", "holder"], w.person, ["belongs to {v}", "is owned by {v}"]),
    (["town", "city", "location", "where"], w.place, ["is in {v}", "can be found in {v}", "stands in {v}"]),
    (["made in", "birthplace", "origin"], w.place, ["comes from {v}", "was made in {v}"]),
    (["since", "date", "begun"], w.year, ["dates from {v}", "has been there since {v}", "was begun in {v}"]),
    (["maker", "builder", "creator"], w.person, ["was made by {v}", "is the work of {v}"]),
    (["weight", "mass"], lambda r: f"{r.randint(2, 900)} {r.choice(('kilos', 'grams', 'pounds', 'tons'))}", ["weighs {v}", "has a weight of {v}"]),
    (["height", "tall"], lambda r: f"{r.randint(2, 400)} {r.choice(('metres', 'feet', 'inches'))}", ["is {v} high", "reaches {v}", "rises {v}"]),
    (["length", "long"], lambda r: f"{r.randint(2, 400)} {r.choice(('metres', 'feet', 'miles'))}", ["is {v} long", "measures {v}"]),
    (["age"], lambda r: f"{r.randint(2, 300)} years", ["is {v} old", "has an age of {v}"]),
    (["friend", "neighbour", "partner"], w.person, ["is a friend of {v}", "knows {v}", "often meets {v}"]),
    (["next to", "close to", "beside"], w.sign, ["lies beside {v}", "is not far from {v}"]),
    (["loves", "likes", "hobby"], lambda r: w.plural(r.choice(w.NOUNS)), ["loves {v}", "cares about {v}"]),
    (["hates", "dislikes"], lambda r: w.plural(r.choice(w.NOUNS)), ["dislikes {v}", "cannot stand {v}"]),
    (["holds", "contains", "inside"], lambda r: f"{r.choice(w.SMALL)} {r.choice(w.ADJECTIVES)} {w.plural(r.choice(w.NOUNS))}", ["holds {v}", "contains {v}"]),
    (["sound", "noise"], lambda r: r.choice("loud soft deep sharp low clear strange sweet harsh dull".split()), ["sounds {v}", "makes a {v} sound"]),
    (["speed", "pace"], lambda r: f"{r.randint(2, 300)} miles an hour", ["moves at {v}", "goes {v}"]),
    (["guard", "keeper", "chief"], w.person, ["is looked after by {v}", "is kept by {v}"]),
    (["sign", "emblem", "mark"], lambda r: f"{r.choice(w.ADJECTIVES)} {r.choice(w.NOUNS)}", ["has a {v} as its mark", "bears a {v}"]),
    (["number", "code", "serial"], lambda r: f"{r.choice('ABCDEFGHJKLMNPRSTVWXYZ')}{r.randint(10, 9999)}", ["has the number {v}", "is listed as {v}"]),
    (["state", "condition", "mood"], lambda r: r.choice("new worn broken clean dirty calm busy empty full open closed ready late safe".split()), ["is {v}", "seems {v} today"]),
    (["use", "purpose"], lambda r: f"{r.choice('carrying moving drawing cleaning finding keeping counting selling hiding'.split())} {w.plural(r.choice(w.NOUNS))}", ["is used for {v}", "serves for {v}"]),
    (["leader", "head", "director"], w.person, ["is led by {v}", "follows {v}"]),
    (["members", "people", "size"], lambda r: str(r.randint(3, 9000)), ["has {v} people", "counts {v} members"]),
    (["sort", "class", "group"], lambda r: w.made_up(r).lower(), ["is of the {v} sort", "counts as {v}"]),
    (["shape", "form"], lambda r: r.choice("round square flat long narrow wide oval thin thick curved pointed".split()), ["has a {v} shape", "is {v}"]),
]
THINGS = ("box boat cup hat coat chair ring stone lamp sword bell coin rope flag basket drum mirror knife wagon kite "
          "statue house castle farm church inn school bridge village island lake hill road market park club band team "
          "company office engine machine robot clock radio phone song dance film play letter map painting poem doctor "
          "teacher farmer sailor soldier singer painter baker king queen wizard dragon giant horse dog cat bird fish "
          "tree flower mushroom fruit cheese drink medicine stamp puzzle planet comet star city desert forest mine "
          "factory bank hotel library theatre station airport balloon rocket bicycle truck tractor sledge").split()
KINDS = [kind for kind in THINGS + w.NOUNS if kind not in THEIR_KINDS]
NAME_KEYS = ["title", "called", "Name", "who", "item", "known as", "label", "is"]
KIND_KEYS = ["type", "what", "is a", "category", "Type", "class", "sort", "group"]
KEY_WORDS = w.NOUNS + ("area place part point side top end side work time food price people home goal age water day year "
                       "week month look taste song order view plan use rule turn sound shade number trade").split()
MARKS = (": ", ": ", " = ", " - ", " -> ", " : ", " is ", " := ", " . ", ", ")
GAPS = ("\n", "\n", "; ", " ; ", ", ", " / ", " | ", " || ", " . ", " + ", " & ", " // ")
BETWEEN = ("\n", "\n", " => ", "\nText:", "\nIn words:", " ->", " #", "\nSo:", " ##", "\nTold:", END, END)  # a space follows

# words that are put together to phrases nobody would say
DONE = ("kept made found seen known loved sold bought built used shown told led guarded painted written sung sailed meant served "
        "opened closed guaranteed covered needed tasted visited moved turned taken pulled fed seen heard planted cooked "
        "discovered owned born grown named carried").split()
DOES = ("keeps makes finds sees knows loves sells buys uses shows tells leads guards paints sings sails means serves opens closes covers "
        "needs tastes visits moves turns takes pulls feeds hears cooks owns grows carries sets puts lets stands waits runs "
        "stays comes goes travels leaves returns obeys calls suits asks helps weighs wants thrives likes reaches "
        "appears starts ends begins holds gets blossoms looks commands plays lives has").split()
DID = ("kept made found saw knew loved sold built showed told led wrote sang sailed opened closed turned took left got started "
       "appeared came went gave won lost met").split()
WHERE = ("by", "in", "at", "for", "with", "from", "under", "near", "on", "after", "of", "to", "around", "across", "into", "over", "through",
         "beyond", "against", "without", "behind", "above", "out of", "up to", "at the side of", "in the middle of", "in the new part of",
         "on the edge of", "back on", "at the end of", "far from", "next to", "close to", "down to", "in the woods of")
SHORT = ("people", "a year", "each week", "all day", "young", "on board", "on display", "every day", "a time", "across", "long", "wide",
         "at its best", "only", "once", "first", "again", "for good", "at home", "by hand", "in all", "or more", "of them", "doors", "pages",
         "for you", "at last", "too", "prices", "players", "carriages", "albums", "in the morning")
LOOSE = ("old new small big fine rare short long good fair quiet little happy simple common famous better best first last whole full").split()
OPENINGS = (
    "{n} is {a} {k}.", "{n} is {a} {k}, and {it} {p}.", "{n}, {a} {k}, {p}.", "The {k} {n} {p}.", "There is {a} {k} called {n}; {it} {p}.",
    "{A} {k} called {n} {p}.", "{n} is the name of {a} {k} which {p}.", "This {k} is {n}. {It} {p}.", "Here is {n}: {a} {k} which {p}.",
    "{n} {p}. It is {a} {k}.", "We call it {n}, {a} {k}, and {it} {p}.", "Meet {n}, {a} {k}. {It} {p}.", "{n} the {k} {p}.",
    "One {k} is {n}, which {p}.", "Of {n} we know that {it} {p} and is {a} {k}.", "{A} {k}: {n}. {It} {p}.",
    "Everybody knows {n}, the {k} which {p}.", "You may know {n}, {a} {k}; {it} {p}.", "What {p}? {n}, {a} {k}.")
# openings with a value in them; the words between are drawn as well
FRONTED = (
    "{W} {v} {d} {n}, {a} {k}.", "{W} {v} there {d} {n}, {a} {k}.", "{W} {v} one {d} {a} {k}, {n}.", "{W} {v} the {k} {n} {d}.",
    "{v} {d} {n}, {a} {k}.", "{v} {d} the {k} {n}.", "{v} {d} {a} {k}: {n}.", "{X} {v} {d} {n}, {a} {k}.", "{X} {v} {d} the {k} {n}.",
    "{W} {v} you {y} {n}, {a} {k}.", "{W} {v} they {y} {n}, {a} {k}.", "{X} {v} and you {y} {n}, {a} {k}.", "{X} {v} {W2} {n}, {a} {k}.",
    "{W} the {o} of {v} {d} {n}, {a} {k}.", "{X} of {v} {y} {W2} {n}, {a} {k}.", "{X} {v} in {n}, {a} {k}.",
    "The {o} {y} {v} {W2} {n}, {a} {k}.")
FIRSTS = ("Captain", "Take", "Give", "Lovers", "Friends", "Only", "Old", "Doctor", "Mayor", "See", "Visit", "Think of", "Here", "Nobody but",
          "Players", "People", "The house of", "Find", "Bring", "Ask", "Without", "Some", "Where", "When", "How")
YOU = ("can see", "may find", "will find", "can take", "should visit", "can cook", "will hear", "may meet", "must know", "try to find", "travel to see",
       "go far to see", "can have", "try to", "are in", "have", "know", "like", "travel far for", "sing of", "write to")


def number(r):
    kind = r.random()
    if kind < 0.3:
        return w.year(r)
    if kind < 0.55:
        return str(r.randint(2, 990))
    if kind < 0.85:
        return f"{r.randint(2, 990)} {r.choice(('km', 'cm', 'grams', 'hours', 'minutes', 'years', 'people', 'feet', 'miles', 'pounds', 'tons', 'days', 'pages'))}"
    return r.choice((w.clock, w.price))(r)


def phrase_of_words(r):
    n = r.randint(1, 3)
    return " ".join([r.choice(WORDS if r.random() < 0.5 else w.ADJECTIVES + LOOSE) for _ in range(n - 1)] + [r.choice((str, w.plural))(r.choice(w.NOUNS))])


def loose_words(r):
    return " ".join(r.choice(r.choice((WORDS, WORDS, WORDS, w.ADJECTIVES, w.NOUNS, w.MATERIALS, w.COLORS, w.SMALL, THINGS, LOOSE))) for _ in range(r.randint(1, 3)))


def timely(r):
    return r.choice((lambda: r.choice(w.DAYS) + "s", lambda: r.choice(w.MONTHS), lambda: r.choice(w.DAYS), lambda: f"in {r.choice(w.MONTHS)}",
                     lambda: f"{r.choice(w.SMALL)} times {r.choice(('a day', 'a week', 'a month', 'a year'))}", lambda: f"at {r.choice(('noon', 'night', 'dusk', 'dawn'))}",
                     lambda: f"{r.choice(w.SMALL)} to {r.choice(w.SMALL)}"))()


def doing(r):
    return f"{r.choice('carrying moving drawing cleaning finding keeping counting selling hiding cutting binding drilling mending peeling'.split())} {w.plural(r.choice(w.NOUNS + THINGS))}"


def gone(r):
    return f"{r.choice('carry move draw clean find keep count sell hide collect trade'.split())} the {w.plural(r.choice(w.NOUNS))}"


VALUES = (w.made_up, w.place, w.place, w.person, w.person, w.person, w.sign, w.title, number, number, number, phrase_of_words, phrase_of_words, loose_words, loose_words,
          timely, doing, gone, lambda r: r.choice(w.COLORS), lambda r: r.choice(w.MATERIALS), lambda r: r.choice(w.SMALL), w.strange, w.price, w.clock)


def phrase(r):
    """Something that can be said of a field, from words that may never have met."""
    kind = r.random()
    if kind < 0.22:
        out = f"{r.choice(('is', 'was', 'has been', 'can be', 'will be', 'must be'))} {r.choice(('', '', '', 'first ', 'often ', 'only ', 'never '))}{r.choice(DONE)} {r.choice(WHERE)} {{v}}"
    elif kind < 0.42:
        out = f"{r.choice(DOES + DID)} {r.choice(WHERE)} {{v}}"
    elif kind < 0.56:
        out = f"{r.choice(DOES + DID)} {{v}}"
    elif kind < 0.68:
        out = f"{r.choice(DOES + DID)} {{v}} {r.choice(SHORT)}"
    elif kind < 0.76:
        out = f"{r.choice(DOES + DID)} {r.choice(('the', 'its', 'a', 'you', 'your', 'all', 'only', 'people', 'to'))} {r.choice(KEY_WORDS)} {r.choice(WHERE)} {{v}}"
    elif kind < 0.82:
        out = f"{r.choice(DOES)} {r.choice(('its', 'the', 'all its'))} {r.choice(KEY_WORDS)}s {{v}}"
    elif kind < 0.88:
        out = f"is {r.choice(('a', 'the', 'one'))} {r.choice(LOOSE)} {r.choice(KEY_WORDS)} {r.choice(WHERE)} {{v}}"
    elif kind < 0.91:
        out = f"{r.choice(DOES + DID)} {' '.join(r.choice(WORDS) for _ in range(r.randint(1, 3)))} {r.choice(('', 'of ', 'in ', 'to '))}{{v}}"
    elif kind < 0.95:
        out = f"has {r.choice(('a', 'the', 'its'))} {r.choice(KEY_WORDS)} {r.choice(WHERE)} {{v}}"
    else:
        out = f"{r.choice(('is', 'was', 'has', 'can have', 'can be', 'gets', 'owes its'))} {{v}} {r.choice(SHORT)}"
    return phrase(r) if out in THEIRS else out


def with_key(r):
    """A key, and something to say of its field in which the key comes again."""
    adverb = r.choice(("", "", "", "first ", "often ", "only ", "never ", "always ", "very ", "once "))
    kind = r.random()
    if kind < 0.3:
        key = f"{r.choice(DONE)} {r.choice(WHERE)}"
        return key, f"{r.choice(('is', 'was', 'has been', 'is', 'was'))} {adverb}{key} {{v}}"
    if kind < 0.55:
        key = f"{r.choice(DOES)} {r.choice(WHERE)}"
        return key, f"{adverb}{key} {{v}}" if r.random() < 0.7 else f"{key} {{v}} {r.choice(SHORT)}"
    if kind < 0.7:
        key = r.choice(DOES + DID)
        return key, f"{adverb}{key} {{v}}" if r.random() < 0.6 else f"{key} {{v}} {r.choice(SHORT)}"
    key = r.choice(KEY_WORDS if r.random() < 0.6 else WORDS) if r.random() < 0.8 else f"{r.choice(LOOSE)} {r.choice(KEY_WORDS)}"
    verb = r.choice(DOES + DID)
    form = r.choice(("has {v} as its K", "has a K of {v}", "D a K of {v}", "D {v} K", "D its K {v}", "D the K W {v}", "D K {v}", "has {v} K", "has its K W {v}",
                     "is in the {v} K", "D K {v}", "D {v} W a K", "is a K W {v}", "D K W {v}"))
    return key, form.replace("K", key).replace("D", verb).replace("W", r.choice(WHERE))


class Mixture:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def name(self):
        return self.r.choice((w.made_up, w.made_up, w.made_up, w.person, w.sign, w.place, w.title, w.named, w.named, w.named, w.strange))

    def field(self):
        """-> key, how its values are drawn, what is said of it."""
        r = self.r
        if r.random() < 0.4:
            keys, value, verbs = r.choice(ATTRIBUTES)
            keys, verbs = [k for k in keys if k not in THEIR_KEYS], own(verbs)
            if keys and verbs:
                return r.choice(keys), value if r.random() < 0.8 else r.choice(VALUES), r.choice(verbs) if r.random() < 0.6 else phrase(r)
        if r.random() < 0.55:
            key, said = with_key(r)
            return (key, r.choice(VALUES), said) if key not in THEIR_KEYS and said not in THEIRS else self.field()
        key = r.choice(KEY_WORDS if r.random() < 0.6 else WORDS)
        if r.random() < 0.3:
            key = f"{key} {r.choice(('of', 'in', 'by', 'for', 'at', 'on', 'from', 'with'))}" if r.random() < 0.5 else f"{r.choice(LOOSE)} {key}"
        return (key, r.choice(VALUES), phrase(r)) if key not in THEIR_KEYS else self.field()

    def sort(self):
        """How the records of one document are made and told."""
        r = self.r
        fields = {}
        for _ in range(r.choice((2, 3, 4, 4, 5))):
            key, value, said = self.field()
            fields[key] = (value, said)
        kinds = [r.choice(KINDS) if r.random() < 0.6 else f"{r.choice(r.choice((w.ADJECTIVES, LOOSE, w.NOUNS, WORDS, WORDS)))} {r.choice(KINDS)}" for _ in range(r.choice((1, 2, 3)))]
        fronted = r.choice(FRONTED)
        for slot, choices in (("W", WHERE), ("X", FIRSTS), ("d", DOES + DID), ("y", YOU), ("W2", WHERE), ("o", KEY_WORDS)):
            word = r.choice(choices)
            fronted = fronted.replace("{" + slot + "}", word.capitalize() if slot in "WX" else word)
        mark, gap = r.choice(MARKS), r.choice(GAPS)
        if (mark, gap) == (" : ", " | "):
            gap = " || "
        return {"name": self.name(), "kinds": kinds, "fields": fields, "opening": r.choice(OPENINGS), "it": "it" if r.random() < 0.8 else "the {k}",
                "fronted": {r.choice(sorted(fields)): fronted} if r.random() < 0.6 else {},
                "mark": mark, "gap": gap, "name_key": r.choice(NAME_KEYS), "kind_key": r.choice(KIND_KEYS),
                "between": r.choice(BETWEEN), "ordered": r.random() < 0.85, "head_first": r.random() < 0.85,
                "keys": r.random() < 0.92, "split": r.random() < 0.3, "end": r.choice(("\n\n", "\n\n", "\n", END))}

    def told(self):
        """Records of one sort, each followed by its sentences; what looks like the starter's records is only listed."""
        r, sort = self.r, self.sort()
        listed = sort["gap"] == " | " or r.random() < 0.08
        if listed and r.random() < 0.5:
            sort["end"] = END
        out = []
        for i in range(r.choice((1, 2, 2, 3, 3, 4, 5))):
            written, said = self.one(sort)
            out.append(((sort["end"] if i else "") + written, RECORD))
            if not listed:
                out.append((said, SAID))
        return out

    def one(self, sort):
        """A record, and what is said of it."""
        r = self.r
        n, k = sort["name"](r), r.choice(sort["kinds"])
        keys = r.sample(sorted(sort["fields"]), r.randint(1, min(4, len(sort["fields"]))))
        if r.random() < 0.5:
            keys.sort(key=lambda key: key not in sort["fronted"])
        values = {key: sort["fields"][key][0](r) for key in keys}
        head = [(sort["name_key"], n), (sort["kind_key"], k)]
        pairs = list(values.items())
        if not sort["ordered"]:
            r.shuffle(pairs)
        pairs = head + pairs if sort["head_first"] else pairs + head
        written = sort["gap"].join(key + sort["mark"] + v if sort["keys"] else v for key, v in pairs)
        return written, sort["between"] + " " + tell(sort, n, k, values)

    def asked(self):
        """A record, then questions about it."""
        r, sort = self.r, self.sort()
        written, _ = self.one(sort)
        pairs = [p.split(sort["mark"], 1) for p in written.split(sort["gap"])]
        pairs = [p for p in pairs if len(p) == 2]
        form = r.choice(("\n{}? {}", "\nQ: {} A: {}", " {}? {}.", "\n{} again: {}"))
        return [(written, RECORD), ("".join(form.format(*p) for p in r.sample(pairs, min(len(pairs), r.randint(1, 4)))), SAID)]

    def repeated(self):
        """Plain copying: a list said twice, or pairs looked up."""
        r = self.r
        value = r.choice(VALUES)
        if r.random() < 0.5:
            items = [value(r) for _ in range(r.randint(2, 7))]
            again = items[:] if r.random() < 0.7 else items[::-1]
            return [(", ".join(items), RECORD), (r.choice(("\n ", ". Again: ", " = ", "\nOnce more: ")) + r.choice((", ", " and ")).join(again), SAID)]
        pairs = [(w.made_up(r) if r.random() < 0.5 else r.choice(KEY_WORDS), value(r)) for _ in range(r.randint(2, 6))]
        mark = r.choice((" is ", ": ", " - ", " has "))
        lines = [a + mark + b for a, b in pairs]
        r.shuffle(pairs)
        return [(". ".join(lines) + ".", RECORD), (" " + ". ".join(a + mark + b for a, b in pairs) + ".", SAID)]

    def document(self):
        """A list of (text, weight of its tokens in the loss)."""
        kind = self.r.random()
        if kind < 0.88:
            return self.told()
        if kind < 0.94:
            return self.asked()
        return self.repeated()


def tell(sort, n, k, values):
    """The sentences about a record in the manner of its sort; they mention every value, in order."""
    said = [(key, sort["fields"][key][1].format(v=v)) for key, v in values.items()]
    a, it = w.article(k).split(" ")[0], sort["it"].format(k=k)
    first = next(iter(values))
    opening = sort["fronted"].get(first) or sort["opening"]
    out = [opening.format(n=n, k=k, a=a, A=a.capitalize(), it=it, It=w.capital(it), p=said[0][1], v=values[first])]
    rest = [p for _, p in (said[1:] if "{p}" in opening or "{v}" in opening else said)]
    if rest and sort["split"]:
        out += [f"{w.capital(it)} {p}." for p in rest]
    elif rest:
        out.append(f"{w.capital(it)} {w.listing(rest)}.")
    return " ".join(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--documents", type=int, default=5)
    a = ap.parse_args()
    mixture = Mixture(a.seed)
    for _ in range(a.documents):
        print("".join(text for text, _ in mixture.document()) + END)


if __name__ == "__main__":
    main()
