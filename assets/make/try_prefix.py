#!/usr/bin/env python3
"""The starter run on a model, as the program does it: does prefix tuning on the starter dataset work?

    try_prefix.py ../models/starter [--steps 750] [--virtual 20] [--lr 0.004] [--mlp 512]

Prints the validation loss (mean over labelled tokens) and what `judge.py` says of greedy output for unseen rows: base
model, then tuned. A row is the template's source part, which is not trained, then the target and the end token.
"""
import argparse
import json
import math
import os
import random
import time

import torch
import torch.nn.functional as F
import transformers as tr
from tokenizers import Tokenizer

import judge
from pretrain import forward

HERE = os.path.dirname(os.path.abspath(__file__))
END, PAD = 0, 1


def rows(file, tokenizer):
    for line in open(file, encoding="utf-8"):
        d = json.loads(line)
        yield tokenizer.encode(d["source"]).ids + [END], tokenizer.encode(" " + d["target"]).ids + [END], d


def collate(part):
    """Token ids, padded at the end, and labels, which begin with the target; [rows, tokens]."""
    wide = max(len(s) + len(t) for s, t, _ in part)
    ids = torch.full((len(part), wide), PAD)
    labels = torch.full_like(ids, -100)
    for i, (s, t, _) in enumerate(part):
        n = len(s) + len(t)
        ids[i, :n], labels[i, len(s):n] = torch.tensor(s + t), torch.tensor(t)
    return ids, labels


def loss_of(model, part, prefix, reduction="mean"):
    ids, labels = collate(part)
    return F.cross_entropy(forward(model, ids[:, :-1], prefix).float().flatten(0, 1), labels[:, 1:].flatten(), reduction=reduction)


@torch.no_grad()
def validation(model, data, prefix):
    total = sum(loss_of(model, data[at:at + 25], prefix, "sum").item() for at in range(0, len(data), 25))
    return total / sum(len(t) for _, t, _ in data)


@torch.no_grad()
def outputs(model, data, tokenizer, prefix, new=60):
    """Greedy outputs for the rows; rows whose prompts are equally long go together."""
    texts, by_length = {}, {}
    for i, (s, _, _) in enumerate(data):
        by_length.setdefault(len(s), []).append(i)
    for group in by_length.values():
        ids = torch.tensor([data[i][0] for i in group])
        cache, out = tr.DynamicCache(), []
        past = 0 if prefix is None else prefix.shape[3]
        for layer in range(0 if prefix is None else len(prefix)):
            cache.update(*(part[None].expand(len(group), -1, -1, -1) for part in prefix[layer]), layer)
        at = torch.arange(past, past + ids.shape[1])[None]
        for _ in range(new):
            answer = model(input_ids=ids, past_key_values=cache, position_ids=at.expand_as(ids), use_cache=True,
                           attention_mask=torch.ones(len(group), cache.get_seq_length() + ids.shape[1], dtype=torch.long))
            ids, at = answer.logits[:, -1:].argmax(-1), at[:, -1:] + 1
            out.append(ids)
        for i, row in zip(group, torch.cat(out, 1).tolist()):
            texts[i] = tokenizer.decode(row[:row.index(END)] if END in row else row)
    return [texts[i] for i in range(len(data))]


class Prefix(torch.nn.Module):
    """PEFT's prefix encoder: an embedding, and two linear layers with a tanh between them."""

    def __init__(self, config, virtual, width):
        super().__init__()
        n = config.n_embd
        self.shape = (virtual, config.n_layer, 2, config.n_head, n // config.n_head)
        self.start = torch.nn.Embedding(virtual, n)
        self.network = torch.nn.Sequential(torch.nn.Linear(n, width), torch.nn.Tanh(), torch.nn.Linear(width, config.n_layer * 2 * n))

    def forward(self):
        """Keys and values, [layer, 2, head, slot, width of a head]."""
        return self.network(self.start.weight).view(self.shape).permute(1, 2, 3, 0, 4)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model")
    ap.add_argument("--data", default=os.path.join(HERE, "../datasets/records"))
    ap.add_argument("--steps", type=int, default=750)
    ap.add_argument("--every", type=int, default=150)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--virtual", type=int, default=20)
    ap.add_argument("--lr", type=float, default=0.004)
    ap.add_argument("--mlp", type=int, default=512, help="width of the network behind the prefix")
    ap.add_argument("--rows", type=int, default=150, help="unseen rows to generate for")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--show", type=int, default=30)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    tr.logging.set_verbosity_error()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    tokenizer = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
    train, unseen = (list(rows(os.path.join(a.data, file + ".jsonl"), tokenizer)) for file in ("train", "validation"))
    model = tr.AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32).eval().requires_grad_(False)
    print(f"base: loss {validation(model, unseen, None):.4f}", flush=True)
    told = [d for _, _, d in unseen[:a.rows]]
    judge.report(told, outputs(model, unseen[:a.rows], tokenizer, None), 5)
    prefix = Prefix(model.config, a.virtual, a.mlp)
    params = list(prefix.parameters())
    opt = torch.optim.AdamW(params, lr=a.lr, weight_decay=0.0)
    order, queue, spent = random.Random(a.seed), [], 0.0
    print(f"step 0: loss {validation(model, unseen, prefix()):.4f}; {sum(p.numel() for p in params):,} trained numbers", flush=True)
    for step in range(1, a.steps + 1):
        t = time.time()
        if len(queue) < a.batch:
            queue = order.sample(train, len(train))
        part, queue = queue[:a.batch], queue[a.batch:]
        for group in opt.param_groups:
            group["lr"] = a.lr * 0.5 * (1 + math.cos(math.pi * (step - 1) / a.steps))
        loss_of(model, part, prefix()).backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        opt.zero_grad()
        spent += time.time() - t
        if step % a.every == 0:
            print(f"step {step}: loss {validation(model, unseen, prefix().detach()):.4f}, {spent:.0f} s of training", flush=True)
    judge.report(told, outputs(model, unseen[:a.rows], tokenizer, prefix().detach()), a.show)


if __name__ == "__main__":
    main()
