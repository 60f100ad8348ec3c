#!/usr/bin/env python3
"""Adapters that this program trained, loaded by PEFT; adapters that PEFT made, trained on here and loaded by PEFT again.

    roundtrip.py PROGRAM        compare, and write what was measured into roundtrip.json

Each adapter becomes a case without trainable tensors, which `verify` computes with the adapter as the folder has it: the
logits are ours, the reference is what PEFT makes of the same folder. PEFT also saves what it loaded; keys and values of
`adapter_config.json`, names, shapes and numbers of the tensors are then compared with what this program had written.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import peft
import torch
import transformers as tr
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import encoders
import make as m

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = {"steps": 6, "batch_size": 4, "learning_rate": 0.01, "sample_rows": 0, "eval_every": 6}
# name: the case whose model is used, and the method as a run file has it
RUNS = {
    "prefix": ("gpt2-prefix-2x44", {"type": "prefix", "n_virtual": 4}),
    "prefix, MLP": ("gpt2-prefix-2x44", {"type": "prefix", "n_virtual": 3, "reparameterization": {"width": 9}}),
    "prefix, MLP of two hidden layers": ("gpt2-prefix-2x44", {
        "type": "prefix", "n_virtual": 3, "reparameterization": {"width": 9, "hidden_layers": 2}}),
    "cartridge": ("llama-lora-2x24", {"type": "prefix", "n_virtual": 4, "n_frozen": 1}),
    # An odd number of layers: PEFT gives each of them a pair of its own.
    "prefix, source and target": ("bart-prefix-3x32", {"type": "prefix", "n_virtual": 3, "sites": ["decoder"]}),
    "prefix, GQA": ("llama-lora-2x24", {"type": "prefix", "n_virtual": 4}),
    "prefix, classes": ("bert-lora-seq", {"type": "prefix", "n_virtual": 4}),
    "prompt": ("gpt2-prefix-2x44", {"type": "prompt", "n_virtual": 4, "init": {"type": "vocabulary"}}),
    "prompt, source and target": ("t5-lora-1x24", {"type": "prompt", "n_virtual": 3}),
    "prompt, classes": ("bert-lora-seq", {"type": "prompt", "n_virtual": 3}),
    "P-tuning, MLP": ("gpt2-prefix-2x44", {"type": "prompt", "n_virtual": 4, "encoder": {"type": "mlp", "width": 11}}),
    "P-tuning, LSTM": ("llama-lora-2x24", {"type": "prompt", "n_virtual": 3, "encoder": {"type": "lstm", "width": 7}}),
    "embeddings behind tanh": ("gpt2-prefix-2x44", {"type": "prompt", "n_virtual": 4, "encoder": {"type": "tanh", "width": 11}}),
    "LoRA": ("gpt2-prefix-2x44", {"type": "lora", "rank": 3, "alpha": 6.0}),
    "LoRA, rank-stabilised, all-linear": ("llama-lora-2x24", {
        "type": "lora", "rank": 2, "alpha": 5.0, "rank_stabilized": True, "targets": ["all-linear"]}),
    "LoRA, biases": ("gpt2-prefix-2x44", {"type": "lora", "rank": 2, "alpha": 4.0, "bias": "all", "targets": ["c_attn", "mlp.c_fc"]}),
    "LoRA, patterns": ("gpt2-prefix-2x44", {
        "type": "lora", "rank": 2, "alpha": 4.0, "targets": ["c_attn", "c_fc"], "rank_pattern": {"c_fc": 3},
        "alpha_pattern": {"h.1.attn.c_attn": 9.0}}),
    "LoRA, source and target": ("t5-lora-1x24", {"type": "lora", "rank": 2, "alpha": 4.0}),
    "LoRA, embeddings and head": ("opt-lora-1x16-tables", {
        "type": "lora", "rank": 2, "alpha": 4.0, "targets": ["embed_tokens", "lm_head", "v_proj"]}),
    "LoRA, whole modules": ("qwen2-lora-1x16-saved", {
        "type": "lora", "rank": 2, "alpha": 4.0, "targets": ["q_proj", "lm_head"], "modules_to_save": ["embed_tokens", "norm"]}),
    "LoRA, rows of tokens": ("gpt2-lora-1x16-tokens", {
        "type": "lora", "rank": 2, "alpha": 4.0, "trained_tokens": {"": [70, 71, 68]}}),
    "LoRA, classes": ("bert-lora-seq", {"type": "lora", "rank": 2, "alpha": 4.0, "targets": ["query", "value", "pooler.dense"]}),
}
# name: a case whose adapter PEFT made, and the method that goes on with it
CONTINUED = {
    "prefix": ("gpt2-prefix-2x44", {"type": "prefix", "n_virtual": 5}),
    "prefix through an MLP": ("gpt2-prefixproj-2x44", {"type": "prefix", "n_virtual": 5, "reparameterization": {"width": 19}}),
    "prompt": ("gpt2-prompt-2x24", {"type": "prompt", "n_virtual": 4}),
    "P-tuning, MLP": ("gpt2-ptmlp-1x24", {"type": "prompt", "n_virtual": 3, "encoder": {"type": "mlp", "width": 14}}),
    "P-tuning, LSTM": ("gpt2-ptlstm-1x20", {"type": "prompt", "n_virtual": 3, "encoder": {"type": "lstm", "width": 8}}),
    "prompt, source and target": ("t5-prompt-1x24", {"type": "prompt", "n_virtual": 3}),
    "LoRA, rank-stabilised": ("gpt2-lora-2x24-rs", {"type": "lora", "rank": 3, "alpha": 5.0, "rank_stabilized": True}),
    "LoRA, biases": ("gpt2-lora-1x24-biases", {
        "type": "lora", "rank": 2, "alpha": 6.0, "bias": "all", "targets": ["c_attn", "mlp.c_proj"]}),
    "LoRA, patterns": ("gpt2-lora-2x20-patterns", {
        "type": "lora", "rank": 2, "alpha": 4.0, "targets": ["all-linear"], "rank_pattern": {"c_attn": 3, "h.1.mlp.c_fc": 1},
        "alpha_pattern": {"mlp.c_proj": 7.0, "h.1.mlp.c_fc": 3.0}}),
    "LoRA, embeddings and head": ("llama-lora-1x16-tables", {
        "type": "lora", "rank": 2, "alpha": 6.0, "targets": ["embed_tokens", "lm_head", "q_proj"]}),
    "LoRA, whole modules": ("qwen2-lora-1x16-saved", {
        "type": "lora", "rank": 2, "alpha": 6.0, "targets": ["q_proj", "lm_head"], "modules_to_save": ["embed_tokens", "norm"]}),
    "LoRA, rows of tokens": ("gpt2-lora-1x16-tokens", {
        "type": "lora", "rank": 2, "alpha": 4.0, "trained_tokens": {"": [7, 40, 41, 200]}}),
    "LoRA, GQA": ("llama-lora-2x24", {"type": "lora", "rank": 3, "alpha": 6.0}),
    "LoRA, classes": ("bert-lora-tok", {"type": "lora", "rank": 3, "alpha": 6.0, "bias": "lora_only"}),
}


def case_of(name):
    folder = os.path.join(HERE, "cases", name)
    with open(os.path.join(folder, "case.json")) as f:
        return folder, json.load(f)


def rows(task, path):
    """Rows that a tiny model can learn something from."""
    letters = "abcdefg"
    with open(path, "w") as f:
        for i in range(20):
            a, b = letters[i % 7], letters[(3 * i + 1) % 7]
            row = {"source": f"{a} {b}", "target": f"{b} {a}"}
            if task == "seq_cls":
                row = {"text": f"{a} {b}", "label": f"LABEL_{i % encoders.CLASSES}"}
            if task == "token_cls":
                row = {"tokens": [a, b], "labels": [f"LABEL_{i % encoders.CLASSES}", f"LABEL_{(i + 1) % encoders.CLASSES}"]}
            f.write(json.dumps(row) + "\n")


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def train(program, home, model, task, method):
    """-> the exported adapter, and the one before the first step."""
    rows(task, os.path.join(home, "rows.jsonl"))
    kind = {"seq_cls": "sequence_classification", "token_cls": "token_classification"}.get(task)
    lines = [f"model = {json.dumps(model)}", f"method = {toml(method)}", f"training = {toml(STEPS)}",
             'data = { train = "rows.jsonl" }', 'name = "run"', 'device = "cpu"', *([f'task = "{kind}"'] if kind else [])]
    with open(os.path.join(home, "run.toml"), "w") as f:
        f.write("\n".join(lines))
    def run(*words):
        said = subprocess.run([program, "--workspace", home, *words], capture_output=True, text=True)
        if said.returncode:
            raise SystemExit(f"{words}: {said.stderr}")

    run("train", os.path.join(home, "run.toml"))
    [folder] = [os.path.join(home, "runs", one) for one in os.listdir(os.path.join(home, "runs"))]
    run("export", "--run", "run", "--to", os.path.join(home, "exported"))
    return os.path.join(home, "exported"), os.path.join(folder, "initial")


def load(model, adapter, task):
    auto = {"seq2seq": tr.AutoModelForSeq2SeqLM, "seq_cls": tr.AutoModelForSequenceClassification,
            "token_cls": tr.AutoModelForTokenClassification}.get(task, tr.AutoModelForCausalLM)
    own = {"num_labels": encoders.CLASSES} if task in encoders.KINDS else {}
    base = auto.from_pretrained(model, dtype=torch.float32, **own).eval()
    return peft.PeftModel.from_pretrained(base, adapter).eval()


@torch.no_grad()
def reference(model, given):
    out = {}
    for side in ("left", "right"):
        res = model(**encoders.batch(given, side))
        out[f"out/{side}/logits"] = res.logits[..., :m.COLUMNS].contiguous()
        out[f"out/{side}/loss"] = res.loss.reshape(1)
    return out


def compare(program, source, case, adapter, home):
    """-> largest difference of the logits, and how what PEFT saves differs from what it was given."""
    model = load(os.path.join(source, "model"), adapter, case["task"])
    with safe_open(os.path.join(source, "tensors.safetensors"), "pt") as f:
        given = {k: f.get_tensor(k) for k in f.keys() if k.startswith("in/")}
    theirs = reference(model, given)
    folder = os.path.join(home, "case")
    os.makedirs(folder)
    shutil.copytree(os.path.join(source, "model"), os.path.join(folder, "model"))
    shutil.copytree(adapter, os.path.join(folder, "adapter"))
    scale = max(t.abs().max().item() for k, t in theirs.items() if k.endswith("logits"))
    noise = {side: {"logits_scale": scale} for side in ("left", "right")}
    with open(os.path.join(folder, "case.json"), "w") as f:
        json.dump({**case, "method": "prefix", "generation_options": None, "noise_f32_vs_f64": noise}, f)
    save_file({**given, **theirs}, os.path.join(folder, "tensors.safetensors"))
    said = subprocess.run([program, "--device", "cpu", "verify", folder, "--json"], capture_output=True, text=True)
    groups = [json.loads(line) for line in said.stdout.splitlines() if line.startswith('{"group"')]
    if not groups:
        raise SystemExit(said.stderr)
    saved = os.path.join(home, "saved")
    model.save_pretrained(saved, save_embedding_layers=False)
    return {"within tolerance": all(g["ok"] for g in groups),
            "logits": max(g["max_abs_diff"] for g in groups if g["group"].endswith("logits")), "logits' scale": scale,
            **files(adapter, saved)}


def files(ours, peft_saved):
    """What PEFT writes otherwise than this program: keys and values of the configuration, tensors."""
    def config(folder):
        with open(os.path.join(folder, "adapter_config.json")) as f:
            read = json.load(f)
        sets = ("target_modules", "modules_to_save")  # in any order; PEFT names a head's modules once more each time
        return {k: sorted({*v}) if k in sets and isinstance(v, list) else v for k, v in read.items()}
    a, b = config(ours), config(peft_saved)
    keys = {k: [a.get(k, "absent"), b.get(k, "absent")] for k in sorted({*a, *b}) if a.get(k, "absent") != b.get(k, "absent")}
    x, y = (load_file(os.path.join(folder, "adapter_model.safetensors")) for folder in (ours, peft_saved))
    odd = sorted({*x, *y} - ({*x} & {*y})) + [k for k in {*x} & {*y} if x[k].shape != y[k].shape or not torch.equal(x[k], y[k])]
    return {"keys that differ": keys, "tensors that differ": odd, "tensors": len(x)}


def start_differs(peft_made, initial):
    """Between the adapter of PEFT and what training began with here: the largest difference, and other tensors."""
    x, y = (load_file(os.path.join(folder, "adapter_model.safetensors")) for folder in (peft_made, initial))
    y = {k: v for k, v in y.items() if k in x or "classifier" not in k}
    copies = {k for k in x if "modules_to_save" in k or "original_module" in k}  # of a head's bias
    return max(m.far(x[k], y[k]) for k in y), sorted(({*x} - copies) ^ {*y})


def main():
    program = os.path.abspath(sys.argv[1])
    torch.set_num_threads(1)
    result = {"trained here": {}, "made by PEFT, trained on here": {}, "versions": {
        "peft": peft.__version__, "torch": torch.__version__.split("+")[0], "transformers": tr.__version__}}
    for name, (source, method) in RUNS.items():
        folder, case = case_of(source)
        with tempfile.TemporaryDirectory() as home:
            adapter, _ = train(program, home, os.path.join(folder, "model"), case["task"], method)
            result["trained here"][name] = {"model": source, **compare(program, folder, case, adapter, home)}
        print(name, result["trained here"][name], flush=True)
    for name, (source, method) in CONTINUED.items():
        folder, case = case_of(source)
        made = os.path.join(folder, "adapter")
        with tempfile.TemporaryDirectory() as home:
            method = {**method, "init": {"type": "adapter", "path": made}}
            adapter, initial = train(program, home, os.path.join(folder, "model"), case["task"], method)
            off, others = start_differs(made, initial)
            result["made by PEFT, trained on here"][name] = {
                "adapter": source, "start": off, "other tensors at the start": others,
                **compare(program, folder, case, adapter, home)}
        print(name, result["made by PEFT, trained on here"][name], flush=True)
    with open(os.path.join(HERE, "roundtrip.json"), "w") as f:
        json.dump(result, f, indent=1, ensure_ascii=False)
        f.write("\n")
    every = [one for part in ("trained here", "made by PEFT, trained on here") for one in result[part].values()]
    sys.exit(0 if all(one["within tolerance"] and not one["tensors that differ"] for one in every) else 1)


if __name__ == "__main__":
    main()
