"""The golden cases of encoders: classes of texts, classes of tokens, the token under a mask.

PEFT puts a prefix before BERT, RoBERTa and ELECTRA. DistilBERT and ALBERT keep no keys and values in transformers, so that
PEFT refuses them; `Prefixed` gives their attention the prefix by transformers' own attention interface and shifts the
positions as PEFT does elsewhere. DeBERTa's attention has no such interface: `disentangled` computes it from its formulas (He
et al. 2021), with a prefix as in P-tuning v2's code (THUDM/P-tuning-v2: model/deberta.py). make.py runs this; seeds follow from the names, so that a new case changes no other.
"""
import copy
import json
import os
import random
import shutil
import tempfile
import types
import zlib

import peft
import torch
import transformers as tr
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

import make as m

CLASSES = 5
HEADS = ("classifier", "pre_classifier")  # PEFT trains every module whose name ends in `classifier`
KINDS = {"seq_cls": "ForSequenceClassification", "token_cls": "ForTokenClassification", "masked_lm": "ForMaskedLM"}
SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 34}

NARROW = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 14}

# DeBERTa as its third version is published, as the second, and with everything that they leave out
V3 = {"relative_attention": True, "position_buckets": 6, "share_att_key": True, "pos_att_type": ["p2c", "c2p"],
      "norm_rel_ebd": "layer_norm", "position_biased_input": False}
V2 = {**V3, "pos_att_type": "p2c|c2p", "max_relative_positions": 17, "conv_kernel_size": 3, "conv_act": "gelu",
      "attention_head_size": 8}
OWN = {"relative_attention": True, "max_relative_positions": 5, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 2,
       "embedding_size": 14, "hidden_act": "relu", "pooler_hidden_act": "tanh", "conv_kernel_size": 5, "conv_groups": 3}

