#!/usr/bin/env python3
"""Write the golden cases whose base model is a GGUF file, as llama.cpp's converters write it.

    gguf_files.py                write every case to cases/ (their seeds are fixed)
    gguf_files.py --only NAME …  write some

A case named after a type of blocks has its matrices in that type: blocks of 32 as the `gguf` package makes them of random
weights, blocks of 256 of random bits. What they hold is what transformers reads of the file. A case named after a family
keeps every number, in other names and orders; where transformers reads that family's files it must read the same model.
Needs what make.py needs, and gguf and accelerate.
"""
import argparse
import copy
import json
import os
import tempfile

import gguf
import make
import numpy as np
import torch
import transformers as tr
from gguf import GGMLQuantizationType as Type

LLAMA = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "tie_word_embeddings": True}
SMALL = {**LLAMA, "hidden_size": 64, "intermediate_size": 96}
LARGE = {**LLAMA, "hidden_size": 256, "intermediate_size": 32}
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 40}
LORA = {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj", "down_proj"]}

# name: what make.py is told of a case, `type` of the blocks, `rest` of matrices whose rows are no whole blocks of it
CASES = {
    "gguf-q8_0-prefix": {"family": "llama", "type": "Q8_0", "method": "prefix", "virtual": 3, "config": SMALL},
    "gguf-q4_0-lora": {"family": "llama", "type": "Q4_0", "method": "lora", "lora": LORA, "config": SMALL},
    "gguf-q4_1-prompt": {"family": "llama", "type": "Q4_1", "method": "prompt", "virtual": 4, "config": {
        **SMALL, "tie_word_embeddings": False}},
    "gguf-q5_0-ptmlp": {"family": "llama", "type": "Q5_0", "method": "ptmlp", "virtual": 3, "hidden": 14, "config": SMALL},
    "gguf-q5_1-prefixproj": {"family": "llama", "type": "Q5_1", "method": "prefixproj", "virtual": 3, "hidden": 12, "config": SMALL},
    "gguf-q4_k-prefix": {"family": "llama", "type": "Q4_K", "rest": "Q5_0", "method": "prefix", "virtual": 4, "config": LARGE},
    "gguf-q5_k-lora": {"family": "llama", "type": "Q5_K", "rest": "Q5_1", "method": "lora", "lora": LORA, "config": LARGE},
    "gguf-q6_k-prompt": {"family": "llama", "type": "Q6_K", "rest": "Q8_0", "method": "prompt", "virtual": 3, "config": LARGE},
    "gguf-f16-prefix": {"family": "llama", "type": "F16", "method": "prefix", "virtual": 3, "config": {
        **SMALL, "hidden_size": 32, "intermediate_size": 40, "head_dim": 16}},
    "gguf-bf16-lora": {"family": "llama", "type": "BF16", "method": "lora", "lora": LORA, "config": {
        **SMALL, "hidden_size": 32, "intermediate_size": 40, "head_dim": 16}},
    "gguf-llama-prefix": {"family": "llama", "method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 40,
        "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False, "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192}}},
    "gguf-qwen2-lora": {"family": "qwen2", "method": "lora", "lora": LORA, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 40,
        "use_sliding_window": False, "tie_word_embeddings": True, "rope_parameters": {**ROPE, "rope_theta": 1000000.0}}},
    "gguf-qwen3-prefix": {"family": "qwen3", "method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12,
        "intermediate_size": 40, "tie_word_embeddings": True, "rope_parameters": ROPE}},
    "gguf-gpt2-lora": {"family": "gpt2", "method": "lora", "lora": {"r": 2, "lora_alpha": 4, "target_modules": "all-linear"}, "config": {
        "n_layer": 1, "n_embd": 32, "n_head": 4}},
    # Rows of blocks that Hugging Face has as columns.
    "gguf-gpt2-q8_0-prefix": {"family": "gpt2", "type": "Q8_0", "method": "prefix", "virtual": 3, "config": {
        "n_layer": 1, "n_embd": 64, "n_head": 4, "n_inner": 96}},
    "gguf-neox-prefix": {"family": "neox", "method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 40,
        "rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}}},
    # Rows of heads in blocks, in another order than Hugging Face has them.
    "gguf-neox-q4_0-lora": {"family": "neox", "type": "Q4_0", "method": "lora", "lora": {"r": 2, "lora_alpha": 6}, "config": {
        "num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 96,
        "rope_parameters": {**ROPE, "partial_rotary_factor": 0.25}}},
    "gguf-bloom-prefix": {"family": "bloom", "method": "prefix", "virtual": 3, "config": {
        "n_layer": 1, "hidden_size": 32, "n_head": 4}},
    "gguf-chatglm-prefix": {"family": "chatglm", "method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "intermediate_size": 40, "rms_norm_eps": 1e-5, "attention_bias": True}},
    "gguf-stablelm-prefix": {"family": "stablelm", "method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 40, "use_qkv_bias": True, "rope_parameters": {**ROPE, "partial_rotary_factor": 0.25}}},
    "gguf-gemma-prefix": {"family": "gemma", "method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, **HEADS}},
    # What scores are divided by is in no file: it is the width of a head in all but the largest Gemma.
    "gguf-gemma2-prefix": {"family": "gemma2", "method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, **HEADS, "query_pre_attn_scalar": 8, "sliding_window": 6,
        "attn_logit_softcapping": 1.5, "final_logit_softcapping": 4.0}},
    "gguf-gemma3-lora": {"family": "gemma3", "method": "lora", "lora": LORA, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, **HEADS, "query_pre_attn_scalar": 8, "sliding_window": 6,
        "layer_types": ["sliding_attention", "full_attention"], "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 5000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}}},
    "gguf-phi2-prefix": {"family": "phi", "method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 4,
        "intermediate_size": 40, "rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}}},
    "gguf-phi3-prefix": {"family": "phi3", "method": "prefix", "virtual": 3, "lengths": [21, 9, 15], "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 40,
        "original_max_position_embeddings": 14, "rope_parameters": {
            "rope_type": "longrope", "rope_theta": 500.0, "original_max_position_embeddings": 14,
            "short_factor": [1.0, 1.125, 1.25, 1.375], "long_factor": [1.25, 2.75, 4.25, 5.75]}}},
}
ARCHITECTURES = {"neox": "gptneox", "phi": "phi2"}


# Names of Hugging Face's modules in the file: what stands in no block, and what stands in each.
LLAMA_NAMES = ({"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}, "model.layers", {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "self_attn.o_proj": "attn_output",
    "self_attn.qkv_proj": "attn_qkv", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down"})
FUSED = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down"}
GEMMA = (LLAMA_NAMES[0], "model.layers", {
    **LLAMA_NAMES[2], "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm"})
NAMES = {
    "gemma2": GEMMA, "gemma3": GEMMA,
    "gpt2": ({"transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm", "lm_head": "output"},
             "transformer.h", {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
                               "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}),
    "neox": ({"gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm", "lm_head": "output", "embed_out": "output"}, "gpt_neox.layers", {
        **FUSED, "attention.query_key_value": "attn_qkv", "attention.dense": "attn_output"}),
    "phi": ({"model.embed_tokens": "token_embd", "model.final_layernorm": "output_norm", "lm_head": "output"}, "model.layers", {
        **LLAMA_NAMES[2], "self_attn.dense": "attn_output", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down"}),
    "bloom": ({"transformer.word_embeddings": "token_embd", "transformer.word_embeddings_layernorm": "token_embd_norm",
               "transformer.ln_f": "output_norm"}, "transformer.h", {
                   **FUSED, "self_attention.query_key_value": "attn_qkv", "self_attention.dense": "attn_output"}),
}


def renamed(family, name):
    outer, layers, block = NAMES.get(family, LLAMA_NAMES)
    module, end = name.rsplit(".", 1)
    if module.startswith(layers + "."):
        number, rest = module[len(layers) + 1:].split(".", 1)
        return f"blk.{number}.{block[rest]}.{end}"
    return f"{outer[module]}.{end}"


def stored(family, name, tensor, model):
    """A weight in the order in which llama.cpp's converter writes it."""
    config = model.config
    heads = config.num_attention_heads
    if family == "llama" and ("q_proj" in name or "k_proj" in name):
        n = heads if "q_proj" in name else config.num_key_value_heads
        return tensor.reshape(n, 2, tensor.shape[0] // n // 2, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)
    if family in ("neox", "bloom") and "query_key_value" in name:
        return tensor.reshape(heads, 3, -1, *tensor.shape[1:]).swapaxes(0, 1).reshape(tensor.shape)
    if family == "gpt2" and tensor.dim() == 2 and ("attn" in name or "mlp" in name):
        return tensor.T
    if family.startswith("gemma") and "norm" in name:
        return tensor + 1
    return tensor


def tensors(family, model):
    """Of every tensor of the file its name and values."""
    out, state = {}, model.state_dict()
    tied = model.config.tie_word_embeddings
    for name, tensor in state.items():
        if name in ("lm_head.weight", "embed_out.weight") and tied or ".attn.bias" in name or name.endswith("rotary_emb.inv_freq"):
            continue
        if family == "chatglm" and "self_attn." in name and "o_proj" not in name:
            if "q_proj" in name:
                fused = torch.cat([state[name.replace("q_proj", part + "_proj")] for part in "qkv"])
                out[renamed(family, name.replace("q_proj", "qkv_proj"))] = fused
            continue
        out[renamed(family, name)] = stored(family, name, tensor, model)
    rope = getattr(model.config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "longrope":
        out["rope_factors_long.weight"] = torch.tensor(rope["long_factor"])
        out["rope_factors_short.weight"] = torch.tensor(rope["short_factor"])
    if rope.get("rope_type") == "llama3":
        d = model.config.head_dim or model.config.hidden_size // model.config.num_attention_heads
        plain = rope["rope_theta"] ** -(torch.arange(0, d, 2, dtype=torch.float64) / d)
        out["rope_freqs.weight"] = (plain / model.model.rotary_emb.inv_freq.double()).float()
    return out


def blocks(kind, shape, scale, random):
    """Random blocks of 256 numbers whose deviation is about this."""
    n = shape[0] * shape[1] // 256
    f16 = lambda value: np.full((n, 1), value, np.float16).view(np.uint8)
    bits = lambda width: random.integers(0, 256, (n, width), np.uint8)
    if kind == Type.Q6_K:  # low halves, high quarters, 16 scales of 8 bits, one for all
        parts = [bits(128), bits(64), bits(16), f16(scale / (74 * 18.5))]
    else:  # scale and least, their 8 + 8 shares of 6 bits, high bits of five, low halves
        top = 15 if kind == Type.Q4_K else 31
        one = scale / (36 * 0.58 * top)
        parts = [f16(one), f16(one * top / 2), bits(12), *([bits(32)] if kind == Type.Q5_K else []), bits(128)]
    return np.concatenate(parts, 1).reshape(shape[0], -1)


def encoded(name, tensor, spec, random):
    """-> bytes or numbers, and the type to say of them."""
    values = tensor.detach().float().numpy()
    kind = Type[spec.get("type", "F32")]
    if values.ndim < 2 or kind == Type.F32 or name.startswith("position_embd"):
        return np.ascontiguousarray(values), None
    if values.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
        kind = Type[spec["rest"]]
    if kind in (Type.Q4_K, Type.Q5_K, Type.Q6_K):
        return blocks(kind, values.shape, values.std(), random), kind
    return gguf.quantize(values, kind), kind


def write(path, family, model, spec, seed):
    """The file, as llama.cpp's converter for the family writes it."""
    config, arch = model.config, ARCHITECTURES.get(family, family)
    file = gguf.GGUFWriter(path, arch)
    rope = getattr(config, "rope_parameters", None) or {}
    heads, d_model = config.num_attention_heads, config.hidden_size
    d_head = getattr(config, "head_dim", None) or d_model // heads
    file.add_context_length(getattr(config, "max_position_embeddings", 41))
    file.add_embedding_length(d_model)
    file.add_block_count(config.num_hidden_layers)
    file.add_feed_forward_length(getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * d_model)
    file.add_head_count(heads)
    file.add_head_count_kv(getattr(config, "num_key_value_heads", None) or heads)
    rms = getattr(config, "rms_norm_eps", None)
    file.add_layer_norm_rms_eps(rms) if rms else file.add_layer_norm_eps(
        getattr(config, "layer_norm_eps", None) or config.layer_norm_epsilon)
    if d_head * heads != d_model:
        file.add_key_length(d_head)
        file.add_value_length(d_head)
    rope = rope.get("full_attention", rope)
    if rope.get("rope_type") == "linear":
        file.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        file.add_rope_scaling_factor(rope["factor"])
    if "original_max_position_embeddings" in rope and rope["rope_type"] == "longrope":
        file.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if getattr(config, "sliding_window", None) and family.startswith("gemma"):
        file.add_sliding_window(config.sliding_window)
    if family == "gemma2":
        file.add_attn_logit_softcapping(config.attn_logit_softcapping)
        file.add_final_logit_softcapping(config.final_logit_softcapping)
    if family == "gemma3":
        file.add_sliding_window_pattern([kind == "sliding_attention" for kind in config.layer_types])
    if rope:
        file.add_rope_dimension_count(int(d_head * rope.get("partial_rotary_factor", 1.0)))
        file.add_rope_freq_base(rope["rope_theta"])
    if hasattr(config, "use_parallel_residual"):
        file.add_parallel_residual(config.use_parallel_residual)
    file.add_vocab_size(config.vocab_size)
    words = json.loads(make.tokenizer(config.vocab_size).to_str())["model"]
    tokens = sorted(words["vocab"], key=words["vocab"].get)
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("gpt-2")
    file.add_token_list(tokens)
    file.add_token_types([gguf.TokenType.CONTROL if at < 4 else gguf.TokenType.NORMAL for at in range(len(tokens))])
    file.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in words["merges"]])
    file.add_bos_token_id(2)
    file.add_eos_token_id(3)
    file.add_unk_token_id(0)
    file.add_pad_token_id(1)
    random = np.random.default_rng(seed)
    for name, tensor in tensors(family, model).items():
        values, kind = encoded(name, tensor, spec, random)
        file.add_tensor(name, values, raw_dtype=kind)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


# transformers knows no files of these, or reads them otherwise than llama.cpp writes them.
UNREAD = ("neox", "chatglm", "gemma", "phi", "phi3")


def read(path, family, model, spec):
    """The model of the file: as transformers reads it, or as it was where every number of it is kept."""
    rope = getattr(model.config, "rope_parameters", None) or {}
    if family in UNREAD or rope.get("rope_type") == "llama3":
        return unpacked(path, family, model) if "type" in spec else model
    # Its configuration has what transformers does not take from the file, such as the width of Qwen3's heads.
    found = tr.AutoModelForCausalLM.from_pretrained(
        os.path.dirname(path), gguf_file=os.path.basename(path), config=copy.deepcopy(model.config), dtype=torch.float32)
    if "type" not in spec:
        ids = torch.arange(4, 20)[None]
        with torch.no_grad():
            far = (found.eval()(ids).logits - model(ids).logits).abs().max().item()
        assert far < 1e-4, f"transformers reads another model: {far}"
        return model
    with torch.no_grad():
        state = found.state_dict()
        for name, p in model.named_parameters():
            p.copy_(state[name])
    return model


def unpacked(path, family, model):
    """The model with the numbers that its blocks hold, where transformers does not read them."""
    held = {t.name: torch.from_numpy(gguf.dequantize(t.data, t.tensor_type)) for t in gguf.GGUFReader(path).tensors}
    heads = model.config.num_attention_heads
    with torch.no_grad():
        for name, p in model.named_parameters():
            values = held[renamed(family, name)]
            if "query_key_value" in name:
                values = values.reshape(3, heads, -1, *p.shape[1:]).swapaxes(0, 1).reshape(p.shape)
            p.copy_(values)
    return model


def case(name, folder):
    """As make.make, of a model in a file of another kind."""
    spec = CASES[name]
    family = spec["family"]

    def build(_, spec, seed):
        model = own_build(family, spec, seed)
        with tempfile.TemporaryDirectory() as held:
            path = os.path.join(held, "model.gguf")
            write(path, family, model, spec, seed)
            model = read(path, family, model, spec)
            kept["file"] = open(path, "rb").read()
        return model.eval()

    def save(model, spec, folder):
        os.makedirs(folder)
        with open(os.path.join(folder, "model.gguf"), "wb") as f:
            f.write(kept["file"])

    kept, own_build, own_save, make.CASES[name] = {}, make.build, make.save_model, spec
    make.build, make.save_model = build, save
    try:
        make.make(name, folder)
    finally:
        make.build, make.save_model = own_build, own_save


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--only", nargs="+", metavar="NAME", choices=sorted(CASES))
    torch.set_num_threads(1)
    for name in ap.parse_args().only or CASES:
        case(name, os.path.join(here, "cases", name))


if __name__ == "__main__":
    main()
