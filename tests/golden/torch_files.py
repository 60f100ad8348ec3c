#!/usr/bin/env python3
"""Write the same small tensors in every form that PyTorch and safetensors have for them.

    torch_files.py      write torch_files/ beside this file

reference/model.safetensors holds what each of the other folders must be read as; expanded/ holds one number that a
view makes a million of, which is refused. Needs torch and safetensors.
"""
import json
import os
import shutil

import torch
from safetensors.torch import save_file

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_files")


def tensors():
    torch.manual_seed(7)
    wte = torch.randn(7, 4)
    cube = torch.randn(3, 2, 5)
    return {
        "wte.weight": wte, "lm_head.weight": wte, "rows": wte[2:5], "column": wte[:, 1], "steps": wte[1::3, ::2],
        "transposed": torch.randn(3, 5, dtype=torch.float16).t(), "permuted": cube.permute(2, 0, 1),
        "parameter": torch.nn.Parameter(torch.randn(6)), "bf16": torch.randn(3, 3).to(torch.bfloat16),
        "f64": torch.randn(5, dtype=torch.float64), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
        "attn.bias": torch.tril(torch.ones(4, 4, dtype=torch.bool)).view(1, 1, 4, 4),
        "position_ids": torch.arange(4)[None], "bytes": torch.arange(3, dtype=torch.uint8)}


def write(folder, name, state, **options):
    os.makedirs(os.path.join(HERE, folder), exist_ok=True)
    torch.save(state, os.path.join(HERE, folder, name), **options)


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    state = tensors()
    write("zip", "pytorch_model.bin", state)
    write("protocol-4", "pytorch_model.bin", state, pickle_protocol=4)
    write("before-1.6", "pytorch_model.bin", state, _use_new_zipfile_serialization=False)
    names, half = list(state), len(state) // 2
    shards = {"pytorch_model-00001-of-00002.bin": names[:half], "pytorch_model-00002-of-00002.bin": names[half:]}
    for shard, held in shards.items():
        write("shards", shard, {name: state[name] for name in held})
    index = {"metadata": {}, "weight_map": {name: shard for shard, held in shards.items() for name in held}}
    with open(os.path.join(HERE, "shards", "pytorch_model.bin.index.json"), "w") as file:
        json.dump(index, file, indent=1)
    linear = torch.nn.Linear(3, 2)  # a state dictionary with attributes
    write("module", "pytorch_model.bin", linear.state_dict())
    save_file({name: p.detach().clone() for name, p in linear.state_dict().items()},
              os.path.join(HERE, "module", "reference.safetensors"))
    write("expanded", "pytorch_model.bin", {"weight": torch.ones(1).expand(1_000_000)})
    os.makedirs(os.path.join(HERE, "reference"))
    save_file({name: t.detach().clone().contiguous() for name, t in state.items()},
              os.path.join(HERE, "reference", "model.safetensors"))


if __name__ == "__main__":
    main()
