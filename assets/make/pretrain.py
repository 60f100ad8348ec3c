#!/usr/bin/env python3
"""Pretrain the starter model: GPT-2 shape, from scratch, on records and sentences of our own (`mixture.py`).

    pretrain.py OUT [--minutes 70] [--keep starter-state] [--from-kept]

One process, one thread by default. Weight products are in bfloat16, which is twice as fast where the processor has
matrix tiles. The run stops after --minutes of the clock, and the learning rate follows the clock; the state is kept in
--keep every few minutes, so that a run which was cut off still gives a model (--from-kept). Needs torch, transformers
and tokenizers.

The result is a Hugging Face folder: config.json, model.safetensors (float16), tokenizer.json,
tokenizer_config.json, generation_config.json and train.json with the settings, the curve and samples.
"""
import argparse
import json
import os
import random
import time

import torch
import torch.nn.functional as F
import transformers as tr
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import circuit
import records
from mixture import END, WORDS, Mixture

PROMPTS = ("title: Troonley\ntype: lamp\ncolour: teal\nowner: Vera Quast\nIn words:",
           "name : Brelwick | kind : ferry | captain : Rosa Talham | harbour : Selmoor" + END)


def tokenizer_of(size, seed):
    """A byte-level BPE of the mixture's text; plain words are one token each."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    mixture = Mixture(seed)
    text = ["name\n kind " + " ".join(WORDS)] * 400 + ["".join(part for part, _ in mixture.document()).replace(END, "\n") for _ in range(20_000)]
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END, "<pad>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tokenizer


class Text:
    """Windows of packed documents, made as they are needed; each begins at a document's start."""

    def __init__(self, tokenizer, seed):
        self.tokenizer, self.mixture = tokenizer, Mixture(seed)

    def batch(self, rows, n):
        """-> token ids and the weight of each in the loss, [rows, n]."""
        ids, weights = [], []
        for _ in range(rows):
            row, weight = [0], [0.0]
            while len(row) < n:
                parts = self.mixture.document() + [(END, 1.0)]
                for (_, share), part in zip(parts, self.tokenizer.encode_batch([text for text, _ in parts])):
                    row += part.ids
                    weight += [share] * len(part.ids)
            ids.append(row[:n])
            weights.append(weight[:n])
        return torch.tensor(ids), torch.tensor(weights)


