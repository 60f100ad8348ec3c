"""Figures of texts by their reference implementations: `metrics/text.json`, read by `engine/src/metrics/text/tests.rs`.

    pip install sacrebleu==2.6.0 rouge_score==0.1.2 nltk==3.10.4 rouge_chinese==1.0.3 numpy
    git clone https://github.com/tuetschek/e2e-metrics     # at 1b9c4d8, for BLEU, NIST, ROUGE_L and CIDEr of its script
    git clone https://github.com/vrama91/cider              # for CIDEr without clipping; of Python 2
    python text_metrics.py E2E_METRICS CIDER

Words for ROUGE_L and CIDEr are what stands between spaces, as the script's own tokenizer is a Java program; METEOR has
an empty WordNet, so its stage of synonyms finds none.
"""

import json
import random
import sys
import types
from pathlib import Path

import nltk
import rouge_chinese
import sacrebleu
from nltk.stem.porter import PorterStemmer
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from nltk.translate.meteor_score import meteor_score
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a


def import_e2e(folder):
    """The script's modules; of the package `future` they need one division alone."""

    def old_div(a, b):
        return a // b if isinstance(a, int) and isinstance(b, int) else a / b

    past = types.ModuleType("past")
    past.utils = types.ModuleType("past.utils")
    past.utils.old_div = old_div
    sys.modules["past"], sys.modules["past.utils"] = past, past.utils
    sys.path.insert(0, folder)
    from metrics.pymteval import BLEUScore, NISTScore
    from pycocoevalcap.cider.cider_scorer import CiderScorer
    from pycocoevalcap.rouge.rouge import Rouge

    return BLEUScore, NISTScore, CiderScorer, Rouge


def import_plain_cider(folder):
    text = (Path(folder) / "pyciderevalcap" / "cider" / "cider_scorer.py").read_text()
    module = types.ModuleType("plain_cider")
    exec(text.replace("xrange", "range").replace("iteritems", "items"), module.__dict__)
    return module.CiderScorer


ENGLISH = [
    ("The Eagle is a cheap coffee shop near Burger King.",
     ["The Eagle is a coffee shop that is cheap. It is near Burger King.",
      "Near Burger King there is a cheap coffee shop, The Eagle.",
      "A cheap coffee shop called The Eagle sits near Burger King."]),
    ("The Eagle is a cheap coffee shop near Burger King.", ["The Eagle is a cheap coffee shop near Burger King."]),
    ("Blue Spice serves Chinese food in the riverside area, it isn't family-friendly.",
     ["Blue Spice is a Chinese restaurant by the riverside that is not family-friendly.",
      "In the riverside area, Blue Spice serves Chinese food. It is not for families."]),
    ("prices range from £20-25, i.e. 1,000.50 at most", ["Prices range between £20 and £25 (1,000.50 at most)."]),
    ("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"]),
    ("It is a guide to action which ensures that the military always obeys the commands of the party",
     ["It is a guide to action that ensures that the military will forever heed Party commands",
      "It is the guiding principle which guarantees the military forces always being under the command of the Party",
      "It is the practical guide for the army always to heed the directions of the party"]),
    ("Flying quickly, the happily running dogs' owners were connected relationally.",
     ["The happy runners owned dogs connecting relations that flew quickly."]),
    ("First line of a summary .\nSecond line says the rest .\n\nThird one .",
     ["Second line says it all .\nFirst lines of the summary .", "A summary .\nThe rest .\nThird one says the first ."]),
    ("said the U.S. president: \"We don't know... (yet)\" & left @ 5:30pm -- 3.5% #1",
     ["The U.S. president said: \"We don't know yet\" and left at 5:30 pm - 3.5 percent, no. 1"]),
    ("", ["An empty prediction.", "Nothing was said."]),
    ("Something was said.", [""]),
    ("Word", ["word", "Word"]),
]

