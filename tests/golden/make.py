#!/usr/bin/env python3
"""Write the golden cases: small random models and what transformers + PEFT compute for them.

    make.py                      write every case to cases/ (their seeds are fixed)
    make.py --only NAME …        write some
    make.py --check CASE …       compute a stored case anew and compare it with its tensors
    make.py --bench-model DIR    save a GPT-2 small of random weights, for timing

README.md describes the files. Needs torch, transformers, peft, tokenizers, safetensors, numpy.
"""
import argparse
import copy
import json
import os
import random
import shutil
import sys
import tempfile
import warnings
import zlib

import ablations
import chatglm
import gemma_phi
import peft
import torch
import transformers as tr
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

tr.logging.set_verbosity_error()
warnings.filterwarnings("ignore")

COLUMNS = 48  # of the logits kept for every position
NEW = 12
TRAINING = {"batch": "right", "betas": [0.9, 0.999], "eps": 1e-8, "losses": "before each step, then once after the last",
            "lr": 0.005, "optimizer": "AdamW", "steps": 5, "weight_decay": 0.01}
SCHEDULED = {"betas": [0.85, 0.95], "clip_grad_norm": 0.3, "eps": 1e-7, "grad_norms": "before clipping",
             "losses": "mean of the two micro-batches, before the step", "lr": 0.01, "micro_batches": ["right", "left"],
             "optimizer": "AdamW", "schedule": "linear, 2 warm-up steps, 7 in all", "steps": 6, "weight_decay": 0.1}
GENERATION = {
    "beam4": {"eos_token_id": None, "length_penalty": 1.0, "num_beams": 4, "num_return_sequences": 2},
    "beam4_eos": {"early_stopping": False, "eos_token_id": "notes.generation.beam_eos_token_id", "length_penalty": 0.7,
                  "num_beams": 4, "num_return_sequences": 2},
    "greedy": {"eos_token_id": None},
    "greedy_penalised": {"eos_token_id": None, "no_repeat_ngram_size": 2, "repetition_penalty": 1.4},
    "max_new_tokens": NEW}
# searches that only some cases have besides
BEAMS = {
    "beam3_never": {"early_stopping": "never", "eos_token_id": "notes.generation.beam_eos_token_id", "length_penalty": 1.5,
                    "num_beams": 3, "num_return_sequences": 3},
    "beam5_penalised": {"early_stopping": True, "eos_token_id": "notes.generation.beam_eos_token_id", "length_penalty": -0.5,
                        "no_repeat_ngram_size": 2, "num_beams": 5, "num_return_sequences": 2, "repetition_penalty": 1.3,
                        "suppress_tokens": [60, 94, 114, 211]}}