# name: task, method, configuration, and how the checkpoint lies on the disk
CASES = {
    "bert-prefix-seq": {"task": "seq_cls", "method": "prefix", "virtual": 4, "config": {}},
    "bert-prefix-tok-hub": {"task": "token_cls", "method": "prefix", "virtual": 3, "hub_keys": True, "config": {
        "hidden_act": "relu", "layer_norm_eps": 3e-10}},
    "bert-prefixproj-seq": {"task": "seq_cls", "method": "prefixproj", "virtual": 5, "hidden": 17, "config": {
        "num_attention_heads": 4, "hidden_act": "gelu_new"}},
    "bert-full-masked": {"task": "masked_lm", "method": "full", "virtual": 0, "config": {}},
    "roberta-prefix-seq": {"task": "seq_cls", "method": "prefix", "virtual": 4, "config": {"type_vocab_size": 1}},
    "roberta-prefix-tok": {"task": "token_cls", "method": "prefix", "virtual": 2, "config": {"type_vocab_size": 1}},
    "roberta-full-masked": {"task": "masked_lm", "method": "full", "virtual": 0, "config": {"type_vocab_size": 1}},
    "electra-prefix-seq": {"task": "seq_cls", "method": "prefix", "virtual": 3, "disk": "float16", "config": {"embedding_size": 14}},
    "electra-prefix-tok": {"task": "token_cls", "method": "prefix", "virtual": 4, "config": {"embedding_size": 24}},
    "electra-full-masked": {"task": "masked_lm", "method": "full", "virtual": 0, "config": {"embedding_size": 14}},
    "distilbert-prefix-seq": {"task": "seq_cls", "method": "prefix", "virtual": 4, "config": {}},
    "distilbert-prefix-tok": {"task": "token_cls", "method": "prefix", "virtual": 3, "config": {"activation": "relu"}},
    "distilbert-full-masked": {"task": "masked_lm", "method": "full", "virtual": 0, "config": {}},
    "albert-prefix-seq": {"task": "seq_cls", "method": "prefix", "virtual": 3, "config": {
        "embedding_size": 10, "num_hidden_layers": 3}},
    "albert-prefix-tok": {"task": "token_cls", "method": "prefix", "virtual": 4, "config": {
        "embedding_size": 10, "num_hidden_layers": 4, "num_hidden_groups": 2, "hidden_act": "gelu"}},
    "albert-full-masked": {"task": "masked_lm", "method": "full", "virtual": 0, "config": {"embedding_size": 10}},
    # Methods beside prefix tuning; of `trained` every weight is trained, the head's too.
    "bert-prompt-seq": {"task": "seq_cls", "method": "prompt", "virtual": 3, "config": {}},
    "bert-ptmlp-seq": {"task": "seq_cls", "method": "ptmlp", "virtual": 3, "hidden": 11, "config": {}},
    "bert-ptlstm-seq": {"task": "seq_cls", "method": "ptlstm", "virtual": 2, "hidden": 7, "layers": 2, "config": NARROW},
    "bert-lora-seq": {"task": "seq_cls", "method": "lora", "lora": {"r": 2, "lora_alpha": 6, "target_modules": "all-linear"},
                      "config": {}},
    "bert-lora-tok": {"task": "token_cls", "method": "lora", "lora": {"r": 3, "lora_alpha": 6, "bias": "lora_only"}, "config": {}},
    "bert-full-seq": {"task": "seq_cls", "method": "full", "trained": True, "pad_in_text": True, "config": NARROW},
    "bert-full-tok": {"task": "token_cls", "method": "full", "trained": True, "config": NARROW},
    "bert-full-fill": {"task": "masked_lm", "method": "full", "trained": True, "config": NARROW},
    # Behind soft tokens transformers' RoBERTa counts padding, so there is none.
    "roberta-prompt-seq": {"task": "seq_cls", "method": "prompt", "virtual": 3, "lengths": [9, 9, 9], "config": {"type_vocab_size": 1}},
    "roberta-lora-seq": {"task": "seq_cls", "method": "lora", "lora": {"r": 2, "lora_alpha": 6}, "config": {"type_vocab_size": 1}},
    "roberta-full-seq": {"task": "seq_cls", "method": "full", "trained": True, "config": {**NARROW, "type_vocab_size": 1}},
    "roberta-full-fill": {"task": "masked_lm", "method": "full", "trained": True, "config": {**NARROW, "type_vocab_size": 1}},
    "electra-prompt-seq": {"task": "seq_cls", "method": "prompt", "virtual": 3, "sizes": {"token_dim": 14}, "config": {"embedding_size": 14}},
    "electra-lora-tok": {"task": "token_cls", "method": "lora", "lora": {"r": 2, "lora_alpha": 6}, "config": {"embedding_size": 14}},
    "electra-full-tok": {"task": "token_cls", "method": "full", "trained": True, "config": {**NARROW, "embedding_size": 10}},
    "electra-full-fill": {"task": "masked_lm", "method": "full", "trained": True, "config": {**NARROW, "embedding_size": 10}},
    "distilbert-prompt-seq": {"task": "seq_cls", "method": "prompt", "virtual": 3, "sizes": {
        "token_dim": 24, "num_layers": 2, "num_attention_heads": 3}, "config": {}},
    "distilbert-lora-seq": {"task": "seq_cls", "method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": ["q_lin", "v_lin"]}, "config": {}},
    "distilbert-full-seq": {"task": "seq_cls", "method": "full", "trained": True, "pad_in_text": True, "config": {
        "dim": 12, "n_heads": 2, "n_layers": 1, "hidden_dim": 14}},
    "distilbert-full-fill": {"task": "masked_lm", "method": "full", "trained": True, "config": {
        "dim": 12, "n_heads": 2, "n_layers": 1, "hidden_dim": 14}},
    "albert-prompt-seq": {"task": "seq_cls", "method": "prompt", "virtual": 3, "sizes": {"token_dim": 10}, "config": {"embedding_size": 10}},
    "albert-lora-seq": {"task": "seq_cls", "method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": ["query", "value"]}, "config": {"embedding_size": 10, "num_hidden_layers": 3}},
    "albert-full-seq": {"task": "seq_cls", "method": "full", "trained": True, "config": {
        **NARROW, "embedding_size": 10, "num_hidden_layers": 3}},
    "albert-full-fill": {"task": "masked_lm", "method": "full", "trained": True, "config": {
        **NARROW, "embedding_size": 10, "num_hidden_layers": 2}},
    "deberta-prefix-seq": {"task": "seq_cls", "method": "prefix", "virtual": 4, "config": V3},
    "deberta-prefix-tok": {"task": "token_cls", "method": "prefix", "virtual": 3, "config": V2},
    "deberta-prefix-tok-own": {"task": "token_cls", "method": "prefix", "virtual": 3, "config": OWN},
    "deberta-prompt-seq": {"task": "seq_cls", "method": "prompt", "virtual": 3, "config": V3},
    "deberta-prompt-seq-narrow": {"task": "seq_cls", "method": "prompt", "virtual": 3, "sizes": {"token_dim": 14}, "config": {
        **V2, "embedding_size": 14}},
    "deberta-ptmlp-seq": {"task": "seq_cls", "method": "ptmlp", "virtual": 3, "hidden": 11, "config": V3},
    "deberta-lora-seq": {"task": "seq_cls", "method": "lora", "lora": {
        "r": 2, "lora_alpha": 6, "target_modules": "all-linear"}, "config": V3},
    "deberta-lora-tok": {"task": "token_cls", "method": "lora", "lora": {"r": 2, "lora_alpha": 6, "bias": "lora_only"}, "config": V2},
    "deberta-full-seq": {"task": "seq_cls", "method": "full", "trained": True, "pad_in_text": True, "config": {**V3, **NARROW}},
    "deberta-full-tok": {"task": "token_cls", "method": "full", "trained": True, "config": {
        **V2, **NARROW, "attention_head_size": 6}},
    "deberta-full-fill": {"task": "masked_lm", "method": "full", "trained": True, "config": {**V3, **NARROW, "embedding_size": 10}},
    "deberta-full-fill-own": {"task": "masked_lm", "method": "full", "trained": True, "config": {
        **OWN, **NARROW, "embedding_size": 12, "pos_att_type": ["c2p"], "legacy": False}},
    "deberta-full-masked": {"task": "masked_lm", "method": "full", "virtual": 0, "config": {"type_vocab_size": 2}},
    "bart-full-seq": {"task": "seq_cls", "method": "full", "trained": True, "ends": True, "config": {}},
    "t5-full-seq": {"task": "seq_cls", "method": "full", "trained": True, "ends": True, "config": {}},
    "bart-lora-seq": {"task": "seq_cls", "method": "lora", "ends": True, "lora": {
        "r": 2, "lora_alpha": 6, "modules_to_save": ["classification_head"]}, "config": {}},
    "t5-lora-seq": {"task": "seq_cls", "method": "lora", "ends": True, "lora": {
        "r": 2, "lora_alpha": 6, "modules_to_save": ["classification_head"]}, "config": {}},
    "xlmr-prefix-seq": {"task": "seq_cls", "method": "prefix", "virtual": 4, "config": {"type_vocab_size": 1}},
    "xlmr-prefixproj-tok": {"task": "token_cls", "method": "prefixproj", "virtual": 3, "hidden": 13, "config": {"type_vocab_size": 1}},
    "xlmr-prompt-seq": {"task": "seq_cls", "method": "prompt", "virtual": 3, "lengths": [9, 9, 9], "config": {"type_vocab_size": 1}},
    "xlmr-lora-tok": {"task": "token_cls", "method": "lora", "lora": {"r": 2, "lora_alpha": 6}, "config": {"type_vocab_size": 1}},
    "xlmr-full-seq": {"task": "seq_cls", "method": "full", "trained": True, "config": {**NARROW, "type_vocab_size": 1}},
    "xlmr-full-fill": {"task": "masked_lm", "method": "full", "trained": True, "config": {**NARROW, "type_vocab_size": 1}},
}
# read a text twice, as source and as target
PAIRS = {"bart": {"d_model": 12, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
                  "encoder_ffn_dim": 14, "decoder_ffn_dim": 12, "dropout": 0.0, "decoder_start_token_id": 3},
         "t5": {"d_model": 12, "num_layers": 1, "num_heads": 2, "d_kv": 6, "d_ff": 14, "dropout_rate": 0.0,
                "relative_attention_num_buckets": 8, "relative_attention_max_distance": 16, "decoder_start_token_id": 1}}
