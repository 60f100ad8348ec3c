"""What transformers and PEFT compute when BERT learns a number for each text (`problem_type="regression"`, `num_labels=1`), with
a prefix and with LoRA, for tests/tests/engine/regression.rs: losses of some steps and predictions before and after them.

Needs torch, transformers (5.23) and peft (0.21). Run in this folder: python regression.py
"""

import json

import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from transformers import AutoModelForSequenceClassification

MODEL = "cases/bert-prefix-seq/model"
VIRTUAL, RANK, ALPHA, STEPS, RATE = 3, 2, 4, 5, 0.02
ROWS = [
    {"tokens": [2, 40, 17, 33, 12, 3], "target": 3.2},
    {"tokens": [2, 41, 22, 9, 34, 21, 15, 3], "target": 0.0},
    {"tokens": [2, 29, 45, 3], "target": 5.0},
]


def values(n, salt, scale):
    """The same numbers as in the test: no generator is needed on either side."""
    return [((i * 7919 + salt * 104729) % 2003 / 2003 - 0.5) * scale for i in range(n)]


def fill(parameter, salt, scale):
    numbers = torch.tensor(values(parameter.numel(), salt, scale), dtype=torch.float64)
    with torch.no_grad():
        parameter.copy_(numbers.reshape(parameter.shape).float())


def batch():
    longest = max(len(row["tokens"]) for row in ROWS)
    ids = [row["tokens"] + [1] * (longest - len(row["tokens"])) for row in ROWS]
    mask = [[1] * len(row["tokens"]) + [0] * (longest - len(row["tokens"])) for row in ROWS]
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask),
        "labels": torch.tensor([row["target"] for row in ROWS]),
    }


def run(config):
    base = AutoModelForSequenceClassification.from_pretrained(
        MODEL, num_labels=1, problem_type="regression", dtype=torch.float32, attn_implementation="eager",
        ignore_mismatched_sizes=True,
    )
    model = get_peft_model(base, config)
    model.eval()
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    for name, p in trained:
        kind = "head" if "classifier" in name else "lora" if "lora" in name else "prefix"
        salt, scale = {"head": (5, 0.8), "lora": (2, 0.6), "prefix": (1, 2.0)}[kind]
        fill(p, salt + ("lora_B" in name), scale)
    optimizer = torch.optim.AdamW([p for _, p in trained], lr=RATE, weight_decay=0.0)
    before = model(**batch()).logits.flatten().tolist()
    losses = []
    for _ in range(STEPS):
        loss = model(**batch()).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        last = model(**batch())
    return {
        "trained": [[name, list(p.shape)] for name, p in trained],
        "before": before,
        "losses": [*losses, float(last.loss)],
        "after": last.logits.flatten().tolist(),
    }


def main():
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    prefix = PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=VIRTUAL)
    lora = LoraConfig(
        task_type="SEQ_CLS", r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=["query", "value"]
    )
    content = {
        "model": MODEL, "n_virtual": VIRTUAL, "rank": RANK, "alpha": ALPHA, "rate": RATE, "rows": ROWS,
        "prefix": run(prefix), "lora": run(lora),
    }
    with open("regression.json", "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")


main()
