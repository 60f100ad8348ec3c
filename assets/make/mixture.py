"""Records and sentences for pretraining: the text from which a model learns to copy out of a record.

Many kinds of things, many ways to write a record, many ways to say it; the names are made up. The starter
dataset (`records.py`) has sorts, a record format and openings of its own, and none of them occurs here (a few
everyday phrases such as "costs …" are in both): what prefix tuning has to teach is missing on purpose.

    python mixture.py --seed 1 --documents 5     prints a few documents
"""
import argparse
import json
import random

import sorts
import words as w
from records import tell

END = "<|endoftext|>"

# key names, value, verb phrases (after a subject), modifiers (after a noun)
ATTRIBUTES = [
    (["colour", "color", "paint"], lambda r: r.choice(w.COLORS), ["is {v}", "is {v} in colour", "looks {v}"], ["in {v}"]),
    (["material", "made from", "stuff"], lambda r: r.choice(w.MATERIALS), ["is made from {v}", "is built from {v}"], ["made from {v}", "of {v}"]),
    (["cost", "fee", "worth"], w.price, ["costs {v}", "is worth {v}", "sells for {v}"], ["worth {v}", "that costs {v}"]),
    (["owner", "belongs to", "holder"], w.person, ["belongs to {v}", "is owned by {v}"], ["owned by {v}", "that belongs to {v}"]),
    (["town", "city", "location", "where"], w.place, ["is in {v}", "can be found in {v}", "stands in {v}"], ["in {v}", "from {v}"]),
    (["made in", "birthplace", "origin"], w.place, ["comes from {v}", "was made in {v}"], ["from {v}", "made in {v}"]),
    (["since", "date", "begun"], w.year, ["dates from {v}", "has been there since {v}", "was begun in {v}"], ["from the year {v}", "dating from {v}"]),
    (["maker", "builder", "creator"], w.person, ["was made by {v}", "is the work of {v}"], ["made by {v}", "by {v}"]),
    (["weight", "mass"], lambda r: f"{r.randint(2, 900)} {r.choice(('kilos', 'grams', 'pounds', 'tons'))}", ["weighs {v}", "has a weight of {v}"], ["weighing {v}", "of {v}"]),
    (["height", "tall"], lambda r: f"{r.randint(2, 400)} {r.choice(('metres', 'feet', 'inches'))}", ["is {v} high", "reaches {v}", "rises {v}"], ["that is {v} high"]),
    (["length", "long"], lambda r: f"{r.randint(2, 400)} {r.choice(('metres', 'feet', 'miles'))}", ["is {v} long", "measures {v}"], ["with a length of {v}"]),
    (["age"], lambda r: f"{r.randint(2, 300)} years", ["is {v} old", "has an age of {v}"], ["that is {v} old"]),
    (["friend", "neighbour", "partner"], w.person, ["is a friend of {v}", "knows {v}", "often meets {v}"], ["who knows {v}"]),
    (["next to", "close to", "beside"], w.sign, ["lies beside {v}", "is not far from {v}"], ["beside {v}", "close to {v}"]),
    (["loves", "likes", "hobby"], lambda r: f"{r.choice(w.NOUNS)}s", ["loves {v}", "cares about {v}"], ["who loves {v}"]),
    (["hates", "dislikes"], lambda r: f"{r.choice(w.NOUNS)}s", ["dislikes {v}", "cannot stand {v}"], ["who dislikes {v}"]),
    (["holds", "contains", "inside"], lambda r: f"{r.choice(w.SMALL)} {r.choice(w.ADJECTIVES)} {r.choice(w.NOUNS)}s", ["holds {v}", "contains {v}"], ["with {v}", "full of {v}"]),
    (["sound", "noise"], lambda r: r.choice("loud soft deep sharp low clear strange sweet harsh dull".split()), ["sounds {v}", "makes a {v} sound"], ["with a {v} sound"]),
    (["speed", "pace"], lambda r: f"{r.randint(2, 300)} miles an hour", ["moves at {v}", "goes {v}"], ["that goes {v}"]),
    (["guard", "keeper", "chief"], w.person, ["is looked after by {v}", "is kept by {v}"], ["kept by {v}"]),
    (["sign", "emblem", "mark"], lambda r: f"{r.choice(w.ADJECTIVES)} {r.choice(w.NOUNS)}", ["has a {v} as its mark", "bears a {v}"], ["with a {v} on it"]),
    (["number", "code", "serial"], lambda r: f"{r.choice('ABCDEFGHJKLMNPRSTVWXYZ')}{r.randint(10, 9999)}", ["has the number {v}", "is listed as {v}"], ["with the number {v}"]),
    (["state", "condition", "mood"], lambda r: r.choice("new worn broken clean dirty calm busy empty full open closed ready late safe".split()), ["is {v}", "seems {v} today"], ["that seems {v}"]),
    (["use", "purpose"], lambda r: f"{r.choice('carrying moving drawing cleaning finding keeping counting selling hiding'.split())} {r.choice(w.NOUNS)}s", ["is used for {v}", "serves for {v}"], ["for {v}"]),
    (["leader", "head", "director"], w.person, ["is led by {v}", "follows {v}"], ["led by {v}"]),
    (["members", "people", "size"], lambda r: str(r.randint(3, 9000)), ["has {v} people", "counts {v} members"], ["of {v} people"]),
    (["sort", "class", "group"], lambda r: w.made_up(r).lower(), ["is of the {v} sort", "counts as {v}"], ["of the {v} class"]),
    (["shape", "form"], lambda r: r.choice("round square flat long narrow wide oval thin thick curved pointed".split()), ["has a {v} shape", "is {v}"], ["with a {v} form"]),
]
THINGS = ("box boat cup hat coat chair ring stone lamp sword bell coin rope flag basket drum mirror knife wagon kite "
          "statue house castle farm church inn school bridge village island lake hill road market park club band team "
          "company office engine machine robot clock radio phone song dance film play letter map painting poem doctor "
          "teacher farmer sailor soldier singer painter baker king queen wizard dragon giant horse dog cat bird fish "
          "tree flower mushroom fruit cheese drink medicine stamp puzzle planet comet star city desert forest mine "
          "factory bank hotel library theatre station airport balloon rocket bicycle truck tractor sledge").split()
