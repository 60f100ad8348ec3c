#!/usr/bin/env python3
"""Write the starter dataset `sorts`, whose rows have a class: a description of `records`, and the sort of thing that it tells of.

    sorts.py ../datasets/records ../datasets/sorts

Equally many rows of each sort, in the order of the records; those of the validation file come from its own.
"""
import argparse
import json
import os

import records

SORT_OF = {kind: sort for sort, about in records.SORTS.items() for kind in about["kind"]}


def rows(path, each):
    left = {sort: each for sort in records.SORTS}
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        kind = dict(field.split(" : ", 1) for field in row["source"].split(" | "))["kind"]
        sort = SORT_OF[kind]
        if left[sort] > 0:
            left[sort] -= 1
            yield {"text": row["target"], "label": sort}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records")
    parser.add_argument("out")
    parser.add_argument("--train", type=int, default=40, help="training rows of each sort")
    parser.add_argument("--validation", type=int, default=12, help="validation rows of each sort")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for name, each in (("train", args.train), ("validation", args.validation)):
        with open(os.path.join(args.out, f"{name}.jsonl"), "w", encoding="utf-8") as file:
            for row in rows(os.path.join(args.records, f"{name}.jsonl"), each):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
