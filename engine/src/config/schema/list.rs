//! The list: one entry for each setting, in the order of a run file.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use super::{Kind, Setting};

const fn setting(key: &'static str, kind: Kind, help: &'static str) -> Setting {
    Setting { key, kind, optional: false, methods: &[], help }
}
const fn text(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Text, help)
}
const fn words(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Words, help)
}
const fn path(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Path, help)
}
const fn flag(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Flag, help)
}
const fn count(key: &'static str, least: u64, most: u64, help: &'static str) -> Setting {
    setting(key, Kind::Count(least, most), help)
}
const fn number(key: &'static str, (low, high): (Bound<f64>, Bound<f64>), help: &'static str) -> Setting {
    setting(key, Kind::Number(low, high), help)
}
const fn choice(key: &'static str, words: &'static [&'static str], help: &'static str) -> Setting {
    setting(key, Kind::Choice(words), help)
}
const fn entries(key: &'static str, what: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Entries(what), help)
}
const fn table(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Table, help)
}

impl Setting {
    const fn or_none(self) -> Self {
        Self { optional: true, ..self }
    }
    /// Of these types of method alone.
    const fn of(self, methods: &'static [&'static str]) -> Self {
        Self { methods, ..self }
    }
}

const ANY: u64 = u64::MAX;
const MILLIARD: u64 = 1_000_000_000;
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
const FEW_SHOT: &[&str] = &["text"];
const BIASES: &[&str] = &["none", "all", "lora_only"];

