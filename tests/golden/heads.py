#!/usr/bin/env python3
"""Write checkpoints that classify, each with a head of its own, and the logits that transformers computes with them.

    heads.py           write heads/ beside this file
    heads.py NAME …    write some of its folders

Each folder holds a model folder, rows.jsonl, and expected.json: the names of the classes in the order of the head, and the
logits of each row, or of each word's first token. Needs torch, transformers, safetensors and tokenizers.
"""
import json
import os
import shutil
import sys
import zlib

import torch
import transformers as tr

from encoders import V2, V3, tokenizer

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "heads")
TEXTS = ["the singing is", "bad, the worst.", "is the end", "a good text", "the", "ing is bad", "zoo. is the zoo", "x y z"]
MOODS = {"0": "positive", "1": "negative", "2": "neutral"}
ENTITIES = {"0": "O", "1": "B-x", "2": "I-x"}
SMALL = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 14, "max_position_embeddings": 23}
DISTIL = {"dim": 12, "n_layers": 2, "n_heads": 2, "hidden_dim": 14, "max_position_embeddings": 23}
OPT = {"hidden_size": 12, "word_embed_proj_dim": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 14,
       "max_position_embeddings": 23, "do_layer_norm_before": False}
BOTH = {"d_model": 12, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 14, "decoder_ffn_dim": 14, "max_position_embeddings": 23, "decoder_start_token_id": 3,
        "forced_eos_token_id": 3}
FOLDERS = {  # model, names of the classes, configuration
    "bert-texts": ("BertForSequenceClassification", MOODS, SMALL),
    "bert-words": ("BertForTokenClassification", ENTITIES, SMALL),
    "roberta-texts": ("RobertaForSequenceClassification", MOODS, {**SMALL, "type_vocab_size": 1}),
    "roberta-words": ("RobertaForTokenClassification", ENTITIES, {**SMALL, "type_vocab_size": 1}),
    "electra-texts": ("ElectraForSequenceClassification", MOODS, {**SMALL, "embedding_size": 8, "hidden_act": "relu"}),
    "electra-words": ("ElectraForTokenClassification", ENTITIES, {**SMALL, "embedding_size": 8}),
    "distilbert-texts": ("DistilBertForSequenceClassification", MOODS, DISTIL),
    "distilbert-words": ("DistilBertForTokenClassification", ENTITIES, DISTIL),
    # Two classes that are called LABEL_0 and LABEL_1: config.json does not say so.
    "albert-texts": ("AlbertForSequenceClassification", None, {**SMALL, "embedding_size": 8}),
    "albert-words": ("AlbertForTokenClassification", ENTITIES, {**SMALL, "embedding_size": 8}),
    "gpt2-texts": ("GPT2ForSequenceClassification", MOODS, {"n_embd": 12, "n_layer": 2, "n_head": 2, "n_positions": 23}),
    "qwen2-texts": ("Qwen2ForSequenceClassification", MOODS, {**SMALL, "num_key_value_heads": 1}),
    "opt-texts": ("OPTForSequenceClassification", MOODS, OPT),
    # An encoder with a decoder reads the text twice.
    "bart-texts": ("BartForSequenceClassification", MOODS, BOTH),
    "mbart-texts": ("MBartForSequenceClassification", MOODS, {**BOTH, "scale_embedding": True}),
    "t5-texts": ("T5ForSequenceClassification", MOODS, {
        "d_model": 12, "d_kv": 6, "d_ff": 14, "num_layers": 2, "num_heads": 2, "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 16, "decoder_start_token_id": 1}),
    "gptj-texts": ("GPTJForSequenceClassification", MOODS, {
        "n_embd": 12, "n_layer": 2, "n_head": 2, "rotary_dim": 4, "n_positions": 23}),
    "falcon-texts": ("FalconForSequenceClassification", MOODS, {
        "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 23}),
    "deberta-texts": ("DebertaV2ForSequenceClassification", MOODS, {**SMALL, **V3}),
    "deberta-words": ("DebertaV2ForTokenClassification", ENTITIES, {**SMALL, **V2, "attention_head_size": 6}),
}


def build(name, make, names, sizes):
    torch.manual_seed(zlib.crc32(name.encode()))
    make = getattr(tr, make)
    labels = {"num_labels": 2} if names is None else {"id2label": names, "label2id": {v: int(k) for k, v in names.items()}}
    config = make.config_class(vocab_size=tokenizer().get_vocab_size(), pad_token_id=1, bos_token_id=2, eos_token_id=3, **labels, **sizes)
    model = make(config).eval()
    with torch.no_grad():  # large enough that every part shows in the logits
        for n, p in model.named_parameters():
            noise = torch.randn(p.shape)
            if p.dim() == 1:
                p.copy_((1.0 if "norm" in n.lower() and n.endswith("weight") else 0.0) + 0.2 * noise)
            else:
                p.copy_(noise * (0.5 if "embed" in n else p.shape[1] ** -0.5))
    return model


def rows(name, names):
    if name.endswith("words"):
        order = ["B-x", "I-x", "O"]
        return [{"tokens": t.split(), "labels": [order[(i + at) % 3] for at in range(len(t.split()))]} for i, t in enumerate(TEXTS)]
    order = ["1", "2"] if names is None else sorted(names.values())
    second = {"second": "is the text"} if name.startswith("bert") else {}
    return [{"text": t, **second, "label": order[i % len(order)]} for i, t in enumerate(TEXTS)]


def logits(model, tok, row):
    if "tokens" in row:
        given = tok(row["tokens"], is_split_into_words=True, return_tensors="pt")
        words = given.word_ids()
        at = [words.index(word) for word in range(len(row["tokens"]))]
    else:
        given = tok(row["text"], row.get("second"), return_tensors="pt", return_token_type_ids=True)
        at = [0]
    if getattr(model.config, "type_vocab_size", 0) < 2:
        given.pop("token_type_ids", None)
    with torch.no_grad():
        out = model(**given).logits
    return out[0][at].tolist() if "tokens" in row else out.tolist()


def main():
    for name in sys.argv[1:] or FOLDERS:
        make, names, sizes = FOLDERS[name]
        folder = os.path.join(HERE, name)
        shutil.rmtree(folder, ignore_errors=True)
        model = build(name, make, names, sizes)
        model.save_pretrained(os.path.join(folder, "model"))
        tokenizer().save(os.path.join(folder, "model", "tokenizer.json"))
        tok = tr.PreTrainedTokenizerFast(tokenizer_object=tokenizer(), pad_token="[PAD]")
        data = rows(name, names)
        with open(os.path.join(folder, "rows.jsonl"), "w") as file:
            file.writelines(json.dumps(row) + "\n" for row in data)
        classes = [model.config.id2label[i] for i in range(model.config.num_labels)]
        with open(os.path.join(folder, "expected.json"), "w") as file:
            json.dump({"classes": classes, "logits": [logits(model, tok, row) for row in data]}, file)
            file.write("\n")
        print(name, classes, sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(folder) for f in files))


if __name__ == "__main__":
    main()
