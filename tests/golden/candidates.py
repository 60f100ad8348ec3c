"""Scores of candidates, computed by transformers + PEFT: candidates.json.

Summed log-probabilities of answers behind a prompt (GPT-2, behind a prefix), of targets of a source (T5, behind a prefix), of
tokens in place of masks (BERT), and the scores of choices (BertForMultipleChoice; with a prefix as THUDM/P-tuning-v2:
model/multiple_choice.py gives it, as past_key_values). Each candidate is a row of its own, so that nothing is padded.

    python candidates.py        # in this folder; models and adapters are those of cases/
"""
import json
import os

import peft
import torch
import transformers as tr

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases")
ANSWERS = [[21], [5, 33], [40], [7, 7, 30]]


def folder(case, part):
    return os.path.join(CASES, case, part)


def with_prefix(kind, case):
    model = kind.from_pretrained(folder(case, "model"), dtype=torch.float32)
    return peft.PeftModel.from_pretrained(model, folder(case, "adapter")).eval()


def causal(case):
    model, rows = with_prefix(tr.AutoModelForCausalLM, case), []
    for prompt in ([3, 14, 15, 9], [26, 5]):
        sums = []
        for answer in ANSWERS:
            logits = model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
            at = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
            sums.append(sum(logits[i, token].item() for i, token in zip(at, answer)))
        rows.append({"prompt": prompt, "sums": sums})
    return {"case": case, "answers": ANSWERS, "rows": rows}


def seq2seq(case):
    model, rows = with_prefix(tr.AutoModelForSeq2SeqLM, case), []
    start = model.config.decoder_start_token_id
    for source in ([3, 14, 15, 9, 1], [26, 5, 1]):
        sums = []
        for answer in ANSWERS:
            given = {"input_ids": torch.tensor([source]), "decoder_input_ids": torch.tensor([[start, *answer[:-1]]])}
            logits = model(**given, attention_mask=torch.ones_like(given["input_ids"])).logits[0].log_softmax(-1)
            sums.append(sum(logits[i, token].item() for i, token in enumerate(answer)))
        rows.append({"source": source, "start": start, "sums": sums})
    return {"case": case, "answers": ANSWERS, "rows": rows}


def masked(case):
    model, rows = tr.AutoModelForMaskedLM.from_pretrained(folder(case, "model"), dtype=torch.float32).eval(), []
    mask = 4
    for text, place in (([2, 14, mask, 9, 3], 2), ([2, mask, 30, 3], 1)):
        sums = []
        for answer in ANSWERS:
            ids = text[:place] + [mask] * len(answer) + text[place + 1:]
            logits = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
            sums.append(sum(logits[place + i, token].item() for i, token in enumerate(answer)))
        rows.append({"text": text, "place": place, "sums": sums})
    return {"case": case, "mask": mask, "answers": ANSWERS, "rows": rows}


def choices(case):
    """A prefix and a head; the loss is transformers' own, over the choices of each row."""
    torch.manual_seed(7)
    prefix = with_prefix(tr.AutoModelForSequenceClassification, case)
    model = tr.BertForMultipleChoice.from_pretrained(folder(case, "model"), dtype=torch.float32, ignore_mismatched_sizes=True).eval()
    torch.nn.init.normal_(model.classifier.weight, std=0.5)
    torch.nn.init.normal_(model.classifier.bias, std=0.5)
    rows, bare, behind = [], [], []
    for prompt, options, right in (([14, 9, 22], [[7], [30, 31], [12, 5, 6]], 1), ([40, 41], [[8, 8], [19, 20], [33, 5]], 2)):
        texts = [[2, *prompt, 3, *option, 3] for option in options]
        types = [[0] * (len(prompt) + 2) + [1] * (len(option) + 1) for option in options]
        rows.append({"texts": texts, "types": types, "right": right})
        wide = max(map(len, texts))
        pad = lambda row, fill: row + [fill] * (wide - len(row))
        ids, kinds = (torch.tensor([pad(row, fill) for row in of]) for of, fill in ((texts, 1), (types, 0)))
        seen = torch.tensor([pad([1] * len(row), 0) for row in texts])
        given = {"input_ids": ids[None], "attention_mask": seen[None], "token_type_ids": kinds[None]}
        bare.append(model(**given).logits[0])
        cache = prefix.get_prompt(batch_size=len(texts))
        ones = torch.ones(len(texts), prefix.active_peft_config.num_virtual_tokens, dtype=seen.dtype)
        found = model.bert(input_ids=ids, token_type_ids=kinds, attention_mask=torch.cat([ones, seen], 1), past_key_values=cache)
        behind.append(model.classifier(found[1])[:, 0])
    loss = torch.nn.functional.cross_entropy(torch.stack(behind), torch.tensor([row["right"] for row in rows]), reduction="sum")
    return {"case": case, "weight": model.classifier.weight.tolist(), "bias": model.classifier.bias.tolist(), "rows": rows,
            "bare": torch.stack(bare).tolist(), "behind": torch.stack(behind).tolist(), "loss": loss.item()}


if __name__ == "__main__":
    with torch.no_grad():
        out = {"causal": causal("gpt2-prefix-2x44"), "seq2seq": seq2seq("t5-prefix-2x40"),
               "masked": masked("bert-full-masked"), "choices": choices("bert-prefix-seq")}
    with open("candidates.json", "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")