/// Every setting of a run.
pub const SETTINGS: &[Setting] = &[
    text("name", "What people call the run; empty makes one from what differs"),
    path("model", "Folder of the base model, in Hugging Face's form"),
    text("device", "auto, cpu, wgpu or wgpu:1"),
    choice(
        "precision",
        &["f32", "f16", "bf16"],
        "In what the model's matrices are multiplied: f32, or f16 or bf16 where the device computes in it",
    ),
    count("seed", 0, ANY, "Decides initial values, data order, dropout and samples"),
    choice(
        "task",
        &["causal", "seq2seq", "sequence_classification", "token_classification", "masked_fill"],
        "causal, seq2seq, sequence_classification, token_classification or masked_fill; none is what the model does",
    )
    .or_none(),
    choice(
        "head",
        &["checkpoint", "new"],
        "Where a head for classes begins: checkpoint (its own, if it is for the same classes) or new",
    ),
    table("data", "The rows, and how a row becomes tokens"),
    path("data.train", "Training rows: .jsonl, .json, .csv, .tsv, .conll or .txt"),
    text("data.name", "What the rows are called among several datasets; none is the file's name").or_none(),
    entries(
        "data.more",
        "datasets",
        "Other datasets that train the same prompt or prefix, as [{ train = \"…\", name = \"…\" }]",
    ),
    choice("data.mixing", &["size", "even"], "How many rows of each in an epoch: size (all that it has) or even"),
    choice(
        "data.heads",
        &["by_classes", "shared", "each"],
        "Which datasets with classes share a head: by_classes (if all have the same), shared or each its own",
    ),
    text("data.task_column", "Column of a row's task, for a prompt of several; none takes each dataset as one")
        .or_none(),
    path("data.validation", "Validation rows; none takes a share of the training rows")
        .or_none(),
    number("data.validation_share", (Included(0.0), Included(0.9)), "That share, 0 to 0.9"),
    count("data.validation_rows", 0, ANY, "Use at most this many validation rows"),
    text("data.source_column", "Column that the prompt is made of; none takes the first of the usual names").or_none(),
    text("data.second_column", "Column of the second text, where pairs are classified").or_none(),
    text(
        "data.target_column",
        "Column to be learned, or of the class; none takes the first of the usual names",
    )
    .or_none(),
    words(
        "data.prompt_template",
        "Text before the target, over source, bos, eos, mask, soft(3) and every column; no loss",
    ),
    words("data.target_template", "Text to be learned, over target, bos, eos and every column"),
    flag("data.append_end_token", "Ends every target with the model's end token, which is learned too"),
    choice(
        "data.begin_token",
        &["tokenizer", "template"],
        "tokenizer (before a prompt, if it is before every text) or template (only where that says)",
    ),
    flag("data.chat", "Writes rows as turns of the model's chat template"),
    count("data.max_tokens", 1, 1 << 20, "Longest row in tokens; none is what the model has left beside the prefix")
        .or_none(),
    table("method", "What is trained"),
    choice("method.type", &["prefix", "prompt", "lora", "full", "text"], "prefix, prompt, lora, full or text"),
    count("method.n_virtual", 1, 4096, "Length of a prefix or a soft prompt (PEFT: num_virtual_tokens)")
        .of(SOFT),
    text("method.template", "P-tuning's short form of a template: (3, sub, 3, obj)").or_none().of(PROMPT),
    count("method.n_frozen", 0, 4095, "So many virtual tokens at the beginning stay as initialised: a cartridge")
        .of(PREFIX),
    table("method.tasks", "One soft prompt for several tasks, and a matrix of low rank for each").or_none().of(PROMPT),
    count("method.tasks.ranks", 1, 4096, "Rank of a task's matrix (PEFT: num_ranks)").of(PROMPT),
    table("method.tasks.init", "Initial values of the matrices").of(PROMPT),
    choice(
        "method.tasks.init.type",
        &["shared", "random", "average", "exact"],
        "shared, random, average or exact",
    )
    .of(PROMPT),
    text("method.tasks.init.task", "For exact: the task of the adapter to start from").of(PROMPT),
    number(
        "method.dropout",
        SHARE,
        "Dropout while training: on the prefix's keys and values, on what LoRA's matrices read",
    )
    .of(&["prefix", "lora"]),
    entries(
        "method.layers",
        "list of numbers",
        "The layers that get a prefix, counted from 0 as in every file, as [6, 7, 8]; the others do not see it; none is all",
    )
    .or_none()
    .of(PREFIX),
    flag("method.infix", "Puts a prefix between prompt and target: infix-tuning").of(PREFIX),
    entries(
        "method.sites",
        "list of encoder, decoder, cross",
        "Where an encoder with a decoder gets a prefix, of [\"encoder\", \"decoder\", \"cross\"]; none is everywhere",
    )
    .or_none()
    .of(PREFIX),
    count("method.rank", 1, 4096, "Of LoRA: rank of the matrices (PEFT: r)").of(LORA),
    number("method.alpha", POSITIVE, "What is added is scaled by alpha / rank (PEFT: lora_alpha)")
        .of(LORA),
    entries(
        "method.targets",
        "list of names",
        "Names or patterns of linear layers, such as [\"c_attn\"], or [\"all-linear\"]; none is PEFT's choice",
    )
    .or_none()
    .of(LORA),
    flag("method.rank_stabilised", "Scale by alpha / sqrt(rank) (PEFT: use_rslora)")
        .of(LORA),
    choice("method.bias", BIASES, "Biases that are trained too: none, all or lora_only").of(LORA),
    entries(
        "method.rank_pattern",
        "names = ranks",
        "Other ranks by the names of layers, as in {c_attn = 4} (PEFT: rank_pattern)",
    )
    .of(LORA),
    entries(
        "method.alpha_pattern",
        "names = numbers",
        "Other alphas by the names of layers (PEFT: alpha_pattern)",
    )
    .of(LORA),
    entries(
        "method.modules_to_save",
        "list of names",
        "Modules trained whole beside the matrices, as in [\"embed_tokens\"]",
    )
    .of(LORA),
    entries(
        "method.trained_tokens",
        "names = lists of tokens",
        "Tokens whose rows of a table are trained, as in {\"\" = [7, 40]} (PEFT: trainable_token_indices)",
    )
    .of(LORA),
    count(
        "method.top_layers",
        0,
        ANY,
        "Of full: blocks that are trained, from the top; none is every weight, 0 the head of the task alone",
    )
    .or_none()
    .of(FULL),
    table(
        "method.reparameterisation",
        "Train through a small network that is folded away (PEFT: prefix_projection)",
    )
    .or_none()
    .of(PREFIX),
    count("method.reparameterisation.width", 1, 65_536, "Width of its hidden layer (PEFT: encoder_hidden_size)")
        .of(PREFIX),
    choice("method.reparameterisation.activation", &["tanh", "relu", "gelu"], "tanh, relu or gelu").of(PREFIX),
    count("method.reparameterisation.hidden_layers", 1, 2, "1, or 2 as in Li & Liang's deep network").of(PREFIX),
    table("method.encoder", "Train a soft prompt through a small network: P-tuning").or_none().of(PROMPT),
    choice(
        "method.encoder.type",
        &["mlp", "lstm", "tanh"],
        "mlp or lstm (PEFT: encoder_reparameterization_type), or tanh: Li & Liang's embedding-only ablation",
    )
    .of(PROMPT),
    count("method.encoder.width", 1, 65_536, "Width of its hidden layers; none is that of the embeddings")
        .or_none()
        .of(PROMPT),
    count("method.encoder.layers", 1, 8, "Layers of the LSTM").of(PROMPT),
    table("method.init", "Initial values").of(TRAINED),
    choice(
        "method.init.type",
        &[
            "random",
            "scaled_random",
            "zero",
            "vocabulary",
            "frequent",
            "classes",
            "words",
            "adapter",
            "prefill",
            "fresh",
        ],
        "random, scaled_random, zero, vocabulary, frequent, classes, words or adapter; of a prefix also prefill; of LoRA \
         fresh or adapter",
    )
    .of(TRAINED),
    words("method.init.text", "For words and prefill: the text whose keys and values, or embeddings, are taken").of(SOFT),
    path("method.init.path", "For adapter: the adapter, or the folder of its run, that is gone on with").of(TRAINED),
    words("method.instruction", "Of text: words before every prompt, without training").of(FEW_SHOT),
    count("method.shots", 0, ANY, "Training rows that follow the instruction as examples").of(FEW_SHOT),
    table("lora", "LoRA beside a prefix or a soft prompt").or_none(),
    count("lora.rank", 1, 4096, "Rank of the matrices (PEFT: r)"),
    number("lora.alpha", POSITIVE, "What is added is scaled by alpha / rank (PEFT: lora_alpha)"),
    number("lora.dropout", SHARE, "Dropout on what the matrices read while training"),
    entries("lora.targets", "list of names", "Names or patterns of linear layers; none is PEFT's choice").or_none(),
    flag("lora.rank_stabilised", "Scale by alpha / sqrt(rank) (PEFT: use_rslora)"),
    choice("lora.bias", BIASES, "Biases that are trained too: none, all or lora_only"),
    entries("lora.rank_pattern", "names = ranks", "Other ranks by the names of layers"),
    entries("lora.alpha_pattern", "names = numbers", "Other alphas by the names of layers"),
    entries("lora.modules_to_save", "list of names", "Modules trained whole beside the matrices"),
    entries("lora.trained_tokens", "names = lists of tokens", "Tokens whose rows of a table are trained"),
    table("lora.init", "Initial values of the matrices"),
    choice("lora.init.type", &["fresh", "adapter"], "fresh or adapter"),
    path("lora.init.path", "For adapter: the folder of the trained adapter that is gone on with"),
    table("training", "How it is trained"),
    count("training.steps", 0, MILLIARD, "Optimizer steps; 0 lets epochs decide"),
    number("training.epochs", (Excluded(0.0), Included(1e6)), "Passes over the training rows, when steps is 0"),
    count("training.batch_size", 1, 65_536, "Rows in one forward pass"),
    count("training.accumulation", 1, 65_536, "Forward passes in one optimizer step"),
    flag(
        "training.gradient_checkpointing",
        "Run blocks again in the backward pass instead of keeping what it needs: less memory, up to half more time",
    ),
    choice(
        "training.epoch_end",
        &["smaller_step", "next_epoch"],
        "Last step of an epoch: smaller_step (Trainer), or next_epoch: the missing rows are from there",
    ),
    number("training.learning_rate", (Excluded(0.0), Excluded(1e3)), "Peak learning rate"),
    count("training.warmup_steps", 0, MILLIARD, "Steps in which the learning rate rises from 0"),
    number(
        "training.warmup_share",
        (Included(0.0), Included(1.0)),
        "The same as a share of all steps; at most one of the two is more than 0",
    ),
    choice(
        "training.weight_decay_on",
        &["matrices", "all"],
        "What weight decay shrinks: matrices (Trainer: no biases, no norms) or all",
    ),
    number("training.clip_norm", POSITIVE, "Largest norm of the whole gradient; none leaves it as it is")
        .or_none(),
    choice("training.loss", &["token_mean", "sentence_sum"], "token_mean (PEFT) or sentence_sum (the paper)"),
    count("training.eval_every", 0, ANY, "Evaluate every so many steps; 0 means ten times in a run"),
    count("training.sample_rows", 0, 10_000, "Rows whose continuation is generated at each evaluation"),
    count("training.sample_tokens", 0, 1 << 20, "Longest sample, in tokens"),
    count(
        "training.patience",
        1,
        ANY,
        "Stop after so many evaluations without a better loss; none goes on to the end",
    )
    .or_none(),
    count("training.checkpoint_every", 0, ANY, "Checkpoint every so many steps; 0 means at each evaluation"),
    table("training.schedule", "How the learning rate moves after the warm-up"),
    choice(
        "training.schedule.type",
        &["linear", "cosine", "constant", "polynomial", "inverse_sqrt", "cosine_with_restarts"],
        "linear, cosine, constant, polynomial, inverse_sqrt or cosine_with_restarts",
    ),
    number("training.schedule.power", POSITIVE, "For polynomial: 1 is straight, 2 a parabola"),
    number("training.schedule.end_rate", (Included(0.0), Excluded(1e3)), "For polynomial: the rate at the last step"),
    count(
        "training.schedule.timescale",
        1,
        ANY,
        "For inverse_sqrt: in steps; none is the warm-up, or 10000 without one",
    )
    .or_none(),
    count("training.schedule.cycles", 1, 65_536, "For cosine_with_restarts: how many times"),
    table("training.optimizer", "What becomes of a gradient"),
    choice("training.optimizer.type", &["adamw", "adam", "adafactor", "sgd"], "adamw, adam, adafactor or sgd"),
    number("training.optimizer.beta1", SHARE, "Decay of the mean of gradients; for adafactor none keeps no mean")
        .or_none(),
    number("training.optimizer.beta2", SHARE, "For adamw and adam: decay of the mean of squares"),
    number(
        "training.optimizer.epsilon",
        POSITIVE,
        "Added to the root of the mean of squares; for adafactor to the squares",
    ),
    number(
        "training.optimizer.decay_rate",
        (Included(-10.0), Included(0.0)),
        "For adafactor: step t counts t to this power in the mean of squares",
    ),
    number("training.optimizer.epsilon_scale", POSITIVE, "For adafactor: the least scale of a parameter"),
    number(
        "training.optimizer.clip_threshold",
        POSITIVE,
        "For adafactor: the largest root mean square of an update",
    ),
    flag(
        "training.optimizer.scale_parameter",
        "For adafactor: the rate is multiplied by the size of each parameter",
    ),
    number("training.optimizer.momentum", SHARE, "For sgd: what is kept of the last update's direction"),
    flag("training.optimizer.nesterov", "For sgd: looks ahead along the momentum"),
    number(
        "training.optimizer.weight_decay",
        (Included(0.0), Included(10.0)),
        "Shrinks parameters: adamw, adafactor; or joins the gradient: adam, sgd",
    ),
];