# by a case's name, and by a model's type
NAMES = {"bert": "Bert", "roberta": "Roberta", "electra": "Electra", "distilbert": "DistilBert", "albert": "Albert",
         "bart": "Bart", "t5": "T5", "deberta": "DebertaV2", "deberta-v2": "DebertaV2", "xlmr": "XLMRoberta", "xlm-roberta": "XLMRoberta"}


def is_encoder(folder):
    with open(os.path.join(folder, "case.json")) as f:
        return json.load(f)["task"] in KINDS


def tokenizer():
    """Words of letters in pieces, between [CLS] and [SEP]."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + x for x in letters), "the", "is", ".", ",", "##ing"]
    tok = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer()
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.add_special_tokens(tokens[:5])
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tok


def build(name, spec):
    seed = zlib.crc32(name.encode())
    torch.manual_seed(seed)
    family = NAMES[name.split("-")[0]]
    sizes = {**SMALL, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    if family == "DistilBert":
        sizes = {"dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 34, "dropout": 0.0, "attention_dropout": 0.0,
                 "seq_classif_dropout": 0.0}
    if name.split("-")[0] in PAIRS:
        sizes = {**PAIRS[name.split("-")[0]], "bos_token_id": 2, "eos_token_id": 3}
    config = getattr(tr, family + "Config")(
        vocab_size=tokenizer().get_vocab_size(), pad_token_id=1, num_labels=CLASSES,
        **({} if family == "T5" else {"max_position_embeddings": 23}), classifier_dropout=0.0, **{**sizes, **({"classifier_dropout_prob": 0.0} if family == "Albert" else {}), **spec["config"]})
    model = getattr(tr, family + KINDS[spec["task"]])(config).eval()
    with torch.no_grad():  # large enough that every part shows in the logits
        for n, p in model.named_parameters():
            noise = torch.randn(p.shape)
            if p.dim() == 1:
                norm = "norm" in n.lower() and n.endswith("weight")
                p.copy_((1.0 if norm else 0.0) + 0.2 * noise)
            elif "embeddings." in n:
                p.copy_(0.5 * noise)
            else:
                p.copy_(noise * p.shape[1] ** -0.5)
            p.copy_(p.to(getattr(torch, spec.get("disk", "float32"))))
    return model, seed


def inputs(spec, config, seed):
    r = random.Random(seed)
    lengths, out = spec.get("lengths", [11, 7, 9]), {}
    wide = max(lengths)
    rows = [[r.randrange(5, config.vocab_size) for _ in range(n)] for n in lengths]
    if spec.get("pad_in_text"):  # as a token like others, which transformers looks up without a gradient
        rows[0][3] = config.pad_token_id
    if spec.get("ends"):  # a text is classified where it ends
        rows = [[*row[:-1], config.eos_token_id] for row in rows]
    types = [[0] * (n // 2) + [1] * (n - n // 2) for n in lengths]
    if spec["task"] == "seq_cls":
        labels = torch.tensor([r.randrange(CLASSES) for _ in rows])
    elif spec["task"] == "token_cls":
        labels = [[r.choice([-100, *range(CLASSES), *range(CLASSES)]) for _ in row] for row in rows]
        labels[0][0] = 3  # the first token has a label too: nothing is shifted
    else:
        labels = [[-100] * n for n in lengths]
        for row, label in zip(rows, labels):
            for at in r.sample(range(len(row)), 2):
                label[at], row[at] = row[at], 4
    # A query that is padding sees no key of transformers' DeBERTa, and there gets the mean of all: a classifier that reads it
    # in the first column names nothing, and its tokenizer pads on the right.
    reads_padding = config.model_type == "deberta-v2" and spec["task"] == "seq_cls" and spec["method"] in ("prefix", "lora", "full")
    for side in ("left", "right"):
        def pad(row, fill):
            rest = [fill] * (wide - len(row))
            return rest + row if side == "left" and not reads_padding else row + rest
        out[f"in/{side}/input_ids"] = torch.tensor([pad(row, 1) for row in rows])
        out[f"in/{side}/attention_mask"] = torch.tensor([pad([1] * len(row), 0) for row in rows])
        out[f"in/{side}/labels"] = labels.clone() if spec["task"] == "seq_cls" else torch.tensor([pad(row, -100) for row in labels])
        if getattr(config, "type_vocab_size", 0) > 1:
            out[f"in/{side}/token_type_ids"] = torch.tensor([pad(row, 0) for row in types])
    return out


class Prefixed(torch.nn.Module):
    """A model whose attention sees a prefix that PEFT does not give it."""

    now = None  # the model that computes, and its next layer

    def __init__(self, model, virtual, seed):
        super().__init__()
        self.base_model, self.virtual = model, virtual
        config = model.config
        self.shape = (config.num_hidden_layers, config.num_attention_heads, config.hidden_size // config.num_attention_heads)
        for n, p in model.named_parameters():
            p.requires_grad_(n.split(".")[0] in HEADS)
        torch.manual_seed(seed)
        encoder = torch.nn.Module()
        encoder.embedding = torch.nn.Embedding(virtual, 2 * config.num_hidden_layers * config.hidden_size)
        self.prompt_encoder = torch.nn.ModuleDict({"default": encoder})
        for module in model.modules():
            if type(module).__name__ == "DisentangledSelfAttention":
                module.forward = types.MethodType(disentangled, module)
        tr.AttentionInterface.register("prefixed", attend)
        tr.AttentionMaskInterface.register("prefixed", tr.masking_utils.sdpa_mask)
        if config.model_type != "deberta-v2":
            config._attn_implementation = "prefixed"

    def prefix(self):
        layers, heads, d_head = self.shape
        flat = self.prompt_encoder["default"].embedding.weight.view(self.virtual, 2 * layers, heads, d_head)
        by_slot = flat.permute(1, 2, 0, 3)
        return by_slot[0::2], by_slot[1::2]

    def forward(self, input_ids, **kwargs):
        Prefixed.now = [self.prefix(), 0]
        positions = torch.arange(input_ids.shape[1]).expand(len(input_ids), -1) + self.virtual
        return self.base_model(input_ids=input_ids, position_ids=positions, **kwargs)


def attend(module, query, key, value, attention_mask, scaling=None, **_):
    (keys, values), layer = Prefixed.now
    Prefixed.now[1] += 1
    batch, virtual = len(query), keys.shape[2]
    key = torch.cat([keys[layer].expand(batch, -1, -1, -1), key], 2)
    value = torch.cat([values[layer].expand(batch, -1, -1, -1), value], 2)
    if attention_mask is not None:
        shown = attention_mask.new_ones(attention_mask.shape[:-1] + (virtual,))
        attention_mask = torch.cat([shown, attention_mask], -1)
    out = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, scale=scaling)
    return out.transpose(1, 2).contiguous(), None


def disentangled(self, hidden_states, attention_mask, _attentions=False, relative_pos=None, rel_embeddings=None, **_):
    """DeBERTa's attention behind a prefix, whose slots are at no distance: they are compared by what they say alone."""
    (keys, values), layer = Prefixed.now
    Prefixed.now[1] += 1
    by_head = lambda x: x.unflatten(-1, (self.num_attention_heads, -1)).transpose(-3, -2)
    query, key, value = (by_head(part(hidden_states)) for part in (self.query_proj, self.key_proj, self.value_proj))
    batch, virtual = len(query), keys.shape[2]
    behind = lambda prefix, text: torch.cat([prefix[layer].expand(batch, -1, -1, -1), text], 2)
    scores = query @ behind(keys, key).transpose(-1, -2)
    if self.relative_attention:
        n = self.pos_ebd_size
        bucket = (relative_pos[0] + n).clamp(0, 2 * n - 1)  # [query, key]
        of = lambda part: by_head(part(rel_embeddings[:2 * n]))[:, bucket]  # [head, query, key, d_head]
        own = not self.share_att_key
        for kind, term, part in (("c2p", "bhqd,hqkd->bhqk", self.pos_key_proj if own and "c2p" in self.pos_att_type else self.key_proj),
                                 ("p2c", "bhkd,hqkd->bhqk", self.pos_query_proj if own and "p2c" in self.pos_att_type else self.query_proj)):
            if kind in self.pos_att_type:
                text = torch.einsum(term, query if kind == "c2p" else key, of(part))
                scores = scores + torch.nn.functional.pad(text, (virtual, 0))
    scores = scores / (query.shape[-1] * (1 + len({"c2p", "p2c"} & set(self.pos_att_type)))) ** 0.5
    shown = torch.nn.functional.pad(attention_mask.bool(), (virtual, 0), value=True)
    pattern = scores.masked_fill(~shown, torch.finfo(scores.dtype).min).softmax(-1)
    return (pattern @ behind(values, value)).transpose(1, 2).flatten(2), None


