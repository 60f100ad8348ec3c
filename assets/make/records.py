#!/usr/bin/env python3
"""Write the starter dataset `records`: small records of twelve sorts of things, and a sentence or two about each.

    records.py ../datasets/records --seed 7 --train 1200 --validation 150

A row has `source`, the record as `name : … | kind : … | …`, and `target`, its description. Every name, place and
number is made up. No record of the validation file has its name in the training file.
"""
import argparse
import json
import os
import random

import words as w

PEOPLE = ("families", "students", "quiet readers", "night owls", "early risers", "sailors", "musicians", "hikers", "painters")
PLANTS = ("clover", "berries", "pine cones", "water lilies", "moss", "acorns", "reeds", "wild rice", "beetles", "small fish")
DISHES = ("pancakes", "onion soup", "plum dumplings", "grilled fish", "lentil stew", "apple pie", "fresh noodles", "mushroom toast",
          "spiced tea", "lemon cake", "pickled herring", "goat cheese", "roasted peppers", "honey bread")
FOODS = ("leeks", "barley", "carrots", "rye flour", "walnuts", "pears", "smoked cheese", "red beans", "spinach", "plums", "rice",
         "mustard", "butter", "thyme", "honey", "figs", "cabbage")
SUBJECTS = ("bees", "lost letters", "a long winter", "two sisters", "a stolen map", "the sea", "a clockmaker", "growing up",
            "an old railway", "a village doctor", "smugglers", "a broken promise", "the first snow", "a talking dog")
SHOWN = ("old maps", "glass animals", "ship models", "stamps", "kites", "musical boxes", "fossils", "wooden toys", "clocks",
         "masks", "typewriters", "sewing machines", "lighthouses", "tin soldiers")
WORK = ("cutting hedges", "bending wire", "tightening bolts", "peeling fruit", "measuring cloth", "splitting logs",
        "polishing shoes", "drilling holes", "sharpening knives", "binding books", "mending nets")
SOIL = ("dry sand", "wet clay", "chalky ground", "deep shade", "full sun", "stony slopes", "river banks")


def pick(*values):
    return lambda r: r.choice(values)


def amount(low, high, unit):
    return lambda r: f"{r.randint(low, high)} {unit}"


