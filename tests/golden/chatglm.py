#!/usr/bin/env python3
"""The first ChatGLM for make.py: transformers has no class of it, so this is a port of ours, of the formulas that its makers
published. Sources (THUDM/chatglm-6b on the hub, THUDM/ChatGLM-6B on GitHub):

    modeling_chatglm.py     GLMBlock (layer norm first; sqrt(2 layers) times the normed input is what is added to), attention_fn
                            (queries divided by the layer's number, scores multiplied by it), RotaryEmbedding (frequencies in
                            16 bits), get_masks, get_position_ids, PrefixEncoder (what PEFT's flat prefix holds, too)
    tokenization_chatglm.py build_inputs_with_special_tokens: [gMASK] and <sop> behind the context
    quantization.py         QuantizedLinear: rows of whole numbers, each with a scale in 16 bits
    ptuning/main.py         the prefix's checkpoint

Where they differ: alpha has the 28 layers of the published model there and the model's own here; masked columns come as
`attention_mask` of zeros and ones; and with PEFT's soft prompt, which that code cannot take, its tokens are context.
"""
import json
import math
import os
import random

import torch
import transformers as tr
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.modeling_outputs import CausalLMOutputWithPast

GMASK, MASK, SOP, EOP = 5, 4, 6, 3


class ChatGlmConfig(tr.PretrainedConfig):
    model_type = "chatglm"

    def __init__(self, vocab_size=300, hidden_size=32, inner_hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
                 max_position_embeddings=41, layernorm_epsilon=1e-5, **rest):
        self.vocab_size, self.hidden_size, self.inner_hidden_size = vocab_size, hidden_size, inner_hidden_size
        self.num_hidden_layers, self.num_attention_heads = num_hidden_layers, num_attention_heads
        self.max_position_embeddings, self.layernorm_epsilon = max_position_embeddings, layernorm_epsilon
        super().__init__(**{**rest, "tie_word_embeddings": False})


def turned(x, position, dim):
    """`x` [batch, heads, seq, dim], each number of the first half of its last axis turned with one of the second half."""
    frequencies = (1.0 / 10000 ** (torch.arange(0, dim, 2).float() / dim)).half().to(x.dtype)
    angle = torch.cat([position[..., None].to(x.dtype) * frequencies] * 2, -1)[:, None]  # [batch, 1, seq, dim]
    a, b = x.chunk(2, -1)
    return x * angle.cos() + torch.cat([-b, a], -1) * angle.sin()


