#!/usr/bin/env python3
"""Write what transformers makes of rows that are too long: truncation.json beside this file.

The rows of the Hugging Face walk-through (`Human: … Assistant: `, prompt and answer tokenized apart, ids and labels cut at the
end to a length), and pairs by `truncation="longest_first"`, `"only_first"` and `"only_second"`. The tokenizers are those of
tokenizers/. Needs transformers.
"""
import json
import os

import transformers as tr

tr.logging.set_verbosity_error()
HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = [
    {"instruction": "Name the prefix", "input": "", "output": "The prefix comes before a text and is read by every layer."},
    {"instruction": "  Say  hello ", "input": "in 世界", "output": "你好"},
    {"instruction": "Count to ten, slowly, and say why you do it", "input": "one two", "output": "one two three four five six"},
    {"instruction": "列出三种保持健康的方法", "input": "", "output": "均衡饮食、经常锻炼、充足睡眠。" * 3},
]
LIMITS = [8, 17, 24, 32, 48, 64, 256]
PAIRS = [
    ("the prefix comes before a text", "every layer reads it"),
    ("layer", "the prefix comes before a text and is read by every layer"),
    ("unbelievably trained weights stay as they were", "unbelievably trained weights stay as they were"),
]


def walk_through(name):
    tokenizer = tr.AutoTokenizer.from_pretrained(os.path.join(HERE, "tokenizers", name))
    for row in ROWS:
        prompt = "\n".join(["Human: " + row["instruction"], row["input"]]).strip() + "\n\nAssistant: "
        asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        answer = tokenizer(row["output"] + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
        for limit in LIMITS:
            yield {"row": row, "limit": limit, "ids": (asked + answer)[:limit],
                   "labels": ([-100] * len(asked) + answer)[:limit]}


def pairs(name):
    tokenizer = tr.AutoTokenizer.from_pretrained(os.path.join(HERE, "tokenizers", name))
    assert tokenizer.is_fast
    for first, second in PAIRS:
        counts = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (first, second)]
        frame = len(tokenizer(first, second)["input_ids"]) - sum(counts)
        for limit in range(frame + 2, frame + sum(counts) + 2):
            for rule, other in [("longest_first", 0), ("only_first", counts[1]), ("only_second", counts[0])]:
                # Where one text is not enough transformers gives up.
                if limit - frame - other < 1:
                    continue
                ids = tokenizer(first, second, truncation=rule, max_length=limit)["input_ids"]
                yield {"first": first, "second": second, "limit": limit, "rule": rule, "ids": ids}


def main():
    made = {
        "walk_through": {name: list(walk_through(name)) for name in ("gpt2", "qwen2")},
        "pairs": {name: list(pairs(name)) for name in ("bert", "roberta")},
    }
    with open(os.path.join(HERE, "truncation.json"), "w", encoding="utf-8") as file:
        json.dump(made, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
