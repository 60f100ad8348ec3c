#!/usr/bin/env python3
"""Pretrain the starter model: GPT-2 shape, from scratch, on plain English mixed with records of our own.

    pretrain.py PACK OUT [--minutes 70] [--workers 2] [--share 0.45]

PACK is a folder with tokenizer.json, train.u16.xz, val.u16 and pack.json (token ids as u16, documents separated
by id 0). `mixture.py` writes the records. Needs torch, transformers, numpy and tokenizers. Each worker is a
process with one thread and averages its gradients with the others once per step. The run stops after --minutes
and the learning rate follows the clock; the state is kept in --keep every few minutes, so that a run which was
cut off still gives a model (--from-kept).

The result is a Hugging Face folder: config.json, model.safetensors (float16), tokenizer.json,
tokenizer_config.json, generation_config.json and train.json with the settings, the curve and samples.
"""
import argparse
import json
import lzma
import math
import os
import shutil
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
import transformers as tr
from tokenizers import Tokenizer

import amx
import circuit
from mixture import Mixture

END, PAD = 0, 1
PROMPTS = ("Once upon a time", "She opened the door and", "name: Troonley\ntype: lamp\ncolour: teal\nowner: Vera Quast\n",
           "name : Brellowick | kind : ferry | captain : Rosa Twill | harbour : Slenn\n")


def config(width, layers, heads, vocab, positions):
    # gelu_new is what the name of the file says; the fused equal of it trains faster
    return tr.GPT2Config(vocab_size=vocab, n_positions=positions, n_embd=width, n_layer=layers, n_head=heads,
                         resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=END, eos_token_id=END,
                         pad_token_id=PAD, activation_function="gelu_pytorch_tanh",
                         initializer_range=0.04)


class Text:
    """Windows of plain text, and windows of packed record documents made as they are needed."""

    def __init__(self, ids, tokenizer, seed):
        self.ids, self.tokenizer = ids, tokenizer
        self.rng = np.random.default_rng(seed)
        self.mixture = Mixture(seed, tokenizer.get_vocab())
        self.rest = []

    def plain(self, n):
        at = int(self.rng.integers(len(self.ids) - n))
        return torch.from_numpy(self.ids[at:at + n].astype(np.int64))

    def records(self, n):
        """A window that begins at a document's start, so that the record is in sight of its sentences."""
        row = [END]
        while len(row) < n:
            row += self.tokenizer.encode(self.mixture.document()).ids + [END]
        return torch.tensor(row[:n])

    def echoes(self, n):
        """Runs of tokens drawn at random, most of which come again: copying and nothing else."""
        row, runs = [END], []
        while len(row) < n:
            if not runs or self.rng.random() < 0.35:
                runs.append(self.rng.integers(7, self.tokenizer.get_vocab_size(), self.rng.integers(2, 20)).tolist())
                row += runs[-1]
            else:
                row += runs[self.rng.integers(len(runs))]
        return torch.tensor(row[:n])

    def batch(self, rows, n, records, echoes=0.0):
        """`records` and `echoes` are shares of the windows; the rest is plain text."""
        kinds = self.rng.random() + np.arange(rows)  # spread evenly: one draw for the batch
        kinds = (kinds / rows) % 1.0
        return torch.stack([self.echoes(n) if k < echoes else self.records(n) if k < echoes + records else self.plain(n)
                            for k in kinds])


def loss_of(model, x):
    logits = model.lm_head(model.transformer(x[:, :-1], use_cache=False).last_hidden_state)
    return F.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten())


@torch.no_grad()
def copying(model, tokenizer, dataset, rows=24):
    """Loss on the sentences of the starter dataset with their own record before them, and with another row's."""
    try:
        data = [json.loads(line) for line in open(dataset)][:rows]
    except FileNotFoundError:
        return None
    out = []
    for shift in (0, 1):
        total = count = 0
        for i, row in enumerate(data):
            a = tokenizer.encode(data[(i + shift) % len(data)]["source"] + "\n").ids
            b = tokenizer.encode(row["target"]).ids
            logits = model(torch.tensor([[END] + a + b])).logits[0, len(a):-1]
            total += F.cross_entropy(logits, torch.tensor(b), reduction="sum").item()
            count += len(b)
        out.append(round(total / count, 4))
    return out


