#!/usr/bin/env python3
"""Write tiny vocabularies in the older forms, and what transformers' tokenizers make of nasty texts with them.

    tokenizer_files.py           write tokenizers/ beside this file
    tokenizer_files.py NAME …    write some of its folders

Each folder holds the files of a model folder that concern its tokenizer, and expected.json: for each text its tokens
without and with what stands around it, with the text before it as a pair, and as words where it has some.
Needs transformers, sentencepiece and protobuf.
"""
import json
import os
import random
import shutil
import sys
import tempfile

import sentencepiece
import transformers as tr
from sentencepiece import sentencepiece_model_pb2
from transformers.convert_slow_tokenizer import MBART_LANGUAGES
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

tr.logging.set_verbosity_error()
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizers")
WORDS = ("the prefix comes before a text and is read by every layer of model while its weights stay as they were "
         "naïve café Straße 你好 世界 前缀 调优 こんにちは Привет мир unbelievable unbelievably training trained").split()
TEXTS = [
    "", " ", "  ", "a", " a", "a ", "  a  b  ", "the prefix", "The PREFIX, and (every) layer!", "unbelievably trained",
    "naïve café", "nai\u0308ve cafe\u0301", "Straße STRASSE", "你好世界", "你好, world 前缀", "こんにちは", "Привет, мир", "\t\ta\tb",
    "line\nbreak\r\n\r\nend\n", "\u00a0a\u2003b\u3000c", "zero\u200bwidth\ufeff", "ﬁne ① ｆｕｌｌ", "emoji 🙂👩‍👩‍👧🏽", "🙂", "\U0001F600\U0001F9FF",
    "x" * 300, "prefix" * 60, "don't we'll I'm they've", "3.14159 1,000,000 0x1F", "!!!???...", "a_b-c/d\\e", "<s>", "</s> text </s>",
    "[CLS] the [MASK] prefix [SEP]", "<pad><unk><mask>", "<|endoftext|>", "<extra_id_0> the <extra_id_1>", "▁the ▁ prefix", "\u0301", "\u0000\u0007",
    "``quoted'' \"text\"", "हिन्दी ไทย עברית العربية", "ÀÉÎÕÜ ÿ ſ ĳ", "the\u0085prefix\u2028layer", " the  prefix ",
    "the <mask> layer", "a <mask_1> b <mask_2> c", "<unk_2> a <unk_102>", "en_XX the prefix ro_RO zh_CN", "the\u3000 prefix  \u00a0",
]


def lines():
    r = random.Random(3)
    return [" ".join(r.choice(WORDS) for _ in range(r.randrange(3, 9))) for _ in range(400)]


def sentence_piece(path, **options):
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(lines()), model_prefix=path, hard_vocab_limit=False, minloglevel=2, num_threads=1, **options)
    os.remove(path + ".vocab")
    forget_places(path + ".model")


def forget_places(path):
    """Takes the paths of the machine that trained a model out of its file."""
    model = sentencepiece_model_pb2.ModelProto()
    with open(path, "rb") as file:
        model.ParseFromString(file.read())
    for spec, field in [(model.trainer_spec, "model_prefix"), (model.normalizer_spec, "normalization_rule_tsv")]:
        spec.ClearField(field)
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def rules(folder):
    """Normalisation of a few characters: the whole of NFKC takes 240 KB in each model."""
    path = os.path.join(folder, "rules.tsv")
    pairs = {"ﬁ": "fi", "①": "1", "\u00a0": " ", "\u3000": " ", "e\u0301": "é", "ｆ": "f", "ｕ": "u", "ｌ": "l", "\t": " "}
    with open(path, "w") as file:
        for source, target in pairs.items():
            file.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
    return path


def t5(folder, scratch):
    sentence_piece(os.path.join(folder, "spiece"), vocab_size=120, model_type="unigram", pad_id=0, eos_id=1, unk_id=2,
                   bos_id=-1, character_coverage=0.98, normalization_rule_tsv=rules(scratch))


def llama(folder, scratch):
    sentence_piece(os.path.join(folder, "tokenizer"), vocab_size=420, model_type="bpe", byte_fallback=True,
                   character_coverage=0.98, normalization_rule_name="identity", remove_extra_whitespaces=False)


