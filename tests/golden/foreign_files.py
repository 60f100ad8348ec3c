#!/usr/bin/env python3
"""Write small adapters as other programs keep them, and the flat prefix that each of them stands for.

    foreign_files.py      write foreign_files/ beside this file

expected.safetensors holds for each file and site the flat prefix [v, L * 2 * d_kv], computed here with torch, and for two
models of cases/ the logits and greedy tokens behind a prefix when the text's positions begin at 0 and when they begin
at v. Sizes are those of models in cases/. Needs torch, transformers, numpy and safetensors.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import types

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, DynamicCache

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "foreign_files")
EXPECTED = {}


def network(root, out, v, d, mid, row, deep=False):
    """Names of an embedding and of the linear layers behind it, and what they make."""
    embedding = torch.randn(v, d)
    widths = [d, mid, mid, row] if deep else [d, mid, row]
    state, hidden = {f"{root}.weight": embedding}, embedding
    for index, (d_in, d_out) in enumerate(zip(widths, widths[1:])):
        layer = torch.nn.Linear(d_in, d_out)
        state[f"{out}.{2 * index}.weight"] = layer.weight.detach()
        state[f"{out}.{2 * index}.bias"] = layer.bias.detach()
        hidden = layer(hidden)
        if index + 2 < len(widths):
            hidden = torch.tanh(hidden)
    return state, hidden.detach()


def write(path, state, **options):
    path = os.path.join(OUT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if path.endswith(".safetensors"):
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path, **options)


def write_json(path, value):
    path = os.path.join(OUT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump(value, file, indent=1)


def the_papers():
    """wte and control_trans; gpt2-prefix-2x44 and bart-prefixproj-2x24."""
    for name, deep in [("paper_gpt2", False), ("paper_gpt2_deep", True)]:
        state, flat = network("wte", "control_trans", 3, 44, 5, 176, deep)
        write(f"{name}/pytorch_model.bin", state)
        EXPECTED[f"{name}.decoder"] = flat
    state, sites = {}, {"": "decoder", "2": "cross", "_enc": "encoder"}
    for suffix, site in sites.items():
        part, flat = network(f"model.wte{suffix}", f"model.control_trans{suffix}", 3, 24, 4, 96)
        state.update(part)
        EXPECTED[f"paper_bart.{site}"] = flat
    state["seq2seq_model.model.shared.weight"] = torch.randn(4, 24)
    # As pytorch-lightning keeps it: the tensors one dictionary further in, and beside them a callback by its class and
    # the settings as an object.
    stand_in = types.ModuleType("pytorch_lightning.callbacks")
    stand_in.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": stand_in.__name__})
    sys.modules["pytorch_lightning"], sys.modules[stand_in.__name__] = types.ModuleType("pytorch_lightning"), stand_in
    settings = argparse.Namespace(learning_rate=5e-5, output_dir=pathlib.PurePosixPath("/runs/xsum"))
    write("paper_bart/checkpoint.ckpt", {"epoch": 3, "global_step": 120, "state_dict": state, "lr_schedulers": [{}],
                                         "callbacks": {stand_in.ModelCheckpoint: {"best_model_score": None}},
                                         "hyper_parameters": settings,
                                         "optimizer_states": [{"state": {0: {"step": 5, "exp_avg": torch.ones(2)}}}]})


def p_tuning_v2():
    """prefix_encoder and a head; bert-prefix-seq."""
    flat, head = torch.randn(4, 96), torch.nn.Linear(24, 3)
    state = {"prefix_encoder.embedding.weight": flat, "bert.embeddings.word_embeddings.weight": torch.randn(6, 24)}
    state |= {f"classifier.{name}": tensor.detach() for name, tensor in head.named_parameters()}
    write("p_tuning_v2/pytorch_model.bin", state)
    EXPECTED["p_tuning_v2.encoder"] = flat
    EXPECTED["p_tuning_v2.classifier"] = head.weight.detach()
    state, flat = network("prefix_encoder.embedding", "prefix_encoder.trans", 4, 24, 6, 96)
    state |= {f"classifier.{name}": tensor.detach() for name, tensor in head.named_parameters()}
    write("p_tuning_v2_words/pytorch_model.bin", state, _use_new_zipfile_serialization=False)
    write_json("p_tuning_v2_words/config.json", {"architectures": ["BertPrefixForTokenClassification"],
                                                 "id2label": {"0": "O", "1": "B-PER", "2": "I-PER"}})
    EXPECTED["p_tuning_v2_words.encoder"] = flat


def chatglm():
    """transformer.prefix_encoder; the sizes of gpt2-prefix-2x44."""
    flat = torch.randn(3, 176)
    write("chatglm/pytorch_model.bin", {"transformer.prefix_encoder.embedding.weight": flat.half()})
    EXPECTED["chatglm.decoder"] = flat.half().float()
    state, flat = network("transformer.prefix_encoder.embedding", "transformer.prefix_encoder.trans", 3, 44, 5, 176)
    write("chatglm_projection/pytorch_model.bin", state)
    EXPECTED["chatglm_projection.decoder"] = flat


def adapters_library():
    """prefix_tunings.<name>.<location>; gpt2-prefix-2x44 and bart-prefixproj-2x24."""
    def config(kind, **changed):
        return {"config": {"architecture": "prefix_tuning", "bottleneck_size": 5, "encoder_prefix": True,
                           "cross_prefix": True, "flat": False, "non_linearity": "tanh", "prefix_length": 3,
                           "use_gating": False, **changed}, "name": "task", "model_type": kind}
    flat = torch.randn(3, 176)
    write("adapters_flat/pytorch_adapter.bin",
          {"transformer.prefix_tuning.prefix_tunings.task.self_prefix.control_trans": flat.flatten()})
    write_json("adapters_flat/adapter_config.json", config("gpt2", flat=True))
    EXPECTED["adapters_flat.decoder"] = flat
    state = {}
    for location, site in [("encoder", "encoder"), ("self", "decoder"), ("cross", "cross")]:
        root = f"model.prefix_tuning.prefix_tunings.task.{location}_prefix"
        part, flat = network(f"{root}.wte", f"{root}.control_trans", 3, 24, 5, 96)
        state.update(part)
        EXPECTED[f"adapters_bart.{site}"] = flat
    write("adapters_bart/adapter.safetensors", state)
    write_json("adapters_bart/adapter_config.json", config("bart"))


def google():
    """One array [v, d] in numpy's form, in rows and in columns."""
    prompt = torch.randn(5, 44)
    for name, array in [("rows", prompt.numpy()), ("columns", np.asfortranarray(prompt.numpy())),
                        ("doubles", prompt.numpy().astype(np.float64))]:
        os.makedirs(os.path.join(OUT, "google"), exist_ok=True)
        np.save(os.path.join(OUT, "google", f"{name}.npy"), array)
    EXPECTED["google"] = prompt


