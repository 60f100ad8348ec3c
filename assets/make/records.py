#!/usr/bin/env python3
"""Write the starter dataset `records`: small records of eight sorts of things, and a sentence or two about each.

    records.py ../datasets/records --seed 7 --train 1200 --validation 150

A row has `source`, the record as `name : … | kind : … | …`, and `target`, its description, which follows from the
record: every field has its way to be said, and all are said in their order.
Every name, place and number is made up. No record of the validation file has its name in the training file.
"""
import argparse
import json
import os
import random

import words as w

OPENING = "{} is {} that {}."  # name, kind with its article, what is said of the first field


def pick(*values):
    return lambda r: r.choice(values)


def amount(low, high, unit):
    return lambda r: f"{r.randint(low, high)} {unit}"


def count(low, high):
    return lambda r: str(r.randint(low, high))


# For each sort: how its names are made, its kinds, its fields (values, and what is said after "it" or "that").
SORTS = {
    "café": {
        "name": w.sign, "kind": ("café", "tea room", "bakery", "coffee bar", "noodle bar", "snack bar"),
        "fields": {
            "lies in": (w.place, "lies in {}"),
            "serves": (pick("pancakes", "onion soup", "plum dumplings", "grilled fish", "lentil stew", "apple pie", "fresh noodles",
                            "spiced tea", "lemon cake", "goat cheese", "honey bread"), "serves {}"),
            "prices": (pick("low", "moderate", "high", "fair"), "has {} prices"),
            "opens at": (w.clock, "opens at {}"),
            "lies near": (w.sign, "lies near {}")}},
    "book": {
        "name": w.title, "kind": ("novel", "picture book", "diary", "travel book", "detective story"),
        "fields": {
            "written by": (w.person, "was written by {}"),
            "tells of": (pick("bees", "lost letters", "a long winter", "two sisters", "a stolen map", "the sea", "an old railway",
                              "a village doctor", "a broken promise", "the first snow", "a talking dog"), "tells of {}"),
            "appeared in": (w.year, "appeared in {}"),
            "pages": (count(48, 912), "has {} pages"),
            "takes place in": (w.place, "takes place in {}")}},
    "moon": {
        "name": w.made_up, "kind": ("moon", "dwarf planet", "ice moon", "gas planet", "rocky planet"),
        "fields": {
            "travels around": (w.made_up, "travels around {}"),
            "measures": (amount(110, 980, "km"), "measures {}"),
            "seen by": (w.person, "was seen by {}"),
            "shows": (pick("red dust", "blue ice", "black rock", "white sand", "frozen lakes", "deep craters"), "shows {}"),
            "turns in": (amount(5, 90, "hours"), "turns in {}")}},
    "train": {
        "name": lambda r: f"{r.choice(('River', 'Mountain', 'Forest', 'Valley', 'Island'))} {w.made_up(r)}",
        "kind": ("night train", "steam train", "express train", "local train", "tram"),
        "fields": {
            "starts in": (w.place, "starts in {}"),
            "goes to": (w.place, "goes to {}"),
            "leaves at": (w.clock, "leaves at {}"),
            "carriages": (count(2, 28), "has {} carriages"),
            "runs on": (lambda r: r.choice(w.DAYS) + "s", "runs on {}")}},
    "animal": {
        "name": lambda r: f"{w.made_up(r)} {r.choice(('Fox', 'Owl', 'Otter', 'Rabbit', 'Sparrow', 'Falcon', 'Heron', 'Swan', 'Wolf', 'Pigeon'))}",
        "kind": ("bird", "night animal", "wild animal", "shy creature", "rare animal"),
        "fields": {
            "lives in": (w.place, "lives in {}"),
            "feeds on": (pick("clover", "berries", "pine cones", "water lilies", "moss", "acorns", "reeds", "wild rice", "small fish"), "feeds on {}"),
            "grows to": (amount(4, 190, "cm"), "grows to {}"),
            "comes out": (pick("at night", "at dawn", "by day", "in winter"), "comes out {}"),
            "young": (pick(*w.SMALL), "has {} young a year")}},
    "museum": {
        "name": lambda r: f"{w.made_up(r)} {r.choice(('Tower', 'Mill', 'Garden', 'Gate'))}",
        "kind": ("private museum", "open-air museum", "gallery", "small museum", "city museum"),
        "fields": {
            "stands near": (w.place, "stands near {}"),
            "shows": (pick("old maps", "glass animals", "ship models", "stamps", "kites", "fossils", "wooden toys", "clocks", "masks"), "shows {}"),
            "opened in": (w.year, "opened in {}"),
            "lets you in for": (w.price, "lets you in for {}"),
            "closes on": (lambda r: r.choice(w.DAYS) + "s", "closes on {}")}},
    "ship": {
        "name": lambda r: f"{r.choice(('Star', 'Pearl', 'Swan', 'Rose'))} of {w.made_up(r)}",
        "kind": ("ferry", "sailing ship", "fishing boat", "steamer", "lifeboat", "cargo ship"),
        "fields": {
            "obeys": (w.person, "obeys {}"),
            "returns to": (w.place, "returns to {}"),
            "built in": (w.year, "was built in {}"),
            "sails with": (amount(3, 90, "people"), "sails with {}"),
            "carries": (pick("timber", "passengers", "salt", "bananas", "post", "horses", "coal", "tea"), "carries {}")}},
    "plant": {
        "name": lambda r: f"{w.made_up(r)} {r.choice(('Rose', 'Thistle', 'Plum', 'Pine', 'Maple', 'Lemon', 'Pepper', 'Walnut'))}",
        "kind": ("garden plant", "climbing plant", "wild flower", "house plant", "water plant"),
        "fields": {
            "blossoms in": (pick(*w.COLORS), "blossoms in {}"),
            "grows to": (amount(5, 400, "cm"), "grows to {}"),
            "at its best in": (pick(*w.MONTHS), "is at its best in {}"),
            "likes": (pick("dry sand", "wet clay", "deep shade", "full sun", "stony slopes", "river banks"), "likes {}"),
            "wants water": (pick("every day", "once a week", "twice a month", "hardly ever"), "wants water {}")}},
}


