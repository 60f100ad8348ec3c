#!/usr/bin/env python3
"""Write GGUF files with a tiny tokenizer and nothing else, and what the model's own tokenizer makes of nasty texts.

    gguf_tokenizers.py            write gguf_tokenizers/ beside this file

A file is written as llama.cpp's converter writes one (conversion/base.py), from a vocabulary that is trained here without
any cuts, so that every cut of the family's published tokenizer.json shows. expected.json holds, for each text, its tokens
without and with what stands around it and the text that comes back, from that tokenizer: the model's own. `transformers`
counts the texts that AutoTokenizer.from_pretrained(..., gguf_file=...) cuts otherwise, null where it cannot read the file.
Needs gguf 0.19, transformers, tokenizers, sentencepiece and protobuf.
"""
import contextlib
import functools
import json
import os
import shutil
import tempfile

import gguf
import transformers as tr
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokenizer_files import lines, rules, sentence_piece, sentencepiece

tr.logging.set_verbosity_error()
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gguf_tokenizers")
TEXTS = [
    "", " ", "  a  b  ", "the prefix", " the prefix", "The PREFIX, and (every) layer!", "naïve café", "nai\u0308ve cafe\u0301", "你好世界，前缀",
    "Привет, мир", "def f(x):\n\tif x:\n\t\treturn  x[0]\n\n\n    # end\n", "line\r\n\r\nend\n \n", "emoji 🙂👩‍👩‍👧🏽!", "3.14159 1,000,000 0x1F ²³ ٣٤ 12345678",
    "don't WE'LL I'm they'VE 'tis", "!!!???... --- $+<=>^~|`", "a_b-c/d\\e", "<s>the</s> text", "a<|im_start|>user\nb<|im_end|> c",
    "x<tool> y", "▁the ▁ prefix", "हिन्दी ไทย עברית العربية،", "the\u00a0prefix\u2003layer\u200b", "x" * 60, "[PAD5] <0x0A> [gMASK]",
]
WORDS = [" prefix", "prefix", "12", "345", "1234", "²³", " 3", "'LL", "'re", "n't", "!!", "?...", "--", "=<", "\n\n", "\n \n", "\r\n", "  ", "   ", "\t\t",
         "):\n", "[0]\n", "你好", "世界，", "，前缀", "，", "Приве", "т,", ", мир", "ve\u0301", "/d", "\\e", "-c", "e's", ".1", ",0", "x1F", " और", "a_b", "12 345", "the ", "।", "हिन्दी", "12345", "e x", "🙂👩"]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ENDS, MARK = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?", r"[^\r\n\p{L}\p{N}]?"
GPT4O = f"{MARK}{UPPER}*{LOWER}+{ENDS}|{MARK}{UPPER}+{LOWER}*{ENDS}" + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = f"{MARK}{UPPER}*{LOWER}+|{MARK}{UPPER}+{LOWER}*" + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
ASCII_MARKS = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
DEEPSEEK3 = ASCII_MARKS + r"[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CJK, EAST = "[一-龥぀-ゟ゠-ヿ]+", "[一-龥ࠀ-一가-퟿]+"


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated")


def in_bytes(words):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words)


DIGITS = pre_tokenizers.Digits(individual_digits=True)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# Written in bytes last: Falcon's own vocabulary has no tokens for which that would make a difference.
FALCON = [pre_tokenizers.Punctuation("contiguous"), split(GPT2), pre_tokenizers.Digits(individual_digits=False), split("[0-9][0-9][0-9]"),
          in_bytes(False)]
