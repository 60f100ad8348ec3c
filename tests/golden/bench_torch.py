#!/usr/bin/env python3
"""Time PyTorch + PEFT on the work that `prefix-workbench bench` times, for a comparison in one run.

    bench_torch.py [--model DIR] [--steps 5] [--threads 2] [--only prefix prefix_mlp] [--shape 12x768] [--precision bf16]

GPT-2 small shape (or with --shape llama SmolLM2-135M's) with random weights, f32 (or in 16 bits what autocast takes): a training step of batch 4 x 128 with the first half of each row
unlabelled and a prefix of 10, with and without its MLP, a soft prompt of 10, LoRA of rank 8 or every weight; the time from the start of the process until the first
step is done; greedy decoding of 64 tokens after a prompt of 64 at batch 1; peak memory. One JSON line per figure:
{"bench": "train_step", "impl": "torch", "variant": "prefix", "value": 0.9, "unit": "s", …}. Every variant runs in a
process of its own, so that its peak memory is its own. `make.py --bench-model DIR` writes a checkpoint for --model,
which both programs can load; without it the model is made in memory.
"""
import argparse
import json
import os
import subprocess
import sys
import time


WHAT = ["prefix", "prefix_mlp", "prompt", "lora", "full", "decode"]


def started():
    """When this process was started, as seen by the kernel: the interpreter's own start counts too."""
    ticks = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
    up = float(open("/proc/uptime").read().split()[0])
    return time.time() - (up - ticks / os.sysconf("SC_CLK_TCK"))


def peak_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024


def tell(bench, variant, value, unit, **more):
    print(json.dumps({"bench": bench, "impl": "torch", "variant": variant, "value": round(value, 6), "unit": unit, **more}), flush=True)


def prepare(a, variant):
    import peft
    import torch
    import transformers as tr
    tr.logging.set_verbosity_error()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    if a.model:
        model = tr.AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32)
    elif a.shape == "llama":
        model = tr.LlamaForCausalLM(tr.LlamaConfig(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
                                                   num_attention_heads=9, num_key_value_heads=3, head_dim=64,
                                                   max_position_embeddings=8192, rope_theta=100000.0, tie_word_embeddings=True))
    else:
        layers, width = map(int, a.shape.split("x"))
        model = tr.GPT2LMHeadModel(tr.GPT2Config(n_layer=layers, n_embd=width, n_head=width // 64, resid_pdrop=0.0, embd_pdrop=0.0,
                                                 attn_pdrop=0.0))
    if variant == "full":
        return torch, model
    if variant == "lora":
        config = peft.LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16)
    elif variant == "prompt":
        config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=a.virtual)
    else:
        config = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=a.virtual, prefix_projection=variant == "prefix_mlp",
                                         encoder_hidden_size=512 if variant == "prefix_mlp" else None)
    return torch, peft.get_peft_model(model, config)


def autocast(torch, a):
    """Without a loss scaler: what is measured is time, and f16's small gradients become zeros."""
    types = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
    return torch.autocast("cpu", dtype=types[a.precision], enabled=a.precision != "f32")


def train(a, variant):
    torch, model = prepare(a, variant)
    model.train()
    ids = torch.randint(model.config.vocab_size, (a.batch, a.seq))
    labels = ids.clone()
    labels[:, :a.seq // 2] = -100
    mask = torch.ones_like(ids)
    opt = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-5)
    times = []
    for step in range(a.steps + 1):
        t = time.time()
        with autocast(torch, a):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        opt.step()
        opt.zero_grad()
        loss.item()
        if step == 0:
            tell("first_step", variant, time.time() - started(), "s", threads=a.threads)
        else:
            times.append(time.time() - t)
    times.sort()
    tell("train_step", variant, times[len(times) // 2], "s", best=round(times[0], 6), steps=a.steps, threads=a.threads,
         batch=a.batch, seq=a.seq, n_virtual=a.virtual)
    tell("train_peak_memory", variant, peak_bytes(), "bytes")


def decode(a, variant):
    torch, model = prepare(a, variant)
    model.eval()
    model.generation_config.eos_token_id = None
    ids = torch.randint(model.config.vocab_size, (1, 64))
    run = lambda n: model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=n,
                                   min_new_tokens=n, pad_token_id=0)
    times, firsts = [], []
    with autocast(torch, a):
        run(4)
        for _ in range(a.decode_runs):
            t = time.time()
            run(1)
            firsts.append(time.time() - t)
            t = time.time()
            run(64)
            times.append(time.time() - t)
    times.sort()
    firsts.sort()
    whole, first = times[len(times) // 2], firsts[len(firsts) // 2]
    tell("decode_token", variant, whole / 64 * 1000, "ms", threads=a.threads, prompt=64, new=64, cache="DynamicCache",
         without_prompt=round((whole - first) / 63 * 1000, 4))
    tell("decode_peak_memory", variant, peak_bytes(), "bytes")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", help="a folder of a causal model; else random weights")
    ap.add_argument("--shape", default="12x768", help="layers x width of a GPT-2 with random weights, or llama")
    ap.add_argument("--steps", type=int, default=5)
    ap.add_argument("--decode-runs", type=int, default=3)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--seq", type=int, default=128)
    ap.add_argument("--virtual", type=int, default=10)
    ap.add_argument("--only", nargs="+", default=WHAT, choices=WHAT)
    ap.add_argument("--precision", default="f32", choices=["f32", "f16", "bf16"])
    ap.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.here:
        decode(a, "prefix") if a.only == ["decode"] else train(a, a.only[0])
        return
    for one in a.only:
        rest = [x for k in ("model", "shape", "steps", "decode_runs", "threads", "batch", "seq", "virtual", "precision")
                if getattr(a, k) is not None for x in (f"--{k.replace('_', '-')}", str(getattr(a, k)))]
        subprocess.run([sys.executable, os.path.abspath(__file__), "--here", "--only", one, *rest], check=True)


if __name__ == "__main__":
    main()