CHINESE = [
    ("这件上衣采用了简约的版型设计，穿着舒适。", ["这款上衣版型简约，穿着非常舒适。", "简约的上衣，舒适的穿着体验。"]),
    ("床前明月光，疑是地上霜。举头望明月，低头思故乡。", ["床前明月光，疑是地上霜。举头望明月，低头思故乡。"]),
    ("我 喜欢 苹果 。 他说：“好！”然后走了……真的？是的", ["我 很 喜欢 吃 苹果 。 他说“好！”就走了。", "我喜欢吃 苹果"]),
    ("ＡＢＣ１２３，全角字符！ﾊﾝｶｸ", ["ABC123,全角字符!ハンカク", "ＡＢＣ１２３，半角字符！"]),
    ("人工智能(AI)在2023年增长了12.5%，达到1,000亿元。", ["2023年,人工智能（AI）增长12.5%，达1,000亿元！"]),
    ("", ["空的预测。"]),
    ("他来自北京——中国的首都；“你好”，他说…", ["他来自中国的首都北京。他说：“你好”……", "北京是首都", "你好"]),
    ("東京は日本の首都です。ラーメンを食べた", ["東京は日本の首都だ。ラーメンを食べました。"]),
    ("안녕하세요 세계! 서울은 한국의 수도", ["안녕하세요, 세계! 서울은 한국의 수도입니다."]),
]

ODD = [
    ("I \u2764\ufe0f \U0001f355 so much \U0001f468\u200d\U0001f469\u200d\U0001f467!", ["I \u2764 pizza \U0001f355\U0001f355 so much \U0001f600!"]),
    ("cafe\u0301 nai\u0308ve \u00c5ngstro\u0308m", ["caf\u00e9 na\u00efve \u00c5ngstr\u00f6m", "cafe\u0301 naive"]),
    ("STRASSE stra\u00dfe \u0130stanbul \u039f\u0394\u039f\u03a3 \u01c5 \u212a", ["stra\u00dfe STRASSE istanbul \u03bf\u03b4\u03bf\u03c2 \u01c6 K"]),
    ("a\u00a0b\u2003c\u3000d\x1ce\x85f\tg", ["a b c d e f g", "a\u00a0b c\u200bd"]),
    ("&quot;x &amp;lt; y&quot; &lt;tag&gt; <skipped>end-\nof line", ["\"x < y\" <tag> endof line", "&amp; nothing"]),
    ("... !!! ??? ;;; ,,, --- \u2014 \u2026 \u00ab\u00bb", ["... !!! ?? ;; ,, -- \u2014", "\u2026"]),
    ("3.14,15 1-2 -3 4- 5.", ["3.14 , 15 1 - 2 - 3 4 - 5 .", "\u0663.\u0664 \u00bd \u2167."]),
    ("   ", ["   ", " x "]),
    ("x's y's' don't cannot (hi) 'quoted' \"q\" $5 #tag @user a_b a/b", ["x 's y 's don 't can not hi quoted q $ 5 # tag @ user a b"]),
    ("\u202eabc\u202c \ufeffbom \u0000nul \ud7ff \U0010ffff", ["abc bom nul"]),
    ("yyyy yy sky skies dying news spied died agreed feed oed ying", ["yyy y sky sky die new spy die agree fed oe yin"]),
    ("\u65e5.\u672c,5,\u4e03.", ["\u65e5 . \u672c , 5 , \u4e03 ."]),
]


def shuffled():
    """Texts of few words in other orders: shifts for TER, ties for the longest common subsequence."""
    draw = random.Random(13)
    rows = []
    for _ in range(24):
        words = [draw.choice("abcdefghij") * draw.randint(1, 2) for _ in range(draw.randint(1, 24))]
        other = list(words)
        for _ in range(draw.randint(0, 4)):
            start, length = draw.randrange(len(other)), draw.randint(1, 5)
            span, other = other[start:start + length], other[:start] + other[start + length:]
            place = draw.randint(0, len(other))
            other = other[:place] + span + other[place:]
        other = [word if draw.random() > 0.15 else draw.choice("klm") for word in other]
        references = [" ".join(words)]
        for _ in range(draw.randint(0, 2)):
            references.append(" ".join(draw.sample(words, draw.randint(1, len(words)))))
        joined = "".join(word + (" \n" if draw.random() < 0.1 else " ") for word in other)
        rows.append((joined, references))
    # Texts of unlike lengths, for the band of TER.
    long = [draw.choice("abcdefghijklmnopq") for _ in range(150)]
    rows.append((" ".join(long), [" ".join(long[90:] + long[:90]), " ".join(long[::9])]))
    rows.append((" ".join(long[:3]), [" ".join(long)]))
    rows.append((" ".join(["a", "b"] * 40), [" ".join(["b", "a"] * 45)]))
    return rows


def corpus_and_rows(corpus, rows, signature=None):
    figure = {"corpus": corpus, "rows": rows}
    return figure | ({"signature": signature} if signature else {})


def mean(values):
    return corpus_and_rows(sum(values) / len(values), values)