NAME_KEYS = ["name", "title", "called", "Name", "who", "item", "known as"]
KIND_KEYS = ["type", "what", "is a", "category", "Type", "sort of thing"]


class Mixture:
    def __init__(self, seed, vocabulary=()):
        self.r = random.Random(seed)
        self.plain = sorted(t[1:] for t in vocabulary if t[0] == "Ġ" and len(t) > 4 and t[1:].isascii()
                            and t[1:].isalpha() and t[1:].islower()) or w.NOUNS

    def words(self, most=3):
        return " ".join(self.r.choice(self.plain) for _ in range(self.r.randint(1, most)))

    def name(self):
        r = self.r
        return r.choice((w.made_up, w.made_up, w.person, w.sign, w.place, w.title))(r)

    def record(self):
        """-> name, kind, fields; a field is (key, value, verb phrase, modifier)."""
        r = self.r
        name, kind = self.name(), r.choice(THINGS)
        if r.random() < 0.25:
            kind = f"{r.choice(w.ADJECTIVES)} {kind}"
        fields = []
        for keys, value, verbs, modifiers in r.sample(ATTRIBUTES, r.randint(1, 5)):
            v = value(r)
            if r.random() < 0.12:  # an open value instead of a typical one
                v = self.words()
            fields.append((r.choice(keys), v, r.choice(verbs).format(v=v), r.choice(modifiers).format(v=v)))
        if r.random() < 0.2:
            key, v = self.words(2), self.words(2) if r.random() < 0.5 else w.made_up(r)
            fields.append((key, v, f"has {v} as its {key}", f"with {v} as {key}"))
        return name, kind, fields

    def pairs(self, name, kind, fields, style):
        """The record as (key, value) pairs, in the order of this document's style."""
        pairs = [(f[0], f[1]) for f in fields]
        if style["shuffle"]:
            self.r.shuffle(pairs)
        head = [(style["name_key"], name), (style["kind_key"], kind)]
        return head + pairs if style["head_first"] else pairs + head

    def write(self, pairs, style):
        form, tail = style["form"], style["tail"]
        if form == "lines":
            return "\n".join(f"{k}: {v}" for k, v in pairs)
        if form == "equals":
            return "; ".join(f"{k}={v}" for k, v in pairs)
        if form == "comma":
            return ", ".join(f"{k}: {v}" for k, v in pairs) + tail
        if form == "brackets":
            return ", ".join(f"{k}[{v}]" for k, v in pairs)
        if form in ("spaced", "dashed", "bars"):
            mark, gap = {"spaced": (" : ", style["gap"]), "dashed": (" - ", " | "), "bars": (": ", " | ")}[form]
            return gap.join(f"{k}{mark}{v}" for k, v in pairs)
        if form == "values":
            return " | ".join(v for _, v in pairs)
        if form == "bullets":
            return "\n".join(f"{style['bullet']} {k}: {v}" for k, v in pairs)
        if form == "json":
            return json.dumps(dict(pairs), ensure_ascii=False)
        if form == "arrows":
            return "\n".join(f"{k} -> {v}" for k, v in pairs)
        if form == "triples":
            return " / ".join(f"{pairs[0][1]}, {k}, {v}" for k, v in pairs[1:])
        if form == "pipes":
            return "| " + " | ".join(k for k, _ in pairs) + " |\n| " + " | ".join(v for _, v in pairs) + " |"
        if form == "slashes":
            return " // ".join(f"{k} {v}" for k, v in pairs)
        return " ".join(f"<{k}> {v}" for k, v in pairs)  # tags

    def style(self):
        r = self.r
        return {
            "form": r.choice("lines lines equals comma comma brackets spaced spaced dashed bars values bullets json arrows triples pipes slashes tags".split()),
            "bullet": r.choice("-*+"), "gap": r.choice(("\n", " ; ", ", ", " / ", " || ", " . ")), "tail": r.choice(("", ".", ";")), "name_key": r.choice(NAME_KEYS),
            "kind_key": r.choice(KIND_KEYS), "head_first": r.random() < 0.8, "shuffle": r.random() < 0.5,
            "between": r.choice(("\n", "\n", "\n\n", " => ", "\nText: ", "\nIn words: ", "\n-> ", " # ", END + " ")),
            "plan": r.randint(0, 5),
        }

    def say(self, name, kind, fields, plan):
        """One to three sentences that mention the name, the kind and every field."""
        r = self.r
        fields = list(fields)
        if r.random() < 0.5:
            r.shuffle(fields)
        it = "It" if r.random() < 0.7 else f"The {kind}"
        verbs = [f[2] for f in fields]
        if plan == 0:
            first = f"{name} is {w.article(kind)} {fields[0][3]}."
            rest = verbs[1:]
        elif plan == 1:
            first = f"{name} is {w.article(kind)}."
            rest = verbs
        elif plan == 2:
            first = f"{name}, {w.article(kind)}, {verbs[0]}."
            rest = verbs[1:]
        elif plan == 3:
            first = f"The {kind} {name} {w.listing(verbs[:2])}."
            rest = verbs[2:]
        elif plan == 4:
            first = f"There is {w.article(kind)} {fields[0][3]}: {name}."
            rest = verbs[1:]
        else:
            first = f"{w.capital(w.article(kind))} called {name} {verbs[0]}."
            rest = verbs[1:]
        out = [first]
        while rest:
            take = min(len(rest), r.choice((1, 2, 2, 3)))
            out.append(f"{it} {w.listing(rest[:take])}.")
            rest, it = rest[take:], "It"
        return " ".join(out)

    def told(self):
        """Several records in one style, each followed by its sentences."""
        style = self.style()
        out = []
        for _ in range(self.r.choice((1, 1, 2, 2, 3))):
            if self.r.random() < 0.6:  # told in the words of its sort
                record, said = tell(self.r, sorts.SORTS)
                name, kind = record.pop("name"), record.pop("kind")
                pairs = self.pairs(name, kind, list(record.items()), style)
            else:  # told in words that fit anything
                record = self.record()
                pairs = self.pairs(*record, style)
                said = self.say(*record, style["plan"] if self.r.random() < 0.6 else self.r.randint(0, 5))
            if self.r.random() < 0.12:  # the other way round: first the sentences, then the record
                out.append(said + style["between"] + self.write(pairs, style))
            else:
                out.append(self.write(pairs, style) + style["between"] + said)
        return "\n\n".join(out)

    def asked(self):
        """A record, then questions about it."""
        r, style = self.r, self.style()
        record = self.record()
        pairs = self.pairs(*record, style)
        out = [self.write(pairs, style)]
        for k, v in r.sample(pairs, min(len(pairs), r.randint(1, 4))):
            out.append(r.choice((f"Question: {k}?\nAnswer: {v}", f"Q: What is given for {k}? A: {v}", f"{k}? {v}.")))
        return "\n".join(out)

    def repeated(self):
        """Plain copying: a list said twice, a line said again, pairs looked up."""
        r = self.r
        kind = r.random()
        if kind < 0.35:
            items = [self.name() if r.random() < 0.6 else self.words() for _ in range(r.randint(2, 7))]
            again = items[:] if r.random() < 0.7 else items[::-1]
            return ", ".join(items) + r.choice(("\n", ". Again: ", " = ", "\nOnce more: ")) + r.choice((", ", " and ")).join(again)
        if kind < 0.7:
            pairs = [(self.name() if r.random() < 0.5 else self.words(1), w.made_up(r) if r.random() < 0.5 else self.words(2))
                     for _ in range(r.randint(2, 6))]
            mark = r.choice((" is ", ": ", " - ", " has "))
            lines = [a + mark + b for a, b in pairs]
            r.shuffle(pairs)
            return ". ".join(lines) + ". " + ". ".join(a + mark + b for a, b in pairs) + "."
        line = self.say(*self.record(), r.randint(0, 5))
        return r.choice((f"{line}\n{line}", f'"{line}" I said. "{line}" she said again.', f"Copy: {line}\nCopy: {line}"))

    def document(self):
        kind = self.r.random()
        if kind < 0.68:
            return self.told()
        if kind < 0.8:
            return self.asked()
        return self.repeated()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--documents", type=int, default=5)
    ap.add_argument("--tokenizer", help="tokenizer.json whose plain words serve as open values")
    a = ap.parse_args()
    vocabulary = json.load(open(a.tokenizer))["model"]["vocab"] if a.tokenizer else ()
    mixture = Mixture(a.seed, vocabulary)
    for _ in range(a.documents):
        print(mixture.document() + END)


if __name__ == "__main__":
    main()