CODER = [split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(EAST), DIGITS, in_bytes(False)]
# By name in tokenizer.ggml.pre: architecture, cuts, whether accents are composed, merges ignored, how a text begins.
BYTE_LEVEL = {
    "gpt-2": ("gpt2", [in_bytes(True)], False, False, None),
    "olmo": ("gptneox", [in_bytes(True)], True, False, None),
    "smollm": ("llama", [DIGITS, in_bytes(True)], False, False, None),
    "command-r": ("command-r", [DIGITS, in_bytes(True)], True, False, "<s>"),
    "falcon": ("falcon", FALCON, False, False, None),
    "llama-bpe": ("llama", [split(LLAMA3), in_bytes(False)], False, True, "<s>"),
    "dbrx": ("phi3", [split(LLAMA3), in_bytes(False)], False, False, None),
    "glm4": ("glm4", [split(LLAMA3), in_bytes(False)], False, False, "[gMASK] <sop>"),
    "qwen2": ("qwen2", [split(QWEN2), in_bytes(False)], True, False, None),
    "qwen35": ("qwen35", [split(QWEN35), in_bytes(False)], True, False, None),
    "gpt-4o": ("llama4", [split(GPT4O), in_bytes(False)], False, False, "<s>"),
    "tekken": ("llama", [split(TEKKEN), in_bytes(False)], False, True, "<s>"),
    "bloom": ("bloom", [split(BLOOM), in_bytes(False)], False, False, None),
    "deepseek-coder": ("llama", CODER, False, False, "<s>"),
    "deepseek-v3": ("deepseek2", [split(r"\p{N}{1,3}"), split(CJK), split(DEEPSEEK3), in_bytes(False)], False, False, "<s>"),
}
CHAT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def added(text, special=True):
    return AddedToken(text, special=special, normalized=False)


@functools.cache
def trained():
    """Tokens and merges of whole strings. One token is left that no merges make: who ignores merges finds it."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = in_bytes(False)
    tok.train_from_iterator(WORDS * 20 + TEXTS, trainers.BpeTrainer(
        vocab_size=460, special_tokens=["<s>", "</s>", "[gMASK]", "<sop>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(tok.to_str())["model"]
    assert "Ġprefix" in model["vocab"]
    return model["vocab"], [(a, b) for a, b in model["merges"] if a + b != "Ġprefix"]


def byte_level(name):
    """The model's own tokenizer, small."""
    _, cuts, composes, ignores, begin = BYTE_LEVEL[name]
    vocab, merges = trained()
    tok = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=ignores))
    tok.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    tok.normalizer = normalizers.NFC() if composes else None
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([added(t) for t in ["<s>", "</s>", "[gMASK]", "<sop>", "<|im_start|>", "<|im_end|>"]])
    tok.add_tokens([added("<tool>", False)])
    tok.add_tokens([added("  ", False)] if name == "olmo" else [])
    if begin:
        ids = [(token, tok.token_to_id(token)) for token in begin.split()]
        tok.post_processor = processors.TemplateProcessing(f"{begin} $A", f"{begin} $A $B:1", ids)
    return tok


def written(path, architecture, fields):
    """A GGUF file without tensors; `fields` adds what is its tokenizer's."""
    with contextlib.redirect_stderr(open(os.devnull, "w")):
        out = gguf.GGUFWriter(path, architecture)
        for key, value in [("block_count", 1), ("context_length", 64), ("embedding_length", 8), ("feed_forward_length", 8)]:
            getattr(out, "add_" + key)(value)
        out.add_head_count(1)
        out.add_head_count_kv(1)
        out.add_layer_norm_rms_eps(1e-5)
        out.add_layer_norm_eps(1e-5)
        fields(out)
        out.write_header_to_file()
        out.write_kv_data_to_file()
        out.close()


def types(tok, n):
    """Texts and types by id, as the converter finds them."""
    decoder, names = tok.get_added_tokens_decoder(), {i: t for t, i in tok.get_vocab().items()}
    texts, kinds = [], []
    for i in range(n):
        token = decoder.get(i)
        kind = gguf.TokenType.UNUSED if i not in names else gguf.TokenType.NORMAL
        if token is not None:
            kind = gguf.TokenType.CONTROL if token.special or token.content.startswith("<|") else gguf.TokenType.USER_DEFINED
        texts.append(names.get(i, f"[PAD{i}]"))
        kinds.append(kind)
    return texts, kinds


def write_byte_level(path, architecture, pre, tok, roles, fillers=5, flags=None, template=CHAT):
    def fields(out):
        texts, kinds = types(tok, max(tok.get_vocab().values()) + 1 + fillers)
        out.add_tokenizer_model("gpt2")
        if pre:
            out.add_tokenizer_pre(pre)
        out.add_token_list(texts)
        out.add_token_types(kinds)
        merges = json.loads(tok.to_str())["model"]["merges"]
        out.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
        add_roles(out, tok, roles, flags)
        if template:
            out.add_chat_template(template)
    written(path, architecture, fields)


