#!/usr/bin/env python3
"""Write the tables of README.md from what `verify` says of every case.

    table.py PROGRAM            run PROGRAM --device cpu verify on each case, and write the tables into README.md
    table.py PROGRAM --check    say whether they would change
"""
import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(HERE, "README.md")
# in the order of the tables
MODELS = ["gpt2", "gpt_neo", "gpt_neox", "bloom", "opt", "llama", "mistral", "qwen2", "qwen3", "stablelm", "gemma", "gemma2", "gemma3_text", "phi", "phi3", "glm", "glm4", "chatglm", "chatglm-6b", "t5", "mt5", "bart",
          "mbart", "pegasus", "bert", "roberta", "distilbert", "electra", "albert"]
METHODS = {"prefix": "prefix", "prefixproj": "prefix, MLP", "prompt": "prompt", "ptmlp": "P-tuning, MLP",
           "ptlstm": "P-tuning, LSTM", "pttanh": "embedding-only", "multitask": "multitask prompt", "cartridge": "cartridge", "lora": "LoRA", "full": "full"}
KINDS = {"logits": ("out/",), "gradients": ("grad/",), "five steps, schedule": ("train/", "sched/", "param_after/", "prefix/")}


def verify(program, case):
    out = subprocess.run([program, "--device", "cpu", "verify", case, "--json"], capture_output=True, text=True)
    if not out.stdout:
        raise SystemExit(f"{case}: {out.stderr}")
    groups = [json.loads(line) for line in out.stdout.splitlines() if line.startswith('{"group"')]
    with open(os.path.join(case, "case.json")) as f:
        facts = json.load(f)
    return facts, groups


def nearest(groups):
    """The group nearest to its tolerance, as `difference / tolerance`."""
    compared = [g for g in groups if g["tolerance"] > 0]
    if not compared:
        return "–"
    worst = max(compared, key=lambda g: g["max_abs_diff"] / g["tolerance"])
    return f"{worst['max_abs_diff']:.1e} / {worst['tolerance']:.1e}"


def of_kind(groups, starts):
    return [g for g in groups if g["group"].startswith(starts)]


def row(cells):
    return "| " + " | ".join(cells) + " |"


def by_model(cases):
    lines = [row(["`model_type`", "cases", "groups", *KINDS, "other greedy tokens"]), row(["---"] * 7)]
    for model in MODELS:
        found = [groups for facts, groups in cases if facts["model_type"] == model]
        groups = [g for one in found for g in one]
        tokens = [g for g in groups if g["group"].startswith("gen/") and g["tolerance"] == 0]
        other = f"{sum(g['max_abs_diff'] for g in tokens):.0f}" if tokens else "–"
        lines.append(row([model, str(len(found)), str(len(groups)), *(nearest(of_kind(groups, s)) for s in KINDS.values()), other]))
    return lines


def by_method(cases):
    """Of each cell the largest share of a tolerance that any group takes, in per cent, of how many cases."""
    lines = [row(["`model_type`", *METHODS.values()]), row(["---"] * (1 + len(METHODS)))]
    for model in MODELS:
        cells = []
        for method in METHODS:
            found = [groups for facts, groups in cases if (facts["model_type"], facts["method"]) == (model, method)]
            shares = [g["max_abs_diff"] / g["tolerance"] for one in found for g in one if g["tolerance"] > 0]
            cells.append(f"{100 * max(shares):.0f} % ({len(found)})" if shares else "")
        lines.append(row([model, *cells]))
    return lines


def put(text, name, lines):
    """Between `<!-- name -->` and `<!-- end -->`."""
    return re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m: m[1] + "\n".join(lines) + "\n" + m[2], text, flags=re.S)


def main():
    program = os.path.abspath(sys.argv[1])
    cases = [verify(program, case) for case in sorted(glob.glob(os.path.join(HERE, "cases", "*")))]
    groups = [g for _, one in cases for g in one]
    far = [f"{facts['name']}: {g['group']}" for facts, one in cases for g in one if not g["ok"]]
    with open(README) as f:
        before = f.read()
    sentence = (f"`prefix-workbench --device cpu verify tests/golden/cases/*` compares {len(groups):,} groups of {len(cases)} cases; "
                + ("all are within tolerance." if not far else f"{len(far)} are not within tolerance."))
    after = put(before, "sentence", [sentence])
    after = put(after, "by model", by_model(cases))
    after = put(after, "by method", by_method(cases))
    print("\n".join([sentence, *far]))
    if "--check" in sys.argv:
        sys.exit(after != before)
    with open(README, "w") as f:
        f.write(after)


if __name__ == "__main__":
    main()