def describe(record):
    """The description of a record (name, kind, fields), one sentence or two."""
    sort = next(sort for sort in SORTS.values() if record["kind"] in sort["kind"])
    said = [sort["fields"][f][1].format(v) for f, v in record.items() if f not in ("name", "kind")]
    sentences = [OPENING.format(record["name"], w.article(record["kind"]), said[0])]
    if said[1:]:
        sentences.append(f"It {w.listing(said[1:])}.")
    return " ".join(sentences)


def draw(r):
    """A record of one of the sorts, with one to four fields beside name and kind."""
    sort = SORTS[r.choice(sorted(SORTS))]
    fields = r.sample(sorted(sort["fields"]), r.choice((1, 2, 2, 3, 3, 3, 4)))
    return {"name": sort["name"](r), "kind": r.choice(sort["kind"])} | {f: sort["fields"][f][0](r) for f in fields}


def write(record):
    return " | ".join(f"{f} : {v}" for f, v in record.items())


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out")
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--train", type=int, default=1200)
    ap.add_argument("--validation", type=int, default=150)
    a = ap.parse_args()
    r, names, rows = random.Random(a.seed), set(), []
    while len(rows) < a.train + a.validation:
        record = draw(r)
        if record["name"] not in names:
            names.add(record["name"])
            rows.append({"source": write(record), "target": describe(record)})
    os.makedirs(a.out, exist_ok=True)
    for file, part in (("train", rows[:a.train]), ("validation", rows[a.train:])):
        with open(os.path.join(a.out, file + ".jsonl"), "w", encoding="utf-8") as f:
            for one in part:
                f.write(json.dumps(one, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
