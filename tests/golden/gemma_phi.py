"""Cases of Gemma 1 to 3, Phi-2 and Phi-3, and of every scaling of rotary positions: make.py makes them.

A scaling that depends on the length of a text has cases beyond its original length. transformers keeps the frequencies of
the longest text so far, so that what it computes depends on what it computed before: `restart_rope` begins anew, and rows
are gone on with one by one, since it takes the longest row of a batch for all.
"""
import transformers as tr

FAMILIES = {"gemma": (tr.GemmaConfig, tr.GemmaForCausalLM), "gemma2": (tr.Gemma2Config, tr.Gemma2ForCausalLM),
            "gemma3": (tr.Gemma3TextConfig, tr.Gemma3ForCausalLM), "phi": (tr.PhiConfig, tr.PhiForCausalLM),
            "phi3": (tr.Phi3Config, tr.Phi3ForCausalLM)}

GEMMA = {"num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 30}
# Caps that bend what these small models make, and a scale that is not the width of a head.
GEMMA2 = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 30, "sliding_window": 6,
          "query_pre_attn_scalar": 5, "attn_logit_softcapping": 1.5, "final_logit_softcapping": 4.0}
GEMMA3 = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 30, "sliding_window": 6,
          "query_pre_attn_scalar": 5}
PHI = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 30}
PHI3 = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 30}
LLAMA = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 30}


def longrope(original, pairs, **more):
    return {"rope_type": "longrope", "rope_theta": 500.0, "original_max_position_embeddings": original,
            "short_factor": [1.0 + 0.1 * i for i in range(pairs)], "long_factor": [1.2 + 1.5 * i for i in range(pairs)], **more}