def add_roles(out, tok, roles, flags):
    for role, text in roles.items():
        getattr(out, f"add_{role}_token_id")(tok.token_to_id(text))
    for name, flag in (flags or {}).items():
        getattr(out, "add_" + name)(flag)


def own_sentence_piece(path, gemma=False, adds_space=True):
    """The tokenizer.json of LLaMA 2 or Gemma, of a model file: merges by id, of one piece first the short beginnings."""
    sp = sentencepiece.SentencePieceProcessor(model_file=path)
    pieces = [sp.id_to_piece(i) for i in range(sp.vocab_size())]
    vocab = {p: i for i, p in enumerate(pieces)}
    merges = [(p[:k], p[k:]) for p in pieces for k in range(1, len(p)) if p[:k] in vocab and p[k:] in vocab]
    tok = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Replace(" ", "▁")
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if adds_space and not gemma else spaces
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tok.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if adds_space and not gemma else []))
    tok.add_special_tokens([added(t) for t in ["<unk>", "<s>", "</s>"]])
    return tok, sp


def write_sentence_piece(path, architecture, tok, sp, flags, scores=None, respell=False, roles=None, sop=False):
    def fields(out):
        n = max(tok.get_vocab().values()) + 1
        texts, kinds = types(tok, n)
        for i in range(sp.vocab_size()):
            if sp.is_unknown(i):
                kinds[i] = gguf.TokenType.UNKNOWN
            elif sp.is_byte(i):
                kinds[i] = gguf.TokenType.BYTE
        if respell:  # the converter writes marks of user-defined tokens as spaces
            texts = [t.replace("▁", " ") if k == gguf.TokenType.USER_DEFINED else t for t, k in zip(texts, kinds)]
        if sop:
            texts = [{"<sop>": "sop", "<eop>": "eop"}.get(t, t) for t in texts]
        out.add_tokenizer_model("llama")
        out.add_tokenizer_pre("default")
        out.add_token_list(texts)
        out.add_token_scores([sp.get_score(i) if i < sp.vocab_size() else -1000.0 for i in range(n)] if scores is None else scores(n))
        out.add_token_types(kinds)
        add_roles(out, tok, {"bos": "<s>", "eos": "</s>", "unk": "<unk>"} if roles is None else roles, flags)
    written(path, architecture, fields)


def encoded(tok, text):
    ids = tok.encode(text, add_special_tokens=False).ids
    around = tok.encode(text).ids
    return {"text": text, "ids": ids, "around": around, "decoded": tok.decode(around, skip_special_tokens=True)}


