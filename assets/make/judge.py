#!/usr/bin/env python3
"""Is a sentence about a record right? Decides by the grammar of `records.py`, not by likeness.

    judge.py ../datasets/records/validation.jsonl --program prefix-workbench --run NAME [--workspace DIR] [--show 30]
    judge.py ../datasets/records/validation.jsonl --outputs FILE        one JSON string in a line
    judge.py --test

With --program, the program writes the outputs: greedy, as its `generate` does it, by the base model and by the run.

An output is *grammatical* if the dataset's grammar derives it: an opening of some sort, then sentences that say
further things of "it", in any order and any grouping, with values of the form that the field has. It is *true* if it
is grammatical and all that it says stands in the record, each thing once. Beside that, the share of the record's
values that occur in the text.
"""
import argparse
import functools
import json
import random
import re
import subprocess

import records
import words as w


def shape(value):
    """What values of a field have in common: numbers and capitalised words are open, other words are as they are."""
    return " ".join(r"\d+".join(re.escape(p) for p in re.split(r"\d+", word)) if not word[0].isupper() or word in ("The", "A", "An")
                    else r"[A-Z][\w-]+'s" if word.endswith("'s") else r"[A-Z][\w-]+" for word in value.split(" "))


def form(draw):
    """A pattern of all values that a generator makes."""
    r = random.Random(0)
    return "|".join(sorted({shape(draw(r)) for _ in range(6000)}, key=len, reverse=True))


def pattern(text, slots):
    """A template with {slots} as a pattern in which they are groups."""
    parts = re.split(r"\{(\w[\w ]*)\}", text)
    groups = [f"(?P<{part.replace(' ', '_')}>{slots[part]})" if i % 2 else re.escape(part) for i, part in enumerate(parts)]
    return re.compile("".join(groups))


@functools.cache
def grammar():
    """-> openings as (sort, pattern with groups name, a_kind and fields), phrases as (sort, field, pattern)."""
    openings, phrases = [], []
    for sort_name, sort in records.SORTS.items():
        slots = {f: form(draw) for f, (draw, _) in sort["fields"].items()}
        slots["name"] = form(sort["name"])
        slots["a_kind"] = "|".join(w.article(kind) for kind in sort["kind"])
        said = {f: text.replace("{}", "{" + f + "}") for f, (_, text) in sort["fields"].items()}
        openings += [(sort_name, pattern(records.OPENING.format("{name}", "{a_kind}", text), slots)) for text in said.values()]
        phrases += [(sort_name, f, pattern(text, slots)) for f, text in said.items()]
    return openings, phrases


def listed(text):
    """All ways to read "a, b and c" as things said of a sort: lists of (sort, field, value)."""
    whole = [(sort, f, m.group(1)) for sort, f, p in grammar()[1] if (m := p.fullmatch(text))]
    out = [[one] for one in whole]
    for m in re.finditer(r", | and ", text):
        rest = text[m.end():]
        heads = [(sort, f, g.group(1)) for sort, f, p in grammar()[1] if (g := p.fullmatch(text[:m.start()]))]
        if heads:  # after "and" comes the last one
            tails = [t for t in listed(rest) if m.group() == ", " and len(t) > 1 or m.group() == " and " and len(t) == 1]
            out += [[head] + tail for head in heads for tail in tails]
    return out


def readings(text):
    """All ways to read a description: lists of (sort, field, value), name and kind among the fields."""
    sentences = re.findall(r".*?\.(?= |$)", text)
    if not sentences or " ".join(s.strip() for s in sentences) != text:
        return []
    out = []
    for sort, p in grammar()[0]:
        if m := p.fullmatch(sentences[0]):
            out.append([(sort, f.replace("_", " ") if f != "a_kind" else "kind", v.split(" ", 1)[1] if f == "a_kind" else v)
                        for f, v in m.groupdict().items()])
    for sentence in sentences[1:]:
        sentence = sentence.strip()
        more = listed(sentence[3:-1]) if sentence.startswith("It ") else []
        out = [a + b for a in out for b in more]
    return out


def judge(record, text):
    """-> (share of the values mentioned, is it grammatical, is all of it true)."""
    text = text.strip()
    said = [bool(re.search(rf"(?<!\w){re.escape(v)}(?!\w)", text, re.IGNORECASE)) for v in record.values()]
    sort = next(name for name, sort in records.SORTS.items() if record["kind"] in sort["kind"])
    ways = [way for way in readings(text) if len({f for _, f, _ in way}) == len(way)]  # nothing twice
    true = any(all(s == sort and record.get(f, "").lower() == v.lower() for s, f, v in way) for way in ways)
    return sum(said) / len(said), bool(ways), true