def wrap(model, spec, seed):
    if spec["method"] == "full":
        return model.requires_grad_(spec.get("trained", False))
    if m.is_prefix_method(spec["method"]) and model.config.model_type in ("distilbert", "albert", "deberta-v2"):
        return Prefixed(model, spec["virtual"], seed)
    return m.wrap(model, spec["method"], spec, seed)


def trainable(model):
    """As PEFT names them while it trains."""
    def name(n):
        if n == "lm_head.decoder.weight":  # XLM-R lists its head first, and a tied table by its name there
            return "roberta.embeddings.word_embeddings.weight"
        parts = n.split(".")
        plain = isinstance(model, Prefixed) and parts[0] == "base_model"
        return ".".join([*parts[:2], "modules_to_save", "default", *parts[2:]]) if plain else n
    return {name(n): p for n, p in model.named_parameters() if p.requires_grad}


def batch(given, side):
    keys = [k for k in given if k.startswith(f"in/{side}/")]
    return {k.rsplit("/", 1)[1]: given[k] for k in keys}


def steps(model, given, t, sides, schedule):
    saved = m.batch
    m.batch = batch
    try:
        return m.steps(model, given, t, sides, schedule)
    finally:
        m.batch = saved


def compute(model, given, dtype, note):
    model = model.to(dtype)
    start = {n: p.detach().clone() for n, p in trainable(model).items()}

    def restart():
        with torch.no_grad():
            for n, p in trainable(model).items():
                p.copy_(start[n])

    out = {}
    if isinstance(model, Prefixed):
        keys, values = model.prefix()
        out["prefix/keys"], out["prefix/values"] = keys.detach().contiguous(), values.detach().contiguous()
    elif m.is_prefix(model):
        cache = model.get_prompt(batch_size=1)
        out["prefix/keys"] = torch.stack([layer.keys[0] for layer in cache.layers]).detach()
        out["prefix/values"] = torch.stack([layer.values[0] for layer in cache.layers]).detach()
    for side in ("left", "right"):
        model.zero_grad()
        res = model(**batch(given, side))
        out[f"out/{side}/loss"] = res.loss.detach().reshape(1)
        out[f"out/{side}/logits"] = res.logits.detach()[..., :m.COLUMNS].contiguous()
        if start:
            res.loss.backward()
            out.update({f"grad/{side}/{n}": p.grad.detach().clone() for n, p in trainable(model).items()})
    if start:
        tensor = lambda values: torch.tensor(values, dtype=dtype)
        out["train/losses"] = tensor(steps(model, given, m.TRAINING, ["right"], False)[0])
        out.update({f"param_after/{n}": p.detach().clone() for n, p in trainable(model).items()})
        restart()
        losses, norms, lrs = steps(model, given, m.SCHEDULED, m.SCHEDULED["micro_batches"], True)
        out.update({"sched/losses": tensor(losses), "sched/grad_norms": tensor(norms), "sched/lrs": tensor(lrs)})
        restart()
    return out