def differing(path, texts):
    """How many texts transformers cuts otherwise; the reason where it reads none."""
    try:
        tok = tr.AutoTokenizer.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path))
    except Exception as error:  # of a kind or architecture that it does not know
        print("   transformers:", str(error)[:100])
        return None
    count = 0
    for case in texts:
        ids = tok.encode(case["text"], add_special_tokens=False)
        around = tok(case["text"]).input_ids
        decoded = tok.decode(around, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if (ids, around, decoded) != (case["ids"], case["around"], case["decoded"]):
            count += 1
    return count


def save(name, tok, roles, **more):
    path = os.path.join(HERE, name, "tokenizer.gguf")
    texts = [encoded(tok, text) for text in TEXTS]
    result = {"roles": {role: tok.token_to_id(text) for role, text in roles.items()}, "size": max(tok.get_vocab().values()) + 1,
              "transformers": differing(path, texts), **more, "texts": texts}
    with open(os.path.join(HERE, name, "expected.json"), "w") as out:
        json.dump(result, out, ensure_ascii=True)
        out.write("\n")
    print(name, result["size"], "differs in", result["transformers"], "of", len(texts))


def case(name):
    os.makedirs(os.path.join(HERE, name))
    return os.path.join(HERE, name, "tokenizer.gguf")


def all_differ():
    """No two families cut all texts alike."""
    cut = {}
    for name in BYTE_LEVEL:
        ids = str([byte_level(name).encode(text, add_special_tokens=False).ids for text in TEXTS])
        assert ids not in cut or {name, cut[ids]} == {"dbrx", "glm4"}, (name, cut[ids])
        cut[ids] = name


def byte_level_cases():
    all_differ()
    for name, (architecture, _, _, _, begin) in BYTE_LEVEL.items():
        tok = byte_level(name)
        roles = {"bos": "<s>", "eos": "</s>", "pad": "</s>"}
        flags = None if name == "tekken" or not begin else {"add_bos_token": True}
        write_byte_level(case(name), architecture, name, tok, roles, flags=flags)
        save(name, tok, {"eos": "</s>", "pad": "</s>"}, chat=CHAT)
    # Without a name: the family's, or GPT-2's and a note.
    tok = byte_level("falcon")
    write_byte_level(case("falcon-nameless"), "falcon", None, tok, {"bos": "</s>", "eos": "</s>"}, template=None)
    save("falcon-nameless", tok, {"eos": "</s>"})
    tok = byte_level("gpt-2")
    templates = [{"name": "tool_use", "template": "{{ 1 }}"}, {"name": "default", "template": CHAT}]
    write_byte_level(case("default"), "llama", "default", tok, {"bos": "<s>", "eos": "</s>"}, template=templates)
    save("default", tok, {"eos": "</s>"}, chat=CHAT, guessed=True)


def sentence_piece_cases(scratch):
    train = dict(vocab_size=420, model_type="bpe", byte_fallback=True, character_coverage=0.98, normalization_rule_name="identity",
                 remove_extra_whitespaces=False)
    model = os.path.join(scratch, "llama")
    sentence_piece(model, **train)
    model += ".model"
    roles = {"eos": "</s>", "unk": "<unk>"}

    def framed(tok, begin="<s>", end=None):
        parts = [(begin, tok.token_to_id(begin))] + ([(end, tok.token_to_id(end))] if end else [])
        a, b = (f"{begin}:{i} ${t}:{i}" + (f" {end}:{i}" if end else "") for i, t in enumerate("AB"))
        tok.post_processor = processors.TemplateProcessing(a, f"{a} {b}", parts)

    tok, sp = own_sentence_piece(model)
    tok.add_special_tokens([added("<|im_start|>")])
    tok.add_tokens([added("<tool>", False)])
    framed(tok)
    write_sentence_piece(case("llama"), "llama", tok, sp, {"add_bos_token": True})
    save("llama", tok, roles)
    write_sentence_piece(case("llama-bare"), "llama", tok, sp, {}, roles={})  # no roles, no flags: llama.cpp's
    save("llama-bare", tok, roles)
    write_sentence_piece(case("llama-no-scores"), "llama", tok, sp, {}, scores=lambda n: [-1000.0] * n)
    save("llama-no-scores", tok, roles)
    tok, sp = own_sentence_piece(model, adds_space=False)
    framed(tok, end="</s>")
    write_sentence_piece(case("llama-no-space"), "llama", tok, sp, {"add_bos_token": True, "add_eos_token": True, "add_space_prefix": False})
    save("llama-no-space", tok, roles)
    tok, sp = own_sentence_piece(model)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False, rstrip=t in ("<|im_end|>", "</s>")) for t in ["<|im_end|>", "</s>"]])
    parsed = json.loads(tok.to_str())
    for token in parsed["added_tokens"]:
        token["rstrip"] = token["content"] in ("<|im_end|>", "</s>")
    tok = Tokenizer.from_str(json.dumps(parsed))
    write_sentence_piece(case("phi3"), "phi3", tok, sp, {"add_bos_token": False})
    save("phi3", tok, roles)

    gemma = os.path.join(scratch, "gemma")
    sentence_piece(gemma, **train, user_defined_symbols=["▁▁", "▁▁▁▁", "\n", "\n\n", "\t\t"], pad_id=0, eos_id=1, bos_id=2, unk_id=3)
    tok, sp = own_sentence_piece(gemma + ".model", gemma=True)
    tok.add_tokens([added(t, False) for t in ["▁▁", "▁▁▁▁", "\n", "\n\n", "\t\t"]])
    framed(tok)
    write_sentence_piece(case("gemma"), "gemma2", tok, sp, {"add_bos_token": True, "add_space_prefix": False}, respell=True,
                         scores=lambda n: [-float(i % 7) for i in range(n)])
    save("gemma", tok, roles)

    tok, sp = own_sentence_piece(model)
    tok.add_special_tokens([added(t) for t in ["[gMASK]", "<sop>", "<eop>"]])
    ids = [(t, tok.token_to_id(t)) for t in ["[gMASK]", "<sop>"]]
    tok.post_processor = processors.TemplateProcessing("[gMASK] <sop> $A", "[gMASK] <sop> $A $B", ids)
    write_sentence_piece(case("chatglm"), "chatglm", tok, sp, {}, sop=True)
    save("chatglm", tok, roles)