# name: method, configuration, and how the checkpoint lies on the disk
CASES = {
    "gpt2-prefix-2x44": {"method": "prefix", "virtual": 5, "beams": BEAMS, "config": {"n_layer": 2, "n_embd": 44, "n_head": 4}},
    "gpt2-prefix-3x64-f16": {"method": "prefix", "virtual": 3, "disk": "float16", "config": {
        "n_layer": 3, "n_embd": 64, "n_head": 4, "n_inner": 100, "tie_word_embeddings": False}},
    "gpt2-prefix-1x32-hub": {"method": "prefix", "virtual": 1, "hub_keys": True, "config": {
        "n_layer": 1, "n_embd": 32, "n_head": 2, "activation_function": "relu"}},
    "gpt2-prefix-2x32-bf16": {"method": "prefix", "virtual": 7, "disk": "bfloat16", "config": {
        "n_layer": 2, "n_embd": 32, "n_head": 8, "activation_function": "gelu", "layer_norm_epsilon": 2e-5}},
    "gpt2-prefix-2x40-shards": {"method": "prefix", "virtual": 4, "shards": "60KB", "config": {
        "n_layer": 2, "n_embd": 40, "n_head": 5, "n_inner": 24}},
    "gpt2-prefix-2x32-scaled": {"method": "prefix", "virtual": 3, "config": {
        "n_layer": 2, "n_embd": 32, "n_head": 4, "scale_attn_by_inverse_layer_idx": True, "activation_function": "silu"}},
    "gpt2-prefix-1x24-long": {"method": "prefix", "virtual": 6, "lengths": [33, 9, 21], "positions": 33 + 6 + NEW, "config": {
        "n_layer": 1, "n_embd": 24, "n_head": 1}},
    "gpt2-prefixproj-2x44": {"method": "prefixproj", "virtual": 5, "hidden": 19, "config": {
        "n_layer": 2, "n_embd": 44, "n_head": 4}},
    "gpt2-prefixproj-1x32-f16": {"method": "prefixproj", "virtual": 9, "hidden": 48, "disk": "float16", "config": {
        "n_layer": 1, "n_embd": 32, "n_head": 4, "activation_function": "gelu"}},
    "gpt2-full-1x24": {"method": "full", "virtual": 0, "config": {"n_layer": 1, "n_embd": 24, "n_head": 3}},
    "gpt2-full-2x16-untied": {"method": "full", "virtual": 0, "config": {
        "n_layer": 2, "n_embd": 16, "n_head": 2, "n_inner": 20, "activation_function": "relu", "tie_word_embeddings": False}},
    "neox-prefix-2x48": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 60,
        "rope_parameters": {"rope_type": "default", "rope_theta": 700.0, "partial_rotary_factor": 0.5}}},
    "neox-prefixproj-2x32-sequential": {"method": "prefixproj", "virtual": 3, "hidden": 18, "disk": "float16", "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 40, "hidden_act": "relu",
        "use_parallel_residual": False, "attention_bias": False}},
    "llama-prefix-2x48": {"method": "prefix", "virtual": 4, "beams": BEAMS, "config": {
        "num_hidden_layers": 2, "hidden_size": 48, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 10,
        "intermediate_size": 76, "rms_norm_eps": 4e-5, "rope_parameters": {"rope_type": "default", "rope_theta": 3000.0}}},
    "llama-prefixproj-2x32-llama3": {"method": "prefixproj", "virtual": 6, "hidden": 21, "disk": "bfloat16", "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 4,
        "intermediate_size": 40, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 20}}},
    "mistral-prefix-1x32-linear": {"method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 1,
        "intermediate_size": 24, "sliding_window": None, "hidden_act": "gelu",
        "rope_parameters": {"rope_type": "linear", "rope_theta": 100.0, "factor": 2.5}}},
    "qwen2-prefix-2x40": {"method": "prefix", "virtual": 5, "shards": "60KB", "config": {
        "num_hidden_layers": 2, "hidden_size": 40, "num_attention_heads": 5, "num_key_value_heads": 5,
        "intermediate_size": 44, "use_sliding_window": False, "tie_word_embeddings": True}},
    "t5-prefix-2x40": {"method": "prefix", "virtual": 5, "beams": BEAMS, "config": {
        "num_layers": 2, "d_model": 40, "num_heads": 5, "d_kv": 8, "d_ff": 66, "layer_norm_epsilon": 2e-6,
        "relative_attention_num_buckets": 10, "relative_attention_max_distance": 21, "decoder_start_token_id": 1}},
    "t5-prefix-3x32-gated": {"method": "prefix", "virtual": 4, "own_head": True, "disk": "float16", "config": {
        "num_layers": 3, "d_model": 32, "num_heads": 3, "d_kv": 10, "d_ff": 44, "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False, "decoder_start_token_id": 1, "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 12}},
    "t5-prefixproj-2x24": {"method": "prefixproj", "virtual": 3, "hidden": 17, "config": {
        "num_layers": 2, "d_model": 24, "num_heads": 4, "d_kv": 6, "d_ff": 30, "decoder_start_token_id": 1}},
    "mt5-prefix-1x24": {"method": "prefix", "virtual": 3, "own_head": True, "config": {
        "num_layers": 1, "d_model": 24, "num_heads": 2, "d_kv": 12, "d_ff": 28, "decoder_start_token_id": 1,
        "relative_attention_num_buckets": 12, "relative_attention_max_distance": 9}},
    "bart-prefix-3x32": {"method": "prefix", "virtual": 4, "logits_bias": True, "beams": BEAMS, "config": {
        "d_model": 32, "encoder_layers": 3, "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40, "decoder_ffn_dim": 36, "decoder_start_token_id": 2}, "generation": {"forced_bos_token_id": 2, "forced_eos_token_id": 3}},
    "bart-prefixproj-2x24": {"method": "prefixproj", "virtual": 5, "hidden": 14, "disk": "bfloat16", "config": {
        "d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 30, "decoder_ffn_dim": 30, "decoder_start_token_id": 3,
        "scale_embedding": True, "activation_function": "gelu_new"}},
    "mbart-prefix-2x24": {"method": "prefix", "virtual": 3, "config": {
        "d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 3, "decoder_attention_heads": 3,
        "encoder_ffn_dim": 28, "decoder_ffn_dim": 32, "decoder_start_token_id": 3, "scale_embedding": True},
        "generation": {"forced_bos_token_id": 9}},
    "pegasus-prefix-2x28": {"method": "prefix", "virtual": 6, "logits_bias": True, "config": {
        "d_model": 28, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        "encoder_ffn_dim": 36, "decoder_ffn_dim": 24, "decoder_start_token_id": 1,
        "scale_embedding": True, "activation_function": "relu"}, "generation": {"forced_eos_token_id": 3}},
    "qwen3-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12,
        "intermediate_size": 50, "attention_bias": True, "tie_word_embeddings": False}},
    "bloom-prefix-2x40": {"method": "prefix", "virtual": 4, "config": {"n_layer": 2, "hidden_size": 40, "n_head": 5}},
    "bloom-prefixproj-2x32-hub": {"method": "prefixproj", "virtual": 5, "hidden": 17, "disk": "float16", "hub_keys": True, "config": {
        "n_layer": 2, "hidden_size": 32, "n_head": 4, "apply_residual_connection_post_layernorm": True, "layer_norm_epsilon": 3e-5}},
    "opt-prefix-2x36": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 36, "num_attention_heads": 3, "ffn_dim": 50}},
    "opt-prefixproj-2x32-post": {"method": "prefixproj", "virtual": 3, "hidden": 15, "disk": "bfloat16", "hub_keys": True, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "ffn_dim": 40, "do_layer_norm_before": False,
        "word_embed_proj_dim": 20}},
    "opt-prefix-1x24-bare": {"method": "prefix", "virtual": 6, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 2, "ffn_dim": 30, "enable_bias": False,
        "layer_norm_elementwise_affine": False, "_remove_final_layer_norm": True, "activation_function": "gelu",
        "tie_word_embeddings": False}},
    "gptneo-prefix-2x32": {"method": "prefix", "virtual": 3, "config": {
        "num_layers": 2, "hidden_size": 32, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 4}},
    "gptneo-prefixproj-2x24-local": {"method": "prefixproj", "virtual": 4, "hidden": 14, "disk": "float16", "config": {
        "num_layers": 2, "hidden_size": 24, "num_heads": 3, "intermediate_size": 40, "attention_types": [[["local"], 2]],
        "window_size": 7, "activation_function": "relu"}},
    "mistral-prefix-2x32-window": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 36, "sliding_window": 6, "tie_word_embeddings": True}},
    "qwen2-prefixproj-2x24-window": {"method": "prefixproj", "virtual": 3, "hidden": 13, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 32, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1,
        "tie_word_embeddings": True}},
    "glm-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12,
        "intermediate_size": 30, "rope_parameters": {"rope_type": "default", "rope_theta": 300.0, "partial_rotary_factor": 0.5}}},
    "glm4-prefixproj-2x24": {"method": "prefixproj", "virtual": 3, "hidden": 13, "disk": "bfloat16", "config": {
        "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 8,
        "intermediate_size": 30, "attention_bias": False}},
    # Methods beside prefix tuning. `lora` is what PEFT's LoraConfig is given; a case of `full` trains every weight.
    "gpt2-prompt-2x24": {"method": "prompt", "virtual": 4, "config": {"n_layer": 2, "n_embd": 24, "n_head": 3}},
    "gpt2-ptmlp-1x24": {"method": "ptmlp", "virtual": 3, "hidden": 14, "config": {"n_layer": 1, "n_embd": 24, "n_head": 3}},
    "gpt2-ptlstm-1x20": {"method": "ptlstm", "virtual": 3, "hidden": 8, "layers": 2, "config": {
        "n_layer": 1, "n_embd": 20, "n_head": 2}},
    "gpt2-lora-2x24-rs": {"method": "lora", "lora": {"r": 3, "lora_alpha": 5, "use_rslora": True}, "config": {
        "n_layer": 2, "n_embd": 24, "n_head": 3}},
    "gpt2-lora-1x24-biases": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "bias": "all", "target_modules": ["c_attn", "mlp.c_proj"]}, "config": {
        "n_layer": 1, "n_embd": 24, "n_head": 3}},
    "gpt2-lora-2x20-patterns": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 4, "target_modules": "all-linear", "rank_pattern": {"c_attn": 3, "h.1.mlp.c_fc": 1},
        "alpha_pattern": {"mlp.c_proj": 7, "h.1.mlp.c_fc": 3}}, "config": {"n_layer": 2, "n_embd": 20, "n_head": 2}},
    "gptneo-prompt-2x24": {"method": "prompt", "virtual": 3, "config": {
        "num_layers": 2, "hidden_size": 24, "num_heads": 3, "intermediate_size": 30, "attention_types": [[["global", "local"], 1]],
        "window_size": 6}},
    "gptneo-lora-2x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 8, "target_modules": "all-linear"}, "config": {
        "num_layers": 2, "hidden_size": 24, "num_heads": 3, "intermediate_size": 30, "attention_types": [[["global", "local"], 1]],
        "window_size": 6}},
    "gptneo-full-1x12": {"method": "full", "config": {
        "num_layers": 1, "hidden_size": 12, "num_heads": 2, "intermediate_size": 14, "attention_types": [[["global"], 1]]}},
    "neox-ptmlp-1x24": {"method": "ptmlp", "virtual": 4, "hidden": 11, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 30,
        "rope_parameters": {"rope_type": "default", "rope_theta": 700.0, "partial_rotary_factor": 0.5}}},
    "neox-lora-2x24": {"method": "lora", "lora": {"r": 3, "lora_alpha": 6, "bias": "lora_only"}, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 30}},
    "neox-full-1x16": {"method": "full", "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 14}},
    "bloom-prompt-2x24": {"method": "prompt", "virtual": 4, "config": {"n_layer": 2, "hidden_size": 24, "n_head": 3}},
    # In double precision transformers' BLOOM gives NaN for rows that start with padding, unless something stands before it.
    "bloom-lora-2x24": {"method": "lora", "lengths": [9, 9, 9], "lora": {"r": 2, "lora_alpha": 6}, "config": {
        "n_layer": 2, "hidden_size": 24, "n_head": 3}},
    "bloom-full-1x12": {"method": "full", "lengths": [9, 9, 9], "config": {"n_layer": 1, "hidden_size": 12, "n_head": 2}},
    "opt-prompt-2x24-post": {"method": "prompt", "virtual": 3, "sizes": {"token_dim": 16}, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 3, "ffn_dim": 30, "do_layer_norm_before": False,
        "word_embed_proj_dim": 16}},
    "opt-lora-1x24-post": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": "all-linear"}, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "ffn_dim": 30, "do_layer_norm_before": False,
        "word_embed_proj_dim": 16}},
    "opt-full-1x12": {"method": "full", "pad_in_text": True, "config": {
        "num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 2, "ffn_dim": 14}},
    "opt-full-1x12-post": {"method": "full", "config": {
        "num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 2, "ffn_dim": 14, "do_layer_norm_before": False,
        "word_embed_proj_dim": 10, "tie_word_embeddings": False}},
    "llama-prompt-2x24": {"method": "prompt", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 30}},
    "llama-ptlstm-1x20": {"method": "ptlstm", "virtual": 3, "hidden": 7, "layers": 1, "config": {
        "num_hidden_layers": 1, "hidden_size": 20, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 24}},
    "llama-lora-2x24": {"method": "lora", "lora": {"r": 3, "lora_alpha": 6}, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "intermediate_size": 30}},
    "llama-full-1x12": {"method": "full", "pad_in_text": True, "config": {
        "num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 14}},
    "mistral-lora-1x24": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": ["k_proj", "o_proj", "up_proj", "down_proj"]}, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 30,
        "sliding_window": 6}},
    "mistral-full-1x12": {"method": "full", "config": {
        "num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 14,
        "sliding_window": None}},
    "qwen2-lora-1x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "bias": "lora_only"}, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 30,
        "tie_word_embeddings": True}},
    "qwen2-full-1x12": {"method": "full", "pad_in_text": True, "config": {
        "num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 14,
        "tie_word_embeddings": True}},
    "qwen3-lora-1x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": "all-linear"}, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "intermediate_size": 30}},
    "qwen3-full-1x12": {"method": "full", "config": {
        "num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 6,
        "intermediate_size": 14}},
    "glm-prompt-1x24": {"method": "prompt", "virtual": 4, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "intermediate_size": 26}},
    "glm-lora-2x24": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj", "gate_up_proj", "down_proj"]}, "config": {
        "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "intermediate_size": 26}},
    "glm-full-1x12": {"method": "full", "config": {
        "num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
        "intermediate_size": 14}},
    "glm4-lora-1x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"]}, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 8,
        "intermediate_size": 26}},
    "glm4-full-1x12": {"method": "full", "config": {
        "num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
        "intermediate_size": 14}},
    "t5-prompt-1x24": {"method": "prompt", "virtual": 3, "config": {
        "num_layers": 1, "d_model": 24, "num_heads": 3, "d_kv": 8, "d_ff": 30, "decoder_start_token_id": 1,
        "relative_attention_num_buckets": 10, "relative_attention_max_distance": 21}},
    "t5-ptmlp-1x20": {"method": "ptmlp", "virtual": 3, "hidden": 9, "config": {
        "num_layers": 1, "d_model": 20, "num_heads": 2, "d_kv": 10, "d_ff": 26, "decoder_start_token_id": 1}},
    "t5-ptlstm-1x20": {"method": "ptlstm", "virtual": 2, "hidden": 6, "layers": 1, "config": {
        "num_layers": 1, "d_model": 20, "num_heads": 2, "d_kv": 10, "d_ff": 26, "decoder_start_token_id": 1}},
    "t5-lora-1x24": {"method": "lora", "lora": {"r": 3, "lora_alpha": 6}, "config": {
        "num_layers": 1, "d_model": 24, "num_heads": 3, "d_kv": 8, "d_ff": 30, "decoder_start_token_id": 1}},
    "t5-lora-1x24-gated": {"method": "lora", "own_head": True, "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": "all-linear"}, "config": {
        "num_layers": 1, "d_model": 24, "num_heads": 3, "d_kv": 6, "d_ff": 30, "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False, "decoder_start_token_id": 1}},
    "t5-full-1x12": {"method": "full", "config": {
        "num_layers": 1, "d_model": 12, "num_heads": 2, "d_kv": 6, "d_ff": 14, "decoder_start_token_id": 1,
        "relative_attention_num_buckets": 10, "relative_attention_max_distance": 21}},
    "t5-full-1x10-gated": {"method": "full", "own_head": True, "config": {
        "num_layers": 1, "d_model": 10, "num_heads": 2, "d_kv": 4, "d_ff": 12, "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False, "decoder_start_token_id": 1, "relative_attention_num_buckets": 8}},
    "mt5-lora-1x20": {"method": "lora", "own_head": True, "lora": {"r": 2, "lora_alpha": 6}, "config": {
        "num_layers": 1, "d_model": 20, "num_heads": 2, "d_kv": 8, "d_ff": 24, "decoder_start_token_id": 1}},
    "mt5-full-1x10": {"method": "full", "own_head": True, "config": {
        "num_layers": 1, "d_model": 10, "num_heads": 2, "d_kv": 4, "d_ff": 12, "decoder_start_token_id": 1,
        "relative_attention_num_buckets": 8}},
    "bart-prompt-1x24": {"method": "prompt", "virtual": 3, "config": {
        "d_model": 24, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 3, "decoder_attention_heads": 3,
        "encoder_ffn_dim": 30, "decoder_ffn_dim": 26, "decoder_start_token_id": 2, "scale_embedding": True}},
    "bart-ptmlp-1x20": {"method": "ptmlp", "virtual": 3, "hidden": 9, "config": {
        "d_model": 20, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "decoder_start_token_id": 2}},
    "bart-lora-1x24": {"method": "lora", "logits_bias": True, "lora": {"r": 2, "lora_alpha": 6, "bias": "all"}, "config": {
        "d_model": 24, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 3, "decoder_attention_heads": 3,
        "encoder_ffn_dim": 30, "decoder_ffn_dim": 26, "decoder_start_token_id": 2}},
    "bart-full-1x12": {"method": "full", "logits_bias": True, "pad_in_text": True, "config": {
        "d_model": 12, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 14, "decoder_ffn_dim": 12, "decoder_start_token_id": 2, "scale_embedding": True}},
    "mbart-prompt-1x20": {"method": "prompt", "virtual": 3, "config": {
        "d_model": 20, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "decoder_start_token_id": 3, "scale_embedding": True},
        "generation": {"forced_bos_token_id": 9}},
    "mbart-lora-1x20": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"]}, "config": {
        "d_model": 20, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "decoder_start_token_id": 3}},
    "mbart-full-1x10": {"method": "full", "config": {
        "d_model": 10, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 12, "decoder_ffn_dim": 12, "decoder_start_token_id": 3}},
    # Where Pegasus scales its embeddings PEFT's prompt methods leave the text's unscaled: this one does, the next does not.
    "pegasus-prompt-1x20-scaled": {"method": "prompt", "virtual": 3, "config": {
        "d_model": 20, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "decoder_start_token_id": 1, "scale_embedding": True}},
    "pegasus-prompt-1x20": {"method": "prompt", "virtual": 3, "config": {
        "d_model": 20, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "decoder_start_token_id": 1}},
    "pegasus-lora-1x20": {"method": "lora", "logits_bias": True, "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"]}, "config": {
        "d_model": 20, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "decoder_start_token_id": 1}},
    "pegasus-full-1x10": {"method": "full", "config": {
        "d_model": 10, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 12, "decoder_ffn_dim": 12, "decoder_start_token_id": 1, "scale_embedding": True}},
    # LoRA beside embeddings and heads, tied and not, with modules that are trained whole and rows of single tokens.
    "llama-lora-1x16-tables": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "embed_tokens", "lm_head"]}, "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 20}},
    "llama-lora-1x16-lookup": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "embed_tokens"]}, "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 20,
        "tie_word_embeddings": True}},
    "opt-lora-1x16-tables": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 4, "target_modules": ["embed_tokens", "lm_head", "v_proj"], "rank_pattern": {"lm_head": 3}}, "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "ffn_dim": 20}},
    "qwen2-lora-1x16-saved": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "lm_head"], "modules_to_save": ["embed_tokens", "norm"]}, "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 20,
        "use_sliding_window": False, "tie_word_embeddings": True}},
    "neox-lora-1x16-saved": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "modules_to_save": ["embed_in", "lm_head", "dense_4h_to_h"]}, "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 20}},
    "gpt2-lora-1x16-tokens": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 4, "trainable_token_indices": [7, 40, 41, 200]}, "config": {
        "n_layer": 1, "n_embd": 16, "n_head": 2}},
    "llama-cartridge-2x32": {"method": "cartridge", "virtual": 5, "frozen": 2, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 44}},
    "gpt2-prefix-3x32-layers": {"method": "prefix", "virtual": 4, "ablation": {"layers": [0, 2]}, "config": {
        "n_layer": 3, "n_embd": 32, "n_head": 4}},
    "llama-prefixproj-3x32-deep": {"method": "prefixproj", "virtual": 4, "hidden": 12, "ablation": {
        "layers": [1, 2], "hidden_layers": 2}, "config": {
        "num_hidden_layers": 3, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 44}},
    "gpt2-prefixproj-2x32-deep": {"method": "prefixproj", "virtual": 5, "hidden": 14, "ablation": {"hidden_layers": 2}, "config": {
        "n_layer": 2, "n_embd": 32, "n_head": 4}},
    "gpt2-prefix-2x32-infix": {"method": "prefix", "virtual": 4, "ablation": {"infix": True}, "config": {
        "n_layer": 2, "n_embd": 32, "n_head": 4}},
    "llama-prefixproj-2x32-infix": {"method": "prefixproj", "virtual": 3, "hidden": 12, "ablation": {"infix": True}, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 44}},
    "gpt2-pttanh-2x32": {"method": "pttanh", "virtual": 4, "hidden": 14, "ablation": {"embeddings": True}, "config": {
        "n_layer": 2, "n_embd": 32, "n_head": 4}},
    "chatglm-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12,
        "intermediate_size": 30, "rms_norm_eps": 1e-5}},
    "chatglm-prefixproj-1x24": {"method": "prefixproj", "virtual": 3, "hidden": 11, "disk": "float16", "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 8,
        "intermediate_size": 26, "rms_norm_eps": 1e-5}},
    "gpt2-multitask-2x32": {"method": "multitask", "virtual": 4, "tasks": [2, 0, 1], "ranks": 2, "config": {
        "n_layer": 2, "n_embd": 32, "n_head": 4}},
    "stablelm-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
        "intermediate_size": 44, "use_qkv_bias": True, "layer_norm_eps": 3e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 900.0, "partial_rotary_factor": 0.25}}},
    "stablelm-prefixproj-2x24-parallel": {"method": "prefixproj", "virtual": 3, "hidden": 13, "disk": "bfloat16", "config": {
        "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 3, "intermediate_size": 30,
        "use_parallel_residual": True, "hidden_act": "gelu", "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}}},
    "stablelm-prompt-1x24": {"method": "prompt", "virtual": 4, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 1, "intermediate_size": 30}},
    "stablelm-lora-1x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "bias": "lora_only"}, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 1, "intermediate_size": 30,
        "use_qkv_bias": True}},
    "stablelm-full-1x16": {"method": "full", "pad_in_text": True, "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 14,
        "use_qkv_bias": True}},
    "stablelm-prefix-2x32-norms": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 44,
        "qk_layernorm": True, "use_parallel_residual": True}},
    "stablelm-full-1x16-norms": {"method": "full", "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 14,
        "qk_layernorm": True}},
    "gptj-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {
        "n_layer": 2, "n_embd": 32, "n_head": 4, "rotary_dim": 4, "n_inner": 50}},
    "gptj-prefixproj-2x24": {"method": "prefixproj", "virtual": 3, "hidden": 13, "disk": "float16", "config": {
        "n_layer": 2, "n_embd": 24, "n_head": 3, "rotary_dim": 8, "activation_function": "relu", "layer_norm_epsilon": 3e-5}},
    "gptj-prompt-1x24": {"method": "prompt", "virtual": 3, "config": {"n_layer": 1, "n_embd": 24, "n_head": 3, "rotary_dim": 4}},
    "gptj-ptmlp-1x24": {"method": "ptmlp", "virtual": 3, "hidden": 11, "config": {
        "n_layer": 1, "n_embd": 24, "n_head": 3, "rotary_dim": 4}},
    "gptj-lora-1x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "bias": "all"}, "config": {
        "n_layer": 1, "n_embd": 24, "n_head": 3, "rotary_dim": 4, "n_inner": 30}},
    "gptj-lora-1x16-tables": {"method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "wte", "lm_head"]}, "config": {
        "n_layer": 1, "n_embd": 16, "n_head": 2, "rotary_dim": 4, "n_inner": 20}},
    "gptj-full-1x12": {"method": "full", "config": {"n_layer": 1, "n_embd": 12, "n_head": 2, "rotary_dim": 4, "n_inner": 14}},
    # Where query heads share a key head, PEFT is given the sizes of a prefix by hand.
    "falcon-prefix-2x32": {"method": "prefix", "virtual": 4, "sizes": {"num_attention_heads": 1, "token_dim": 8}, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "ffn_hidden_size": 44, "rope_parameters": {
            "rope_type": "default", "rope_theta": 700.0}}},
    "falcon-prefixproj-2x48-grouped": {"method": "prefixproj", "virtual": 3, "hidden": 13, "disk": "bfloat16", "config": {
        "num_hidden_layers": 2, "hidden_size": 48, "num_attention_heads": 6, "num_kv_heads": 2, "ffn_hidden_size": 40,
        "new_decoder_architecture": True, "tie_word_embeddings": False}},
    "falcon-prefix-2x40-alibi": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 40, "num_attention_heads": 5, "alibi": True, "multi_query": False,
        "parallel_attn": False, "bias": True}},
    "falcon-prefix-1x32-one-norm": {"method": "prefix", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "num_kv_heads": 1, "ffn_hidden_size": 40,
        "new_decoder_architecture": True, "num_ln_in_parallel_attn": 1, "activation": "relu", "layer_norm_epsilon": 3e-5}},
    "falcon-prompt-1x24": {"method": "prompt", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "ffn_hidden_size": 30}},
    "falcon-ptmlp-1x24-alibi": {"method": "ptmlp", "virtual": 3, "hidden": 11, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "ffn_hidden_size": 30, "alibi": True}},
    "falcon-lora-1x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6}, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "ffn_hidden_size": 30}},
    "falcon-lora-1x32-grouped": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "bias": "lora_only"}, "config": {
        "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "num_kv_heads": 2, "ffn_hidden_size": 30,
        "new_decoder_architecture": True, "bias": True}},
    "falcon-full-1x16-grouped": {"method": "full", "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 4, "num_kv_heads": 2, "ffn_hidden_size": 14,
        "new_decoder_architecture": True, "bias": True, "tie_word_embeddings": False}},
    "falcon-full-1x12-sequential": {"method": "full", "config": {
        "num_hidden_layers": 1, "hidden_size": 12, "num_attention_heads": 2, "ffn_hidden_size": 14, "multi_query": False,
        "parallel_attn": False, "bias": True}},
    "olmo2-prefix-2x32": {"method": "prefix", "virtual": 4, "config": {
        "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 44,
        "rms_norm_eps": 3e-5, "rope_parameters": {"rope_type": "default", "rope_theta": 900.0}}},
    "olmo2-prefixproj-2x24": {"method": "prefixproj", "virtual": 3, "hidden": 13, "disk": "bfloat16", "config": {
        "num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 3, "intermediate_size": 30,
        "attention_bias": True, "hidden_act": "gelu", "tie_word_embeddings": True}},
    "olmo2-prompt-1x24": {"method": "prompt", "virtual": 3, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 1, "intermediate_size": 30}},
    "olmo2-lora-1x24": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"]}, "config": {
        "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 1, "intermediate_size": 30}},
    "olmo2-full-1x16": {"method": "full", "pad_in_text": True, "config": {
        "num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 14}},
}
# The first cases took their seeds from their places in this sorted list; a later one takes it from its name.
FIRST = ["gpt2-full-1x24", "gpt2-full-2x16-untied", "gpt2-prefix-1x24-long", "gpt2-prefix-1x32-hub", "gpt2-prefix-2x32-bf16",
         "gpt2-prefix-2x32-scaled", "gpt2-prefix-2x40-shards", "gpt2-prefix-2x44", "gpt2-prefix-3x64-f16",
         "gpt2-prefixproj-1x32-f16", "gpt2-prefixproj-2x44", "llama-prefix-2x48", "llama-prefixproj-2x32-llama3",
         "mistral-prefix-1x32-linear", "neox-prefix-2x48", "neox-prefixproj-2x32-sequential", "qwen2-prefix-2x40",
         "qwen3-prefix-2x32"]
FAMILIES = {"gpt2": (tr.GPT2Config, tr.GPT2LMHeadModel), "llama": (tr.LlamaConfig, tr.LlamaForCausalLM),
            "neox": (tr.GPTNeoXConfig, tr.GPTNeoXForCausalLM), "mistral": (tr.MistralConfig, tr.MistralForCausalLM), "qwen2": (tr.Qwen2Config, tr.Qwen2ForCausalLM),
            "qwen3": (tr.Qwen3Config, tr.Qwen3ForCausalLM), "bloom": (tr.BloomConfig, tr.BloomForCausalLM),
            "opt": (tr.OPTConfig, tr.OPTForCausalLM), "gptneo": (tr.GPTNeoConfig, tr.GPTNeoForCausalLM),
            "glm": (tr.GlmConfig, tr.GlmForCausalLM), "chatglm": (tr.GlmConfig, tr.GlmForCausalLM), "glm4": (tr.Glm4Config, tr.Glm4ForCausalLM),
            "stablelm": (tr.StableLmConfig, tr.StableLmForCausalLM), "gptj": (tr.GPTJConfig, tr.GPTJForCausalLM),
            "falcon": (tr.FalconConfig, tr.FalconForCausalLM), "olmo2": (tr.Olmo2Config, tr.Olmo2ForCausalLM)}
# read a source and write a target
PAIRS = {"t5": (tr.T5Config, tr.T5ForConditionalGeneration), "mt5": (tr.MT5Config, tr.MT5ForConditionalGeneration),
         "bart": (tr.BartConfig, tr.BartForConditionalGeneration), "mbart": (tr.MBartConfig, tr.MBartForConditionalGeneration),
         "pegasus": (tr.PegasusConfig, tr.PegasusForConditionalGeneration)}
FAMILIES.update(PAIRS)
FAMILIES.update(chatglm.FAMILY)
CASES.update(chatglm.CASES)
FAMILIES.update(gemma_phi.FAMILIES)
CASES.update(gemma_phi.CASES)


def place(name):
    """Where the seeds of a case begin, in thousands."""
    if name in FIRST:
        return FIRST.index(name) + 1
    named = zlib.crc32(name.encode())
    return 100 + named % 100_000 if name.split("-")[0] in PAIRS else named % 1_000_000


def reads_a_source(model):
    return model.config.is_encoder_decoder


def tokenizer(vocab):
    """A byte-level BPE of exactly this many tokens, trained on a few lines."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    text = ["the prefix comes before the text, and the text comes after the prefix", "a model reads a record and writes it"] * 4
    tok.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=["<unk>", "<pad>", "<s>", "</s>"], min_frequency=1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    assert tok.get_vocab_size() == vocab
    return tok


def build(family, spec, seed):
    torch.manual_seed(seed)
    make_config, make_model = FAMILIES[family]
    positions = spec.get("positions", 41)
    own = ({"n_positions": positions, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0} if family == "gpt2"
           else {} if family == "bloom"
           else {"n_positions": positions} if family == "gptj"
           else {"dropout_rate": 0.0} if family in ("t5", "mt5")
           else {"max_position_embeddings": positions, "dropout": 0.0} if family in PAIRS
           else {"max_position_embeddings": positions})
    config = make_config(
        vocab_size=270 + seed % 20, bos_token_id=2, eos_token_id=3, pad_token_id=1, **own, **spec["config"])
    model = make_model(config).eval()
    if family in PAIRS:
        model.generation_config.update(**{"forced_bos_token_id": None, "forced_eos_token_id": None, **spec.get("generation", {})})
    if spec.get("own_head"):
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))
    with torch.no_grad():  # large enough that every part shows in the logits
        if spec.get("logits_bias"):
            model.final_logits_bias.copy_(0.3 * torch.randn(model.final_logits_bias.shape))
        for name, p in model.named_parameters():
            if family == "pegasus" and "embed_positions" in name:
                continue
            noise = torch.randn(p.shape)
            if p.dim() == 1:
                is_scale = ("ln_" in name or "norm" in name) and name.endswith("weight")
                p.copy_((1.0 if is_scale and not gemma_phi.centered(family, name) else 0.0) + 0.2 * noise)
            elif "shared" in name or "wte" in name or "wpe" in name or "embed" in name or "lm_head" in name:
                scaled = getattr(config, "scale_embedding", False) and "shared" in name  # the model does it
                usual = 0.25 if family.startswith("gemma") else 0.5  # which scales them, with a head that is tied
                p.copy_((usual if not scaled else 0.8 * config.d_model**-0.5) * noise)
            else:
                p.copy_(noise * p.shape[0 if family == "gpt2" else 1] ** -0.5)  # by the number of inputs
            p.copy_(p.to(getattr(torch, spec.get("disk", "float32"))))  # rounded as on the disk; buffers are not
        return chatglm.through_rows(model, spec)


def inputs(spec, config, seed):
    r = random.Random(seed)
    lengths = spec.get("lengths", [11, 7, 9])
    out, wide = {}, max(lengths)
    if "tasks" in spec:
        out["in/task_ids"] = torch.tensor(spec["tasks"])
    rows = [[r.randrange(4, config.vocab_size) for _ in range(n)] for n in lengths]
    if spec.get("pad_in_text"):  # as a token like others, which transformers looks up without a gradient
        rows[0][3] = config.pad_token_id
    if config.is_encoder_decoder:
        targets = [[r.randrange(4, config.vocab_size) for _ in range(n)] + [3] for n in (5, 7, 4)]
        for side in ("left", "right"):
            rest = [[1] * (wide - n) for n in lengths]
            place = lambda real, fill: fill + real if side == "left" else real + fill
            out[f"in/{side}/input_ids"] = torch.tensor([place(row, fill) for row, fill in zip(rows, rest)])
            out[f"in/{side}/attention_mask"] = torch.tensor(
                [place([1] * len(row), [0] * len(fill)) for row, fill in zip(rows, rest)])
            out[f"in/{side}/labels"] = torch.tensor([row + [-100] * (8 - len(row)) for row in targets])
        return out
    blind = [max(1, n // 3 - i) for i, n in enumerate(lengths)]
    for side in ("left", "right"):
        def pad(row, fill):
            rest = [fill] * (wide - len(row))
            return rest + row if side == "left" else row + rest
        labels = [[-100] * b + row[b:] for row, b in zip(rows, blind)]
        out[f"in/{side}/input_ids"] = torch.tensor([pad(row, 1) for row in rows])
        out[f"in/{side}/attention_mask"] = torch.tensor([pad([1] * len(row), 0) for row in rows])
        out[f"in/{side}/labels"] = torch.tensor([pad(row, -100) for row in labels])
    return out


def wrap(model, method, spec, seed):
    """The model with what a method trains, as PEFT draws it; matrices that PEFT draws as zeros are drawn too."""
    wrapped = wrap_as_peft(model, method, spec, seed)
    return ablations.change(wrapped, spec, seed) if "ablation" in spec else wrapped


def wrap_as_peft(model, method, spec, seed):
    if method == "full":
        return model
    torch.manual_seed(seed)
    task_type = spec.get("task", "seq_2_seq_lm" if reads_a_source(model) else "causal_lm").upper()
    if method == "lora":
        wrapped = peft.get_peft_model(model, peft.LoraConfig(task_type=task_type, **spec["lora"]))
        with torch.no_grad():
            for n, p in wrapped.named_parameters():
                if "lora_B" in n or "lora_embedding_A" in n:
                    p.copy_(0.3 * torch.randn(p.shape))
                elif "modules_to_save" in n and p.requires_grad or "trainable_tokens_delta" in n:
                    p.add_(0.2 * torch.randn(p.shape))
        return wrapped
    # `sizes` are those that PEFT does not find, or finds wrong, where embeddings are narrower than the model
    own = {"task_type": task_type, "num_virtual_tokens": spec["virtual"], **spec.get("sizes", {})}
    if method == "prompt":
        return peft.get_peft_model(model, peft.PromptTuningConfig(**own))
    if method in ("ptmlp", "ptlstm", "pttanh"):
        return peft.get_peft_model(model, peft.PromptEncoderConfig(
            **own, encoder_reparameterization_type="LSTM" if method == "ptlstm" else "MLP", encoder_hidden_size=spec["hidden"],
            encoder_num_layers=spec.get("layers", 2)))
    if method == "cartridge":
        return peft.get_peft_model(model, peft.CartridgeConfig(**own, num_frozen_tokens=spec["frozen"]))
    if method == "multitask":
        wrapped = peft.get_peft_model(model, peft.MultitaskPromptTuningConfig(
            **own, num_tasks=len(spec["tasks"]), num_ranks=spec["ranks"]))
        with torch.no_grad():  # PEFT's first factors are so small that the prompts would be zeros
            for n, p in wrapped.named_parameters():
                if "prefix_task" in n:
                    p.copy_(0.7 * torch.randn(p.shape))
        return wrapped
    if model.config.model_type in ("t5", "mt5"):  # PEFT would take d_model
        own["token_dim"] = model.config.num_heads * model.config.d_kv
    return peft.get_peft_model(model, peft.PrefixTuningConfig(
        **own, prefix_projection=method == "prefixproj", encoder_hidden_size=spec.get("hidden")))


def is_prefix_method(method):
    return method in ("prefix", "prefixproj")


def is_prefix(model):
    return getattr(model, "peft_type", None) in (peft.PeftType.PREFIX_TUNING, peft.PeftType.CARTRIDGE)


def trainable(model):
    return {n: p for n, p in model.named_parameters() if p.requires_grad}


def kept(model, method):
    """What an adapter keeps in memory: what is trained, and a cartridge's first slots."""
    return {n: p for n, p in model.named_parameters() if p.requires_grad or (method == "cartridge" and "frozen_embedding" in n)}


def batch(given, side):
    tasks = {"task_ids": given["in/task_ids"]} if "in/task_ids" in given else {}
    return {k: given[f"in/{side}/{k}"] for k in ("input_ids", "attention_mask", "labels")} | tasks


def gradients(model, given, side):
    gemma_phi.restart_rope(model)
    model.zero_grad()
    out = model(**batch(given, side))
    out.loss.backward()
    return out, {n: p.grad.detach().clone() for n, p in trainable(model).items()}


def steps(model, given, t, sides, schedule):
    """AdamW steps from the parameters as they are -> losses, gradient norms, learning rates."""
    gemma_phi.restart_rope(model)
    params = list(trainable(model).values())
    opt = torch.optim.AdamW(params, lr=t["lr"], betas=t["betas"], eps=t["eps"], weight_decay=t["weight_decay"])
    lr = tr.get_linear_schedule_with_warmup(opt, 2, 7) if schedule else None
    losses, norms, lrs = [], [], []
    for _ in range(t["steps"]):
        opt.zero_grad()
        total = 0.0
        for side in sides:
            loss = model(**batch(given, side)).loss / len(sides)
            loss.backward()
            total += loss.item()
        losses.append(total)
        if schedule:
            norms.append(torch.nn.utils.clip_grad_norm_(params, t["clip_grad_norm"]).item())
            lrs.append(opt.param_groups[0]["lr"])
        opt.step()
        if schedule:
            lr.step()
    if not schedule:
        with torch.no_grad():
            losses.append(model(**batch(given, sides[0])).loss.item())
    return losses, norms, lrs


def goes_alone(config):
    """Whether each row is gone on with alone: a window counts columns, so that padding between prefix and text would push
    the prefix out of it, and a length is that of the longest row."""
    return windowed(config) or gemma_phi.follows_length(config)


def windowed(config):
    """Whether some layer sees only the last columns."""
    return "local" in getattr(config, "attention_layers", []) or getattr(config, "sliding_window", None) is not None


@torch.no_grad()
def generate(model, given, **options):
    """-> new tokens, logits [row, step, vocabulary], scores of the sequences."""
    model.generation_config.eos_token_id = None
    options = {k: v for k, v in options.items() if v is not None}
    if "in/task_ids" in given:
        options["task_ids"] = given["in/task_ids"]
    side = "right" if reads_a_source(model) else "left"
    ids, mask = given[f"in/{side}/input_ids"], given[f"in/{side}/attention_mask"]
    parts = [(i[m == 1][None], m[m == 1][None]) for i, m in zip(ids, mask)] if goes_alone(model.config) else [(ids, mask)]
    news, logits, scores = [], [], []
    for i, m in parts:
        gemma_phi.restart_rope(model)
        out = model.generate(input_ids=i, attention_mask=m, max_new_tokens=NEW, do_sample=False, pad_token_id=1,
                             return_dict_in_generate=True, output_logits=True, output_scores=True, **options)
        new = out.sequences[:, 1 if reads_a_source(model) else i.shape[1]:]
        news.append(torch.cat([new, new.new_full((len(new), NEW - new.shape[1]), 1)], 1))
        logits.append(torch.stack(out.logits, 1))
        scores.append(getattr(out, "sequences_scores", None))
    joined = lambda parts: None if parts[0] is None else torch.cat(parts)
    return torch.cat(news), joined(logits) if options.get("num_beams") is None else None, joined(scores)


def alone(model, given, **options):
    """New tokens of rows that are read one by one, without padding."""
    side, news = "right" if reads_a_source(model) else "left", []
    for row, mask in enumerate(given[f"in/{side}/attention_mask"]):
        one = {k: v[row][None] for k, v in given.items() if k == "in/task_ids"}
        one[f"in/{side}/input_ids"] = given[f"in/{side}/input_ids"][row][mask == 1][None]
        one[f"in/{side}/attention_mask"] = mask[mask == 1][None]
        news.append(generate(model, one, **options)[0])
    return torch.cat(news)


def visible(given, side, logits):
    """1 where logits count: at real tokens, at soft tokens before them, and at every column of a target, which no padding
    is before."""
    mask, labels = given[f"in/{side}/attention_mask"], given[f"in/{side}/labels"]
    soft = mask.new_ones(len(mask), logits.shape[1] - mask.shape[1] if mask.shape == labels.shape else 0)
    return torch.cat([soft, mask], 1) if mask.shape == labels.shape else torch.ones_like(labels)


def compute(model, given, dtype, note, searches=None):
    """Every result of a case, in this precision, with searches that only some have. `model` is left with its first parameters."""
    model = model.to(dtype)
    start = {n: p.detach().clone() for n, p in trainable(model).items()}

    def restart():
        with torch.no_grad():
            for n, p in trainable(model).items():
                p.copy_(start[n])

    out = {}
    if is_prefix(model):  # a prompt of several tasks has no keys and values
        cache = model.get_prompt(batch_size=1)
        layers = (cache.self_attention_cache if reads_a_source(model) else cache).layers
        out["prefix/keys"] = torch.stack([layer.keys[0] for layer in layers]).detach()
        out["prefix/values"] = torch.stack([layer.values[0] for layer in layers]).detach()
        note["past_key_values_class"] = type(cache).__name__
    for side in ("left", "right"):
        res, grads = gradients(model, given, side)
        mask = visible(given, side, res.logits)
        last = mask.shape[1] - 1 - mask.flip(1).argmax(1)
        out[f"out/{side}/loss"] = res.loss.detach().reshape(1)
        out[f"out/{side}/logits"] = res.logits.detach()[:, :, :COLUMNS].contiguous()
        out[f"out/{side}/logits_last"] = res.logits.detach()[torch.arange(3), last].contiguous()
        out.update({f"grad/{side}/{n}": g for n, g in grads.items()})
    tensor = lambda values: torch.tensor(values, dtype=dtype)
    out["train/losses"] = tensor(steps(model, given, TRAINING, ["right"], False)[0])
    out.update({f"param_after/{n}": p.detach().clone() for n, p in trainable(model).items()})
    restart()
    losses, norms, lrs = steps(model, given, SCHEDULED, SCHEDULED["micro_batches"], True)
    out.update({"sched/losses": tensor(losses), "sched/grad_norms": tensor(norms), "sched/lrs": tensor(lrs)})
    restart()

    new, logits, _ = generate(model, given)
    top = logits.topk(2, -1).values
    generation = note.setdefault("generation", {})
    generation.setdefault("greedy_min_margin", (top[..., 0] - top[..., 1]).min().item())
    out["gen/greedy"], out["gen/greedy_logits"] = new, logits[:, :, :COLUMNS].contiguous()
    # transformers counts padding before a text among its pairs of tokens: behind padding that is written it forbids a pair that
    # no text has. Then rows that are read alone give others, and the search is left out.
    penalised = generate(model, given, **GENERATION["greedy_penalised"])[0]
    if torch.equal(penalised, alone(model, given, **GENERATION["greedy_penalised"])):
        out["gen/greedy_penalised"] = penalised
    out["gen/beam4"], _, out["gen/beam4_scores"] = generate(model, given, **GENERATION["beam4"])
    generation.setdefault("beam_eos_token_id", int(out["gen/beam4"][0, 2]))  # a token that ends some beam early
    for name, options in {"beam4_eos": GENERATION["beam4_eos"], **(searches or {})}.items():
        options = {**options, "eos_token_id": generation["beam_eos_token_id"]}
        out[f"gen/{name}"], _, out[f"gen/{name}_scores"] = generate(model, given, **options)
    return out


def far(a, b):
    return (a.double() - b.double()).abs().max().item()


def noise(single, double, given):
    note = {}
    for side in ("left", "right"):
        real = visible(given, side, single[f"out/{side}/logits"]).bool()  # a padding query that sees nothing is nobody's concern
        grads = [k for k in single if k.startswith(f"grad/{side}/")]
        note[side] = {
            "grad": max(far(single[k], double[k]) for k in grads),
            "grad_scale": max(single[k].abs().max().item() for k in grads),
            "logits": far(single[f"out/{side}/logits"][real], double[f"out/{side}/logits"][real]),
            "logits_scale": single[f"out/{side}/logits"].abs().max().item(),
            "loss": far(single[f"out/{side}/loss"], double[f"out/{side}/loss"])}
    after = {k[12:]: far(single[k], double[k]) for k in single if k.startswith("param_after/")}
    # AdamW turns a gradient that is zero but for rounding into a full step: such tensors are listed apart
    note["param_after_noisy"] = {k: v for k, v in after.items() if v > 1e-4}
    note["param_after"] = max([v for v in after.values() if v <= 1e-4], default=0.0)
    note["train_losses"] = far(single["train/losses"], double["train/losses"])
    note["sched_losses"] = far(single["sched/losses"], double["sched/losses"])
    note["sched_grad_norms"] = far(single["sched/grad_norms"], double["sched/grad_norms"])
    for k in ["gen/greedy_logits", *(k for k in single if k.startswith("gen/") and k.endswith("_scores"))]:
        note[k] = far(single[k], double[k])
    return note


def texts(results):
    """The names of what was generated."""
    return [k for k in results if k.startswith("gen/") and not k.endswith(("_logits", "_scores"))]


def save_model(model, spec, folder):
    disk = getattr(torch, spec.get("disk", "float32"))
    model = copy.deepcopy(model).to(disk)
    model.config.dtype = disk
    model.generation_config.eos_token_id = model.config.eos_token_id
    model.save_pretrained(folder, max_shard_size=spec.get("shards", "5GB"))
    if spec.get("hub_keys"):  # as published files: no `transformer.` or `model.`, and GPT-2's mask buffers
        path = os.path.join(folder, "model.safetensors")
        weights = {k.removeprefix(model.base_model_prefix + "."): v for k, v in load_file(path).items()}
        for i in range(model.config.n_layer if model.config.model_type == "gpt2" else 0):
            n = model.config.n_positions
            weights[f"h.{i}.attn.bias"] = torch.tril(torch.ones(n, n)).view(1, 1, n, n)
        save_file(weights, path, metadata={"format": "pt"})
    tokenizer(model.config.vocab_size).save(os.path.join(folder, "tokenizer.json"))


def to_chatglm(folder):
    """The folder of a GLM as ChatGLM2's and ChatGLM3's makers publish theirs: other names, a fused projection."""
    path, config_path = (os.path.join(folder, name) for name in ("model.safetensors", "config.json"))
    weights, out = load_file(path), {}
    config = json.load(open(config_path))
    for name, tensor in weights.items():
        if ".k_proj." in name or ".v_proj." in name:
            continue
        if ".q_proj." in name:
            tensor = torch.cat([weights[name.replace("q_proj", part + "_proj")] for part in "qkv"])
        for ours, theirs in CHATGLM_NAMES.items():
            name = name.replace(ours, theirs)
        out[name] = tensor
    save_file(out, path, metadata={"format": "pt"})
    theirs = {
        "model_type": "chatglm", "architectures": ["ChatGLMModel"], "add_bias_linear": False, "add_qkv_bias": config["attention_bias"],
        "apply_residual_connection_post_layernorm": False, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 1,
        "ffn_hidden_size": config["intermediate_size"], "hidden_size": config["hidden_size"], "kv_channels": config["head_dim"],
        "layernorm_epsilon": config["rms_norm_eps"], "multi_query_attention": config["num_key_value_heads"] != config["num_attention_heads"],
        "multi_query_group_num": config["num_key_value_heads"], "num_attention_heads": config["num_attention_heads"],
        "num_layers": config["num_hidden_layers"], "original_rope": True, "padded_vocab_size": config["vocab_size"],
        "post_layer_norm": True, "rmsnorm": True, "seq_length": config["max_position_embeddings"], "torch_dtype": config["dtype"]}
    with open(config_path, "w") as f:
        json.dump(theirs, f, indent=1)


CHATGLM_NAMES = {
    "model.embed_tokens": "transformer.embedding.word_embeddings", "lm_head": "transformer.output_layer",
    "model.layers": "transformer.encoder.layers", "model.norm": "transformer.encoder.final_layernorm",
    "self_attn.q_proj": "self_attention.query_key_value", "self_attn.o_proj": "self_attention.dense",
    "mlp.gate_up_proj": "mlp.dense_h_to_4h", "mlp.down_proj": "mlp.dense_4h_to_h"}


def from_chatglm(folder, spec, seed):
    """GLM of such a folder."""
    model = build("chatglm", spec, seed).float()
    weights = load_file(os.path.join(folder, "model.safetensors"))
    with torch.no_grad():
        for name, p in model.named_parameters():
            for ours, theirs in CHATGLM_NAMES.items():
                name = name.replace(ours, theirs)
            if "k_proj" in name or "v_proj" in name:
                continue
            stored = weights[name].float()
            if "query_key_value" in name:
                layer = int(name.split(".layers.")[1].split(".")[0])
                attention, kind = model.model.layers[layer].self_attn, name.rsplit(".", 1)[1]
                parts = [getattr(getattr(attention, part + "_proj"), kind) for part in "qkv"]
                for part, rows in zip(parts, stored.split([len(p) for p in parts])):
                    part.copy_(rows)
            else:
                p.copy_(stored)
    return model


def make(name, folder):
    """Try seeds in order until no choice of generation is a close call."""
    spec, family = CASES[name], name.split("-")[0]
    for seed in range(1, 60):
        seed = 1000 * place(name) + seed
        model = build(family, spec, seed)
        given = (chatglm.inputs if name in chatglm.CASES else inputs)(spec, model.config, seed)
        wrapped = wrap(copy.deepcopy(model), spec["method"], spec, seed)
        note = {}
        params = {f"param/{n}": p.detach().clone() for n, p in kept(wrapped, spec["method"]).items()}
        single = compute(wrapped, given, torch.float32, note, spec.get("beams"))
        double = compute(copy.deepcopy(wrapped), given, torch.float64, note, spec.get("beams"))
        ended = not torch.equal(single["gen/beam4"], single["gen/beam4_eos"])
        if note["generation"]["greedy_min_margin"] > 0.02 and ended and all(torch.equal(single[k], double[k]) for k in texts(single)):
            break
    else:
        raise SystemExit(f"{name}: no seed gives clear choices")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    save_model(model, spec, os.path.join(folder, "model"))
    if family == "chatglm":
        to_chatglm(os.path.join(folder, "model"))
    if name in chatglm.CASES:
        chatglm.to_published(os.path.join(folder, "model"), spec, model)
        note["sources"] = chatglm.SOURCES
    if spec["method"] != "full":
        wrapped = wrapped.float()
        wrapped.peft_config["default"].base_model_name_or_path = "model"
        wrapped.save_pretrained(os.path.join(folder, "adapter"), save_embedding_layers=False)
        os.remove(os.path.join(folder, "adapter", "README.md"))
        if "ablation" in spec:
            ablations.save(wrapped, spec, os.path.join(folder, "adapter"))
    if spec["method"] == "cartridge":  # the beginning of a text as a start: the first slots of its keys and values
        from peft.tuners.cartridge.utils import prompt_embeddings_from_past_key_values as first
        ids = torch.arange(10, 19)
        with torch.no_grad():
            flat = first(model(ids[None], use_cache=True).past_key_values, num_virtual_tokens=spec["virtual"])
        save_file({"ids": ids, "prompt_embeddings": flat}, os.path.join(folder, "prefill.safetensors"))
    inputs_of = "each row alone" if goes_alone(model.config) else "right" if reads_a_source(model) else "left"
    note.update({"generation_inputs": inputs_of, "logits_start": single["out/right/logits"].shape[1] - given["in/right/labels"].shape[1]})
    family = {"chatglm": "chatglm", "chatglm6b": "chatglm-6b"}.get(family, model.config.model_type)
    case = {
        "architecture": family, "attn_implementation": model.config._attn_implementation, "generation_options": {**GENERATION, **spec.get("beams", {})}, "logits_columns": COLUMNS,
        "method": spec["method"], "model_type": family, "name": name, "noise_f32_vs_f64": noise(single, double, given), "notes": note,
        "num_virtual_tokens": spec.get("virtual", 0), "scheduled_training": SCHEDULED, "seed": seed, "task": "seq2seq" if reads_a_source(model) else "causal",
        "trainable": {k[6:]: list(v.shape) for k, v in params.items()}, "training": TRAINING, "variant": name.split("-", 2)[2],
        "versions": {"peft": peft.__version__, "torch": torch.__version__.split("+")[0], "transformers": tr.__version__}}
    with open(os.path.join(folder, "case.json"), "w") as f:
        json.dump(case, f, indent=1, sort_keys=True)
    save_file({**given, **params, **{k: v.contiguous() for k, v in single.items()}}, os.path.join(folder, "tensors.safetensors"))
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(folder) for f in files)
    print(f"{name}: seed {seed}, {size / 1000:.0f} kB, margin {note['generation']['greedy_min_margin']:.3f}", flush=True)