def chatglm(folder, scratch):
    sentence_piece(os.path.join(folder, "tokenizer"), vocab_size=420, model_type="bpe", byte_fallback=True,
                   character_coverage=0.98, normalization_rule_tsv=rules(scratch), remove_extra_whitespaces=False)


def expected_of_chatglm(folder):
    """transformers has no such class: the model folders bring their own, which asks SentencePiece, puts [gMASK] and sop
    before a text and the end behind a pair. Texts with special tokens in them are left out: it does not look for any."""
    sp = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
    n, results, before = sp.vocab_size(), [], "the prefix"
    for text in TEXTS:
        if any(token in text for token in ("<s>", "</s>", "<unk>", "[MASK]")):
            continue
        ids, begin = sp.encode(text), [n + 1, n + 3]
        results.append({"text": text, "ids": ids, "around": begin + ids, "pair": begin + sp.encode(before) + ids + [2],
                        "pair_types": [0] * (3 + len(sp.encode(before)) + len(ids)), "decoded": sp.decode(ids)})
        before = text
    roles = {"cls": None, "sep": None, "mask": n, "unk": 0, "pad": 0}  # a mask by its usual name
    return {"class": "ChatGLMTokenizer", "roles": roles, "size": n + 9, "texts": results}


# What ChatGLM-6B's code puts behind the pieces of text, and its later files have in them: https://huggingface.co/THUDM/chatglm-6b,
# tokenization_chatglm.py.
ICE_SPECIAL = ["[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>"]
ICE_SPACES = ["<|tab|>", *(f"<|blank_{n}|>" for n in range(2, 81))]
ICE_TEXTS = ["a\n\tb    c", "x" + 81 * " " + "y", 165 * " " + "z", "<n>a<|blank_3|>b<|tab|>", "<image_5> <image 5>", "\n", " \n a \n ", "if x:\n\treturn  y"]


def ice(folder, scratch, **options):
    sentence_piece(os.path.join(folder, "ice_text"), vocab_size=150, model_type="unigram", unk_id=0, bos_id=1, eos_id=2, pad_id=3,
                   user_defined_symbols="<n>", character_coverage=0.98, normalization_rule_tsv=rules(scratch), **options)


def ice_later(folder, scratch):
    ice(folder, scratch, remove_extra_whitespaces=False)
    path = os.path.join(folder, "ice_text.model")
    model = with_ice_pieces(path)
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def with_ice_pieces(path):
    """The model of a file with what its later form has too."""
    model, piece = sentencepiece_model_pb2.ModelProto(), sentencepiece_model_pb2.ModelProto.SentencePiece
    with open(path, "rb") as file:
        model.ParseFromString(file.read())
    if any(known.piece == "[gMASK]" for known in model.pieces):
        return model
    kinds = [(ICE_SPECIAL, piece.CONTROL), (ICE_SPACES, piece.USER_DEFINED), ([f"<0x{b:02X}>" for b in range(256)], piece.BYTE)]
    for texts, kind in kinds:
        model.pieces.extend(piece(piece=text, score=0.0, type=kind) for text in texts)
    model.trainer_spec.byte_fallback = True
    return model


def expected_of_ice(folder):
    """Of the first ChatGLM, as its own code does it: white space by its marks, ids behind those of images, [gMASK] and <sop>
    behind a text, and the end behind a pair."""
    with open(os.path.join(folder, "tokenizer_config.json")) as file:
        first = json.load(file).get("num_image_tokens", 20000)
    model = with_ice_pieces(os.path.join(folder, "ice_text.model"))
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    marks = [("\n", "<n>"), ("\t", "<|tab|>"), *((n * " ", f"<|blank_{n}|>") for n in range(80, 1, -1))]

    def encoded(text):
        for white, mark in marks:
            text = text.replace(white, mark)
        return [first + id for id in sp.encode(text)]

    def decoded(ids):
        text = sp.decode([id - first for id in ids])
        for white, mark in marks:
            text = text.replace(mark, white)
        return text

    special = {text: first + sp.piece_to_id(text) for text in ["[MASK]", "[gMASK]", "<sop>", "<eop>", "<unk>", "<pad>"]}
    results, before, behind = [], "the prefix", [special["[gMASK]"], special["<sop>"]]
    for text in TEXTS + ICE_TEXTS:
        if any(token in text for token in ("<s>", "</s>", "<unk>", "<pad>", "[MASK]")):
            continue
        ids = encoded(text)
        pair = encoded(before) + behind + ids + [special["<eop>"]]
        results.append({"text": text, "ids": ids, "around": ids + behind, "pair": pair, "pair_types": [0] * len(pair), "decoded": decoded(ids)})
        before = text
    roles = {"cls": None, "sep": None, "mask": special["[MASK]"], "unk": special["<unk>"], "pad": special["<pad>"]}
    return {"class": "ChatGLMTokenizer", "roles": roles, "size": first + sp.vocab_size(), "texts": results}


