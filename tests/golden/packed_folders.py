#!/usr/bin/env python3
"""Write the golden cases whose base model is a folder that another program packed into 4 or 8 bits.

    packed_folders.py                write every case to cases/ (their seeds are fixed)
    packed_folders.py --only NAME …  write some

`bnb-…` is packed by bitsandbytes itself, and transformers must read the same model in the folder. `gptq-…` and `awq-…` are packed
here, as AutoGPTQ/AutoGPTQ (auto_gptq/nn_modules/qlinear, `pack`), ModelCloud/GPTQModel (`convert_gptq_v2_to_v1_format_module`)
and casper-hansen/AutoAWQ (awq/utils/packing_utils.py) lay them out. The results are of the model with the numbers that were
packed. Needs what make.py needs, and bitsandbytes and accelerate.
"""
import argparse
import json
import os

import bitsandbytes.functional as bnb
import make
import torch
import transformers as tr
from safetensors.torch import load_file, save_file

LLAMA = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "tie_word_embeddings": True,
         "hidden_size": 64, "intermediate_size": 128}
LORA = {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj", "down_proj"]}
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]

# name: what make.py is told of a case; `packed` says the method and how
CASES = {
    # The largest of blocks packed too, all blocks whole.
    "bnb-nf4-prefix": {"family": "llama", "method": "prefix", "virtual": 3, "config": LLAMA, "packed": {
        "method": "bnb", "kind": "nf4", "nested": True}},
    # Rows of 40 that share blocks with the next; a largest for each 128, as numbers.
    "bnb-nf4-lora": {"family": "llama", "method": "lora", "lora": LORA, "config": {**LLAMA, "intermediate_size": 40}, "packed": {
        "method": "bnb", "kind": "nf4", "block": 128}},
    "bnb-fp4-prompt": {"family": "llama", "method": "prompt", "virtual": 3, "config": LLAMA, "packed": {
        "method": "bnb", "kind": "fp4", "nested": True}},
    "bnb-int8-prefix": {"family": "llama", "method": "prefix", "virtual": 3, "config": LLAMA, "packed": {"method": "bnb8"}},
    # Columns of the weights are what is packed.
    "bnb-gpt2-prefix": {"family": "gpt2", "method": "prefix", "virtual": 3, "config": {
        "n_layer": 1, "n_embd": 64, "n_head": 4, "n_inner": 128}, "packed": {"method": "bnb", "kind": "nf4", "nested": True}},
    # Around the middle, group by group: Q4_0.
    "gptq-4bit-prefix": {"family": "llama", "method": "prefix", "virtual": 3, "config": LLAMA, "packed": {
        "method": "gptq", "bits": 4, "group": 32, "sym": True}},
    # Inputs of a group lie apart, zero points anywhere.
    "gptq-4bit-lora": {"family": "llama", "method": "lora", "lora": LORA, "config": LLAMA, "packed": {
        "method": "gptq", "bits": 4, "group": 16, "order": True}},
    "gptq-8bit-prompt": {"family": "llama", "method": "prompt", "virtual": 4, "config": LLAMA, "packed": {
        "method": "gptq", "bits": 8, "group": 64, "sym": True, "form": "gptq_v2"}},
    "awq-4bit-prefix": {"family": "llama", "method": "prefix", "virtual": 3, "config": {
        **LLAMA, "tie_word_embeddings": False}, "packed": {"method": "awq", "bits": 4, "group": 32}},
}


def numbers(packed, state):
    """As bitsandbytes' portable rule; its kernel for a CPU (0.50.2) takes the wrong largest where a row is shorter than a block."""
    largest = state.absmax
    if state.nested:
        largest = bnb.dequantize_blockwise(largest, state.state2) + state.offset
    codes = torch.stack([packed >> 4, packed & 15], -1).flatten().long()
    return (state.code[codes] * largest.repeat_interleave(state.blocksize)[:len(codes)]).reshape(state.shape)


def packed_by_bnb(name, weight, how):
    """The numbers that are packed, and the tensors."""
    packed, state = bnb.quantize_4bit(
        weight, blocksize=how.get("block", 64), quant_type=how["kind"], compress_statistics=how.get("nested", False))
    own = {f"{name}.weight.{key}": value for key, value in state.as_dict(packed=True).items()}
    return numbers(packed, state), {f"{name}.weight": packed, **own}


def packed_by_bnb8(name, weight, _):
    packed, scales, _ = bnb.int8_vectorwise_quant(weight.half())
    values = bnb.int8_vectorwise_dequant(packed, scales).half().float()  # what `dequantize` makes of them
    return values, {f"{name}.weight": packed, f"{name}.SCB": scales, f"{name}.weight_format": torch.tensor(0, dtype=torch.uint8)}


def words(codes, bits):
    """Codes along the last axis as words of 32 bits, from the lowest bits on."""
    n = 32 // bits
    shifted = codes.reshape(*codes.shape[:-1], -1, n).long() << torch.arange(0, 32, bits)
    word = shifted.sum(-1)
    return torch.where(word >= 2**31, word - 2**32, word).int()


