//! The list's part on methods: what is trained, and what is trained beside it.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use super::describe::{
    choice, count, entries, flag, in_table, number, of_method, path, read, same, table, text, words,
};
use super::words::{ENCODERS, PEFT_TYPES, PREFIX_INITS, PROMPT_INITS};
use super::{Reading, Setting};

const ANY: u64 = u64::MAX;
/// Above 0 and finite.
const POSITIVE: (Bound<f64>, Bound<f64>) = (Excluded(0.0), Unbounded);
/// A decay, a dropout.
const SHARE: (Bound<f64>, Bound<f64>) = (Included(0.0), Excluded(1.0));
const PREFIX: &[&str] = &["prefix"];
const PROMPT: &[&str] = &["prompt"];
const SOFT: &[&str] = &["prefix", "prompt"];
const LORA: &[&str] = &["lora"];
const TRAINED: &[&str] = &["prefix", "prompt", "lora"];
const FULL: &[&str] = &["full"];
const FEW_SHOT: &[&str] = &["few_shot"];
const BIASES: &[&str] = &["none", "all", "lora_only"];

/// Settings of `method`, `lora` and `weights`.
pub(super) const METHOD: &[Setting] = &[
    table("method", "What is trained"),
    choice("method.type", &["prefix", "prompt", "lora", "full", "few_shot"], "prefix, prompt, lora, full or few_shot")
        .also(&[read("peft_type", Reading::Words(PEFT_TYPES))])
        .word_was(&[("text", "few_shot")]),
    count(
        "method.n_virtual",
        1,
        4096,
        "Length of a prefix (Li & Liang: preseqlen), or of a soft prompt, which takes positions of the text",
    )
    .also(&[same("num_virtual_tokens"), same("prefix_length")])
    .of(SOFT),
    text("method.template", "P-tuning's short form of a template: (3, sub, 3, obj)").or_none().of(PROMPT),
    count("method.n_frozen", 0, 4095, "So many virtual tokens at the beginning stay as initialized: a cartridge")
        .also(&[same("num_frozen_tokens")])
        .of(PREFIX),
    table("method.tasks", "One soft prompt for several tasks, and a matrix of low rank for each").or_none().of(PROMPT),
    count("method.tasks.ranks", 1, 4096, "Rank of a task's matrix").also(&[in_table("num_ranks")]).of(PROMPT),
    table("method.tasks.init", "Initial values of the matrices").of(PROMPT),
    choice("method.tasks.init.type", &["shared", "random", "average", "exact"], "shared, random, average or exact")
        .of(PROMPT),
    text("method.tasks.init.task", "For exact: the task of the adapter to start from").of(PROMPT),
    number(
        "method.dropout",
        SHARE,
        "Share that is left out in each step of training: of the prefix's keys and values, of what LoRA's matrices \
         read",
    )
    .also(&[of_method("lora_dropout", Reading::Same, LORA)])
    .of(&["prefix", "lora"]),
    number(
        "method.slot_dropout",
        SHARE,
        "Share of the slots that a row does not see in a step of training, drawn row by row (CT-KV's token dropout: 0.05)",
    )
    .of(PREFIX),
    flag(
        "method.leave_one_out",
        "While a row that is one of the demonstrations is learned, it does not see the slots read from it (CT-KV)",
    )
    .of(PREFIX),
    entries(
        "method.layers",
        "list of numbers",
        "Layers that get a prefix, counted from 0 as in every file, as [6, 7, 8]; others do not see it; none is all",
    )
    .or_none()
    .of(PREFIX),
    flag(
        "method.infix",
        "Puts a prefix between prompt and target, as Li & Liang's infix-tuning: only what comes after the prompt \
         sees it",
    )
    .of(PREFIX),
    entries(
        "method.sites",
        "list of encoder, decoder, cross",
        "Where an encoder with a decoder gets a prefix, of [\"encoder\", \"decoder\", \"cross\"], each with keys \
         and values of its own as in the paper; PEFT knows the decoder alone; none is everywhere",
    )
    .or_none()
    .of(PREFIX),
    count("method.rank", 1, 4096, "Of LoRA: rank of the matrices").also(&[same("r")]).of(LORA),
    number("method.alpha", POSITIVE, "What is added is scaled by alpha / rank").also(&[same("lora_alpha")]).of(LORA),
    entries(
        "method.targets",
        "list of names",
        "Ends of the names of linear layers, such as [\"c_attn\"], or patterns that a whole name must match, or \
         [\"all-linear\"]; none is PEFT's choice",
    )
    .also(&[read("target_modules", Reading::Modules)])
    .or_none()
    .of(LORA),
    flag("method.rank_stabilized", "Scale by alpha / √rank")
        .was("rank_stabilised")
        .also(&[same("use_rslora")])
        .of(LORA),
    choice("method.bias", BIASES, "Biases that are trained too: none, all or lora_only").also(&[same("bias")]).of(LORA),
    entries("method.rank_pattern", "names = ranks", "Other ranks by the names of layers, as in {c_attn = 4}")
        .also(&[same("rank_pattern")])
        .of(LORA),
    entries("method.alpha_pattern", "names = numbers", "Other alphas by the names of layers")
        .also(&[same("alpha_pattern")])
        .of(LORA),
    entries(
        "method.modules_to_save",
        "list of names",
        "Modules trained whole beside the matrices, as in [\"embed_tokens\"]",
    )
    .also(&[same("modules_to_save")])
    .of(LORA),
    entries(
        "method.trained_tokens",
        "names = lists of tokens",
        "Tokens whose rows of a table are trained, as in {\"\" = [7, 40]}",
    )
    .also(&[read("trainable_token_indices", Reading::Tokens)])
    .of(LORA),
    count(
        "method.top_layers",
        0,
        ANY,
        "Of full: blocks that are trained, from the top, with the last norm and a head of its own; none is every \
         weight, 0 the head of the task alone",
    )
    .or_none()
    .of(FULL),
    entries(
        "method.modules",
        "list of names",
        "Of full: of these weights those in modules of such names, as in [\"attn\", \"h.11.*\"]: * is any letters; none \
         is all",
    )
    .or_none()
    .of(FULL),
    table("method.reparameterization", "Train through Li & Liang's small network, which is folded away afterwards")
        .was("reparameterisation")
        .also(&[read("prefix_projection", Reading::Switch)])
        .or_none()
        .of(PREFIX),
    count(
        "method.reparameterization.width",
        1,
        65_536,
        "Width of the network's hidden layer (Li & Liang: mid_dim); none is the model's, as in PEFT",
    )
    .also(&[in_table("encoder_hidden_size"), in_table("mid_dim")])
    .or_none()
        .of(PREFIX),
    choice("method.reparameterization.activation", &["tanh", "relu", "gelu"], "tanh, relu or gelu").of(PREFIX),
    count("method.reparameterization.hidden_layers", 1, 2, "1 as in PEFT, or 2 as in Li & Liang's deep network")
        .of(PREFIX),
    table("method.encoder", "Train a soft prompt through a small network: P-tuning").or_none().of(PROMPT),
    choice(
        "method.encoder.type",
        &["mlp", "lstm", "tanh"],
        "Network that is folded away after training: mlp or lstm, or tanh: Li & Liang's embedding-only ablation",
    )
    .also(&[read("encoder_reparameterization_type", Reading::Words(ENCODERS))])
    .of(PROMPT),
    count("method.encoder.width", 1, 65_536, "Width of the network's hidden layers; none is that of the embeddings")
        .also(&[in_table("encoder_hidden_size")])
        .or_none()
        .of(PROMPT),
    count("method.encoder.layers", 1, 8, "Layers of the LSTM").also(&[in_table("encoder_num_layers")]).of(PROMPT),
    table("method.init", "Initial values").of(TRAINED),
    choice(
        "method.init.type",
        &[
            "random",
            "scaled_random",
            "zero",
            "uniform",
            "vocabulary",
            "common",
            "frequent",
            "classes",
            "words",
            "adapter",
            "prefill",
            "demonstrations",
            "fresh",
        ],
        "Where training begins, to which a network is fitted: random, scaled_random, zero, uniform, vocabulary, common, \
         frequent, classes, words, prefill, demonstrations, adapter; of LoRA fresh or adapter",
    )
    .also(&[
        of_method("prompt_tuning_init", Reading::Words(PROMPT_INITS), PROMPT),
        of_method("init_weights", Reading::Words(PREFIX_INITS), PREFIX),
        of_method("init_lora_weights", Reading::OnlyTrue("fresh"), LORA),
    ])
    .of(TRAINED),
    words("method.init.text", "For words and prefill: the text whose keys and values, or embeddings, are taken")
        .also(&[of_method("prompt_tuning_init_text", Reading::Same, PROMPT)])
        .of(SOFT),
    number(
        "method.init.bound",
        (Excluded(0.0), Included(100.0)),
        "For uniform: numbers between its negative and it; 0.5 where nobody says (Lester)",
    )
    .of(SOFT),
    count(
        "method.init.first",
        1,
        ANY,
        "For common: tokens are drawn from the first so many of the vocabulary; 5000 where nobody says (Lester)",
    )
    .of(SOFT),
    count("method.init.shots", 1, ANY, "For demonstrations: so many first training rows are read; 16 where nobody says")
        .of(PREFIX),
    path("method.init.path", "For adapter: the adapter, or the folder of its run, that is gone on with").of(TRAINED),
    words("method.instruction", "Of few_shot: words before every prompt, exactly as they stand and without training")
        .of(FEW_SHOT),
    count(
        "method.shots",
        0,
        ANY,
        "Training rows that follow the instruction as examples: prompt and target, each with a blank line behind it",
    )
    .of(FEW_SHOT),
    table("lora", "LoRA beside a prefix or a soft prompt").or_none(),
    count("lora.rank", 1, 4096, "Rank of the matrices").also(&[same("r")]),
    number("lora.alpha", POSITIVE, "What is added is scaled by alpha / rank").also(&[same("lora_alpha")]),
    number("lora.dropout", SHARE, "Dropout on what the matrices read while training").also(&[same("lora_dropout")]),
    entries(
        "lora.targets",
        "list of names",
        "Ends of the names of linear layers, such as [\"c_attn\"], or patterns that a whole name must match, or \
         [\"all-linear\"]; none is PEFT's choice",
    )
    .also(&[read("target_modules", Reading::Modules)])
    .or_none(),
    flag("lora.rank_stabilized", "Scale by alpha / √rank").was("rank_stabilised").also(&[same("use_rslora")]),
    choice("lora.bias", BIASES, "Biases that are trained too: none, all or lora_only").also(&[same("bias")]),
    entries("lora.rank_pattern", "names = ranks", "Other ranks by the names of layers").also(&[same("rank_pattern")]),
    entries("lora.alpha_pattern", "names = numbers", "Other alphas by the names of layers")
        .also(&[same("alpha_pattern")]),
    entries("lora.modules_to_save", "list of names", "Modules trained whole beside the matrices")
        .also(&[same("modules_to_save")]),
    entries("lora.trained_tokens", "names = lists of tokens", "Tokens whose rows of a table are trained")
        .also(&[read("trainable_token_indices", Reading::Tokens)]),
    table("lora.init", "Initial values of the matrices"),
    choice("lora.init.type", &["fresh", "adapter"], "fresh or adapter")
        .also(&[read("init_lora_weights", Reading::OnlyTrue("fresh"))]),
    path("lora.init.path", "For adapter: the folder of the trained adapter that is gone on with"),
    number(
        "lora.learning_rate",
        (Excluded(0.0), Excluded(1e3)),
        "Their peak learning rate; none is training.learning_rate",
    )
    .or_none(),
    table("weights", "Weights of the model itself that are trained beside a prefix or a soft prompt").or_none(),
    count(
        "weights.top_layers",
        1,
        ANY,
        "Blocks whose weights are trained, from the top, with the last norm and a head of its own; none is every weight",
    )
    .or_none(),
    entries(
        "weights.modules",
        "list of names",
        "Of these weights those in modules of such names, as in [\"attn\", \"h.11.*\"]: * is any letters; none is all",
    )
    .or_none(),
    number(
        "weights.learning_rate",
        (Excluded(0.0), Excluded(1e3)),
        "Their peak learning rate, most often far below that of the prompt; none is training.learning_rate",
    )
    .or_none(),
];