def forward(model, x, prefix=None):
    """Logits as GPT2LMHeadModel gives them; products in bfloat16, attention written out, which is faster on a CPU.

    `prefix`: keys and values of every layer that stand before the text, [layer, 2, head, slot, width of a head]."""
    t, heads, half = model.transformer, model.config.n_head, torch.bfloat16
    rows, n = x.shape
    before = 0 if prefix is None else prefix.shape[3]  # the text's positions begin after them
    dead = torch.full((n, before + n), float("-inf")).triu(before + 1).to(half)
    product = lambda y, layer: y.to(half) @ layer.weight.to(half) + layer.bias.to(half)
    h = t.wte.weight[x] + t.wpe.weight[before:before + n]
    for i, block in enumerate(t.h):
        qkv = product(block.ln_1(h), block.attn.c_attn).view(rows, n, 3, heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = (part.reshape(rows * heads, n, -1) for part in qkv)
        if before:
            first = prefix[i].to(half)[:, None].expand(-1, rows, -1, -1, -1).reshape(2, rows * heads, before, -1)
            k, v = torch.cat([first[0], k], 1), torch.cat([first[1], v], 1)
        seen = torch.baddbmm(dead, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5).softmax(-1)
        out = (seen @ v).view(rows, heads, n, -1).transpose(1, 2).reshape(rows, n, -1)
        h = h + product(out, block.attn.c_proj)
        h = h + product(F.gelu(product(block.ln_2(h), block.mlp.c_fc), approximate="tanh"), block.mlp.c_proj)
    return t.ln_f(h).to(half) @ t.wte.weight.to(half).T


def loss_of(model, batch):
    """Weighted mean over the tokens."""
    ids, weights = batch[0], batch[1][:, 1:].flatten()
    each = F.cross_entropy(forward(model, ids[:, :-1]).float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return (each * weights).sum() / weights.sum()


@torch.no_grad()
def orthogonal(g):
    """The nearest matrix whose singular values are about 1 (Newton and Schulz's iteration, as in Muon)."""
    x = (g / (g.norm() + 1e-7)).bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if tall else x).float()


class Muon:
    """Momentum, made orthogonal, for the matrices of the blocks (Jordan 2024); the three parts of c_attn one by one."""

    def __init__(self, params):
        self.params = [(p, 3 if p.shape[1] == 3 * p.shape[0] else 1) for p in params]
        self.mean = [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self, rate, decay=0.1):
        for (p, parts), mean in zip(self.params, self.mean):
            mean.lerp_(p.grad, 0.05)
            turn = torch.cat([orthogonal(g) for g in p.grad.lerp(mean, 0.95).chunk(parts, 1)], 1)
            p.mul_(1 - rate * decay).sub_(turn, alpha=0.2 * rate * max(p.shape[0], p.shape[1] // parts) ** 0.5)


@torch.no_grad()
def copying(model, tokenizer, rows=24):
    """Loss on sentences of the starter dataset with their own record before them, and with another row's."""
    r = random.Random(5)
    data = [records.draw(r) for _ in range(rows)]
    out = []
    for shift in (0, 1):
        total = count = 0
        for i, record in enumerate(data):
            a = tokenizer.encode(records.write(data[(i + shift) % rows]) + END).ids
            b = tokenizer.encode(" " + records.describe(record)).ids
            logits = forward(model, torch.tensor([a + b])).float()[0, len(a) - 1:-1]
            total += F.cross_entropy(logits, torch.tensor(b), reduction="sum").item()
            count += len(b)
        out.append(round(total / count, 4))
    return out


def learning_rate(a, step, t):
    """Even, then down to nothing in the last part of the time."""
    return a.lr * min(1.0, (step + 1) / a.warmup) * min(1.0, max(0.0, 1 - t) / a.cooling)


def train(a):
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    kept = os.path.join(a.keep, "state.pt")
    words = os.path.join(a.keep, "tokenizer.json")
    if not os.path.exists(words):
        tokenizer_of(a.vocab, a.seed).save(words)
    tokenizer = Tokenizer.from_file(words)
    model = tr.GPT2LMHeadModel(tr.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=a.positions, n_embd=a.width, n_layer=a.layers, n_head=a.heads, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, pad_token_id=1, initializer_range=0.04)).train()
    circuit.lay(model)
    params = list(model.parameters())
    matrices = [p for name, p in model.named_parameters() if ".h." in name and p.dim() > 1]
    chosen = {id(p) for p in matrices}
    muon = Muon(matrices)
    adam = torch.optim.AdamW([p for p in params if id(p) not in chosen], lr=a.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    log, step, seen, before = [], 0, 0, 0.0
    if a.from_kept:
        state = torch.load(kept, weights_only=False)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        muon.mean = state["muon"]
        log, step, seen, before = state["log"], state["step"], state["seen"], state["seconds"]
    text = Text(tokenizer, 1000 * a.seed + step)
    held_out = Text(tokenizer, 77).batch(24, a.context + 1)
    print(f"{sum(p.numel() for p in params) / 1e6:.2f} M parameters", flush=True)
    begin, saved = time.time() - before, time.time()
    while (t := (time.time() - begin) / (60 * a.minutes)) < 1:
        rate = learning_rate(a, step, t)
        loss = loss_of(model, text.batch(a.batch, a.context + 1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        for group in adam.param_groups:
            group["lr"] = rate
        adam.step()
        muon.step(rate)
        model.zero_grad()
        step, seen = step + 1, seen + a.batch * a.context
        if step % a.every == 0:
            with torch.no_grad():
                told = round(loss_of(model, held_out).item(), 4)
            spent = time.time() - begin
            log.append({"step": step, "seconds": round(spent), "tokens": seen, "val": told, "starter_with_and_without_record": copying(model, tokenizer)})
            print(json.dumps(log[-1]), f"rate {rate:.5f}, {seen / spent:.0f} tokens/s, {time.process_time() / (time.time() - begin + before):.2f} CPU", flush=True)
            if time.time() - saved > 120:
                saved = time.time()
                torch.save({"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.mean, "log": log, "step": step,
                            "seen": seen, "seconds": spent}, kept + ".new")
                os.replace(kept + ".new", kept)
    finish(a, model, tokenizer, log, step, seen)


def finish(a, model, tokenizer, log, step, seen):
    model.eval()
    note = {"parameters": sum(p.numel() for p in model.parameters()), "steps": step, "tokens_seen": seen,
            "settings": {k: getattr(a, k) for k in ("seed", "width", "layers", "heads", "positions", "context", "batch", "lr", "warmup", "cooling", "minutes")},
            "optimizer": "Muon on the matrices of the blocks, AdamW (0.9, 0.95) on the others, clipping at 1.0, even rate and a linear end, by the clock",
            "text": "assets/make/mixture.py", "log": log, "samples": []}
    for prompt in PROMPTS:
        x = torch.tensor([tokenizer.encode(prompt).ids])
        y = model.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=60, do_sample=False, pad_token_id=1)
        note["samples"].append(tokenizer.decode(y[0].tolist(), skip_special_tokens=False))
        print("---", note["samples"][-1], flush=True)
    os.makedirs(a.out, exist_ok=True)
    model.to(torch.float16).save_pretrained(a.out)
    tokenizer.save(os.path.join(a.out, "tokenizer.json"))
    with open(os.path.join(a.out, "tokenizer_config.json"), "w") as f:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
                   "model_max_length": a.positions, "unk_token": "<unk>", "pad_token": "<pad>",
                   "bos_token": END, "eos_token": END}, f, indent=2)
    with open(os.path.join(a.out, "train.json"), "w") as f:
        json.dump(note, f, indent=1, ensure_ascii=False)
    for name in sorted(os.listdir(a.out)):
        print(f"{os.path.getsize(os.path.join(a.out, name)) / 1e6:8.2f} MB  {name}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out")
    ap.add_argument("--minutes", type=float, default=70)
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--vocab", type=int, default=2560)
    ap.add_argument("--width", type=int, default=192)
    ap.add_argument("--layers", type=int, default=6)
    ap.add_argument("--heads", type=int, default=6)
    ap.add_argument("--positions", type=int, default=512)
    ap.add_argument("--context", type=int, default=192, help="length of the windows")
    ap.add_argument("--batch", type=int, default=20, help="windows of a step")
    ap.add_argument("--lr", type=float, default=5e-3)
    ap.add_argument("--warmup", type=int, default=60)
    ap.add_argument("--cooling", type=float, default=0.35, help="part of the time in which the rate falls")
    ap.add_argument("--every", type=int, default=50)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--keep", default="starter-state", help="folder for the state of the run")
    ap.add_argument("--from-kept", action="store_true", help="go on from that state")
    a = ap.parse_args()
    os.makedirs(a.keep, exist_ok=True)
    # the large blocks of each step are kept for the next one instead of going back to the system
    os.environ.update(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="4294967296", MALLOC_TOP_PAD_="67108864")
    train(a)


if __name__ == "__main__":
    main()
