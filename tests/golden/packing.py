#!/usr/bin/env python3
"""Write packing.json: the loss of short rows in one line behind a prefix, and its gradient, as transformers + PEFT compute them.

    packing.py            write it
    packing.py --check    compute it anew and compare

The rows of a line are kept apart by position ids that begin anew and by an explicit mask of four axes. The same rows, padded,
one to a line, must give the same. Models and prefixes are those of the cases. Needs torch, transformers, peft.
"""
import json
import os
import sys

import peft
import torch
import transformers as tr

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = ["gpt2-prefix-2x44", "llama-prefix-2x48"]
ROWS = [[5, 42, 79, 116, 153, 190, 227, 13, 50], [30, 67, 104, 141, 178], [60, 97, 134], [11, 48, 85, 122]]
LINES = [[0, 2], [1, 3]]
UNLABELED = 1  # tokens of each row


def load(case):
    folder = os.path.join(HERE, "cases", case)
    base = tr.AutoModelForCausalLM.from_pretrained(os.path.join(folder, "model"), dtype=torch.float32,
                                                   attn_implementation="eager")
    model = peft.PeftModel.from_pretrained(base, os.path.join(folder, "adapter")).eval()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("prompt_encoder" in name)
    return model


def computed(model, lines):
    """Summed loss of the labels, and the gradient of the prefix, of lines of rows."""
    n = model.peft_config["default"].num_virtual_tokens
    width = max(sum(len(ROWS[row]) for row in line) for line in lines)
    tokens = torch.zeros(len(lines), width, dtype=torch.long)
    positions = torch.zeros(len(lines), width, dtype=torch.long)
    seen = torch.zeros(len(lines), 1, width, n + width, dtype=torch.bool)
    labels = []
    for at, line in enumerate(lines):
        start = 0
        for row in line:
            for place, token in enumerate(ROWS[row]):
                column = start + place
                tokens[at, column], positions[at, column] = token, n + place
                seen[at, 0, column, :n] = True
                seen[at, 0, column, n + start:n + column + 1] = True
                if place >= UNLABELED:
                    labels.append((at, column - 1, token))
            start += len(ROWS[row])
        # padding looks at the prefix, so that its softmax has something to share out
        seen[at, 0, start:, :n] = True
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    model.zero_grad()
    past = model.get_prompt(batch_size=len(lines))
    logits = model.get_base_model()(input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=past).logits
    loss = sum(torch.nn.functional.cross_entropy(logits[at, column], torch.tensor(token)) for at, column, token in labels)
    loss.backward()
    (weight,) = [p for p in model.parameters() if p.requires_grad]
    return loss.item(), weight.grad.clone(), len(labels)


def main():
    path, found = os.path.join(HERE, "packing.json"), {"rows": ROWS, "lines": LINES, "cases": {}}
    for case in CASES:
        model = load(case)
        loss, gradient, n = computed(model, LINES)
        alone, of_alone, _ = computed(model, [[row] for row in range(len(ROWS))])
        assert abs(loss - alone) < 1e-5 * abs(alone) and (gradient - of_alone).abs().max() < 1e-5, case
        rounded = [float(f"{x:.7g}") for x in gradient.flatten().tolist()]
        found["cases"][case] = {"loss": loss, "labels": n, "gradient": rounded}
    if "--check" in sys.argv:
        with open(path) as file:
            stored = json.load(file)
        for case, now in found["cases"].items():
            was = stored["cases"][case]
            assert abs(was["loss"] - now["loss"]) < 1e-5, case
            assert max(abs(a - b) for a, b in zip(was["gradient"], now["gradient"])) < 1e-5, case
        print("the same")
        return
    with open(path, "w") as file:
        json.dump(found, file, separators=(",", ":"), sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
