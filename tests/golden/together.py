"""What PEFT and torch compute when a prefix and the model's top layer are trained together, each at a rate of its own, for
tests/tests/engine/together.rs: two groups of one AdamW under one schedule.

Needs torch, transformers (5.23) and peft (0.21). Run in this folder: python together.py
"""

import json

import torch
from peft import PrefixTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM, get_linear_schedule_with_warmup

MODEL = "cases/gpt2-prefix-2x44/model"
VIRTUAL, STEPS, TOTAL, WARMUP = 3, 5, 7, 1
RATES = {"prefix": 0.02, "weights": 0.003}
DECAY, CLIP = 0.1, 0.5
ROWS = [
    {"tokens": [40, 71, 90, 33, 120, 3], "n_prompt": 3},
    {"tokens": [41, 72, 91, 34, 121, 65, 66, 3], "n_prompt": 4},
    {"tokens": [99, 45, 3], "n_prompt": 1},
]


def values(n, salt, scale):
    """The same numbers as in the test: no generator is needed on either side."""
    return [((i * 7919 + salt * 104729) % 2003 / 2003 - 0.5) * scale for i in range(n)]


def batch():
    longest = max(len(row["tokens"]) for row in ROWS)
    ids, mask, labels = [], [], []
    for row in ROWS:
        pad = longest - len(row["tokens"])
        ids.append(row["tokens"] + [1] * pad)
        mask.append([1] * len(row["tokens"]) + [0] * pad)
        labels.append([-100] * row["n_prompt"] + row["tokens"][row["n_prompt"] :] + [-100] * pad)
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask), "labels": torch.tensor(labels)}


def main():
    torch.use_deterministic_algorithms(True)
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager")
    model = get_peft_model(base, PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL))
    model.eval()
    prefix = model.prompt_encoder["default"].embedding.weight
    with torch.no_grad():
        prefix.copy_(torch.tensor(values(prefix.numel(), 1, 2.0), dtype=torch.float64).reshape(prefix.shape).float())
    top = f"h.{base.config.n_layer - 1}."
    weights = {
        name: p for name, p in base.named_parameters() if name.startswith(f"transformer.{top}") or "ln_f" in name
    }
    for p in weights.values():
        p.requires_grad_(True)
    # As transformers' Trainer: no decay of biases and norms.
    decays = lambda name: weights[name].dim() > 1 and "bias" not in name
    kept = [p for name, p in weights.items() if not decays(name)]
    shrunk = [p for name, p in weights.items() if decays(name)]
    groups = [
        {"params": [prefix], "lr": RATES["prefix"], "weight_decay": DECAY},
        {"params": shrunk, "lr": RATES["weights"], "weight_decay": DECAY},
        {"params": kept, "lr": RATES["weights"], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups)
    schedule = get_linear_schedule_with_warmup(optimizer, WARMUP, TOTAL)
    losses, norms, rates = [], [], []
    for _ in range(STEPS):
        loss = model(**batch()).loss
        loss.backward()
        trained = [prefix, *weights.values()]
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained, CLIP)))
        rates.append([group["lr"] for group in optimizer.param_groups[:2]])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    with torch.no_grad():
        losses.append(float(model(**batch()).loss))
    after = {name: [float(f"{x:.8g}") for x in p.flatten()[:8].tolist()] for name, p in weights.items()}
    content = {
        "model": MODEL, "n_virtual": VIRTUAL, "total": TOTAL, "warmup": WARMUP, "rates": RATES, "decay": DECAY,
        "clip": CLIP, "rows": ROWS, "losses": losses, "norms": norms, "rate_of_step": rates, "after": after,
        "prefix_after": [float(f"{x:.8g}") for x in prefix.flatten()[:8].tolist()],
    }
    with open("together.json", "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")


main()