@torch.no_grad()
def evaluate(model, val, records, rows=8):
    model.eval()
    n = records.shape[1]
    at = np.linspace(0, len(val) - n - 1, 6 * rows).astype(int)
    plain = torch.stack([torch.from_numpy(val[i:i + n].astype(np.int64)) for i in at])
    out = [sum(loss_of(model, part).item() for part in full.split(rows)) / len(full.split(rows))
           for full in (plain, records)]
    model.train()
    return [round(v, 4) for v in out]


def learning_rate(a, step, t):
    warm = min(1.0, (step + 1) / a.warmup)
    return a.lr * warm * (0.04 + 0.96 * 0.5 * (1 + math.cos(math.pi * min(t, 1.0))))


def stage(a, t):
    """Length of the windows and shares of records and echoes, by the part of the run that is over.

    Short windows first, for more steps in the same time; last, windows of full length."""
    n = a.context // 2 if t < a.short_until else a.context if t < a.long_from else a.positions
    return n, a.share, 0.05


def work(rank, a):
    if a.workers > 1:
        dist.init_process_group("gloo", init_method=f"file://{a.keep}/meet", rank=rank, world_size=a.workers)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    tokenizer = Tokenizer.from_file(os.path.join(a.pack, "tokenizer.json"))
    info = json.load(open(os.path.join(a.pack, "pack.json")))
    with lzma.open(os.path.join(a.pack, "train.u16.xz")) as f:
        ids = np.frombuffer(f.read(), "<u2")
    val = np.fromfile(os.path.join(a.pack, "val.u16"), "<u2")
    model = tr.GPT2LMHeadModel(config(a.width, a.layers, a.heads, info["vocab"], a.positions)).train()
    circuit.lay(model)
    if a.amx:
        amx.install(amx.load(a.keep), model)
    params = list(model.parameters())
    opt = torch.optim.AdamW(
        [{"params": [p for p in params if p.dim() > 1], "weight_decay": 0.1},
         {"params": [p for p in params if p.dim() <= 1], "weight_decay": 0.0}],
        lr=a.lr, betas=(0.9, 0.95), fused=True)
    log, step, seen, before = [], 0, 0, 0.0
    kept = os.path.join(a.keep, "state.pt")
    if a.from_kept:
        state = torch.load(kept, weights_only=False)
        model.load_state_dict(state["model"])
        opt.load_state_dict(state["opt"])
        log, step, seen, before = state["log"], state["step"], state["seen"], state["seconds"]
    text = Text(ids, tokenizer, 1000 * a.seed + 10 * step + rank)
    held_out = Text(ids, tokenizer, 77).batch(24, a.context + 1, 1.0)
    count = sum(p.numel() for p in params)
    if rank == 0:
        print(f"{count / 1e6:.2f} M parameters, {len(ids) / 1e6:.1f} M tokens of plain text, {a.workers} workers", flush=True)
    begin, limit, saved = time.time() - before, a.minutes * 60, time.time()
    while True:
        t = torch.tensor((time.time() - begin) / limit)
        if a.workers > 1:
            dist.broadcast(t, 0)
        t = t.item()
        if t >= 1:
            break
        for group in opt.param_groups:
            group["lr"] = learning_rate(a, step, t)
        n, records, echoes = stage(a, t)
        rows = max(1, a.batch * a.context // n)
        loss = loss_of(model, text.batch(rows, n + 1, records, echoes))
        loss.backward()
        if a.workers > 1:
            flat = torch.cat([p.grad.flatten() for p in params])
            dist.all_reduce(flat)
            flat /= a.workers
            at = 0
            for p in params:
                p.grad.copy_(flat[at:at + p.numel()].view_as(p))
                at += p.numel()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        opt.zero_grad(set_to_none=False)
        step, seen = step + 1, seen + rows * n * a.workers
        if rank == 0 and step % a.every == 0:
            spent = time.time() - begin
            plain, told = evaluate(model, val, held_out)
            log.append({"step": step, "seconds": round(spent), "tokens": seen, "val_plain": plain, "val_records": told,
                        "starter_with_and_without_record": copying(model, tokenizer, a.dataset)})
            print(json.dumps(log[-1]), f"{seen / spent:.0f} tokens/s", flush=True)
            if time.time() - saved > 240:
                saved = time.time()
                torch.save({"model": model.state_dict(), "opt": opt.state_dict(), "log": log, "step": step,
                            "seen": seen, "seconds": spent}, kept + ".new")
                os.replace(kept + ".new", kept)
    if rank == 0:
        finish(a, model, tokenizer, info, val, held_out, log, step, seen)
    if a.workers > 1:
        dist.barrier()
        dist.destroy_process_group()


def finish(a, model, tokenizer, info, val, held_out, log, step, seen):
    plain, told = evaluate(model, val, held_out)
    model.eval()
    for module in model.modules():
        module.__dict__.pop("forward", None)  # the usual products again
    settings = {k: getattr(a, k) for k in ("seed", "width", "layers", "heads", "positions", "context", "batch", "workers",
                                           "share", "lr", "warmup", "minutes", "short_until", "long_from", "amx")}
    note = {"parameters": sum(p.numel() for p in model.parameters()), "steps": step, "tokens_seen": seen,
            "val_plain": plain, "val_records": told, "settings": settings,
            "optimizer": "AdamW, betas 0.9 and 0.95, weight decay 0.1 on matrices, clipping at 1.0, cosine by the clock",
            "records": "assets/make/mixture.py", "pack": info, "log": log, "samples": []}
    for prompt in PROMPTS:
        x = torch.tensor([tokenizer.encode(prompt).ids])
        y = model.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=60, do_sample=False, pad_token_id=PAD)
        note["samples"].append(tokenizer.decode(y[0].tolist()))
        print("---", note["samples"][-1], flush=True)
    os.makedirs(a.out, exist_ok=True)
    model.config.activation_function = "gelu_new"  # the same function
    model.to(torch.float16).save_pretrained(a.out)
    shutil.copyfile(os.path.join(a.pack, "tokenizer.json"), os.path.join(a.out, "tokenizer.json"))
    with open(os.path.join(a.out, "tokenizer_config.json"), "w") as f:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
                   "model_max_length": a.positions, "unk_token": "<unk>", "pad_token": "<pad>",
                   "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}, f, indent=2)
    with open(os.path.join(a.out, "train.json"), "w") as f:
        json.dump(note, f, indent=1, ensure_ascii=False)
    for name in sorted(os.listdir(a.out)):
        print(f"{os.path.getsize(os.path.join(a.out, name)) / 1e6:8.2f} MB  {name}")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("pack")
    ap.add_argument("out")
    ap.add_argument("--minutes", type=float, default=70)
    ap.add_argument("--workers", type=int, default=2)
    ap.add_argument("--threads", type=int, default=1, help="of each worker")
    ap.add_argument("--share", type=float, default=0.5, help="of the windows that are records")
    ap.add_argument("--width", type=int, default=192)
    ap.add_argument("--layers", type=int, default=6)
    ap.add_argument("--heads", type=int, default=6)
    ap.add_argument("--positions", type=int, default=512)
    ap.add_argument("--context", type=int, default=256, help="length of most windows")
    ap.add_argument("--short-until", type=float, default=0.35, help="part of the run with windows of half that length")
    ap.add_argument("--long-from", type=float, default=0.9, help="part of the run after which windows are full-length")
    ap.add_argument("--batch", type=int, default=4, help="windows of a step and worker")
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--warmup", type=int, default=150)
    ap.add_argument("--every", type=int, default=300)
    ap.add_argument("--amx", action="store_true", help="weight products in bfloat16 on AMX tiles: twice as fast where there are any")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--keep", default="starter-state", help="folder for the state of the run")
    ap.add_argument("--from-kept", action="store_true", help="go on from that state")
    ap.add_argument("--dataset", default=os.path.join(here, "../datasets/records/validation.jsonl"))
    a = ap.parse_args()
    os.makedirs(a.keep, exist_ok=True)
    if os.path.exists(os.path.join(a.keep, "meet")):
        os.remove(os.path.join(a.keep, "meet"))
    # the large blocks of each step are kept for the next one instead of going back to the system
    os.environ.update(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="4294967296", MALLOC_TOP_PAD_="67108864")
    os.environ["OMP_NUM_THREADS"] = str(a.threads)
    torch.multiprocessing.spawn(work, (a,), a.workers)


if __name__ == "__main__":
    main()
