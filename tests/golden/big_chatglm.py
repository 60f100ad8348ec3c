#!/usr/bin/env python3
"""Write a ChatGLM-6B of random weights in whole numbers of 4 bits, to measure what training on it takes.

6.7 billion: its head is apart from its table.

    big_chatglm.py DIR        28 layers, width 4096, 32 heads, 130,528 tokens, as THUDM/chatglm-6b-int4; 5 GB

The shards are made one layer at a time, so that a small machine can write them. Needs torch, safetensors, tokenizers.
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file

from chatglm import closing
from make import tokenizer

LAYERS, D, FF, HEADS, VOCAB = 28, 4096, 16384, 32, 130528


def noise(*shape):
    return (0.02 * torch.randn(shape)).to(torch.float16)


def norm(name):
    return {f"{name}.weight": torch.ones(D, dtype=torch.float16), f"{name}.bias": torch.zeros(D, dtype=torch.float16)}


def linear(name, d_in, d_out):
    """Rows of 4 bits, two in a byte, and a scale for each: of even numbers from -8 to 7 with a deviation of 0.02."""
    rows = torch.randint(-128, 128, (d_out, d_in // 2), dtype=torch.int8)
    scales = torch.full((d_out,), 0.02 / 4.61, dtype=torch.float16)
    return {f"{name}.weight": rows, f"{name}.weight_scale": scales, f"{name}.bias": torch.zeros(d_out, dtype=torch.float16)}


def layer(i):
    at = f"transformer.layers.{i}."
    return {**norm(at + "input_layernorm"), **norm(at + "post_attention_layernorm"),
            **linear(at + "attention.query_key_value", D, 3 * D), **linear(at + "attention.dense", D, D),
            **linear(at + "mlp.dense_h_to_4h", D, FF), **linear(at + "mlp.dense_4h_to_h", FF, D)}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(0)
    config = {"model_type": "chatglm", "architectures": ["ChatGLMModel"], "bos_token_id": 6, "eos_token_id": 3,
              "mask_token_id": 4, "gmask_token_id": 5, "pad_token_id": 1, "hidden_size": D, "position_encoding_2d": True,
              "inner_hidden_size": FF, "layernorm_epsilon": 1e-05, "max_sequence_length": 2048, "num_attention_heads": HEADS,
              "num_layers": LAYERS, "quantization_bit": 4, "torch_dtype": "float16", "vocab_size": VOCAB}
    json.dump(config, open(os.path.join(folder, "config.json"), "w"), indent=1)
    places, size, count = {}, 0, 0
    outside = {"transformer.word_embeddings.weight": noise(VOCAB, D), "lm_head.weight": noise(VOCAB, D),
               **norm("transformer.final_layernorm")}
    for i in range(LAYERS + 1):
        weights = layer(i) if i < LAYERS else outside
        name = f"model-{i + 1:05}-of-{LAYERS + 1:05}.safetensors"
        save_file(weights, os.path.join(folder, name), metadata={"format": "pt"})
        places.update({k: name for k in weights})
        size += sum(w.numel() * w.element_size() for w in weights.values())
        count += sum(w.numel() * (2 if w.dtype == torch.int8 else 1) for w in weights.values())
    index = {"metadata": {"total_size": size}, "weight_map": places}
    json.dump(index, open(os.path.join(folder, "model.safetensors.index.json"), "w"))
    tokenizer(300).save(os.path.join(folder, "tokenizer.json"))
    closing(folder)
    print(f"{folder}: {count:,.0f} parameters, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
