#!/usr/bin/env python3
"""Questions about a text, answered by a place in it, as transformers + PEFT read, score and answer them.

    answers.py      write answers/ beside this file

model/ is a BERT for question answering, adapter/ a prefix of PEFT (QUESTION_ANS) with a head, rows.jsonl has questions in
SQuAD's form, some of them without an answer. expected.json has the windows of each row (token ids, first and last token of
the answer), the mean loss over them (each window alone, so that nothing is padded), and the text that is taken for the
answer, with exact match and F1, and the best of both over all thresholds of no answer's score less that of the best answer, with
those thresholds (evaluate-v2.0.py, `find_best_thresh`). Windows as in transformers' run_qa.py, answers as in its utils_qa.py, figures as in SQuAD's
script; both are written down here in their order of steps. Needs torch, transformers, peft.
"""
import collections
import json
import os
import re
import shutil
import string

import numpy as np
import peft
import torch
import transformers as tr

from encoders import tokenizer

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "answers")
MAX, STRIDE = 16, 3
CONTEXT = "the king is in the zoo. a cat is on the mat, the cat is singing. is the dog good"
ROWS = [
    ("is the king in", CONTEXT, ["the zoo"]),
    ("the cat", CONTEXT, ["the mat", "mat"]),
    ("is the dog", CONTEXT, ["good"]),
    ("  is it", "x y z", ["y z"]),
    ("the bad", CONTEXT, []),
    ("the é", "an é in the text. the é is", ["é is"]),
]


def windows(tok, question, context, answers):
    given = tok(question.lstrip(), context, truncation="only_second", max_length=MAX, stride=STRIDE,
                return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True)
    for at, ids in enumerate(given["input_ids"]):
        offsets, sequences = given["offset_mapping"][at], given.sequence_ids(at)
        start = end = ids.index(2)
        if answers:
            begin = context.index(answers[0])
            last = begin + len(answers[0])
            first_token = next(i for i, s in enumerate(sequences) if s == 1)
            last_token = max(i for i, s in enumerate(sequences) if s == 1)
            if offsets[first_token][0] <= begin and offsets[last_token][1] >= last:
                while first_token < len(offsets) and sequences[first_token] == 1 and offsets[first_token][0] <= begin:
                    first_token += 1
                start = first_token - 1
                while offsets[last_token][1] >= last:
                    last_token -= 1
                end = last_token + 1
        yield ids, given["token_type_ids"][at], start, end, [o if s == 1 else None for o, s in zip(offsets, sequences)]


def answer(context, features):
    """The text of the best place, and how much more no answer scores. `features`: (start logits, end logits, offsets)."""
    null, found = None, []
    for start, end, offsets in features:
        score = start[0] + end[0]
        null = score if null is None else min(null, score)
        for s in np.argsort(start)[-1:-21:-1].tolist():
            for e in np.argsort(end)[-1:-21:-1].tolist():
                if offsets[s] is None or offsets[e] is None or e < s or e - s + 1 > 30:
                    continue
                found.append((start[s] + end[e], offsets[s][0], offsets[e][1]))
    score, begin, end = max(found, key=lambda f: f[0])
    return context[begin:end], float(null - score)


def normalized(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(given, wanted):
    given, wanted = normalized(given).split(), normalized(wanted).split()
    same = sum((collections.Counter(given) & collections.Counter(wanted)).values())
    if not given or not wanted:
        return float(given == wanted)
    return 0.0 if same == 0 else 2 * same / (len(given) + len(wanted))


def best_threshold(answers, scores):
    """`answers`: (best text, no answer's score over it, right ones), `scores` of the texts; SQuAD 2.0's `find_best_thresh`."""
    current = best = sum(not right for _, _, right in answers)
    threshold = 0.0
    for i in sorted(range(len(answers)), key=lambda i: answers[i][1]):
        text, over, right = answers[i]
        current += scores[i] if right else (-1 if text else 0)
        if current > best:
            best, threshold = current, over
    return best / len(answers), threshold


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    torch.manual_seed(5)
    config = tr.BertConfig(vocab_size=tokenizer().get_vocab_size(), hidden_size=12, num_hidden_layers=2, num_attention_heads=2,
                           intermediate_size=14, max_position_embeddings=40, pad_token_id=1)
    model = tr.BertForQuestionAnswering(config).eval()
    with torch.no_grad():
        for n, p in model.named_parameters():
            noise = torch.randn(p.shape)
            if p.dim() == 1:
                p.copy_((1.0 if "norm" in n.lower() and n.endswith("weight") else 0.0) + 0.2 * noise)
            else:
                p.copy_(noise * (0.5 if "embed" in n else p.shape[1] ** -0.5))
    tok = tr.PreTrainedTokenizerFast(tokenizer_object=tokenizer(), pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]")
    model.save_pretrained(os.path.join(HERE, "model"))
    tokenizer().save(os.path.join(HERE, "model", "tokenizer.json"))
    prefix = peft.PrefixTuningConfig(task_type="QUESTION_ANS", num_virtual_tokens=3)
    wrapped = peft.get_peft_model(model, prefix).eval()
    wrapped.peft_config["default"].base_model_name_or_path = "model"
    wrapped.save_pretrained(os.path.join(HERE, "adapter"), save_embedding_layers=False)
    os.remove(os.path.join(HERE, "adapter", "README.md"))
    rows, losses, exact, shared = [], [], 0.0, 0.0
    found, scores = [], {"exact": [], "f1": []}
    with open(os.path.join(HERE, "rows.jsonl"), "w") as file:
        for question, context, answers in ROWS:
            starts = [context.index(a) for a in answers]
            row = {"question": question, "context": context, "answers": {"text": answers, "answer_start": starts}}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            features, shown = [], []
            for ids, types, start, end, offsets in windows(tok, question, context, answers):
                # PEFT's forward leaves the token types of a question and its text out; its prefix is given to BERT by hand.
                with torch.no_grad():
                    mask = torch.ones(1, prefix.num_virtual_tokens + len(ids), dtype=torch.long)
                    out = wrapped.base_model(
                        input_ids=torch.tensor([ids]), attention_mask=mask, token_type_ids=torch.tensor([types]),
                        past_key_values=wrapped.get_prompt(1), start_positions=torch.tensor([start]),
                        end_positions=torch.tensor([end]))
                losses.append(out.loss.item())
                features.append((out.start_logits[0].numpy(), out.end_logits[0].numpy(), offsets))
                shown.append({"ids": ids, "types": types, "start": start, "end": end})
            best, over = answer(context, features)
            found.append((best, over, answers))
            scores["exact"].append(max(float(normalized(best) == normalized(a)) for a in answers or [""]))
            scores["f1"].append(max(f1(best, a) for a in answers or [""]))
            text = "" if over > 0 else best
            exact += max(float(normalized(text) == normalized(a)) for a in answers or [""])
            shared += max(f1(text, a) for a in answers or [""])
            rows.append({"windows": shown, "answer": text})
    with open(os.path.join(HERE, "expected.json"), "w") as file:
        thresholds = {}
        for name in scores:
            thresholds["best_" + name], thresholds[f"best_{name}_thresh"] = best_threshold(found, scores[name])
        json.dump({"max_tokens": MAX, "stride": STRIDE, "rows": rows, "loss": sum(losses) / len(losses),
                   "exact_match": exact / len(ROWS), "f1": shared / len(ROWS)} | thresholds, file, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    main()