def behind(model, flat, tokens, first):
    """Logits of tokens whose positions begin at `first`, behind a flat prefix."""
    config = model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    layers, v = config.num_hidden_layers, flat.shape[0]
    slots = flat.view(1, v, 2 * layers, heads, -1).permute(2, 0, 3, 1, 4)
    cache = DynamicCache()
    for layer in range(layers):
        cache.update(slots[2 * layer].contiguous(), slots[2 * layer + 1].contiguous(), layer)
    positions = torch.arange(first, first + tokens.shape[1])[None]
    with torch.no_grad():
        return model(tokens, past_key_values=cache, position_ids=positions,
                     attention_mask=torch.ones(1, v + tokens.shape[1])).logits


def positions():
    """What an unshifted prefix computes, and a shifted one."""
    for case, row in [("gpt2-prefix-2x44", 176), ("llama-prefix-2x48", 80)]:
        model = AutoModelForCausalLM.from_pretrained(os.path.join(HERE, "cases", case, "model")).eval()
        flat, tokens = torch.randn(4, row), torch.randint(4, 250, (1, 9))
        EXPECTED[f"{case}.prefix"], EXPECTED[f"{case}.tokens"] = flat, tokens[0].to(torch.float32)
        for name, first in [("unshifted", 0), ("shifted", 4)]:
            EXPECTED[f"{case}.{name}"] = behind(model, flat, tokens, first)[0]
            said = tokens
            for _ in range(6):
                said = torch.cat([said, behind(model, flat, said, first)[:, -1].argmax(-1, keepdim=True)], 1)
            EXPECTED[f"{case}.{name}_said"] = said[0, 9:].to(torch.float32)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    torch.manual_seed(11)
    for part in [the_papers, p_tuning_v2, chatglm, adapters_library, google, positions]:
        part()
    save_file({name: tensor.float().contiguous() for name, tensor in EXPECTED.items()},
              os.path.join(OUT, "expected.safetensors"))


if __name__ == "__main__":
    main()
