#!/usr/bin/env python3
"""Does prefix tuning on the starter dataset work on this model? With PEFT, on the CPU.

    try_prefix.py ../models/starter [--steps 300] [--virtual 10] [--lr 0.02] [--init scale] [--mlp]

Prints the validation loss (mean over labelled tokens) at step 0 and then every --every steps, and for greedy output
on unseen rows the share of the record's values that are mentioned: base model, then tuned. A row is the template's
source part, which is not trained, then the target and the end token.
"""
import argparse
import json
import os
import random
import time

import peft
import torch
import torch.nn.functional as F
import transformers as tr
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
END, PAD = 0, 1


def rows(file, tokenizer, between, limit=None):
    out = []
    for line in list(open(file, encoding="utf-8"))[:limit]:
        d = json.loads(line)
        out.append((tokenizer.encode(d["source"] + between).ids, tokenizer.encode(" " + d["target"]).ids + [END], d))
    return out


def collate(part):
    wide = max(len(s) + len(t) for s, t, _ in part)
    ids = torch.full((len(part), wide), PAD)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, (s, t, _) in enumerate(part):
        n = len(s) + len(t)
        ids[i, :n], mask[i, :n], labels[i, len(s):n] = torch.tensor(s + t), 1, torch.tensor(t)
    return ids, mask, labels


@torch.no_grad()
def validation(model, data, batch=16):
    model.eval()
    total = count = 0
    for at in range(0, len(data), batch):
        ids, mask, labels = collate(data[at:at + batch])
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
        total += F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="sum").item()
        count += (labels[:, 1:] != -100).sum().item()
    model.train()
    return total / count


@torch.no_grad()
def mentioned(model, data, tokenizer, new=90):
    """Share of the values of unseen records that the greedy output mentions, and the outputs."""
    model.eval()
    said = values = 0
    texts = []
    for at in range(0, len(data), 10):
        part = data[at:at + 10]
        wide = max(len(s) for s, _, _ in part)
        ids = torch.tensor([[PAD] * (wide - len(s)) + s for s, _, _ in part])
        out = model.generate(input_ids=ids, attention_mask=(ids != PAD).long(), max_new_tokens=new, do_sample=False,
                             eos_token_id=END, pad_token_id=PAD)
        for (_, _, d), y in zip(part, out[:, wide:].tolist()):
            text = tokenizer.decode(y[:y.index(END)] if END in y else y)
            row = [pair.split(" : ", 1)[1] for pair in d["source"].split(" | ")]
            said += sum(v.lower() in text.lower() for v in row)
            values += len(row)
            texts.append(text)
    model.train()
    return said / max(1, values), texts


@torch.no_grad()
def initialise(model, kind, data, virtual, seed):
    """Flat prefix: `normal` is PEFT's N(0, 1); `scale` has the mean and spread that keys and values have in each layer;
    `words` are the keys and values of the first tokens of a training row."""
    if kind == "normal":
        return
    base = model.get_base_model()
    ids, mask, _ = collate(data[:32])
    cache = base(input_ids=ids, attention_mask=mask, use_cache=True).past_key_values
    g = torch.Generator().manual_seed(seed)
    flat = []
    for layer in cache.layers:
        for kv in (layer.keys, layer.values):  # [batch, head, seq, d_head]
            if kind == "words":
                flat.append(kv[0, :, :virtual].transpose(0, 1).reshape(virtual, -1))
                continue
            real = kv.transpose(1, 2)[mask.bool()]  # [tokens, head, d_head]
            flat.append((real.mean(0) + real.std(0) * torch.randn(virtual, *real.shape[1:], generator=g)).reshape(virtual, -1))
    weight = next(p for n, p in model.named_parameters() if "embedding.weight" in n and p.requires_grad)
    weight.copy_(torch.cat(flat, 1))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model")
    ap.add_argument("--data", default=os.path.join(HERE, "../datasets/records"))
    ap.add_argument("--between", default="<|endoftext|>", help="text between source and target")
    ap.add_argument("--steps", type=int, default=300)
    ap.add_argument("--every", type=int, default=50)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--virtual", type=int, default=10)
    ap.add_argument("--lr", type=float, default=0.02)
    ap.add_argument("--warmup", type=int, default=20)
    ap.add_argument("--init", default="scale", choices=("normal", "scale", "words"))
    ap.add_argument("--mlp", type=int, nargs="?", const=512, help="reparameterise, with this width")
    ap.add_argument("--rows", type=int, default=40, help="of unseen rows to generate for")
    ap.add_argument("--evaluate", type=int, default=150, help="validation rows for the loss")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    tr.logging.set_verbosity_error()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    tokenizer = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
    between = a.between.encode().decode("unicode_escape")
    train = rows(os.path.join(a.data, "train.jsonl"), tokenizer, between)
    unseen = rows(os.path.join(a.data, "validation.jsonl"), tokenizer, between)
    base = tr.AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32)
    print(f"base: loss {validation(base, unseen[:a.evaluate]):.4f}", flush=True)
    share, texts = mentioned(base, unseen[:a.rows], tokenizer)
    print(f"base: {share:.1%} of the values mentioned")
    for text in texts[:3]:
        print("   ", repr(text))
    model = peft.get_peft_model(base, peft.PrefixTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=a.virtual, prefix_projection=bool(a.mlp), encoder_hidden_size=a.mlp))
    if not a.mlp:
        initialise(model, a.init, train, a.virtual, a.seed)
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=a.lr, weight_decay=0.0)
    schedule = tr.get_linear_schedule_with_warmup(opt, a.warmup, a.steps)
    order = random.Random(a.seed)
    spent, queue, first = 0.0, [], validation(model, unseen[:a.evaluate])
    print(f"step 0: loss {first:.4f}; {sum(p.numel() for p in params):,} trained numbers", flush=True)
    for step in range(1, a.steps + 1):
        t = time.time()
        if len(queue) < a.batch:
            queue = order.sample(train, len(train))
        part, queue = queue[:a.batch], queue[a.batch:]
        ids, mask, labels = collate(part)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        schedule.step()
        opt.zero_grad()
        spent += time.time() - t
        if step % a.every == 0:
            now = validation(model, unseen[:a.evaluate])
            print(f"step {step}: loss {now:.4f} ({now / first - 1:+.1%}), {spent:.0f} s of training", flush=True)
    share, texts = mentioned(model, unseen[:a.rows], tokenizer)
    print(f"tuned: {share:.1%} of the values mentioned")
    for (_, _, d), text in list(zip(unseen, texts))[:6]:
        print("    source:", d["source"])
        print("    output:", text.strip())


if __name__ == "__main__":
    main()