def t5_case(scratch):
    model = os.path.join(scratch, "t5")
    sentence_piece(model, vocab_size=120, model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, character_coverage=0.98,
                   normalization_rule_tsv=rules(scratch))
    folder = os.path.join(scratch, "t5-folder")
    os.makedirs(folder)
    shutil.copy(model + ".model", os.path.join(folder, "spiece.model"))
    for file, value in [("config.json", {"model_type": "t5"}), ("tokenizer_config.json", {"tokenizer_class": "T5Tokenizer", "extra_ids": 8})]:
        with open(os.path.join(folder, file), "w") as out:
            json.dump(value, out)
    tok = tr.AutoTokenizer.from_pretrained(folder).backend_tokenizer
    sp = sentencepiece.SentencePieceProcessor(model_file=model + ".model")
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    with open(model + ".model", "rb") as file:
        proto.ParseFromString(file.read())

    def fields(out):
        n = sp.vocab_size()
        kinds = [gguf.TokenType.CONTROL if sp.is_control(i) else gguf.TokenType.UNKNOWN if sp.is_unknown(i) else gguf.TokenType.NORMAL for i in range(n)]
        out.add_tokenizer_model("t5")
        out.add_tokenizer_pre("default")
        out.add_token_list([sp.id_to_piece(i) for i in range(n)] + [f"[PAD{i}]" for i in range(n, n + 8)])
        out.add_token_scores([sp.get_score(i) for i in range(n)] + [-10000.0] * 8)
        out.add_token_types(kinds + [gguf.TokenType.UNUSED] * 8)
        out.add_add_space_prefix(True)
        out.add_remove_extra_whitespaces(True)
        out.add_precompiled_charsmap(proto.normalizer_spec.precompiled_charsmap)
        out.add_eos_token_id(1)
        out.add_unk_token_id(2)
        out.add_pad_token_id(0)
        out.add_add_bos_token(False)
        out.add_add_eos_token(True)
    written(case("t5"), "t5", fields)
    save("t5", tok, {"eos": "</s>", "pad": "<pad>", "unk": "<unk>"})


def bert_case(name, lowercase):
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok.train_from_iterator(lines() + WORDS + ["The PREFIX naive cafe ▁ [ ]"], trainers.WordPieceTrainer(
        vocab_size=260, special_tokens=special, show_progress=False))
    tok.decoder = decoders.WordPiece()
    ids = [(t, tok.token_to_id(t)) for t in ["[CLS]", "[SEP]"]]
    tok.post_processor = processors.TemplateProcessing("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", ids)

    def phantom(text):
        if text.startswith("[") and text.endswith("]"):
            return text
        return text[2:] if text.startswith("##") else "▁" + text

    def fields(out):
        texts, kinds = types(tok, tok.get_vocab_size())
        out.add_tokenizer_model("bert")
        out.add_tokenizer_pre("default")
        out.add_token_list([phantom(text) for text in texts])
        out.add_token_types(kinds)
        add_roles(out, tok, {"bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}, None)
    written(case(name), "bert", fields)
    save(name, tok, {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"})


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    byte_level_cases()
    with tempfile.TemporaryDirectory() as scratch:
        sentence_piece_cases(scratch)
        t5_case(scratch)
    bert_case("bert", True)
    bert_case("bert-cased", False)


if __name__ == "__main__":
    main()