def albert(folder, scratch):
    sentence_piece(os.path.join(folder, "spiece"), vocab_size=120, model_type="unigram", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1,
                   control_symbols="[CLS],[SEP],[MASK]", character_coverage=0.98, normalization_rule_tsv=rules(scratch))


def xlm_roberta(folder, scratch):
    sentence_piece(os.path.join(folder, "sentencepiece.bpe"), vocab_size=120, model_type="unigram",
                   character_coverage=0.98, normalization_rule_tsv=rules(scratch))


def deberta(folder, scratch):
    sentence_piece(os.path.join(folder, "spm"), vocab_size=120, model_type="unigram", pad_id=0, bos_id=1, eos_id=2, unk_id=3,
                   pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]", character_coverage=0.98,
                   normalization_rule_tsv=rules(scratch))


def pegasus(folder, scratch):
    sentence_piece(os.path.join(folder, "spiece"), vocab_size=120, model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
                   character_coverage=0.98, normalization_rule_tsv=rules(scratch))


def pegasus_bare(folder, scratch):
    sentence_piece(os.path.join(folder, "spiece"), vocab_size=120, model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
                   character_coverage=0.98, normalization_rule_name="identity", remove_extra_whitespaces=False)


def byte_level(folder, special):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.train_from_iterator(lines(), trainers.BpeTrainer(vocab_size=340, special_tokens=special, show_progress=False,
                                                         initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tok.model.save(folder)


def bert(folder, scratch):
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=False)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.train_from_iterator(lines() + ["The PREFIX naive cafe"], trainers.WordPieceTrainer(
        vocab_size=220, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    tok.model.save(folder)


ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
FOLDERS = {  # files, model type, tokenizer_config.json
    "t5": (t5, "t5", {"tokenizer_class": "T5Tokenizer", "extra_ids": 3}),
    "llama": (llama, "llama", {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": False}),
    "llama-legacy": (llama, "llama", {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, "add_eos_token": True, "legacy": True,
                                      "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}}),
    "sentence-bpe": (llama, "other", {}),
    "albert": (albert, "albert", {"tokenizer_class": "AlbertTokenizer"}),
    "xlm-roberta": (xlm_roberta, "xlm-roberta", {}),
    "deberta": (deberta, "deberta-v2", {"do_lower_case": False, "vocab_type": "spm"}),
    "deberta-split": (deberta, "deberta-v2", {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": True, "split_by_punct": True}),
    "pegasus": (pegasus, "pegasus", {}),
    "pegasus-saved": (pegasus, "pegasus", {"tokenizer_class": "PegasusTokenizer", "mask_token": "<mask_2>", "mask_token_sent": "<mask_1>",
                                           "offset": 103, "additional_special_tokens": ["<mask_1>", *(f"<unk_{i}>" for i in range(2, 103))]}),
    "pegasus-bare": (pegasus_bare, "pegasus", {"tokenizer_class": "PegasusTokenizerFast", "offset": 5}),
    "mbart": (xlm_roberta, "mbart", {}),
    "mbart-romanian": (xlm_roberta, "mbart", {"tokenizer_class": "MBartTokenizer", "src_lang": "ro_RO", "tgt_lang": "en_XX",
                                              "additional_special_tokens": [*MBART_LANGUAGES]}),
    "mbart50": (xlm_roberta, "mbart", {"tokenizer_class": "MBart50Tokenizer", "src_lang": "zh_CN", "tgt_lang": "de_DE"}),
    "chatglm": (chatglm, "chatglm", {"tokenizer_class": "ChatGLMTokenizer"}),
    "chatglm-6b": (ice_later, "chatglm", {"tokenizer_class": "ChatGLMTokenizer", "num_image_tokens": 0, "bos_token": "<sop>", "eos_token": "<eop>",
                                          "end_token": "</s>", "gmask_token": "[gMASK]", "mask_token": "[MASK]", "pad_token": "<pad>",
                                          "unk_token": "<unk>", "remove_space": False, "do_lower_case": False}),
    "chatglm-6b-first": (ice, "chatglm", {"tokenizer_class": "ChatGLMTokenizer", "bos_token": "<sop>", "eop_token": "<eop>", "eos_token": "</s>",
                                          "gmask_token": "[gMASK]", "mask_token": "[MASK]", "pad_token": "<pad>", "unk_token": "<unk>"}),
    "gpt2": (lambda f, s: byte_level(f, ["<|endoftext|>"]), "gpt2", {}),
    "opt": (lambda f, s: byte_level(f, ROBERTA), "opt", {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "bos_token": "</s>",
                                                          "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}),
    "roberta": (lambda f, s: byte_level(f, ROBERTA), "roberta", {"mask_token": {
        "content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False, "special": True,
        "__type": "AddedToken"}}),
    "qwen2": (lambda f, s: byte_level(f, []), "qwen2", {
        "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "added_tokens_decoder": {
            str(340 - 0 + i): {"content": t, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
            for i, t in enumerate(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])}}),
    "bert": (bert, "bert", {}),
    "bert-cased": (bert, "bert", {"do_lower_case": False, "tokenize_chinese_chars": False, "tokenizer_class": "BertTokenizer"}),
    "bert-accents": (bert, "distilbert", {"do_lower_case": True, "strip_accents": False}),
}


def expected(folder, words):
    tok = tr.AutoTokenizer.from_pretrained(folder)
    results, before = [], "the prefix"
    for text in TEXTS:
        around = tok(text, return_token_type_ids=True)
        pair = tok([before], [text], return_token_type_ids=True)  # in lists an empty second text is one too
        cut = text.split()
        result = {"text": text, "ids": tok.encode(text, add_special_tokens=False), "around": around.input_ids,
                  "pair": pair.input_ids[0], "pair_types": pair.token_type_ids[0],
                  "decoded": tok.decode(around.input_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)}
        if getattr(tok, "tgt_lang", None):
            result["target"] = tok(text_target=text).input_ids
        if words and cut:
            split = tok(cut, is_split_into_words=True)
            result["words"], result["word_ids"] = split.input_ids, split.word_ids()
        results.append(result)
        before = text
    roles = {role: getattr(tok, f"{role}_token_id") for role in ["bos", "eos", "pad", "unk", "cls", "sep", "mask"]}
    return {"class": type(tok).__name__, "roles": roles, "size": len(tok), "texts": results}


def main():
    for name in sys.argv[1:] or FOLDERS:
        make, model_type, config = FOLDERS[name]
        folder = os.path.join(HERE, name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with tempfile.TemporaryDirectory() as scratch:
            make(folder, scratch)
        for file, value in [("config.json", {"model_type": model_type}), ("tokenizer_config.json", config)]:
            with open(os.path.join(folder, file), "w") as out:
                json.dump(value, out, ensure_ascii=False)
        if name == "qwen2":
            with open(os.path.join(folder, "vocab.json")) as file:
                assert len(json.load(file)) == 340
        # transformers cuts words of byte-level vocabularies only with a space before each.
        result = (expected_of_chatglm(folder) if name == "chatglm" else expected_of_ice(folder) if name.startswith("chatglm-6b")
                  else expected(folder, name not in ("gpt2", "opt", "roberta", "qwen2")))
        with open(os.path.join(folder, "expected.json"), "w") as out:
            json.dump(result, out, ensure_ascii=True)
            out.write("\n")
        print(name, result["class"], result["size"])


if __name__ == "__main__":
    main()