def of_sacrebleu(metric, of_row, rows):
    n_references = max(len(references) for _, references in rows)
    streams = [[(references + [None] * n_references)[i] for _, references in rows] for i in range(n_references)]
    corpus = metric.corpus_score([prediction for prediction, _ in rows], streams).score
    signature = str(metric.get_signature())
    return corpus_and_rows(corpus, [of_row.sentence_score(p, r).score for p, r in rows], signature)


def of_bleu(rows, **options):
    return of_sacrebleu(BLEU(force=True, **options), BLEU(**(options | {"effective_order": True})), rows)


class EmptyWordNet:
    def synsets(self, word):
        return []


class Characters:
    def tokenize(self, text):
        return [c for c in text if not c.isspace()]


def of_meteor(rows, tokenize):
    return mean([meteor_score([tokenize(r) for r in references], tokenize(prediction), wordnet=EmptyWordNet())
                 for prediction, references in rows])


def of_rouge(rows, part="fmeasure", **options):
    names = {"rouge1": "rouge1", "rouge2": "rouge2", "rougeL": "rouge_l", "rougeLsum": "rouge_lsum"}
    scorer = rouge_scorer.RougeScorer(list(names), **options)
    scores = [scorer.score_multi(references, prediction) for prediction, references in rows]
    return {ours: mean([getattr(score[name], part) for score in scores]) for name, ours in names.items()}


def of_rouge_chinese(rows, words):
    def f(prediction, reference):
        try:
            scores = rouge_chinese.Rouge().get_scores(words(prediction), words(reference))[0]
        except ValueError:  # an empty text
            return {}
        return {name: score["f"] for name, score in scores.items()}

    def best(name, prediction, references):
        return round(max(f(prediction, r).get(name, 0.0) for r in references) * 100, 4)

    names = {"rouge-1": "rouge1_zh", "rouge-2": "rouge2_zh", "rouge-l": "rouge_l_zh"}
    return {ours: mean([best(name, *row) for row in rows]) for name, ours in names.items()}


def of_adgen(rows):
    smoothing = SmoothingFunction().method3
    return mean([round(sentence_bleu([list(r) for r in references], list(prediction), smoothing_function=smoothing) * 100, 4)
                 for prediction, references in rows])


def of_mteval(rows, of_corpus, of_row):
    """Figures of `pymteval`, `None` where it divides by nought."""

    def scored(score, rows):
        score.reset()
        for prediction, references in rows:
            score.append(prediction, references)
        try:
            return score.score()
        except ZeroDivisionError:
            return None

    return corpus_and_rows(scored(of_corpus, rows), [scored(of_row, [row]) for row in rows])


def of_distinct(rows, order, words):
    def ngrams(text):
        found = words(text)
        return [tuple(found[i:i + order]) for i in range(len(found) - order + 1)]

    def share(found):
        return len(set(found)) / len(found) if found else 0.0

    per_row = [ngrams(prediction) for prediction, _ in rows]
    return corpus_and_rows(share(sum(per_row, [])), [share(found) for found in per_row])


