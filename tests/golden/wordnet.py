"""A dictionary of a few words in WordNet's format, and METEOR of nltk over it: tests/golden/metrics/wordnet.

    python tests/golden/wordnet.py

With a program and the folder of a whole WordNet (of Debian's wordnet-base, /usr/share/wordnet) it holds the program's METEOR
against nltk's over the same folder, on the texts of text_metrics.py's corpora:

    python tests/golden/wordnet.py target/release/prefix-workbench /usr/share/wordnet
"""

import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import nltk
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.translate.meteor_score import meteor_score

OUT = Path(__file__).parent / "metrics" / "wordnet"
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}

# Words of each synset; an adjective in brackets is a satellite, `(p)` says where it stands.
SYNSETS = {
    "noun": [["cat", "true_cat", "Felis"], ["dog", "hound"], ["dog", "cad", "bounder"], ["man", "adult_male", "bloke"],
             ["leaf", "foliage"], ["box", "case"], ["city", "metropolis", "town"], ["church", "Kirk"],
             ["eat", "meal"], ["run", "streak"], ["story", "tale", "narr"]],
    "verb": [["run", "sprint", "dash"], ["eat", "feed"], ["say", "tell", "state"], ["be", "exist"], ["box", "fight"],
             ["stori", "narrate"]],
    "adj": [["big", "large(a)"], ["happy", "glad(p)"], ["fine", "okay"]],
    "adv": [["quickly", "rapidly", "fast"], ["well", "good"]],
}
EXCEPTIONS = {
    "noun": ["men man", "oxen ox"],
    "verb": ["ran run", "was be", "ate eat", "said say"],
    "adj": ["better good well", "bigger big"],
    "adv": ["best well"],
}
LICENSE = [
    "  1 A dictionary of a few words, made for tests in the format of WordNet.  ",
    "  2 WordNet 0.1 Copyright nobody: it holds nothing of the dictionary of that name.  ",
]

ROWS = [
    ("the dog ran fast to the town", ["the hound sprinted rapidly to the city", "a cat sleeps"]),
    ("the men said a tale", ["the blokes told a story"]),
    ("cats ate foliage", ["Felis fed leaves", "the cat eats a leaf"]),
    ("a big box in the church", ["a large case in the Kirk", "a large case in the kirk"]),
    ("he was glad and well", ["he exists happy and good"]),
    ("dog cad dog hound", ["hound dog bounder dog"]),
    ("boxes boxing boxed", ["cases fighting cased"]),
    ("cities and churches", ["towns and Kirks"]),
    ("nothing in common here", ["entirely other words"]),
    ("the cat the dog", ["the cat the dog"]),
    ("", ["cat"]),
    ("better bigger best", ["good large well"]),
    ("run streak dash sprint", ["sprint run dash streak"]),
    ("stories narrate", ["tale stories", "narrate"]),
]
WORDS = ["dog", "dogs", "ran", "running", "leaves", "leaf", "men", "boxes", "big", "bigger", "well", "better", "zebra",
         "felis", "cities", "citi", "stori"]


def write_dictionary(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number, (part, synsets) in enumerate(SYNSETS.items()):
        lines, offset, index = list(LICENSE), 0, {}
        offset = sum(len(line) + 1 for line in lines)
        for words in synsets:
            fields = " ".join(f"{word} 0" for word in words)
            line = f"{offset:08} {number:02} {PARTS[part]} {len(words):02x} {fields} 000 | a synset of {len(words)}  "
            for word in words:
                index.setdefault(word.split("(")[0].lower(), []).append(offset)
            lines.append(line)
            offset += len(line) + 1
        (folder / f"data.{part}").write_text("".join(line + "\n" for line in lines))
        entries = [f"{word} {PARTS[part]} {len(at)} 0 {len(at)} 0 {' '.join(f'{o:08}' for o in at)}  "
                   for word, at in sorted(index.items())]
        (folder / f"index.{part}").write_text("".join(line + "\n" for line in LICENSE + entries))
        (folder / f"{part}.exc").write_text("".join(line + "\n" for line in EXCEPTIONS[part]))


class Reader(WordNetCorpusReader):
    """Without the mapping to the version of nltk's other dictionaries."""

    def map_wn(self, version="wordnet"):
        return {}


def nltk_over(folder):
    """nltk's reader wants a list of the lexicographers' files, which Debian leaves out and no figure reads, and reads below
    the folders of its data alone."""
    around = Path(tempfile.mkdtemp())
    nltk.data.path.append(str(around))
    for path in Path(folder).iterdir():
        shutil.copy(path, around)
    if not (around / "lexnames").exists():
        (around / "lexnames").write_text("".join(f"{number:02}\tname.{number}\t1\n" for number in range(45)))
    warnings.simplefilter("ignore")
    return Reader(str(around), None)


def synonyms(wordnet, word):
    names = (lemma.name() for synset in wordnet.synsets(word) for lemma in synset.lemmas())
    return sorted({name for name in names if "_" not in name} | {word})


def of_rows(rows, wordnet):
    return [meteor_score([r.split() for r in references], prediction.split(), wordnet=wordnet)
            for prediction, references in rows]


def main():
    write_dictionary(OUT)
    wordnet = nltk_over(OUT)
    figures = {
        "rows": [{"prediction": p, "references": r} for p, r in ROWS],
        "figures": of_rows(ROWS, wordnet),
        "synonyms": {word: synonyms(wordnet, word) for word in WORDS},
    }
    (OUT / "figures.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n")


def compare(program, folder):
    corpora = json.loads((OUT.parent / "text.json").read_text())["corpora"]
    rows = [(row["prediction"], row["references"]) for corpus in corpora.values() for row in corpus["rows"]]
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "rows.jsonl"
        lines = (json.dumps({"prediction": p, "references": r}) for p, r in rows)
        path.write_text("\n".join(lines) + "\n")
        asked = [program, "score", "--predictions", str(path), "--metrics", "meteor:none", "--wordnet", folder, "--json"]
        said = json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout)
    found, figures = said["meteor:none"], of_rows(rows, nltk_over(folder))
    wanted = sum(figures) / len(figures)
    print(f"{len(rows)} rows: {found} here, {wanted} by nltk")
    assert abs(found - wanted) < 1e-9


if __name__ == "__main__":
    compare(*sys.argv[1:3]) if len(sys.argv) > 2 else main()