class Attention(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        d, self.heads, self.layer = config.hidden_size, config.num_attention_heads, layer
        self.query_key_value, self.dense = nn.Linear(d, 3 * d), nn.Linear(d, d)

    def forward(self, x, position, block, hidden, cache):
        batch, seq, d = x.shape
        width = d // self.heads
        by_head = self.query_key_value(x).view(batch, seq, self.heads, 3 * width).transpose(1, 2)
        q, k, v = by_head.chunk(3, -1)
        both = lambda x: torch.cat([turned(half, at, width // 2) for half, at in zip(x.chunk(2, -1), (position, block))], -1)
        q, k = both(q), both(k)
        if cache is not None:
            k, v = cache.update(k, v, self.layer)
        number = float(self.layer + 1)
        scores = (q / (math.sqrt(width) * number)) @ k.transpose(2, 3)
        scores = scores.masked_fill(hidden, -10000.0) * number
        mixed = scores.softmax(-1) @ v
        return self.dense(mixed.transpose(1, 2).reshape(batch, seq, d))


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.inner_hidden_size)
        self.dense_4h_to_h = nn.Linear(config.inner_hidden_size, config.hidden_size)

    def forward(self, x):
        x = self.dense_h_to_4h(x)
        return self.dense_4h_to_h(0.5 * x * (1.0 + torch.tanh(0.7978845608028654 * x * (1.0 + 0.044715 * x * x))))


class Block(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        norm = lambda: nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.input_layernorm, self.post_attention_layernorm = norm(), norm()
        self.attention, self.mlp = Attention(config, layer), Mlp(config)
        self.alpha = (2 * config.num_hidden_layers) ** 0.5

    def forward(self, x, *how):
        normed = self.input_layernorm(x)
        x = normed * self.alpha + self.attention(normed, *how)
        normed = self.post_attention_layernorm(x)
        return normed * self.alpha + self.mlp(normed)


class Seen(nn.Embedding):
    """Remembers the ids that were looked up: PEFT gives a model their embeddings alone."""

    def forward(self, ids):
        self.ids = ids
        return super().forward(ids)


class ChatGlmModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.word_embeddings = Seen(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([Block(config, layer) for layer in range(config.num_hidden_layers)])
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)


class ChatGlmForConditionalGeneration(tr.PreTrainedModel, tr.GenerationMixin):
    config_class, base_model_prefix, main_input_name = ChatGlmConfig, "transformer", "input_ids"
    _supports_cache_class = True
    all_tied_weights_keys = {}

    def __init__(self, config):
        super().__init__(config)
        self.transformer = ChatGlmModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.text = None  # of each row: context and blank, and the columns of a prefix

    def get_input_embeddings(self):
        return self.transformer.word_embeddings

    def get_output_embeddings(self):
        return self.lm_head

    def places(self, real, past):
        """Position, place behind the context, and what is hidden, for the columns of `real` [batch, past + seq]."""
        batch, columns = real.shape
        seq, ids = columns - past, self.transformer.word_embeddings.ids
        starts = (ids == SOP).any(1)
        if seq > 1 or starts.all():  # a text begins
            soft, self.text = seq - ids.shape[1], []
            for row in range(batch):
                text = ids[row][real[row, past + soft:].bool()].tolist()
                context = text.index(SOP)
                blank = text.index(GMASK if GMASK in text else MASK)
                self.text.append((soft + context, soft + blank, past))
        number = real[:, past:].cumsum(1) - 1  # of each token among the real ones of this pass
        position, block = torch.zeros_like(number), torch.zeros_like(number)
        hidden = (real == 0)[:, None, None, :].expand(batch, 1, seq, columns).clone()
        for row, (context, blank, prefix) in enumerate(self.text):
            before = 0 if seq > 1 else int(real[row, prefix:past].sum())
            at = (number[row] + before).clamp(min=0)
            position[row] = torch.where(at < context, at, torch.full_like(at, blank))
            block[row] = torch.where(at < context, torch.zeros_like(at), at - context + 1)
            if seq > 1:
                for query in range(seq):
                    later = torch.arange(seq) > query
                    hidden[row, 0, query, past:] |= later & (at >= context)
        return position, block, hidden

    def forward(self, input_ids=None, attention_mask=None, past_key_values=None, inputs_embeds=None, labels=None, use_cache=None, **_):
        x = self.transformer.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        if past_key_values is None and use_cache:
            past_key_values = tr.DynamicCache()
        real = torch.ones(x.shape[0], past + x.shape[1], dtype=torch.long) if attention_mask is None else attention_mask.long()
        how = self.places(real, past)
        for layer in self.transformer.layers:
            x = layer(x, *how, past_key_values)
        logits = self.lm_head(self.transformer.final_layernorm(x))
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=past_key_values)


FAMILY = {"chatglm6b": (ChatGlmConfig, ChatGlmForConditionalGeneration)}
SIZES = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "inner_hidden_size": 48}
SMALL = {"num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 3, "inner_hidden_size": 40}
CASES = {
    "chatglm6b-prefix-2x32": {"method": "prefix", "virtual": 4, "config": SIZES},
    "chatglm6b-prefixproj-2x32-f16": {"method": "prefixproj", "virtual": 3, "hidden": 11, "disk": "float16", "config": SIZES},
    "chatglm6b-prefix-1x24-int8": {"method": "prefix", "virtual": 3, "rows": 8, "config": SMALL},
    "chatglm6b-prefix-2x32-int4": {"method": "prefix", "virtual": 2, "rows": 4, "disk": "float16", "config": SIZES},
    "chatglm6b-prompt-2x32": {"method": "prompt", "virtual": 4, "config": SIZES},
    "chatglm6b-lora-2x32": {"method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": [
        "query_key_value", "dense", "dense_h_to_4h"], "bias": "lora_only"}, "config": SIZES},
    "chatglm6b-full-1x24": {"method": "full", "config": SMALL},
}
SOURCES = ["THUDM/chatglm-6b: modeling_chatglm.py, tokenization_chatglm.py, quantization.py", "THUDM/ChatGLM-6B: ptuning/main.py"]


def inputs(spec, config, seed):
    """Rows of a context that ends in [gMASK] and an answer behind <sop>; in one row a [MASK] amid the context is the blank."""
    r, out = random.Random(seed), {}
    word = lambda: r.randrange(7, config.vocab_size)
    rows, labels = [], []
    for context, answer in [(5, 4), (3, 2), (4, 3)]:
        text = [word() for _ in range(context)]
        if context == 3:
            text[1] = MASK
        else:
            text.append(GMASK)
        said = [word() for _ in range(answer)] + [EOP]
        rows.append([*text, SOP, *said])
        labels.append([-100] * (len(text) + 1) + said)
    wide = max(map(len, rows))
    for side in ("left", "right"):
        pad = lambda row, fill: [fill] * (wide - len(row)) + row if side == "left" else row + [fill] * (wide - len(row))
        out[f"in/{side}/input_ids"] = torch.tensor([pad(row, 1) for row in rows])
        out[f"in/{side}/attention_mask"] = torch.tensor([pad([1] * len(row), 0) for row in rows])
        out[f"in/{side}/labels"] = torch.tensor([pad(row, -100) for row in labels])
    return out


def in_rows(weight, bits):
    """A matrix as QuantizedLinear keeps it: whole numbers in I8, of 4 bits two in a byte, and the scales of its rows."""
    scale = (weight.abs().amax(-1) / (2 ** (bits - 1) - 1)).half()
    whole = torch.round(weight / scale[:, None].float()).to(torch.int8)
    if bits == 4:
        whole = (whole[:, ::2] << 4) | (whole[:, 1::2] & 15)
    return whole.contiguous(), scale


def out_of_rows(whole, scale, bits):
    if bits == 4:
        whole = torch.stack([whole >> 4, (whole << 4) >> 4], -1).flatten(1)
    return whole.float() * scale.float()[:, None]


LINEARS = ("attention.query_key_value.weight", "attention.dense.weight", "mlp.dense_h_to_4h.weight", "mlp.dense_4h_to_h.weight")


def through_rows(model, spec):
    """The model with its linear layers rounded as they will stand on the disk."""
    if "rows" in spec:
        with torch.no_grad():
            for name, p in model.named_parameters():
                if name.endswith(LINEARS):
                    p.copy_(out_of_rows(*in_rows(p, spec["rows"]), spec["rows"]))
    return model


def to_published(folder, spec, model):
    """The folder as THUDM publishes its own: config.json in its words, matrices in rows of few bits where the case has some."""
    path, config_path = (os.path.join(folder, name) for name in ("model.safetensors", "config.json"))
    weights, config = load_file(path), json.load(open(config_path))
    for name, p in model.named_parameters():
        if "rows" in spec and name.endswith(LINEARS):
            weights[name], weights[name + "_scale"] = in_rows(p.detach().float(), spec["rows"])
    for layer in range(config["num_hidden_layers"]):  # a table that its checkpoints keep
        weights[f"transformer.layers.{layer}.attention.rotary_emb.inv_freq"] = torch.ones(2).half()
    save_file(weights, path, metadata={"format": "pt"})
    closing(folder)
    os.remove(os.path.join(folder, "generation_config.json"))  # its begin token is not the one that config.json names
    with open(config_path, "w") as f:
        json.dump({
            "model_type": "chatglm", "architectures": ["ChatGLMModel"], "bos_token_id": SOP, "eos_token_id": EOP, "mask_token_id": MASK,
            "gmask_token_id": GMASK, "pad_token_id": 1, "hidden_size": config["hidden_size"], "position_encoding_2d": True,
            "inner_hidden_size": config["inner_hidden_size"], "layernorm_epsilon": config["layernorm_epsilon"],
            "max_sequence_length": config["max_position_embeddings"], "num_attention_heads": config["num_attention_heads"],
            "num_layers": config["num_hidden_layers"], "quantization_bit": spec.get("rows", 0), "torch_dtype": config["dtype"],
            "use_cache": True, "vocab_size": config["vocab_size"]}, f, indent=1)


def closing(folder):
    """Three bytes that no row has become the tokens that part a text, which stand behind every prompt."""
    path, names = os.path.join(folder, "tokenizer.json"), {MASK: "[MASK]", GMASK: "[gMASK]", SOP: "<sop>"}
    with open(path) as f:
        tok = json.load(f)
    tok["model"]["vocab"] = {names.get(id, text): id for text, id in tok["model"]["vocab"].items()}
    tok["added_tokens"] += [{"id": id, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                             "special": True} for id, text in names.items()]
    part = lambda text: {"SpecialToken": {"id": text, "type_id": 0}}
    single = [{"Sequence": {"id": "A", "type_id": 0}}, part("[gMASK]"), part("<sop>")]
    ids = {"[gMASK]": GMASK, "<sop>": SOP, "</s>": EOP}
    tok["post_processor"] = {
        "type": "TemplateProcessing", "single": single, "pair": [*single, {"Sequence": {"id": "B", "type_id": 0}}, part("</s>")],
        "special_tokens": {text: {"id": text, "ids": [id], "tokens": [text]} for text, id in ids.items()}}
    with open(path, "w") as f:
        json.dump(tok, f, ensure_ascii=False, indent=1)


def from_published(folder, build, spec, seed):
    """The port with the weights of such a folder."""
    model, weights = build("chatglm6b", spec, seed).float(), load_file(os.path.join(folder, "model.safetensors"))
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale = weights.get(name + "_scale")
            p.copy_(weights[name].float() if scale is None else out_of_rows(weights[name], scale, spec["rows"]))
    return model