def check(folder):
    """Compute a stored case from its files alone; every group within 20 times its noise?"""
    case = json.load(open(os.path.join(folder, "case.json")))
    stored = load_file(os.path.join(folder, "tensors.safetensors"))
    with tempfile.TemporaryDirectory() as copied:  # loading writes nothing, but the samples may be read-only
        shutil.copytree(os.path.join(folder, "model"), copied, dirs_exist_ok=True)
        auto = tr.AutoModelForSeq2SeqLM if case["task"] == "seq2seq" else tr.AutoModelForCausalLM
        if case["architecture"] == "chatglm":
            model = from_chatglm(copied, CASES[case["name"]], case["seed"])
        elif case["architecture"] == "chatglm-6b":
            model = chatglm.from_published(copied, build, CASES[case["name"]], case["seed"])
        else:
            model = auto.from_pretrained(copied, dtype=torch.float32, attn_implementation=case["attn_implementation"]).eval()
    width = stored.get("param/prompt_encoder.default.transform.0.weight")
    own = {"virtual": case["num_virtual_tokens"], "hidden": None if width is None else width.shape[0]}
    model = wrap(model, case["method"], CASES.get(case["name"], own), 0)
    with torch.no_grad():
        for n, p in kept(model, case["method"]).items():
            p.copy_(stored[f"param/{n}"])
    note = {"generation": {"beam_eos_token_id": case["notes"]["generation"]["beam_eos_token_id"]}}
    searches = {k: v for k, v in case["generation_options"].items() if k in BEAMS}
    ours = compute(model, stored, torch.float32, note, searches)
    worst, noisy = 0.0, case["noise_f32_vs_f64"]["param_after_noisy"]
    for k in sorted(k for k in stored if not k.startswith(("in/", "param/"))):
        if k not in ours:
            print(f"{k}: not computed")
            worst = float("inf")
            continue
        d = far(ours[k], stored[k])
        scale = max(1.0, stored[k].double().abs().max().item())
        if k.removeprefix("param_after/") not in noisy:
            worst = max(worst, d / scale)
        if d > 0:
            print(f"{k}: {d:.2e}")
    if case["method"] == "prefix" and "ablation" not in CASES.get(case["name"], {}):
        flat = load_file(os.path.join(folder, "adapter", "adapter_model.safetensors"))["prompt_embeddings"]
        assert torch.equal(flat, stored["param/prompt_encoder.default.embedding.weight"])
    good = worst < 1e-4
    print(f"{folder}: largest relative difference {worst:.1e}, {'agrees' if good else 'DIFFERS'}")
    return good


def bench_model(folder):
    torch.manual_seed(0)
    model = tr.GPT2LMHeadModel(tr.GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))
    model.save_pretrained(folder)
    print(f"{folder}: {sum(p.numel() for p in model.parameters()):,} parameters")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    import encoders  # which uses what is above
    ap.add_argument("--only", nargs="+", metavar="NAME", choices=sorted([*CASES, *encoders.CASES]))
    ap.add_argument("--check", nargs="+", metavar="CASE", help="a case's folder")
    ap.add_argument("--bench-model", metavar="DIR")
    a = ap.parse_args()
    torch.set_num_threads(1)
    if a.bench_model:
        bench_model(a.bench_model)
    elif a.check:
        kinds = [(encoders.check if encoders.is_encoder(c) else check)(c) for c in a.check]
        sys.exit(0 if all(kinds) else 1)
    else:
        for name in a.only or [*CASES, *encoders.CASES]:
            (encoders.make if name in encoders.CASES else make)(name, os.path.join(here, "cases", name))


if __name__ == "__main__":
    main()