CASES = {
    "gemma-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, **GEMMA, "hidden_act": "gelu", "rms_norm_eps": 3e-5}},
    "gemma-prefixproj-2x24-bf16": {"method": "prefixproj", "virtual": 3, "hidden": 13, "disk": "bfloat16", "config": {
        "num_hidden_layers": 2, "hidden_size": 24, **GEMMA, "num_key_value_heads": 4, "attention_bias": True}},
    "gemma-prompt-1x24": {"method": "prompt", "virtual": 4, "config": {"num_hidden_layers": 1, "hidden_size": 24, **GEMMA}},
    "gemma-lora-1x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6}, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, **GEMMA}},
    "gemma-full-1x12": {"method": "full", "pad_in_text": True, "config": {
        "num_hidden_layers": 1, "hidden_size": 12, **GEMMA, "num_attention_heads": 2, "intermediate_size": 14}},
    "gemma2-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {"num_hidden_layers": 2, "hidden_size": 32, **GEMMA2}},
    "gemma2-prefixproj-3x24-f16": {"method": "prefixproj", "virtual": 3, "hidden": 13, "disk": "float16", "config": {
        "num_hidden_layers": 3, "hidden_size": 24, **GEMMA2, "final_logit_softcapping": None}},
    "gemma2-prompt-1x24": {"method": "prompt", "virtual": 4, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, **GEMMA2, "attn_logit_softcapping": None}},
    "gemma2-ptmlp-2x20": {"method": "ptmlp", "virtual": 3, "hidden": 9, "config": {
        "num_hidden_layers": 2, "hidden_size": 20, **GEMMA2}},
    # In double precision transformers' Gemma 2 gives NaN for rows that start with padding, unless something stands before it.
    "gemma2-lora-2x24": {"method": "lora", "lengths": [9, 9, 9], "lora": {"r": 2, "lora_alpha": 6}, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, **GEMMA2}},
    "gemma2-full-2x12": {"method": "full", "lengths": [9, 9, 9], "config": {
        "num_hidden_layers": 2, "hidden_size": 12, **GEMMA2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": 14}},
    "gemma3-prefix-3x32": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 3, "hidden_size": 32, **GEMMA3, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0},
                            "sliding_attention": {"rope_type": "default", "rope_theta": 70.0}}}},
    "gemma3-prefixproj-2x24-bf16": {"method": "prefixproj", "virtual": 3, "hidden": 13, "disk": "bfloat16", "config": {
        "num_hidden_layers": 2, "hidden_size": 24, **GEMMA3, "layer_types": ["sliding_attention", "full_attention"],
        "final_logit_softcapping": 4.0, "attention_bias": True}},
    "gemma3-prompt-2x24": {"method": "prompt", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, **GEMMA3, "layer_types": ["sliding_attention", "full_attention"]}},
    "gemma3-ptlstm-1x20": {"method": "ptlstm", "virtual": 3, "hidden": 7, "layers": 1, "config": {
        "num_hidden_layers": 1, "hidden_size": 20, **GEMMA3}},
    "gemma3-lora-2x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": "all-linear"}, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, **GEMMA3, "layer_types": ["full_attention", "sliding_attention"]}},
    "gemma3-full-2x12": {"method": "full", "config": {
        "num_hidden_layers": 2, "hidden_size": 12, **GEMMA3, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": 14, "layer_types": ["sliding_attention", "full_attention"]}},
    "phi-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, **PHI, "layer_norm_eps": 3e-5}},
    "phi-prefixproj-2x40-bf16": {"method": "prefixproj", "virtual": 3, "hidden": 13, "disk": "bfloat16", "config": {
        "num_hidden_layers": 2, "hidden_size": 40, **PHI, "num_key_value_heads": 4, "hidden_act": "gelu",
        "rope_parameters": {"rope_type": "default", "rope_theta": 700.0, "partial_rotary_factor": 0.4}}},
    "phi-prompt-1x24": {"method": "prompt", "virtual": 4, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, **PHI}},
    "phi-lora-1x32": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "bias": "lora_only"}, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, **PHI}},
    "phi-full-1x16": {"method": "full", "pad_in_text": True, "config": {
        "num_hidden_layers": 1, "hidden_size": 16, **PHI, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": 14}},
    "phi3-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, **PHI3, "sliding_window": 6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 700.0, "partial_rotary_factor": 0.75}}},
    "phi3-prefixproj-2x32-longrope": {"method": "prefixproj", "virtual": 4, "hidden": 13, "disk": "bfloat16", "lengths": [27, 9, 21],
        "positions": 48, "config": {
            "num_hidden_layers": 2, "hidden_size": 32, **PHI3, "tie_word_embeddings": True, "original_max_position_embeddings": 12,
            "rope_parameters": {**longrope(12, 3), "partial_rotary_factor": 0.75}}},
    "phi3-prompt-1x24-short": {"method": "prompt", "virtual": 4, "positions": 96, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, **PHI3, "num_attention_heads": 3, "num_key_value_heads": 3,
        "original_max_position_embeddings": 41, "rope_parameters": longrope(41, 4)}},
    "phi3-lora-2x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": ["qkv_proj", "gate_up_proj", "down_proj"]}, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, **PHI3, "num_attention_heads": 3, "num_key_value_heads": 1}},
    # Without slots transformers reads a text anew that grows beyond the original length.
    "phi3-lora-2x24-longrope": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": ["qkv_proj"]}, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, **PHI3, "num_attention_heads": 3, "num_key_value_heads": 1,
        "original_max_position_embeddings": 14, "rope_parameters": longrope(14, 4)}},
    "phi3-full-1x16": {"method": "full", "pad_in_text": True, "config": {
        "num_hidden_layers": 1, "hidden_size": 16, **PHI3, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": 14, "hidden_act": "gelu"}},
    # Scalings, each beyond the length that it stretches.
    "llama-prefix-2x32-dynamic": {"method": "prefix", "virtual": 4, "lengths": [21, 9, 15], "positions": 16, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, **LLAMA,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 300.0, "factor": 3.0}}},
    "llama-prompt-2x32-dynamic": {"method": "prompt", "virtual": 3, "positions": 20, "config": {  # generation grows beyond it
        "num_hidden_layers": 2, "hidden_size": 32, **LLAMA,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 300.0, "factor": 2.0}}},
    "llama-prefix-2x32-yarn": {"method": "prefix", "virtual": 4, "lengths": [21, 9, 15], "positions": 41, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, **LLAMA,
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 300.0, "factor": 4.0, "original_max_position_embeddings": 12,
                            "beta_fast": 1.5, "beta_slow": 0.2}}},
    "llama-lora-1x32-yarn": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6}, "positions": 41, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, **LLAMA,
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 300.0, "factor": 3.0, "original_max_position_embeddings": 12,
                            "beta_fast": 2.0, "beta_slow": 0.5, "mscale": 1.0, "mscale_all_dim": 0.7, "truncate": False}}},
    "llama-prefix-2x32-longrope": {"method": "prefix", "virtual": 4, "lengths": [21, 9, 15], "positions": 41, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, **LLAMA, "rope_parameters": longrope(12, 4, factor=3.0)}},
    "qwen3-prefix-2x32-yarn": {"method": "prefix", "virtual": 4, "lengths": [21, 9, 15], "positions": 13, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, **LLAMA, "head_dim": 12,
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 300.0, "factor": 4.0, "original_max_position_embeddings": 13,
                            "attention_factor": 1.3}}},
}


def centered(family, name):
    """Whether a scale is kept as its distance from 1: in every norm of Gemma."""
    return family.startswith("gemma") and "norm" in name


def follows_length(config):
    """Whether the frequencies follow from the length of a text."""
    rope = getattr(config, "rope_parameters", None) or {}
    return any(of.get("rope_type") in ("dynamic", "longrope") for of in [rope, *rope.values()] if isinstance(of, dict))


def restart_rope(model):
    """Frequencies as before the first text."""
    for module in model.modules():
        if hasattr(module, "original_inv_freq"):
            module.inv_freq = module.original_inv_freq.clone()
            module.max_seq_len_cached = module.original_max_seq_len