def noise(single, double):
    note = {}
    for side in ("left", "right"):
        grads = [k for k in single if k.startswith(f"grad/{side}/")]
        note[side] = {
            "grad": max([m.far(single[k], double[k]) for k in grads], default=0.0),
            "grad_scale": max([single[k].abs().max().item() for k in grads], default=0.0),
            "logits": m.far(single[f"out/{side}/logits"], double[f"out/{side}/logits"]),
            "logits_scale": single[f"out/{side}/logits"].abs().max().item(),
            "loss": m.far(single[f"out/{side}/loss"], double[f"out/{side}/loss"])}
    note["param_after"] = max([m.far(single[k], double[k]) for k in single if k.startswith("param_after/")], default=0.0)
    note["param_after_noisy"] = {}
    for key, name in (("train_losses", "train/losses"), ("sched_losses", "sched/losses"), ("sched_grad_norms", "sched/grad_norms")):
        note[key] = m.far(single[name], double[name]) if name in single else 0.0
    return note


def save_model(model, spec, folder):
    disk = getattr(torch, spec.get("disk", "float32"))
    model = copy.deepcopy(model).to(disk)
    model.config.dtype = disk
    model.save_pretrained(folder)
    if spec.get("hub_keys"):  # as the oldest published files: the bare model, TensorFlow's names of the norms, position ids
        path = os.path.join(folder, "model.safetensors")
        weights = {k.removeprefix("bert."): v for k, v in load_file(path).items() if not k.startswith("classifier.")}
        weights = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
                   for k, v in weights.items()}
        weights["embeddings.position_ids"] = torch.arange(model.config.max_position_embeddings).unsqueeze(0)
        save_file(weights, path, metadata={"format": "pt"})
    tokenizer().save(os.path.join(folder, "tokenizer.json"))


