"""Golden figures of answers, classes, entities, ranks and likelihoods: tests/golden/metrics/other.json.

scikit-learn, scipy, seqeval, sacrebleu and bert_score compute what they have. The scripts of SQuAD 1.1 and 2.0, of CMRC
2018 and of MultiRC are not packages: their rules are written down here.

    python tests/golden/metrics.py
"""

import json
import math
import re
import string
from collections import Counter
from pathlib import Path

import numpy as np
import sacrebleu.significance
import torch
from bert_score.utils import get_idf_dict, greedy_cos_idf
from sacrebleu.metrics import BLEU
from scipy.stats import pearsonr, spearmanr
from seqeval.metrics import f1_score as entity_f1
from seqeval.metrics import precision_score as entity_precision
from seqeval.metrics import recall_score as entity_recall
from seqeval.scheme import IOB2, IOBES
from sklearn import metrics as sk

OUT = Path(__file__).parent / "metrics" / "other.json"


# SQuAD


def squad_normalized(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def counted_f1(given, wanted):
    common = sum((Counter(given) & Counter(wanted)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(given), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def squad1(prediction, references):
    given = squad_normalized(prediction)
    exact = max(float(given == squad_normalized(r)) for r in references)
    return exact, max(counted_f1(given.split(), squad_normalized(r).split()) for r in references)


def squad2(prediction, references):
    golds = [r for r in references if squad_normalized(r)] or [""]
    given = squad_normalized(prediction)

    def f1(gold):
        given_words, wanted = given.split(), squad_normalized(gold).split()
        if not given_words or not wanted:
            return float(given_words == wanted)
        return counted_f1(given_words, wanted)

    return max(float(given == squad_normalized(r)) for r in golds), max(f1(r) for r in golds)


def squad2_report(rows, threshold):
    """evaluate-v2.0.py: compute scores, apply the threshold, HasAns and NoAns, best thresholds."""
    has = [any(row["references"]) for row in rows]
    raw = [squad2(row["prediction"], row["references"]) for row in rows]
    chances = [row["no_answer"] for row in rows]
    report = {}
    for at, name in enumerate(["exact", "f1"]):
        scores = [pair[at] for pair in raw]
        decided = [float(not h) if p > threshold else s for s, h, p in zip(scores, has, chances)]
        for prefix, fits in [("", lambda h: True), ("HasAns_", lambda h: h), ("NoAns_", lambda h: not h)]:
            of = [s for s, h in zip(decided, has) if fits(h)]
            report[prefix + name] = 100.0 * sum(of) / len(of)
            report[prefix + "total"] = len(of)
        current = best = sum(not h for h in has)
        best_at = 0.0
        for i in sorted(range(len(rows)), key=lambda i: chances[i]):
            current += scores[i] if has[i] else (-1 if rows[i]["prediction"] else 0)
            if current > best:
                best, best_at = current, chances[i]
        report["best_" + name] = 100.0 * best / len(rows)
        report[f"best_{name}_thresh"] = best_at
    return report


# CMRC 2018

CMRC_MARKS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"


def cmrc_normalized(text):
    return "".join(c for c in text.lower().strip() if c not in CMRC_MARKS)


def cmrc_segments(text):
    """The script asks nltk.word_tokenize for what is between Chinese characters; without punctuation it cuts at spaces."""
    segments, between = [], ""
    for c in cmrc_normalized(text):
        if "\u4e00" <= c <= "\u9fa5":
            segments += between.split() + [c]
            between = ""
        else:
            between += c
    return segments + between.split()


def cmrc(prediction, references):
    exact = float(any(cmrc_normalized(prediction) == cmrc_normalized(r) for r in references))

    def f1(reference):
        given, wanted = cmrc_segments(prediction), cmrc_segments(reference)
        runs = [[0] * (len(wanted) + 1) for _ in range(len(given) + 1)]
        longest = 0
        for i, a in enumerate(given):
            for j, b in enumerate(wanted):
                if a == b:
                    runs[i + 1][j + 1] = runs[i][j] + 1
                    longest = max(longest, runs[i + 1][j + 1])
        if longest == 0:
            return 0.0
        precision, recall = longest / len(given), longest / len(wanted)
        return 2 * precision * recall / (precision + recall)

    return exact, max(f1(r) for r in references)


TEXTS = [
    "The  quick, brown fox!",
    "an apple a day",
    "  Theatre of the Absurd ",
    "it's (a) test_case — the-end",
    "U.S.A.",
    "the",
    "",
    "İstanbul’da, ÇAY; Straße ΣΑΣ",
    "北京大学，1898年（清朝）",
    "《红楼梦》——曹雪芹……",
    "a\u00a0the\tcafé\u3000the\u2009x",
    "x a, an. the\nb",
    "emoji 🙂 the 🙂",
    "Ａ the１ a1 the_a a'the",
]

ANSWERS = [
    ("the Denver Broncos", ["Denver Broncos", "The Denver Broncos", "Broncos"]),
    ("Denver", ["Denver Broncos", "Carolina Panthers"]),
    ("in 1898, at Beijing", ["1898"]),
    ("", ["something"]),
    ("the", ["a", "an"]),
    ("café the café", ["Café"]),
    ("to be or not to be", ["not to be, or to be", "be be to"]),
    ("猫 坐 在 垫子 上", ["猫 在 垫子 上"]),
    ("42", ["forty-two", "42."]),
    ("no match here", ["entirely different"]),
]

NO_ANSWERS = [("", []), ("guess", []), ("", [""]), ("the", [""]), ("x", ["the", "an"]), ("", ["the"])]

CHINESE = [
    ("北京大学", ["北京大学。", "北大"]),
    ("在北京的大学", ["北京大学"]),
    ("1898年 成立", ["成立于 1898 年"]),
    ("《红楼梦》", ["红楼梦"]),
    ("完全不同", ["没有"]),
    ("Apple 公司 iPhone", ["苹果公司", "apple公司"]),
    ("", ["空"]),
    ("水落石出，山高月小", ["山高月小，水落石出"]),
    ("甲乙甲乙丙", ["乙甲乙丙甲"]),
    ("。。", ["！"]),
]


def cases(score, pairs):
    rows = []
    for prediction, references in pairs:
        exact, f1 = score(prediction, references)
        rows.append({"prediction": prediction, "references": references, "exact": exact, "f1": f1})
    return rows


def squad2_reports(rng):
    pairs = ANSWERS + NO_ANSWERS
    rows = [
        {"prediction": p, "references": r, "no_answer": round(float(rng.random()), 3)} for p, r in pairs
    ]
    # Two that are equally likely, in the order in which they come.
    rows[3]["no_answer"] = rows[7]["no_answer"]
    return [{"threshold": t, "rows": rows, "report": squad2_report(rows, t)} for t in (1.0, 0.5)]


# Classes


def classification(rng):
    found = []
    for n_classes, n, kind in [(2, 30, 0), (5, 60, 0), (4, 25, 1), (3, 12, 2), (2, 10, 3), (6, 8, 0)]:
        labels = rng.integers(n_classes, size=n)
        predictions = np.where(rng.random(n) < 0.6, labels, rng.integers(n_classes, size=n))
        if kind == 1:  # a class is never predicted, another never there
            labels, predictions = np.where(labels == 3, 0, labels), np.where(predictions == 1, 0, predictions)
        if kind == 2:  # always the same prediction
            predictions = np.zeros_like(labels)
        if kind == 3:  # all right
            predictions = labels.copy()
        every = list(range(n_classes))
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            labels, predictions, labels=every, zero_division=0
        )
        f1_score = lambda average: sk.f1_score(labels, predictions, average=average, zero_division=0)
        present = sorted(set(labels.tolist()))
        found.append({
            "n_classes": n_classes,
            "labels": labels.tolist(),
            "predictions": predictions.tolist(),
            "accuracy": sk.accuracy_score(labels, predictions),
            "macro_f1": f1_score("macro"),
            "micro_f1": f1_score("micro"),
            "weighted_f1": f1_score("weighted"),
            "balanced_accuracy": float(sk.recall_score(
                labels, predictions, labels=present, average="macro", zero_division=0
            )),
            "matthews": sk.matthews_corrcoef(labels, predictions),
            "precision": precision.tolist(),
            "recall": recall.tolist(),
            "f1": f1.tolist(),
            "confusion": sk.confusion_matrix(labels, predictions, labels=every).tolist(),
        })
        if set(predictions.tolist()) <= set(present):
            assert math.isclose(found[-1]["balanced_accuracy"], sk.balanced_accuracy_score(labels, predictions))
    return found


def text_classes():
    labels = ["positive", "negative", "neutral", "positive", "正面", "negative", "neutral", "positive"]
    predictions = ["positive", "positive", "neutral", "negative", "正面", "negative", "gibberish", "positive"]
    f1_score = lambda average: sk.f1_score(labels, predictions, average=average, zero_division=0)
    return {
        "labels": labels,
        "predictions": predictions,
        "accuracy": sk.accuracy_score(labels, predictions),
        "macro_f1": f1_score("macro"),
        "micro_f1": f1_score("micro"),
        "weighted_f1": f1_score("weighted"),
        "balanced_accuracy": float(sk.recall_score(
            labels, predictions, labels=sorted(set(labels)), average="macro", zero_division=0
        )),
        "matthews": sk.matthews_corrcoef(labels, predictions),
    }


def correlation(rng):
    found = []
    for n, ties in [(20, False), (30, True), (5, True)]:
        x = rng.normal(size=n)
        y = 0.5 * x + rng.normal(size=n)
        if ties:
            x, y = np.round(x), np.round(y)
        found.append({
            "x": x.tolist(),
            "y": y.tolist(),
            "pearson": float(pearsonr(x, y).statistic),
            "spearman": float(spearmanr(x, y).statistic),
        })
    return found


# Entities


def entities(rng):
    found = []
    for scheme, marks in [("default", "BIES"), ("default", "BI"), ("IOB2", "BI"), ("IOBES", "BIES")] * 3:
        labels, predictions = [], []
        for _ in range(12):
            n = int(rng.integers(1, 15))
            pool = ["O"] + [f"{mark}-{kind}" for mark in marks for kind in ("PER", "LOC", "B-x")]
            wanted = [pool[int(rng.integers(len(pool)))] for _ in range(n)]
            noise = [pool[int(rng.integers(len(pool)))] for _ in range(n)]
            labels.append(wanted)
            predictions.append([w if rng.random() < 0.8 else o for w, o in zip(wanted, noise)])
        strict = {"IOB2": IOB2, "IOBES": IOBES}.get(scheme)
        options = {"mode": "strict", "scheme": strict} if strict else {}
        of = lambda score, average: float(score(labels, predictions, average=average, zero_division=0, **options))
        found.append({
            "scheme": scheme,
            "labels": labels,
            "predictions": predictions,
            "precision": of(entity_precision, "micro"),
            "recall": of(entity_recall, "micro"),
            "f1": of(entity_f1, "micro"),
            "macro_f1": of(entity_f1, "macro"),
            "weighted_f1": of(entity_f1, "weighted"),
        })
    return found


# Ranks


def ranking(rng):
    rows = []
    for group, n in [("P19", 12), ("P36", 5), ("P1376", 3)]:
        for _ in range(n):
            scores = np.round(rng.normal(size=15), 1).astype(np.float32)
            rows.append({"group": group, "scores": scores.tolist(), "right": int(rng.integers(15))})
    rank = lambda row: int(np.sum(np.asarray(row["scores"]) >= row["scores"][row["right"]]))
    figures = lambda ranks: {
        **{f"p@{k}": float(np.mean(np.asarray(ranks) <= k)) for k in (1, 3, 10)},
        "mrr": float(np.mean(1.0 / np.asarray(ranks))),
    }
    groups = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(rank(row))
    each = [figures(ranks) for ranks in groups.values()]
    return {
        "rows": rows,
        "micro": figures([rank(row) for row in rows]),
        "macro": {key: float(np.mean([of[key] for of in each])) for key in each[0]},
    }


def multirc(rng):
    rows = []
    for question in range(12):
        for _ in range(int(rng.integers(1, 6))):
            label = int(rng.integers(2))
            rows.append({
                "question": f"{question // 3}-{question % 3}",
                "label": label,
                "prediction": label if rng.random() < 0.8 else 1 - label,
            })
    whole = {}
    for row in rows:
        whole.setdefault(row["question"], []).append(row["label"] == row["prediction"])
    return {
        "rows": rows,
        "f1a": sk.f1_score([r["label"] for r in rows], [r["prediction"] for r in rows]),
        "exact": float(np.mean([all(of) for of in whole.values()])),
    }


def perplexity():
    """lm-evaluation-harness: words are re.split(r"\\s+", text), bytes those of UTF-8, sums are divided."""
    texts = [
        {"text": "The cat sat on the mat.", "nll": 21.5, "tokens": 7},
        {"text": " 山高月小，水落石出。 ", "nll": 33.25, "tokens": 19},
        {"text": "tab\tand\n\nlines\u00a0and\u3000more\x1cseparators", "nll": 40.0, "tokens": 15},
        {"text": "", "nll": 1.5, "tokens": 1},
    ]
    nll = sum(t["nll"] for t in texts)
    words = sum(len(re.split(r"\s+", t["text"])) for t in texts)
    n_bytes = sum(len(t["text"].encode("utf-8")) for t in texts)
    return {
        "texts": texts,
        "words": words,
        "bytes": n_bytes,
        "token_perplexity": math.exp(nll / sum(t["tokens"] for t in texts)),
        "word_perplexity": math.exp(nll / words),
        "byte_perplexity": math.exp(nll / n_bytes),
        "bits_per_byte": nll / n_bytes / math.log(2),
    }


# The paired bootstrap


class Share:
    """A metric of sacrebleu's interface: the share of what is right, in per cent."""

    def __init__(self, statistics):
        self.statistics = statistics

    def _extract_corpus_statistics(self, hypotheses, references):
        return self.statistics

    def _compute_score_from_stats(self, stats):
        return sacrebleu.metrics.base.Score("share", 100.0 * float(stats[0]) / float(stats[1]))

    def _aggregate_and_compute(self, stats):
        return self._compute_score_from_stats(np.sum(stats, axis=0))


def paired(rng):
    seed, n_draws, found = 12345, 80, []
    words = "the cat sat on the mat while a dog ran over the old green hill near our town".split()
    references, baseline, system = [], [], []
    for _ in range(14):
        start = int(rng.integers(3))
        text = words[start : start + 12]
        swap = lambda share: " ".join("other" if rng.random() < share else word for word in text)
        references.append(" ".join(text))
        baseline.append(swap(0.12))
        system.append(swap(0.06))

    def case(name, metric_of, statistics):
        results = {"first": sacrebleu.significance.Result(metric_of("first")._aggregate_and_compute(statistics["first"]).score)}
        _, found_results = sacrebleu.significance._paired_bs_test(
            {name: (statistics["first"], results["first"])},
            "system", system, [references], {name: metric_of("second")}, n_samples=n_draws, seed=seed,
        )
        result = found_results[name]
        # The draws of that call.
        draws = np.random.default_rng(seed).choice(len(system), size=(n_draws, len(system)), replace=True)
        found.append({
            "metric": name,
            "baseline": np.asarray(statistics["first"], dtype=float).tolist(),
            "system": np.asarray(statistics["second"], dtype=float).tolist(),
            "draws": draws.tolist(),
            "p_value": result.p_value,
            "figure": result.score,
            "mean": float(result.mean),
            "ci": float(result.ci),
        })

    bleu = BLEU()
    statistics = {
        "first": bleu._extract_corpus_statistics(baseline, [references]),
        "second": bleu._extract_corpus_statistics(system, [references]),
    }
    case("bleu", lambda _: bleu, statistics)
    totals = rng.integers(5, 15, size=14)
    shares = {
        "first": [[int(rng.integers(0, t)), int(t)] for t in totals],
        "second": [[int(rng.integers(0, t + 1)), int(t)] for t in totals],
    }
    case("share", lambda which: Share(shares[which]), shares)
    return found


# BERTScore


def bertscore(rng):
    dim, found = 8, []
    for n, m, idf in [(6, 5, False), (4, 9, False), (7, 7, True), (2, 5, False), (5, 3, True)]:
        candidate, reference = (rng.normal(size=(k, dim)).astype(np.float32) for k in (n, m))
        weights = lambda k: np.concatenate([[0.0], rng.random(k - 2) * 3 if idf else np.ones(k - 2), [0.0]])
        of_candidate, of_reference = weights(n), weights(m)
        tensor = lambda values: torch.tensor(np.asarray(values)[None], dtype=torch.float32)
        p, r, f = greedy_cos_idf(
            tensor(reference), torch.ones(1, m, dtype=torch.long), tensor(of_reference),
            tensor(candidate), torch.ones(1, n, dtype=torch.long), tensor(of_candidate),
        )
        found.append({
            "candidate": candidate.flatten().tolist(),
            "reference": reference.flatten().tolist(),
            "candidate_weights": of_candidate.tolist(),
            "reference_weights": of_reference.tolist(),
            "precision": float(p), "recall": float(r), "f1": float(f),
        })
    return {"dim": dim, "cases": found}


def idf():
    references = [[101, 5, 6, 5, 102], [101, 6, 7, 102], [101, 8, 102]]
    weights = get_idf_dict([set(tokens) for tokens in references], None, nthreads=0)
    return {"references": references, "weights": {str(t): weights[t] for t in (101, 102, 5, 6, 7, 8, 9)}}


def main():
    rng = np.random.default_rng(13)
    golden = {
        "normalization": [{"text": t, "squad": squad_normalized(t), "cmrc": cmrc_normalized(t)} for t in TEXTS],
        "answers": {
            "squad1": cases(squad1, ANSWERS),
            "squad2": cases(squad2, ANSWERS + NO_ANSWERS),
            "cmrc": cases(cmrc, CHINESE),
        },
        "squad2_reports": squad2_reports(rng),
        "classification": classification(rng),
        "text_classes": text_classes(),
        "correlation": correlation(rng),
        "entities": entities(rng),
        "ranking": ranking(rng),
        "multirc": multirc(rng),
        "perplexity": perplexity(),
        "paired": paired(rng),
        "bertscore": bertscore(rng),
        "idf": idf(),
    }
    OUT.parent.mkdir(exist_ok=True)
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in golden.items()]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
