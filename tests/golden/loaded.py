#!/usr/bin/env python3
"""Write the cases of adapters that are only loaded: what PEFT computes with files that say more than their matrices.

    loaded.py            write them to loaded/

An adapter that began as a part of the base model's weights (PiSSA, OLoRA), whose part PEFT takes out of them as it loads it;
copies of the base model beside the matrices of its head; and folders as PEFT 0.3 wrote them, with `adapter_model.bin` and
fewer keys. Nothing is trained in these cases: `verify` computes logits and loss.
"""
import copy
import json
import os
import shutil
import zlib

import make as m
import peft
import torch
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
LLAMA = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 20}
GPT2 = {"n_layer": 1, "n_embd": 16, "n_head": 2}
TIED = {**LLAMA, "tie_word_embeddings": True}

# name: PEFT's configuration, the model's, keys of adapter_config.json that an old version wrote besides its own
CASES = {
    "llama-lora-1x16-pissa": (peft.LoraConfig(r=4, lora_alpha=6, init_lora_weights="pissa", rank_pattern={"v_proj": 2},
                                              target_modules=["q_proj", "v_proj", "down_proj"]), LLAMA, None),
    "gpt2-lora-1x16-pissa": (peft.LoraConfig(r=3, lora_alpha=5, use_rslora=True, init_lora_weights="pissa",
                                             fan_in_fan_out=True, target_modules=["c_attn"]), GPT2, None),
    "llama-lora-1x16-olora": (peft.LoraConfig(r=3, lora_alpha=7, init_lora_weights="olora",
                                              target_modules=["q_proj", "up_proj"]), LLAMA, None),
    "llama-lora-1x16-copies": (peft.LoraConfig(r=2, lora_alpha=4, target_modules=["lm_head", "q_proj"]), TIED, None),
    "llama-lora-1x16-bin": (peft.LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"]), LLAMA,
                            {"enable_lora": None, "merge_weights": False}),
    "llama-prompt-1x16-bin": (peft.PromptTuningConfig(num_virtual_tokens=3), LLAMA, {"postprocess_past_key_value_function": None}),
    "llama-ptmlp-1x16-bin": (peft.PromptEncoderConfig(num_virtual_tokens=3, encoder_hidden_size=9), LLAMA,
                             {"postprocess_past_key_value_function": None}),
    "llama-prefix-1x16-bin": (peft.PrefixTuningConfig(num_virtual_tokens=4), LLAMA, {"postprocess_past_key_value_function": None}),
}
# what PEFT 0.3 wrote
OLD = {"base_model_name_or_path", "bias", "encoder_dropout", "encoder_hidden_size", "encoder_num_layers",
       "encoder_reparameterization_type", "fan_in_fan_out", "inference_mode", "lora_alpha", "lora_dropout", "modules_to_save",
       "num_attention_heads", "num_layers", "num_transformer_submodules", "num_virtual_tokens", "peft_type",
       "prefix_projection", "prompt_tuning_init", "prompt_tuning_init_text", "r", "target_modules", "task_type", "token_dim",
       "tokenizer_name_or_path"}


def adapter(model, config, folder, old):
    """Saves an adapter that is not as it began."""
    wrapped = peft.get_peft_model(copy.deepcopy(model), config)
    with torch.no_grad():
        for p in (p for p in wrapped.parameters() if p.requires_grad):
            p.add_(0.3 * torch.randn(p.shape))
    wrapped.peft_config["default"].base_model_name_or_path = "model"
    wrapped.save_pretrained(folder, save_embedding_layers="lm_head" in (getattr(config, "target_modules", None) or []))
    os.remove(os.path.join(folder, "README.md"))
    if old is None:
        return
    tensors = os.path.join(folder, "adapter_model.safetensors")
    torch.save(load_file(tensors), os.path.join(folder, "adapter_model.bin"))
    os.remove(tensors)
    path = os.path.join(folder, "adapter_config.json")
    with open(path) as f:
        keys = json.load(f)
    with open(path, "w") as f:
        json.dump({**{k: v for k, v in keys.items() if k in OLD}, **old}, f, indent=1, sort_keys=True)


def make(name):
    config, sizes, old = CASES[name]
    config.task_type = "CAUSAL_LM"
    seed = 1000 * (zlib.crc32(name.encode()) % 1_000_000) + 1
    spec = {"config": sizes}
    model = m.build(name.split("-")[0], spec, seed)
    given = m.inputs(spec, model.config, seed)
    folder = os.path.join(HERE, "loaded", name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    m.save_model(model, spec, os.path.join(folder, "model"))
    torch.manual_seed(seed)
    adapter(model, config, os.path.join(folder, "adapter"), old)
    base = type(model).from_pretrained(os.path.join(folder, "model"), dtype=torch.float32).eval()
    loaded = peft.PeftModel.from_pretrained(base, os.path.join(folder, "adapter")).eval()
    out, noise = {}, {}
    with torch.no_grad():
        for side in ("left", "right"):
            res, exact = (x(**m.batch(given, side)) for x in (loaded, copy.deepcopy(loaded).double()))
            seen = m.visible(given, side, res.logits).bool()
            out[f"out/{side}/logits"] = res.logits[..., :m.COLUMNS].contiguous()
            out[f"out/{side}/loss"] = res.loss.reshape(1)
            noise[side] = {"logits": m.far(res.logits[seen], exact.logits[seen]), "logits_scale": res.logits.abs().max().item(),
                           "loss": m.far(res.loss, exact.loss)}
    family, method = model.config.model_type, name.split("-")[1]
    case = {"architecture": family, "attn_implementation": model.config._attn_implementation, "generation_options": None,
            "logits_columns": m.COLUMNS, "method": method, "model_type": family, "name": name, "noise_f32_vs_f64": noise,
            "notes": {"logits_start": out["out/right/logits"].shape[1] - given["in/right/labels"].shape[1]},
            "num_virtual_tokens": getattr(config, "num_virtual_tokens", 0), "scheduled_training": m.SCHEDULED, "seed": seed,
            "task": "causal", "trainable": {}, "training": m.TRAINING, "variant": name.split("-", 2)[2],
            "versions": {"peft": peft.__version__, "torch": torch.__version__.split("+")[0], "transformers": m.tr.__version__}}
    with open(os.path.join(folder, "case.json"), "w") as f:
        json.dump(case, f, indent=1, sort_keys=True)
    save_file({**given, **out}, os.path.join(folder, "tensors.safetensors"))
    print(name, {side: round(out[f"out/{side}/loss"].item(), 4) for side in ("left", "right")}, noise["right"]["logits"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in CASES:
        make(name)