def save_adapter(wrapped, spec, folder):
    if not isinstance(wrapped, Prefixed):
        wrapped.peft_config["default"].base_model_name_or_path = "model"
        wrapped.save_pretrained(folder, save_embedding_layers=False)
        os.remove(os.path.join(folder, "README.md"))
        return
    os.makedirs(folder)
    layers, heads, d_head = wrapped.shape
    config = {"base_model_name_or_path": "model", "encoder_hidden_size": heads * d_head, "inference_mode": True,
              "modules_to_save": ["classifier", "score"] * 2, "num_attention_heads": heads, "num_layers": layers,
              "num_transformer_submodules": 1, "num_virtual_tokens": wrapped.virtual, "peft_type": "PREFIX_TUNING",
              "prefix_projection": False, "task_type": spec["task"].upper(), "token_dim": heads * d_head}
    with open(os.path.join(folder, "adapter_config.json"), "w") as f:
        json.dump(config, f, indent=2)
    tensors = {n.replace("modules_to_save.default.", ""): p.detach() for n, p in trainable(wrapped).items()}
    tensors["prompt_embeddings"] = tensors.pop("prompt_encoder.default.embedding.weight")
    save_file(tensors, os.path.join(folder, "adapter_model.safetensors"), metadata={"format": "pt"})