def packed_in_groups(name, weight, how):
    bits, group, (outputs, inputs) = how["bits"], how["group"], weight.shape
    n_groups, top = inputs // group, 2**how["bits"] - 1
    g_idx = torch.arange(inputs) // group
    if how.get("order"):
        g_idx = g_idx[torch.randperm(inputs, generator=torch.Generator().manual_seed(inputs))]
    members = torch.stack([torch.where(g_idx == g)[0] for g in range(n_groups)])  # [n_groups, group]
    parts = weight[:, members]  # [outputs, n_groups, group]
    if how.get("sym"):
        scales = (2 * parts.abs().amax(-1) / top).half()
        zeros = torch.full(scales.shape, (top + 1) // 2)
    else:
        low, high = parts.amin(-1).clamp(max=0), parts.amax(-1).clamp(min=0)
        scales = ((high - low) / top).half()
        zeros = (-low / scales).round().clamp(0, top).long()
        zeros[0, 0], zeros[3, 0] = 0, top  # the ends, of which one less is borrowed from the next
    scales, zeros = scales.T.contiguous(), zeros.T.contiguous()  # [n_groups, outputs]
    codes = (weight.T / scales[g_idx].float() + zeros[g_idx]).round().clamp(0, top).long()  # [inputs, outputs]
    values = (codes - zeros[g_idx]).float() * scales[g_idx].float()
    if not how.get("sym"):
        values = values.half().float()  # what the kernels make of them
    if how["method"] == "awq":
        ordered = lambda codes: codes.reshape(codes.shape[0], -1, 8)[:, :, AWQ_ORDER].reshape(codes.shape)
        return values.T, {f"{name}.qweight": words(ordered(codes), bits), f"{name}.qzeros": words(ordered(zeros), bits),
                          f"{name}.scales": scales}
    stored = words(zeros, bits)
    if how.get("form", "gptq") == "gptq":
        ones = sum(1 << at for at in range(0, 32, bits))
        stored = (stored.long() - ones + 2**31).remainder(2**32).sub(2**31).int()
    return values.T, {f"{name}.qweight": words(codes.T.contiguous(), bits).T.contiguous(), f"{name}.qzeros": stored,
                      f"{name}.scales": scales, f"{name}.g_idx": g_idx.int()}


PACK = {"bnb": packed_by_bnb, "bnb8": packed_by_bnb8, "gptq": packed_in_groups, "awq": packed_in_groups}


def said(how):
    """What config.json says of it."""
    kind = how["method"]
    if kind == "bnb":
        return {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": how["kind"],
                "bnb_4bit_use_double_quant": how.get("nested", False), "bnb_4bit_compute_dtype": "float32"}
    if kind == "bnb8":
        return {"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": True}
    if kind == "awq":
        return {"quant_method": "awq", "bits": 4, "group_size": how["group"], "zero_point": True, "version": "gemm"}
    return {"quant_method": "gptq", "bits": how["bits"], "group_size": how["group"], "sym": how.get("sym", False),
            "desc_act": how.get("order", False), "checkpoint_format": how.get("form", "gptq")}


def linears(model):
    return [(name, module) for name, module in model.named_modules()
            if isinstance(module, (torch.nn.Linear, tr.pytorch_utils.Conv1D)) and name != "lm_head"]


def pack(model, how):
    """The model with the numbers that were packed, and of every linear layer the tensors."""
    tensors = {}
    with torch.no_grad():
        for name, module in linears(model):
            is_turned = isinstance(module, tr.pytorch_utils.Conv1D)
            weight = module.weight.T.contiguous() if is_turned else module.weight
            values, own = PACK[how["method"]](name, weight.detach(), how)
            module.weight.copy_(values.T if is_turned else values)
            tensors.update(own)
    return model, tensors


def save(model, spec, folder, tensors):
    """The folder with packed tensors in place of weights."""
    make_save(model, spec, folder)
    path = os.path.join(folder, "model.safetensors")
    packed = {f"{name}.weight" for name, _ in linears(model)}
    rest = {name: tensor for name, tensor in load_file(path).items() if name not in packed}
    save_file({**rest, **tensors}, path, metadata={"format": "pt"})
    path = os.path.join(folder, "config.json")
    config = json.load(open(path))
    with open(path, "w") as f:
        json.dump({**config, "quantization_config": said(spec["packed"])}, f, indent=2)


def read_again(model, folder):
    """transformers reads the same matrices in a folder of bitsandbytes; its products on a CPU are in bf16."""
    found = tr.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu")
    for name, module in linears(model):
        packed = found.get_submodule(name).weight
        values = numbers(packed.data, packed.quant_state)
        values = values.T if isinstance(module, tr.pytorch_utils.Conv1D) else values
        assert packed.quant_state.dtype == torch.float32 and torch.equal(values, module.weight), name


def case(name, folder):
    """As make.make, of a model in a folder of another kind."""
    spec = CASES[name]

    def build(_, spec, seed):
        model, kept["tensors"] = pack(own_build(spec["family"], spec, seed), spec["packed"])
        return model.eval()

    def saved(model, spec, folder):
        save(model, spec, folder, kept["tensors"])
        if spec["packed"]["method"] == "bnb":
            read_again(model, folder)

    kept, own_build, make.CASES[name] = {}, make.build, spec
    make.build, make.save_model = build, saved
    try:
        make.make(name, folder)
    finally:
        make.build, make.save_model = own_build, make_save


make_save = make.save_model


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--only", nargs="+", metavar="NAME", choices=sorted(CASES))
    torch.set_num_threads(1)
    for name in ap.parse_args().only or CASES:
        case(name, os.path.join(here, "cases", name))


if __name__ == "__main__":
    main()