def record_of(source):
    return dict(pair.split(" : ", 1) for pair in source.split(" | "))


def report(rows, texts, show=0):
    """Prints the figures; -> share of values mentioned, of grammatical outputs, of true ones."""
    judged = [judge(record_of(row["source"]), text) for row, text in zip(rows, texts)]
    values = [len(record_of(row["source"])) for row in rows]
    mentioned = sum(share * n for (share, _, _), n in zip(judged, values)) / sum(values)
    grammatical, true = (sum(j[i] for j in judged) / len(judged) for i in (1, 2))
    complete = sum(j[2] and j[0] == 1 for j in judged) / len(judged)
    same = sum(text.strip() == row["target"] for row, text in zip(rows, texts)) / len(rows)
    print(f"{len(judged)} outputs: {mentioned:.1%} of the values mentioned; {grammatical:.1%} grammatical, {true:.1%} also true, "
          f"{complete:.1%} also complete; {same:.1%} as the dataset has it", flush=True)
    for row, text, (share, well, true_one) in list(zip(rows, texts, judged))[:show]:
        print(f"{'+' if true_one else '-' if well else '!'} {share:4.0%}  {row['source']}\n         {text.strip()}")
    return mentioned, grammatical, true


def test():
    r = random.Random(99)
    for _ in range(400):
        record = records.draw(r)
        text = records.describe(record)
        assert judge(record, text) == (1.0, True, True), (record, text, readings(text))
        fields = [f for f in record if f not in ("name", "kind")]
        turned = {f: record[f] for f in ["name", "kind"] + r.sample(fields, len(fields))}
        assert judge(record, records.describe(turned)) == (1.0, True, True), "another order"
        if len(fields) > 1:
            less = {f: v for f, v in record.items() if f != fields[-1]}
            assert judge(record, records.describe(less))[1:] == (True, True) and not judge(less, text)[2], "less, more"
        assert not judge(record, text.replace(record["name"], "Nobody"))[2], "another name"
        assert not judge(record | {fields[0]: "nothing"}, text)[2], "another value"
        assert not judge(record, text[:-1])[1] and not judge(record, text + " It is.")[1], "cut, gone on"
        spoiled = text.split(" ")
        at = r.randrange(len(spoiled) - 1)
        spoiled[at:at + 1] = [spoiled[at], "is"]
        assert not judge(record, " ".join(spoiled))[2], (record, spoiled)
        assert not judge(record, f"{text} {text.rsplit('. ', 1)[-1]}")[2], "said twice"
    a = {"name": "Anchor and Mill", "kind": "tea room", "lies near": "Rose and Owl", "serves": "honey bread"}
    assert judge(a, "Anchor and Mill is a tea room that serves honey bread. It lies near Rose and Owl.") == (1.0, True, True)
    assert judge(a, "Anchor and Mill is an tea room that serves honey bread.")[1] is False, "article"
    assert judge(a, "Anchor and Mill is a tea room that has 3 carriages.")[1:] == (False, False), "another sort"
    assert judge(a, "Anchor and Mill is a tea room that lies near Rose. It serves honey bread.")[2] is False
    print("the judge is right")


def generated(program, run, workspace, rows):
    """What the program writes for the rows' sources: texts of the base model, texts of the run."""
    command = [program, *(["--workspace", workspace] if workspace else []), "--device", "cpu", "--json", "generate", "--run", run, "--base"]
    base, tuned = [], []
    for at in range(0, len(rows), 25):
        sources = [word for row in rows[at:at + 25] for word in ("--source", row["source"])]
        said = subprocess.run(command + sources, check=True, capture_output=True, text=True).stdout
        last = [event for event in map(json.loads, said.splitlines()) if event["event"] == "generated"][-1]
        for stream in last["streams"]:
            (tuned if stream["adapter_hash"] else base).append(stream["text"])
    return base, tuned


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("rows", nargs="?")
    ap.add_argument("--outputs")
    ap.add_argument("--program")
    ap.add_argument("--run")
    ap.add_argument("--workspace")
    ap.add_argument("--show", type=int, default=0)
    ap.add_argument("--test", action="store_true")
    a = ap.parse_args()
    if a.test:
        return test()
    rows = [json.loads(line) for line in open(a.rows, encoding="utf-8")]
    if a.outputs:
        outputs = [[json.loads(line) for line in open(a.outputs, encoding="utf-8")]]
    else:
        outputs = generated(a.program, a.run, a.workspace, rows)
    for texts in outputs:
        report(rows, texts, a.show)


if __name__ == "__main__":
    main()
