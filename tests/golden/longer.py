"""What transformers and torch compute where a prefix begins as demonstrations or as a document, for
tests/tests/engine/longer.rs: keys and values of the start (DynamicCache), the loss of rows that do not see their own
demonstration (CT-KV), and the loss of what a teacher says that reads the document (Cartridges), with gradients.

Needs torch and transformers (5.23). Run in this folder: python longer.py
"""

import json

import torch
from transformers import AutoModelForCausalLM, DynamicCache

CASES = ["gpt2-prefix-2x44", "llama-prefix-2x48"]
ROWS = [
    {"tokens": [40, 31, 50, 33, 20, 3], "n_prompt": 3},
    {"tokens": [41, 32, 51, 34], "n_prompt": 2},
    {"tokens": [29, 45, 3], "n_prompt": 1},
]
SHOTS, SLOTS = 2, 8
DOCUMENT = [7, 12, 30, 44, 5, 9, 18, 27, 36]
CARTRIDGE, TOP_K = 4, 5


def read(model, tokens):
    """Keys and values of a text as a flat prefix, [tokens, layers * 2 * heads * d_head]."""
    with torch.no_grad():
        cache = model(torch.tensor([tokens]), use_cache=True).past_key_values
    pairs = [torch.stack([layer.keys[0], layer.values[0]]) for layer in cache.layers]
    both = torch.stack(pairs)  # [layers, 2, heads, tokens, d_head]
    return both.permute(3, 0, 1, 2, 4).reshape(len(tokens), -1), both.shape


def behind(model, flat, shape, rows, hidden=None):
    """Log-probabilities of every token at each place of the rows behind a prefix; `hidden` are slots that a row does not see."""
    layers, _, heads, _, width = shape
    n = flat.shape[0]
    longest = max(len(row["tokens"]) for row in rows)
    ids = torch.tensor([row["tokens"] + [1] * (longest - len(row["tokens"])) for row in rows])
    mask = torch.tensor([[1] * n + [1] * len(r["tokens"]) + [0] * (longest - len(r["tokens"])) for r in rows])
    for row, slots in enumerate(hidden or []):
        mask[row, slots] = 0
    parts = flat.reshape(n, layers, 2, heads, width).permute(1, 2, 3, 0, 4)
    cache = DynamicCache()
    for layer in range(layers):
        key, value = (parts[layer, side][None].expand(len(rows), -1, -1, -1) for side in range(2))
        cache.update(key, value, layer)
    positions = torch.arange(n, n + longest)[None].expand(len(rows), -1)
    logits = model(ids, attention_mask=mask, past_key_values=cache, position_ids=positions).logits
    return torch.log_softmax(logits, -1)


def labels(rows):
    """Where a label is predicted, and the label: row, column, token."""
    return [(i, at - 1, r["tokens"][at]) for i, r in enumerate(rows) for at in range(r["n_prompt"], len(r["tokens"]))]


def numbers(tensor):
    return [round(x, 9) for x in tensor.flatten().tolist()]


def case(name):
    model = AutoModelForCausalLM.from_pretrained(f"cases/{name}/model", dtype=torch.float32).eval()
    for weight in model.parameters():
        weight.requires_grad = False
    shots = [row["tokens"] for row in ROWS[:SHOTS]]
    flat, shape = read(model, sum(shots, []))
    start = flat[:SLOTS].clone().requires_grad_()
    first = [0, len(shots[0]), len(shots[0]) + len(shots[1])]
    hidden = [[slot for slot in range(a, b) if slot < SLOTS] for a, b in zip(first, first[1:])] + [[]]
    said = behind(model, start, shape, ROWS, hidden)
    loss = -torch.stack([said[place] for place in labels(ROWS)]).mean()
    loss.backward()
    seen = behind(model, start, shape, ROWS)
    result = {
        "demonstrations": numbers(start),
        "leave_one_out": {
            "loss": loss.item(),
            "seeing_all": -torch.stack([seen[place] for place in labels(ROWS)]).mean().item(),
            "gradient": numbers(start.grad),
        },
    }
    document, _ = read(model, DOCUMENT)
    with torch.no_grad():
        teacher = behind(model, document, shape, ROWS)
        # The same, read as one text: that the document stands before the rows as a prefix does is no approximation.
        whole = model(torch.tensor([DOCUMENT + ROWS[0]["tokens"]])).logits[0, len(DOCUMENT) :]
        assert (torch.log_softmax(whole, -1) - teacher[0]).abs().max() < 1e-4
    places = [(row, column) for row, column, _ in labels(ROWS)]
    best = torch.topk(torch.stack([teacher[place] for place in places]), TOP_K)
    cartridge = document[:CARTRIDGE].clone().requires_grad_()
    student = behind(model, cartridge, shape, ROWS)
    student = torch.stack([student[place] for place in places]).gather(1, best.indices)
    loss = -(best.values.exp() * student).sum(-1).mean()
    loss.backward()
    result["document"] = numbers(cartridge)
    result["distillation"] = {
        "tokens": best.indices.flatten().tolist(),
        "probabilities": numbers(best.values.exp()),
        "loss": loss.item(),
        "gradient": numbers(cartridge.grad),
    }
    return result


if __name__ == "__main__":
    given = {"rows": ROWS, "shots": SHOTS, "slots": SLOTS, "document": DOCUMENT, "cartridge": CARTRIDGE, "top_k": TOP_K}
    cases = {name: case(name) for name in CASES}
    for name, found in cases.items():
        print(name, found["leave_one_out"]["loss"], found["leave_one_out"]["seeing_all"], found["distillation"]["loss"])
    with open("longer.json", "w") as file:
        json.dump({**given, "cases": cases}, file)
        file.write("\n")
