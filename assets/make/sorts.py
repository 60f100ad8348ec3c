"""Sorts of things for pretraining, told as `records.py` tells its own: other sorts, other words.

The same shape as `records.SORTS`: fields with the chance to be there, openings that use some of them, and ways to go
on about every other field.
"""
import words as w


def pick(*values):
    return lambda r: r.choice(values)


def amount(low, high, unit):
    return lambda r: f"{r.randint(low, high)} {unit}"


def thing(r):
    return f"{r.choice(w.ADJECTIVES)} {r.choice(w.NOUNS)}"


SORTS = {
    "castle": {
        "name": lambda r: f"{w.made_up(r)} Castle",
        "fields": {
            "kind": (1, pick("castle", "ruin", "fortress", "palace", "tower house")), "region": (0.8, w.place), "built by": (0.7, w.person),
            "century": (0.6, pick("tenth", "twelfth", "fourteenth", "sixteenth")), "towers": (0.6, lambda r: r.choice(w.SMALL)),
            "ghost": (0.4, w.person), "built of": (0.5, pick(*w.MATERIALS)), "entry": (0.4, w.price)},
        "openings": [
            "High above {region} rises {name}, a {kind} that {built by} put up.",
            "{name} is a {kind} in the region of {region}.",
            "It was {built by} who built the {kind} called {name}.",
            "On a hill over {region} stands the {kind} {name} with its {towers} towers.",
            "Of all the old walls in the country {name}, a {kind}, is the finest.",
            "The {kind} {name} has {towers} towers."],
        "more": {
            "region": ["looks down on {region}", "lies in {region}"], "built by": ["was put up by {built by}", "is owed to {built by}"],
            "century": ["goes back to the {century} century", "was begun in the {century} century"], "towers": ["still has {towers} towers", "counts {towers} towers"],
            "ghost": ["is haunted by {ghost}", "is said to hide the ghost of {ghost}"], "built of": ["has walls of {built of}", "was built of {built of}"],
            "entry": ["can be seen for {entry}", "charges {entry} at the gate"]}},
    "village": {
        "name": w.place,
        "fields": {
            "kind": (1, pick("village", "hamlet", "market town", "fishing village", "mountain village")), "river": (0.7, w.made_up),
            "inhabitants": (0.7, lambda r: str(r.randint(40, 9000))), "known for": (0.8, lambda r: f"its {r.choice(w.ADJECTIVES)} {r.choice(w.NOUNS)}s"),
            "mayor": (0.6, w.person), "market": (0.4, pick(*w.DAYS)), "county": (0.6, w.made_up)},
        "openings": [
            "On the banks of the {river} lies {name}, a {kind} with {inhabitants} inhabitants.",
            "{name} is a {kind} in the county of {county}, known for {known for}.",
            "Mayor {mayor} looks after {name}, a {kind} on the {river}.",
            "Some {inhabitants} people live in {name}, a {kind} of {county}.",
            "The {kind} of {name} is known for {known for}.",
            "Nobody passes through {name}, a {kind}, without stopping."],
        "more": {
            "river": ["is crossed by the {river}", "sits beside the river {river}"], "inhabitants": ["has {inhabitants} inhabitants", "is home to {inhabitants} people"],
            "known for": ["owes its name to {known for}", "is visited for {known for}"], "mayor": ["has {mayor} for a mayor", "elected {mayor} as mayor"],
            "market": ["holds its market each {market}", "comes alive on {market}"], "county": ["belongs to the county of {county}", "is a part of {county}"]}},
    "song": {
        "name": w.title,
        "fields": {
            "kind": (1, pick("song", "lullaby", "march", "ballad", "hymn", "waltz")), "composer": (0.85, w.person), "words by": (0.5, w.person),
            "key": (0.4, pick("C major", "A minor", "G major", "E minor", "F major")), "first sung": (0.6, w.year), "sung in": (0.5, w.place),
            "theme": (0.7, thing), "verses": (0.4, lambda r: r.choice(w.SMALL))},
        "openings": [
            "{composer} composed {name}, a {kind} about a {theme}.",
            "The {kind} {name} was first sung in {first sung}.",
            "A {theme} is the theme of {name}, a {kind} by {composer}.",
            "In {sung in} everybody can sing {name}, a {kind}.",
            "{name}, the best known {kind} of {composer}, was written in {key}.",
            "{name} is a {kind} that stays in the ear."],
        "more": {
            "composer": ["was set to music by {composer}", "is a work of {composer}"], "words by": ["has words by {words by}", "borrows its words from {words by}"],
            "key": ["is in {key}", "ends in {key}"], "first sung": ["was heard for the first time in {first sung}", "dates back to {first sung}"],
            "sung in": ["is popular in {sung in}", "is heard in all the streets of {sung in}"], "theme": ["speaks of a {theme}", "describes a {theme}"],
            "verses": ["has {verses} verses", "goes on for {verses} verses"]}},
    "person": {
        "name": w.person,
        "fields": {
            "kind": (1, pick("painter", "teacher", "baker", "engineer", "explorer", "gardener", "doctor", "clockmaker", "poet")),
            "born in": (0.7, w.place), "born": (0.6, w.year), "lives at": (0.5, w.place), "married to": (0.5, w.person), "collects": (0.5, lambda r: thing(r) + "s"),
            "teacher": (0.4, w.person), "dog": (0.4, w.made_up)},
        "openings": [
            "{name}, a {kind}, was born in {born in} in {born}.",
            "The {kind} {name} grew up in {born in} and now lives at {lives at}.",
            "{name} is a {kind} who collects {collects}.",
            "Everybody at {lives at} knows {name}, the {kind}.",
            "{name} learned to be a {kind} from {teacher}.",
            "By trade {name} is a {kind}."],
        "more": {
            "born in": ["was born in {born in}", "comes from a family of {born in}"], "born": ["came into the world in {born}", "was born in the year {born}"],
            "lives at": ["has a house at {lives at}", "lives at {lives at}"], "married to": ["is married to {married to}", "shares a home with {married to}"],
            "collects": ["has a large collection of {collects}", "collects {collects}"], "teacher": ["was a pupil of {teacher}", "learned from {teacher}"],
            "dog": ["has a dog named {dog}", "walks a dog called {dog}"]}},
    "machine": {
        "name": lambda r: f"{w.made_up(r)}-{r.randint(1, 900)}",
        "fields": {
            "kind": (1, pick("printer", "robot", "radio", "bicycle", "washing machine", "camera", "oven", "tractor")), "company": (0.8, w.made_up),
            "power": (0.6, amount(2, 900, "watts")), "weighs": (0.5, amount(2, 90, "kilos")), "sold since": (0.5, w.year), "asking price": (0.6, w.price),
            "case": (0.5, pick(*w.COLORS)), "designer": (0.5, w.person)},
        "openings": [
            "{company} builds the {name}, a {kind} with {power}.",
            "The {name} by {company} is a {kind} designed by {designer}.",
            "Buyers pay {asking price} for the {name}, a {kind} from {company}.",
            "Designed by {designer}, the {name} is a {kind} in a {case} case.",
            "Our test looks at the {name}, a {kind}.",
            "The {kind} {name} runs on {power}."],
        "more": {
            "company": ["is built by {company}", "is a product of {company}"], "power": ["uses {power}", "has a power of {power}"],
            "weighs": ["has a weight of {weighs}", "weighs {weighs}"], "sold since": ["has been on sale since {sold since}", "came on the market in {sold since}"],
            "asking price": ["is offered for {asking price}", "sells for {asking price}"], "case": ["comes in a {case} case", "is painted {case}"],
            "designer": ["was designed by {designer}", "goes back to an idea of {designer}"]}},
    "festival": {
        "name": lambda r: f"{w.made_up(r)} {r.choice(('Festival', 'Days', 'Fair', 'Parade'))}",
        "fields": {
            "kind": (1, pick("festival", "harvest feast", "film week", "street fair", "kite contest")), "held in": (0.85, w.place), "month": (0.7, pick(*w.MONTHS)),
            "guests": (0.5, lambda r: f"{r.randint(2, 90)},000"), "organiser": (0.6, w.person), "prize": (0.5, thing), "since": (0.5, w.year)},
        "openings": [
            "Every {month} {held in} celebrates the {name}, a {kind}.",
            "The {name} is a {kind} held in {held in} each {month}.",
            "{organiser} runs the {name}, a {kind} in {held in}.",
            "More than {guests} guests come to the {name}, a {kind}.",
            "Winners at the {name}, a {kind} in {held in}, take home a {prize}.",
            "The {name} is a {kind} with a long history."],
        "more": {
            "held in": ["is held in {held in}", "fills the squares of {held in}"], "month": ["falls in {month}", "begins in {month}"],
            "guests": ["draws {guests} guests", "has room for {guests} guests"], "organiser": ["is organised by {organiser}", "lies in the hands of {organiser}"],
            "prize": ["gives a {prize} as a prize", "rewards the best with a {prize}"], "since": ["has been held since {since}", "began in {since}"]}},
    "island": {
        "name": lambda r: f"{r.choice(('Isle of', 'Great', 'Little', 'Cape'))} {w.made_up(r)}",
        "fields": {
            "kind": (1, pick("island", "cape", "peninsula", "coral island", "volcano")), "ocean": (0.7, lambda r: f"{w.made_up(r)} Sea"), "size": (0.6, amount(2, 900, "square miles")),
            "capital": (0.6, w.place), "discovered by": (0.6, w.person), "exports": (0.5, lambda r: f"{r.choice(w.NOUNS)}s"), "highest point": (0.5, amount(20, 4000, "feet"))},
        "openings": [
            "In the {ocean} lies the {name}, an {kind} of {size}.",
            "{discovered by} was the first to land on the {name}, an {kind} in the {ocean}.",
            "{capital} is the capital of the {name}, an {kind} that sells {exports}.",
            "The {name} is an {kind} of {size} with {capital} as its capital.",
            "Sailors fear the {name}, an {kind} that rises {highest point} out of the {ocean}.",
            "The {name} is an {kind} far from the mainland."],
        "more": {
            "ocean": ["is washed by the {ocean}", "lies in the {ocean}"], "size": ["covers {size}", "has an area of {size}"],
            "capital": ["is governed from {capital}", "has {capital} as its capital"], "discovered by": ["was discovered by {discovered by}", "was first mapped by {discovered by}"],
            "exports": ["exports {exports}", "lives from selling {exports}"], "highest point": ["climbs to {highest point}", "reaches {highest point} at its highest"]}},
    "club": {
        "name": lambda r: f"{w.made_up(r)} {r.choice(('United', 'Rovers', 'Club', 'Society', 'Wanderers'))}",
        "fields": {
            "kind": (1, pick("football club", "chess club", "rowing club", "walking club", "book club")), "home": (0.85, w.place), "colours": (0.6, lambda r: f"{r.choice(w.COLORS)} and {r.choice(w.COLORS)}"),
            "trainer": (0.6, w.person), "founded by": (0.5, w.person), "fee": (0.4, w.price), "meets on": (0.5, pick(*w.DAYS)), "rival": (0.4, lambda r: f"{w.made_up(r)} {r.choice(('United', 'Rovers'))}")},
        "openings": [
            "{name} are the {kind} of {home} and play in {colours}.",
            "Trained by {trainer}, {name} are the best {kind} in {home}.",
            "{founded by} founded {name}, a {kind}, and {trainer} trains it.",
            "The members of {name}, a {kind}, meet on {meets on}.",
            "You will know {name}, the {kind} from {home}, by their {colours} shirts.",
            "{name} are a {kind}."],
        "plural": True,
        "more": {
            "home": ["are at home in {home}", "come from {home}"], "colours": ["wear {colours}", "have chosen {colours} as their colours"],
            "trainer": ["are trained by {trainer}", "listen to {trainer}"], "founded by": ["were founded by {founded by}", "owe their start to {founded by}"],
            "fee": ["ask a fee of {fee}", "take {fee} from new members"], "meets on": ["meet every {meets on}", "come together on {meets on}"],
            "rival": ["hate to lose against {rival}", "have a rival in {rival}"]}},
    "shop": {
        "name": w.sign,
        "fields": {
            "kind": (1, pick("toy shop", "bookshop", "flower shop", "shoe shop", "market stall", "garage")), "street": (0.8, lambda r: f"{w.made_up(r)} Street"),
            "keeper": (0.8, w.person), "sells": (0.7, lambda r: thing(r) + "s"), "closes at": (0.5, w.clock), "opposite": (0.5, w.sign), "phone": (0.4, lambda r: str(r.randint(10000, 99999)))},
        "openings": [
            "{keeper} keeps {name}, a {kind} in {street}.",
            "For {sells} the people go to {name}, a {kind} in {street}.",
            "{name} is the {kind} where {keeper} sells {sells}.",
            "Opposite {opposite} there is a {kind} by the name of {name}.",
            "Go down {street} and look for {name}, a {kind}.",
            "There is a new {kind}, and its name is {name}."],
        "more": {
            "street": ["has its window in {street}", "is on {street}"], "keeper": ["belongs to {keeper}", "is kept by {keeper}"],
            "sells": ["sells {sells}", "has {sells} on its shelves"], "closes at": ["shuts at {closes at}", "does business until {closes at}"],
            "opposite": ["faces {opposite}", "is just opposite {opposite}"], "phone": ["can be called at {phone}", "has the number {phone}"]}},
    "film": {
        "name": w.title,
        "fields": {
            "kind": (1, pick("film", "comedy", "thriller", "cartoon", "western", "love story")), "director": (0.85, w.person), "star": (0.7, w.person),
            "released": (0.6, w.year), "length": (0.5, amount(60, 200, "minutes")), "plot": (0.6, lambda r: f"a {r.choice(w.NOUNS)} that is lost and found again"), "shot in": (0.5, w.place)},
        "openings": [
            "{director} directed {name}, a {kind} with {star}.",
            "{star} plays the leading part in {name}, a {kind} of {length}.",
            "Shot in {shot in}, the {kind} {name} shows {star} at his best.",
            "The {kind} {name} by {director} turns on {plot}.",
            "Since {released} the {kind} {name} has made the world laugh and cry.",
            "{name} is a {kind} one can see twice."],
        "more": {
            "director": ["was directed by {director}", "is a work of {director}"], "star": ["has {star} in the leading part", "made {star} famous"],
            "released": ["reached the cinemas in {released}", "was released in {released}"], "length": ["takes {length}", "keeps you in your seat for {length}"],
            "plot": ["turns on {plot}", "is about {plot}"], "shot in": ["was shot in {shot in}", "shows the hills of {shot in}"]}},
}