def figures(rows, e2e):
    bleu_score, nist_score, cider_scorer, coco_rouge, plain_cider = e2e
    found = {"bleu": of_bleu(rows), "bleu:lc": of_bleu(rows, lowercase=True)}
    found |= {f"bleu:{name}": of_bleu(rows, tokenize=name) for name in ("zh", "intl", "char", "none")}
    smoothings = {"floor": {"smooth_method": "floor"}, "add-k": {"smooth_method": "add-k"},
                  "add-k[0.50]": {"smooth_method": "add-k", "smooth_value": 0.5}, "none": {"smooth_method": "none"},
                  "effective": {"effective_order": True}}
    found |= {f"bleu/{name}": of_bleu(rows, **options) for name, options in smoothings.items()}
    for name, word_order in {"chrf": 0, "chrf++": 2}.items():
        found[name] = of_sacrebleu(CHRF(word_order=word_order), CHRF(word_order=word_order), rows)
    found["chrf++/lc"] = of_sacrebleu(CHRF(word_order=2, lowercase=True), CHRF(word_order=2, lowercase=True), rows)
    for name, options in {"ter": {}, "ter:zh": {"normalized": True, "asian_support": True}, "ter/case": {"case_sensitive": True}}.items():
        found[name] = of_sacrebleu(TER(**options), TER(**options), rows)

    of_bleu_e2e = of_mteval(rows, bleu_score(), bleu_score(smoothing=1.0))
    # Of one or two words, and of a corpus of them, the script has figures far above 1.
    of_bleu_e2e["corpus"] = None if of_bleu_e2e["corpus"] > 1.0 else of_bleu_e2e["corpus"]
    short = [len(bleu_score().tokenize(prediction)) < 3 for prediction, _ in rows]
    of_bleu_e2e["rows"] = [None if is_short else row for row, is_short in zip(of_bleu_e2e["rows"], short)]
    found["bleu_e2e"] = of_bleu_e2e
    found["nist"] = of_mteval(rows, nist_score(), nist_score())
    for name, scorer, options in (("cider:none", cider_scorer(), {}), ("cider_plain/none", plain_cider(), {"df_mode": "corpus"})):
        for prediction, references in rows:
            scorer += (prediction, references)
        found[name] = mean([float(score) for score in scorer.compute_score(**options)[1]])
    spaced = [(" ".join(p.split()), [" ".join(r.split()) for r in references]) for p, references in rows]
    found["rouge_l_e2e:none"] = mean([float(coco_rouge().calc_score([p], references)) for p, references in spaced])

    mteval = Tokenizer13a()
    found["meteor"] = of_meteor(rows, lambda text: mteval(text).split())
    found["meteor:none"] = of_meteor(rows, str.split)
    found["meteor:char"] = of_meteor(rows, Characters().tokenize)
    found |= of_rouge(rows)
    found |= {f"{name}/precision": figure for name, figure in of_rouge(rows, part="precision").items()}
    found |= {f"{name}/recall": figure for name, figure in of_rouge(rows, part="recall", use_stemmer=True).items()}
    found |= {f"{name}:stem": figure for name, figure in of_rouge(rows, use_stemmer=True).items()}
    found |= {f"{name}:char": figure for name, figure in of_rouge(rows, tokenizer=Characters()).items()}
    found |= of_rouge_chinese(rows, lambda text: " ".join(Characters().tokenize(text)))
    found |= {f"{name}:none": figure for name, figure in of_rouge_chinese(rows, str).items()}
    found["bleu4_char"] = of_adgen(rows)
    for order in (1, 2, 3):
        found[f"distinct_{order}"] = of_distinct(rows, order, str.split)
    for order in (1, 2):
        found[f"distinct_{order}:char"] = of_distinct(rows, order, Characters().tokenize)
    return found


def stems():
    """Words with all endings of the rules, on rests of each measure, and their stems."""
    rests = "tr by oat troubl priv hop fil fall y yo sky relat condit x conform vil geo theo analy enjo cri b abatt ow".split()
    endings = """s es ies sses ied eed ed ing y ly alli ational tional enci anci izer bli abli entli eli ousli ization ation
        ator alism iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence
        er ic able ible ant ement ment ent ion sion tion ou ism ate iti ous ive ize e ll le""".split()
    words = [rest + ending for rest in rests for ending in endings]
    words += "sky skies dying lying tying news innings inning outings outing cannings canning howe proceed exceed succeed".split()
    words += "Running HAPPILY a as is the caf\u00e9s na\u00efvely \u00e9d \u0130ng syzygy toy say falling hissing fizzed failing filing".split()
    words = sorted(set(words))
    stemmer = PorterStemmer()
    return {word: stemmer.stem(word) for word in random.Random(5).sample(words, 420) + words[:20]}


def main():
    e2e = (*import_e2e(sys.argv[1]), import_plain_cider(sys.argv[2]))
    corpora = {"english": ENGLISH, "chinese": CHINESE, "odd": ODD, "shuffled": shuffled()}
    corpora["together"] = ENGLISH[:3] + CHINESE[:3] + ODD[:3]
    # Each row with its first reference alone: the signature counts one.
    corpora["single"] = [(prediction, references[:1]) for prediction, references in ENGLISH[:4] + CHINESE[:2]]
    out = {
        "versions": {"sacrebleu": sacrebleu.__version__, "nltk": nltk.__version__, "rouge_score": "0.1.2", "rouge_chinese": "1.0.3"},
        "stems": stems(),
        "corpora": {
            name: {
                "rows": [{"prediction": p, "references": r} for p, r in rows],
                "figures": figures(rows, e2e),
            }
            for name, rows in corpora.items()
        },
    }
    path = Path(__file__).parent / "metrics" / "text.json"
    path.parent.mkdir(exist_ok=True)
    shortened = json.loads(json.dumps(out), parse_float=lambda text: float(f"{float(text):.12g}"))
    path.write_text(json.dumps(shortened, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
