"""Hidden states and attention patterns behind a prefix, for tests/tests/golden/activations.rs.

Of each case: what transformers + PEFT say with `output_hidden_states` and `output_attentions` (eager attention) of the
first rows of its `in/right`. Writes activations.safetensors; needs torch, transformers (5.23) and PEFT (0.21).
"""

import os

import torch
import transformers as tr
from peft import PeftModel
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = 2
CASES = {
    "gpt2-prefix-2x44": tr.AutoModelForCausalLM,
    "gptneo-prefix-2x32": tr.AutoModelForCausalLM,
    "gptneo-prefixproj-2x24-local": tr.AutoModelForCausalLM,
    "neox-prefix-2x48": tr.AutoModelForCausalLM,
    "bloom-prefix-2x40": tr.AutoModelForCausalLM,
    "opt-prefix-2x36": tr.AutoModelForCausalLM,
    "llama-prefix-2x48": tr.AutoModelForCausalLM,
    "mistral-prefix-2x32-window": tr.AutoModelForCausalLM,
    "glm-prefix-2x32": tr.AutoModelForCausalLM,
    "bert-prefix-seq": tr.AutoModelForSequenceClassification,
    "t5-prefix-2x40": tr.AutoModelForSeq2SeqLM,
    "bart-prefix-3x32": tr.AutoModelForSeq2SeqLM,
}
# What an output has, and the stack's name in TransformerLens's words.
ONE_STACK = {"blocks": ("hidden_states", "attentions")}
TWO_STACKS = {
    "encoder": ("encoder_hidden_states", "encoder_attentions"),
    "decoder": ("decoder_hidden_states", "decoder_attentions"),
}


@torch.no_grad()
def activations(name, auto):
    folder = os.path.join(HERE, "cases", name)
    stored = load_file(os.path.join(folder, "tensors.safetensors"))
    classes = {"num_labels": 5} if auto is tr.AutoModelForSequenceClassification else {}
    model = auto.from_pretrained(os.path.join(folder, "model"), dtype=torch.float32, attn_implementation="eager", **classes)
    model = PeftModel.from_pretrained(model, os.path.join(folder, "adapter")).eval()
    given = {k: stored[f"in/right/{k}"][:ROWS] for k in ("input_ids", "attention_mask", "labels")}
    if "in/right/token_type_ids" in stored:
        given["token_type_ids"] = stored["in/right/token_type_ids"][:ROWS]
    out = model(**given, output_hidden_states=True, output_attentions=True, return_dict=True)
    found = {}
    for stack, (hidden, attentions) in (TWO_STACKS if "decoder_attentions" in out else ONE_STACK).items():
        states, patterns = out[hidden], out[attentions]
        # The last state stands behind the stack's last norm.
        for layer, state in enumerate(states[:-1]):
            found[f"{stack}.{layer}.hook_resid_pre"] = state
        found[f"{stack}.hidden"] = states[-1]
        for layer, pattern in enumerate(patterns):
            found[f"{stack}.{layer}.attn.hook_pattern"] = pattern
    for layer, pattern in enumerate(out.get("cross_attentions") or ()):
        found[f"decoder.{layer}.cross_attn.hook_pattern"] = pattern
    return {f"{name}/{key}": value.contiguous().clone() for key, value in found.items()}


def main():
    found = {}
    for name, auto in CASES.items():
        found |= activations(name, auto)
    path = os.path.join(HERE, "activations.safetensors")
    save_file(found, path)
    print(f"{len(found)} tensors, {os.path.getsize(path) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
