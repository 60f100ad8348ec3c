"""First weights for a small GPT-2 in which two blocks already copy.

Copying ("what came after this token last time?") needs two heads in a row, and from random weights training finds
them only after many millions of tokens. So they are laid out before the first step, by formula and random rotations;
nothing is taken from another model, and every weight is trained afterwards.

The residual stream is divided: `pos` holds sines and cosines of the position, `tok` the token, `prev` the token
before. In block 0 two heads look one position back and write what they see there into `prev`. In block 1 every head
looks for places whose `prev` is the present token and writes the token found there, which is the likely next one,
into `tok`, where the tied output layer reads it.
"""
import math

import torch


@torch.no_grad()
def lay(model, size=0.06, sharp=2.0, match=1.7, copy=2.0):
    t, config = model.transformer, model.config
    width, head = config.n_embd, config.n_embd // config.n_head
    pos, tok = slice(0, head), slice(head, width - 2 * head)
    prev = [slice(width - 2 * head, width - head), slice(width - head, width)]
    n_tok = tok.stop - tok.start
    basis = torch.linalg.qr(torch.randn(n_tok, n_tok)).Q

    # embeddings, each in its part of the stream
    t.wte.weight.mul_(0.1)
    t.wte.weight[:, tok] = size * torch.randn(config.vocab_size, n_tok)
    t.wpe.weight.mul_(0.05)
    speed = torch.logspace(math.log10(2.5), math.log10(0.03), head // 2)
    angle = torch.arange(config.n_positions)[:, None] * speed
    wave = torch.stack([angle.sin(), angle.cos()], 2).flatten(1)
    t.wpe.weight[:, pos] = size * math.sqrt(2) * wave

    for block in t.h:  # what the other parts write is small at first, or it would drown the circuit
        block.attn.c_proj.weight.mul_(0.1)
        block.mlp.c_proj.weight.mul_(0.1)

    def put(block, h, q, k, v, out):
        """Each of q, k, v: (part of the stream, matrix to the head); out: (part of the stream, matrix from the head)."""
        attn = t.h[block].attn
        for i, (part, matrix) in enumerate((q, k, v)):
            columns = attn.c_attn.weight[:, i * width + h * head:i * width + (h + 1) * head]
            columns.mul_(0.1)
            columns[part] = matrix
        rows = attn.c_proj.weight[h * head:(h + 1) * head]
        rows[:, out[0]] = size * out[1]

    one = torch.eye(head)
    turn = torch.zeros(head, head)  # the code of s becomes the code of s + 1
    for i, w in enumerate(speed.tolist()):
        turn[2 * i:2 * i + 2, 2 * i:2 * i + 2] = torch.tensor([[math.cos(w), -math.sin(w)], [math.sin(w), math.cos(w)]])
    for m in (0, 1):
        put(0, m, (pos, sharp * one), (pos, sharp * turn), (tok, basis[:, m * head:(m + 1) * head]), (prev[m], one))
    for h in range(config.n_head):
        m = h * 2 // config.n_head
        seen = basis[:, (part := h % (n_tok // head)) * head:(part + 1) * head]
        put(1, h, (tok, match * basis[:, m * head:(m + 1) * head]), (prev[m], match * one), (tok, seen), (tok, copy * seen.T))