def make(name, folder):
    spec = CASES[name]
    model, seed = build(name, spec)
    given = inputs(spec, model.config, seed)
    wrapped = wrap(copy.deepcopy(model), spec, seed)
    params = {f"param/{n}": p.detach().clone() for n, p in trainable(wrapped).items()}
    note = {}
    single = compute(wrapped, given, torch.float32, note)
    double = compute(copy.deepcopy(wrapped), given, torch.float64, note)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    save_model(model, spec, os.path.join(folder, "model"))
    if spec["method"] != "full":
        save_adapter(wrapped.float(), spec, os.path.join(folder, "adapter"))
    reference = ("attention interface" if isinstance(wrapped, Prefixed) else "transformers" if spec["method"] == "full" else "PEFT")
    case = {
        "architecture": model.config.model_type, "attn_implementation": "sdpa", "generation_options": None,
        "logits_columns": m.COLUMNS, "method": spec["method"], "model_type": model.config.model_type, "name": name,
        "noise_f32_vs_f64": noise(single, double), "notes": {**note, "reference": reference},
        "num_virtual_tokens": spec.get("virtual", 0), "scheduled_training": m.SCHEDULED, "seed": seed, "task": spec["task"],
        "trainable": {k[6:]: list(v.shape) for k, v in params.items()}, "training": m.TRAINING, "variant": "",
        "versions": {"peft": peft.__version__, "torch": torch.__version__.split("+")[0], "transformers": tr.__version__}}
    with open(os.path.join(folder, "case.json"), "w") as f:
        json.dump(case, f, indent=1, sort_keys=True)
    save_file({k: v.contiguous() for k, v in {**given, **params, **single}.items()}, os.path.join(folder, "tensors.safetensors"))
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(folder) for f in files)
    print(f"{name}: seed {seed}, {size / 1000:.0f} kB", flush=True)


def check(folder):
    """Compute a stored case anew from its files; every group within 20 times its noise?"""
    case = json.load(open(os.path.join(folder, "case.json")))
    stored = load_file(os.path.join(folder, "tensors.safetensors"))
    family = NAMES[case["model_type"]]
    with tempfile.TemporaryDirectory() as copied:
        shutil.copytree(os.path.join(folder, "model"), copied, dirs_exist_ok=True)
        model = getattr(tr, family + KINDS[case["task"]]).from_pretrained(copied, dtype=torch.float32).eval()
    width = stored.get("param/prompt_encoder.default.transform.0.weight")
    own = {"task": case["task"], "method": case["method"], "virtual": case["num_virtual_tokens"],
           "hidden": None if width is None else width.shape[0]}
    model = wrap(model, CASES.get(case["name"], own), 0)
    with torch.no_grad():
        for n, p in trainable(model).items():
            p.copy_(stored[f"param/{n}"])
    ours = compute(model, stored, torch.float32, {})
    worst = max(m.far(ours[k], stored[k]) for k in stored if not k.startswith(("in/", "param/")))
    print(f"{folder}: largest difference {worst:.1e}, {'agrees' if worst < 1e-4 else 'DIFFERS'}")
    return worst < 1e-4
