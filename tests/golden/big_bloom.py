#!/usr/bin/env python3
"""Write a BLOOM of 1.3 billion random bf16 weights, to measure what loading and training such a model takes.

    big_bloom.py DIR        24 layers, width 2048, 16 heads, 46,145 tokens, as Langboat/bloom-1b4-zh; 2.6 GB

The shards are made one layer at a time, so that a small machine can write them. Needs torch, safetensors, tokenizers.
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file

from make import tokenizer

LAYERS, D, HEADS, VOCAB = 24, 2048, 16, 46145


def noise(*shape):
    return (0.02 * torch.randn(shape)).to(torch.bfloat16)


def norm(name):
    return {f"{name}.weight": torch.ones(D, dtype=torch.bfloat16), f"{name}.bias": noise(D)}


def linear(name, d_in, d_out):
    return {f"{name}.weight": noise(d_out, d_in), f"{name}.bias": noise(d_out)}


def layer(i):
    at = f"transformer.h.{i}."
    return {**norm(at + "input_layernorm"), **norm(at + "post_attention_layernorm"),
            **linear(at + "self_attention.query_key_value", D, 3 * D), **linear(at + "self_attention.dense", D, D),
            **linear(at + "mlp.dense_h_to_4h", D, 4 * D), **linear(at + "mlp.dense_4h_to_h", 4 * D, D)}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = {"model_type": "bloom", "architectures": ["BloomForCausalLM"], "n_layer": LAYERS, "n_embed": D, "n_head": HEADS,
              "vocab_size": VOCAB, "seq_length": 2048, "torch_dtype": "bfloat16", "bos_token_id": 2, "eos_token_id": 3,
              "pad_token_id": 1}
    json.dump(config, open(os.path.join(folder, "config.json"), "w"), indent=1)
    places, size = {}, 0
    outside = {"transformer.word_embeddings.weight": noise(VOCAB, D), **norm("transformer.word_embeddings_layernorm"),
               **norm("transformer.ln_f")}
    for i in range(LAYERS + 1):
        weights = layer(i) if i < LAYERS else outside
        name = f"model-{i + 1:05}-of-{LAYERS + 1:05}.safetensors"
        save_file(weights, os.path.join(folder, name), metadata={"format": "pt"})
        places.update({k: name for k in weights})
        size += sum(w.numel() * 2 for w in weights.values())
    index = {"metadata": {"total_size": size}, "weight_map": places}
    json.dump(index, open(os.path.join(folder, "model.safetensors.index.json"), "w"))
    tokenizer(300).save(os.path.join(folder, "tokenizer.json"))
    print(f"{folder}: {size / 2:,.0f} parameters, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