# For each sort: the fields with their chance to be there; openings, which use some fields; and for every other
# field ways to go on, as something that can follow "it" or "which".
SORTS = {
    "café": {
        "name": w.sign,
        "fields": {
            "kind": (1, pick("café", "tea room", "bakery", "coffee bar", "noodle bar", "snack bar")),
            "area": (0.9, w.place), "food": (0.85, pick(*DISHES)), "price": (0.6, pick("cheap", "moderate", "high", "very low")),
            "good for": (0.5, pick(*PEOPLE)), "opens at": (0.5, w.clock), "near": (0.4, w.sign)},
        "openings": [
            "If you are hungry in {area}, try the {food} at {name}, a {kind} of the best sort.",
            "In {area} you will find {name}, a {kind} known for its {food}.",
            "{name} in {area} is the {kind} to visit for {food}.",
            "The {food} at {name} brings people to this {kind} every day.",
            "A friendly {kind} near {near}, {name} is famous for {food}.",
            "Anyone who likes {food} should visit {name}, the {kind} next to {near}.",
            "{name} is a pleasant {kind} on the edge of {area}.",
            "You can rest your feet at {name}, a small {kind}."],
        "more": {
            "area": ["waits for you in {area}", "is in the middle of {area}"], "food": ["serves {food}", "offers {food} all day"],
            "price": ["keeps its prices {price}", "has {price} prices"],
            "good for": ["is a good choice for {good for}", "welcomes {good for}"],
            "opens at": ["opens its doors at {opens at}", "opens at {opens at} in the morning"],
            "near": ["is a short walk from {near}", "can be found near {near}"]}},
    "book": {
        "name": w.title,
        "fields": {
            "kind": (1, pick("novel", "picture book", "diary", "collection of poems", "detective story", "travel book")),
            "author": (1, w.person), "about": (0.8, pick(*SUBJECTS)), "year": (0.6, w.year), "pages": (0.6, lambda r: str(r.randint(48, 912))),
            "set in": (0.5, w.place), "language": (0.3, pick("Danish", "Polish", "Welsh", "Turkish", "Greek", "Finnish"))},
        "openings": [
            "With {name}, {author} has given us a {kind} about {about}.",
            "{author} wrote {name}, a {kind} about {about}.",
            "Set in {set in}, {name} is a {kind} by {author}.",
            "{name} by {author} is a {kind} that tells of {about}.",
            "In {year} {author} published the {kind} {name}.",
            "Readers who want a {kind} may enjoy {name} by {author}.",
            "{author}, the author of {name}, fills this {kind} with the streets of {set in}."],
        "more": {
            "about": ["tells the story of {about}", "is about {about}"], "year": ["first appeared in {year}", "came out in {year}"],
            "pages": ["runs to {pages} pages", "has {pages} pages"], "set in": ["takes place in {set in}", "is set in {set in}"],
            "language": ["was written in {language}", "can also be read in {language}"]}},
    "moon": {
        "name": w.made_up,
        "fields": {
            "kind": (1, pick("moon", "dwarf planet", "ice moon", "gas planet", "rocky planet")),
            "orbits": (0.9, w.made_up), "diameter": (0.7, amount(110, 9800, "km")), "found by": (0.6, w.person), "found in": (0.6, w.year),
            "surface": (0.6, pick("red dust", "blue ice", "black rock", "white sand", "frozen lakes", "deep craters")),
            "day": (0.4, amount(5, 90, "hours"))},
        "openings": [
            "{found by} first saw {name}, a {kind} that circles {orbits}, in {found in}.",
            "The {kind} {name} circles {orbits} and was discovered by {found by}.",
            "Around {orbits} moves {name}, a {kind} covered with {surface}.",
            "{name} is a {kind} with a diameter of {diameter}.",
            "Covered with {surface}, the {kind} {name} turns around {orbits}.",
            "Astronomers know {name} as a {kind} in orbit around {orbits}.",
            "Far out in the dark drifts {name}, a {kind}."],
        "more": {
            "orbits": ["travels around {orbits}", "keeps {orbits} company"], "diameter": ["is {diameter} across", "has a diameter of {diameter}"],
            "found by": ["was discovered by {found by}", "was first seen by {found by}"], "found in": ["has been known since {found in}", "was found in {found in}"],
            "surface": ["is covered with {surface}", "shows us {surface}"], "day": ["has a day of {day}", "turns once in {day}"]}},
    "tool": {
        "name": lambda r: f"{w.made_up(r)} {r.randint(2, 99)}",
        "fields": {
            "kind": (1, pick("hand saw", "pair of pliers", "hammer", "drill", "plane", "knife", "clamp")),
            "for": (0.9, pick(*WORK)), "made of": (0.7, pick("oak", "steel", "iron", "brass", "bronze", "aluminium", "walnut", "copper", "ash", "beech")), "weight": (0.6, amount(90, 2900, "g")),
            "price": (0.6, w.price), "maker": (0.6, w.person), "guarantee": (0.4, amount(2, 25, "years"))},
        "openings": [
            "For {for} there is nothing better than the {name}, a {kind} from {maker}'s workshop.",
            "The {name} is a {kind} for {for}.",
            "{maker} sells the {name}, a {kind} meant for {for}.",
            "At {price} the {name} is a {kind} that anyone can afford.",
            "Made of {made of}, the {name} is a reliable {kind}.",
            "When you are busy {for}, reach for the {name}, a handy {kind}.",
            "The {name} is a simple {kind} that lasts."],
        "more": {
            "for": ["is the right thing for {for}", "helps with {for}"], "made of": ["is made of {made of}", "has a body of {made of}"],
            "weight": ["weighs only {weight}", "brings {weight} to the scales"], "price": ["can be had for {price}", "costs {price}"],
            "maker": ["comes from the workshop of {maker}", "is produced by {maker}"], "guarantee": ["comes with a guarantee of {guarantee}", "is guaranteed for {guarantee}"]}},
    "train": {
        "name": lambda r: f"{r.choice(('Night', 'Coast', 'Morning', 'Royal', 'Valley'))} {w.made_up(r)}",
        "fields": {
            "kind": (1, pick("night train", "steam train", "express train", "goods train", "local train", "tram")),
            "from": (0.95, w.place), "to": (0.95, w.place), "leaves at": (0.6, w.clock), "duration": (0.6, amount(2, 19, "hours")),
            "carriages": (0.5, lambda r: str(r.randint(2, 28))), "fare": (0.5, w.price), "runs on": (0.4, lambda r: r.choice(w.DAYS) + "s")},
        "openings": [
            "The {name} is a {kind} that runs from {from} to {to}.",
            "Travellers from {from} to {to} can take the {name}, a {kind}.",
            "From {from} the {kind} {name} carries you to {to}.",
            "Leaving {from} at {leaves at}, the {kind} {name} goes to {to}.",
            "You reach {to} with the {name}, a {kind} that starts in {from}.",
            "It takes the {kind} {name} {duration} to get from {from} to {to}.",
            "The {name} is a {kind} loved by its passengers."],
        "more": {
            "from": ["starts in {from}", "sets out from {from}"], "to": ["ends in {to}", "takes its passengers to {to}"],
            "leaves at": ["departs at {leaves at}", "leaves the station at {leaves at}"], "duration": ["needs {duration} for the journey", "is on its way for {duration}"],
            "carriages": ["pulls {carriages} carriages", "has {carriages} carriages"], "fare": ["asks for a fare of {fare}", "costs {fare} a ticket"],
            "runs on": ["runs only on {runs on}", "travels on {runs on}"]}},
    "animal": {
        "name": lambda r: f"{w.made_up(r)} {r.choice(('deer', 'finch', 'toad', 'hare', 'duck', 'lizard', 'bat', 'weasel', 'crane', 'mouse'))}",
        "fields": {
            "kind": (1, pick("bird", "mammal", "night animal", "wild animal", "shy creature", "rare animal")),
            "lives in": (0.9, w.place), "eats": (0.85, pick(*PLANTS)), "length": (0.6, amount(4, 190, "cm")), "color": (0.6, pick(*w.COLORS)),
            "active": (0.4, pick("at night", "at dawn", "by day", "in winter", "after rain")), "young": (0.5, lambda r: r.choice(w.SMALL))},
        "openings": [
            "The {name} is a {kind} found in {lives in}, where it feeds on {eats}.",
            "In {lives in} lives the {name}, a {color} {kind}.",
            "Walk through {lives in} and you may meet the {name}, a {kind} that eats {eats}.",
            "A {kind} that lives on {eats}, the {name} grows to {length}.",
            "The {color} {name} is a {kind} with a taste for {eats}.",
            "Few people have seen the {name}, a {kind} of {lives in}.",
            "The {name} is a {kind} that hardly anyone knows."],
        "more": {
            "lives in": ["makes its home in {lives in}", "lives in {lives in}"], "eats": ["eats {eats}", "feeds on {eats}"],
            "length": ["grows to a length of {length}", "is {length} long"], "color": ["is {color}", "can be told by its {color} coat"],
            "active": ["is active {active}", "comes out {active}"], "young": ["raises {young} young", "has {young} young a year"]}},
    "recipe": {
        "name": lambda r: f"{w.made_up(r)} {r.choice(('stew', 'pie', 'soup', 'salad', 'bread', 'cake', 'dumplings', 'pudding'))}",
        "fields": {
            "kind": (1, pick("starter", "main dish", "dessert", "side dish", "breakfast", "festive meal")),
            "from": (0.8, w.place), "main ingredient": (0.9, pick(*FOODS)), "time": (0.7, amount(10, 240, "minutes")),
            "serves": (0.6, lambda r: r.choice(w.SMALL)), "goes with": (0.5, pick(*FOODS)), "eaten on": (0.3, pick(*w.DAYS))},
        "openings": [
            "To cook {name}, a {kind} from {from}, you need {main ingredient} and {time}.",
            "Take {main ingredient} and in {time} you have {name}, a {kind}.",
            "The people of {from} make {name}, a {kind}, out of {main ingredient}.",
            "{name} is a {kind} made with {main ingredient}.",
            "From {from} comes {name}, a {kind} with plenty of {main ingredient}.",
            "Ready in {time}, {name} is a {kind} for everyone.",
            "{name} makes a lovely {kind}."],
        "more": {
            "from": ["was first cooked in {from}", "has its roots in {from}"], "main ingredient": ["calls for {main ingredient}", "is full of {main ingredient}"],
            "time": ["takes {time} to prepare", "is done after {time}"], "serves": ["is enough for {serves} people", "feeds {serves}"],
            "goes with": ["tastes best with {goes with}", "is served with {goes with}"], "eaten on": ["is eaten on {eaten on}", "belongs on the table on {eaten on}"]}},
    "museum": {
        "name": lambda r: f"{r.choice((w.made_up(r), w.person(r)))} {r.choice(('Museum', 'House', 'Collection', 'Gallery'))}",
        "fields": {
            "kind": (1, pick("museum", "private museum", "open-air museum", "gallery", "children's museum")),
            "town": (0.9, w.place), "shows": (0.9, pick(*SHOWN)), "founded": (0.6, w.year), "ticket": (0.6, w.price),
            "closed on": (0.5, lambda r: r.choice(w.DAYS) + "s"), "visitors": (0.4, lambda r: f"{r.randint(3, 980)},000 guests a year")},
        "openings": [
            "Visitors to {town} should not miss the {name}, a {kind} full of {shows}.",
            "The {name} in {town} is a {kind} devoted to {shows}.",
            "Founded in {founded}, the {name} is a {kind} that shows {shows}.",
            "A ticket for the {name}, a {kind} in {town}, costs {ticket}.",
            "{town} is proud of the {name}, its {kind}.",
            "Lovers of {shows} travel far to see the {name}, a {kind}.",
            "The {name} is a {kind} well worth a visit."],
        "more": {
            "town": ["stands in the old part of {town}", "is at home in {town}"], "shows": ["puts {shows} on display", "shows {shows}"],
            "founded": ["opened in {founded}", "was founded in {founded}"], "ticket": ["asks {ticket} for a ticket", "lets you in for {ticket}"],
            "closed on": ["stays closed on {closed on}", "is shut on {closed on}"], "visitors": ["welcomes {visitors}", "is seen by {visitors}"]}},
    "game": {
        "name": lambda r: f"{r.choice(w.ADJECTIVES).capitalize()} {w.made_up(r)}",
        "fields": {
            "kind": (1, pick("board game", "card game", "dice game", "ball game", "guessing game", "party game")),
            "players": (0.9, lambda r: f"{r.choice(('two', 'three', 'four'))} to {r.choice(('five', 'six', 'eight', 'ten'))}"),
            "inventor": (0.7, w.person), "age": (0.6, lambda r: f"{r.randint(4, 16)} and up"), "lasts": (0.6, amount(10, 180, "minutes")),
            "goal": (0.7, lambda r: r.choice(("collect all the ", "hide the ", "trade the ", "find the ")) + r.choice(w.NOUNS) + "s"),
            "price": (0.4, w.price)},
        "openings": [
            "In {name}, a {kind} by {inventor}, the players try to {goal}.",
            "{inventor} invented {name}, a {kind} for {players} players.",
            "{name} is a {kind} in which {players} players try to {goal}.",
            "Gather {players} friends for {name}, a {kind} that lasts {lasts}.",
            "The aim of the {kind} {name} is to {goal}.",
            "On rainy days {players} people can play {name}, a {kind}.",
            "{name} is a {kind} that is easy to learn."],
        "more": {
            "players": ["is made for {players} players", "needs {players} players"], "inventor": ["was thought up by {inventor}", "is an idea of {inventor}"],
            "age": ["suits players aged {age}", "is meant for ages {age}"], "lasts": ["lasts {lasts}", "is over after {lasts}"],
            "goal": ["asks you to {goal}", "is won by those who {goal}"], "price": ["sells at {price}", "is in the shops for {price}"]}},
    "ship": {
        "name": lambda r: r.choice((w.person, w.sign, lambda q: f"Queen of {w.made_up(q)}"))(r),
        "fields": {
            "kind": (1, pick("ferry", "sailing ship", "fishing boat", "steamer", "lifeboat", "cargo ship")),
            "captain": (0.85, w.person), "harbour": (0.85, w.place), "built": (0.6, w.year), "length": (0.5, amount(6, 240, "metres")),
            "crew": (0.5, lambda r: str(r.randint(3, 90))), "carries": (0.5, pick("timber", "passengers", "salt", "bananas", "post", "horses", "coal", "tea"))},
        "openings": [
            "Captain {captain} commands the {name}, a {kind} based in {harbour}.",
            "The {kind} {name} sails from {harbour} under Captain {captain}.",
            "Built in {built}, the {name} is a {kind} that carries {carries}.",
            "In the harbour of {harbour} lies the {name}, a {kind} built in {built}.",
            "Loaded with {carries}, the {kind} {name} leaves {harbour}.",
            "{harbour} is the home of the {name}, a {kind}.",
            "The {name} is a {kind} that has seen many storms."],
        "more": {
            "captain": ["obeys Captain {captain}", "has {captain} as its captain"], "harbour": ["returns to {harbour} each week", "has its berth in {harbour}"],
            "built": ["left the yard in {built}", "was built in {built}"], "length": ["stretches over {length}", "is {length} from end to end"],
            "crew": ["has a crew of {crew}", "is sailed by {crew} people"], "carries": ["carries {carries}", "takes {carries} on board"]}},
    "plant": {
        "name": lambda r: f"{w.made_up(r)} {r.choice(('rose', 'fern', 'lily', 'grass', 'violet', 'bush', 'cactus', 'herb', 'vine'))}",
        "fields": {
            "kind": (1, pick("garden plant", "climbing plant", "wild flower", "house plant", "medicinal plant", "water plant")),
            "flowers": (0.8, pick(*w.COLORS)), "height": (0.7, amount(5, 400, "cm")), "blooms in": (0.7, pick(*w.MONTHS)),
            "grows in": (0.8, pick(*SOIL)), "native to": (0.6, w.place), "water": (0.4, pick("every day", "once a week", "twice a month", "hardly ever"))},
        "openings": [
            "The {name} is a {kind} with {flowers} flowers that open in {blooms in}.",
            "Give the {name} a place in {grows in}: this {kind} will thank you with {flowers} flowers.",
            "Native to {native to}, the {name} is a {kind} for {grows in}.",
            "Gardeners value the {name}, a {kind} that reaches {height}.",
            "In {blooms in} the {name}, a {kind}, shows its {flowers} flowers.",
            "{native to} gave us the {name}, a {kind}.",
            "The {name} is a {kind} for beginners."],
        "more": {
            "flowers": ["has {flowers} flowers", "blossoms in {flowers}"], "height": ["reaches a height of {height}", "grows {height} tall"],
            "blooms in": ["blooms in {blooms in}", "is at its best in {blooms in}"], "grows in": ["thrives in {grows in}", "likes {grows in}"],
            "native to": ["came to us from {native to}", "is native to {native to}"], "water": ["wants water {water}", "should be watered {water}"]}},
    "band": {
        "name": lambda r: f"The {w.made_up(r)} {r.choice(w.NOUNS).capitalize()}s",
        "fields": {
            "kind": (1, pick("jazz band", "brass band", "choir", "folk group", "string quartet", "rock band")),
            "from": (0.9, w.place), "singer": (0.7, w.person), "formed": (0.6, w.year), "albums": (0.5, lambda r: r.choice(w.SMALL)),
            "best song": (0.7, lambda r: f"{r.choice(w.ADJECTIVES).capitalize()} {r.choice(w.NOUNS).capitalize()}"),
            "plays on": (0.4, lambda r: r.choice(w.DAYS) + "s")},
        "openings": [
            "{name} are a {kind} from {from} with {singer} as their singer.",
            "With the song {best song} the {kind} {name} became known far beyond {from}.",
            "{singer} sings for {name}, a {kind} from {from}.",
            "Formed in {formed}, {name} are a {kind} best known for {best song}.",
            "Listen to {best song} by {name}, a {kind}, and you will understand the fuss.",
            "{from} is the birthplace of {name}, a {kind}.",
            "{name} are a {kind} with many friends."],
        "plural": True,
        "more": {
            "from": ["come from {from}", "started out in {from}"], "singer": ["owe their sound to {singer}", "have {singer} at the microphone"],
            "formed": ["have played together since {formed}", "got together in {formed}"], "albums": ["have made {albums} albums", "can look back on {albums} albums"],
            "best song": ["are loved for {best song}", "always end with {best song}"], "plays on": ["play on {plays on}", "can be heard on {plays on}"]}},
}


