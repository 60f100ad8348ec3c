#!/usr/bin/env python3
"""Write decoding.json: what transformers generates with each of its decoding settings, on the models of two golden cases.

    decoding.py        writes decoding.json beside this file

A search is the model's folder below cases/, the tokens of a prompt or source, transformers' settings, and the new tokens
of each text that it returns (of a target without the token that begins it), up to and with the one that ends the text.
Needs torch, transformers 5.23.
"""
import json
import warnings
from pathlib import Path

import torch
import transformers as tr

tr.logging.set_verbosity_error()
warnings.filterwarnings("ignore")
HERE = Path(__file__).parent
GPT2, T5 = "gpt2-prefix-2x44", "t5-prefix-2x40"
PROMPTS = [[5, 17, 42, 9], [100, 7], [33, 33, 200, 12, 12, 64, 5]]
NEW = 14


def frequent(model, prompts, n):
    """Tokens that greedy texts have most often: forbidding them changes something."""
    said = [token for prompt in prompts for token in new(model, prompt, {"max_new_tokens": NEW, "eos_token_id": None})[0]]
    return sorted(set(said), key=lambda token: (-said.count(token), token))[:n]


def new(model, prompt, settings, tokenizer=None):
    """The new tokens of each returned text."""
    given = {"do_sample": False, "pad_token_id": 1, **settings}
    if "stop_strings" in given:
        given["tokenizer"] = tokenizer
    out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), **given)
    begin = 1 if model.config.is_encoder_decoder else len(prompt)
    ends = settings.get("eos_token_id", 3)
    ends = ends if isinstance(ends, list) else [ends]
    texts = []
    for row in out[:, begin:].tolist():
        cut = next((i + 1 for i, token in enumerate(row) if token in ends), len(row))
        row = row[:cut]
        while row and row[-1] in (1, -1) and 1 not in ends:  # behind a shorter beam
            row.pop()
        texts.append(row)
    return texts


def main():
    torch.manual_seed(0)
    searches = []
    for case, kind in ((GPT2, tr.AutoModelForCausalLM), (T5, tr.AutoModelForSeq2SeqLM)):
        folder = HERE / "cases" / case / "model"
        model = kind.from_pretrained(folder, dtype=torch.float32).eval()
        tokenizer = tr.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        often = frequent(model, PROMPTS, 4)
        begun = new(model, PROMPTS[0], {"max_new_tokens": NEW, "eos_token_id": None})[0]
        model.generation_config.eos_token_id = None  # said by each search
        said = [tokenizer.decode(text[i:i + 2]) for text in (new(model, prompt, {"max_new_tokens": NEW})[0] for prompt in PROMPTS)
                for i in range(1, NEW - 1)]
        words = sorted({word for word in said if word.isascii() and word.isprintable() and len(word) > 1})[:3]
        assert words, case
        beams = {"num_beams": 4, "num_return_sequences": 2}
        ends = {"eos_token_id": often[:2]}
        settings = [
            {"max_new_tokens": NEW, **ends},
            {"max_new_tokens": NEW, "min_new_tokens": 6, **ends},
            {"max_new_tokens": NEW, "min_new_tokens": 6, **ends, **beams},
            {"max_length": 11, "min_length": 9, **ends},
            {"max_length": 11, "min_length": 9, **ends, **beams},
            {"max_new_tokens": NEW, "no_repeat_ngram_size": 2, "eos_token_id": None},
            {"max_new_tokens": NEW, "no_repeat_ngram_size": 3, "repetition_penalty": 1.2, "eos_token_id": None, **beams},
            {"max_new_tokens": NEW, "suppress_tokens": often, "eos_token_id": None},
            {"max_new_tokens": NEW, "suppress_tokens": often, "eos_token_id": None, **beams},
            {"max_new_tokens": NEW, "bad_words_ids": [[often[0]], begun[:2], begun[1:4]], "eos_token_id": None},
            {"max_new_tokens": NEW, "bad_words_ids": [[often[1]], begun[:2], [often[2]]], "eos_token_id": often[2:3], **beams},
            {"max_new_tokens": 5, "forced_eos_token_id": 8, "eos_token_id": 8},
            {"max_new_tokens": 5, "forced_eos_token_id": 8, "eos_token_id": 8, **beams},
            {"max_new_tokens": NEW, "stop_strings": words, "eos_token_id": None},
            {"max_new_tokens": NEW, "stop_strings": words, "eos_token_id": None, **beams},
        ]
        if model.config.is_encoder_decoder:
            settings.append({"max_new_tokens": 6, "forced_bos_token_id": 77, "eos_token_id": None})
        for given in settings:
            for prompt in PROMPTS:
                tokens = new(model, prompt, given, tokenizer)
                searches.append({"case": case, "prompt": prompt, "settings": given, "tokens": tokens})
    text = json.dumps(searches, ensure_ascii=False, sort_keys=True)
    (HERE / "decoding.json").write_text(text.replace('{"case"', '\n{"case"') + "\n")


if __name__ == "__main__":
    main()