def used(template, fields):
    return {f for f in fields if "{" + f + "}" in template}


def grammar(text):
    """`a` before a vowel becomes `an`; a sentence begins with a capital."""
    out = text.split(" ")
    for i in range(len(out) - 1):
        if out[i] in ("a", "A") and out[i + 1][:1].lower() in "aeiou" and not out[i + 1].lower().startswith(("eu", "uni")):
            out[i] += "n"
    text = " ".join(out).replace("the The ", "The ").replace("The The ", "The ")
    return w.capital(text)


def tell(r, sorts):
    """-> a record (name, kind, fields) of one of the sorts, and its description."""
    sort = sorts[r.choice(sorted(sorts))]
    record = {"name": sort["name"](r)}
    for field, (chance, value) in sort["fields"].items():
        if r.random() < chance:
            record[field] = value(r)
    while len(record) > 5:
        del record[r.choice([f for f in record if f != "name" and sort["fields"][f][0] < 1])]
    fields = [f for f in record if f not in ("name", "kind")]
    if r.random() < 0.4:
        r.shuffle(fields)
    fitting = [o for o in sort["openings"] if used(o, sort["fields"]) <= set(record)]
    # openings that use much of the record are preferred, so that sentences are not lists
    opening = r.choices(fitting, [1 + 2 * len(used(o, fields)) for o in fitting])[0]
    rest = [f for f in fields if f not in used(opening, fields)]
    said = [r.choice(sort["more"][f]) for f in rest]
    they = "They" if sort.get("plural") else "It"
    out = opening
    if said and r.random() < 0.5 and out.count(",") < 2:
        out = out[:-1] + f", and {they.lower()} {said.pop(0)}."
    while said:
        take = min(len(said), r.choice((1, 2, 2, 3)))
        out += f" {they} {w.listing(said[:take])}."
        said = said[take:]
    fields.sort(key=lambda f: out.index("{" + f + "}"))  # a record lists its fields in the order of their mention
    for f, v in record.items():
        out = out.replace("{" + f + "}", v)
    return {f: record[f] for f in ["name", "kind"] + fields}, ". ".join(map(grammar, out.split(". ")))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out")
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--train", type=int, default=1200)
    ap.add_argument("--validation", type=int, default=150)
    a = ap.parse_args()
    r, names, rows = random.Random(a.seed), set(), []
    while len(rows) < a.train + a.validation:
        record, target = tell(r, SORTS)
        if record["name"] not in names:
            names.add(record["name"])
            rows.append({"source": " | ".join(f"{f} : {v}" for f, v in record.items()), "target": target})
    os.makedirs(a.out, exist_ok=True)
    for file, part in (("train", rows[:a.train]), ("validation", rows[a.train:])):
        with open(os.path.join(a.out, file + ".jsonl"), "w", encoding="utf-8") as f:
            for one in part:
                f.write(json.dumps(one, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
