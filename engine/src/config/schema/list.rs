//! The list: one entry for each setting, in the order of a run file.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use super::describe::{
    choice, count, entries, flag, in_table, number, of_adam, of_method, path, read, same, table, text, words,
};
use super::words::{ENCODERS, OPTIMIZERS, PEFT_TYPES, PREFIX_INITS, PROMPT_INITS, SCHEDULES, TASKS};
use super::{Reading, Setting};

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
const FEW_SHOT: &[&str] = &["few_shot"];
const BIASES: &[&str] = &["none", "all", "lora_only"];

/// Every setting of a run.
pub const SETTINGS: &[Setting] = &[
    text("name", "What people call the run; empty makes one from what differs").also(&[same("run_name")]),
    path(
        "model",
        "Folder of the base model (config.json, model.safetensors and tokenizer.json, as Hugging Face writes them), \
         or the id of a model on the hub",
    )
    .also(&[same("model_name_or_path"), same("base_model_name_or_path")]),
    text("device", "auto, cpu, wgpu or wgpu:1"),
    choice(
        "precision",
        &["f32", "f16", "bf16"],
        "In what the model's matrices are multiplied: f32, or f16 or bf16 where the device computes in it; \
         everything else is f32",
    )
    .also(&[read("fp16", Reading::IfTrue("f16")), read("bf16", Reading::IfTrue("bf16"))]),
    count(
        "seed",
        0,
        ANY,
        "Decides initial values, data order, dropout and samples: the same seed on the same device gives the same \
         result",
    ),
    choice(
        "task",
        &["causal", "seq2seq", "sequence_classification", "token_classification", "masked_fill"],
        "What is learned of a row: causal, seq2seq, sequence_classification, token_classification or masked_fill; \
         none is what the model does",
    )
    .also(&[read("task_type", Reading::Words(TASKS))])
    .or_none(),
    choice(
        "head",
        &["checkpoint", "new"],
        "Where a head for classes begins: checkpoint (its own, if it is for the same classes) or new",
    ),
    table("data", "The rows, and how a row becomes tokens"),
    path(
        "data.train",
        "Training rows: .jsonl, .json, .csv or .tsv; .txt with a text on each line; .conll with a label for each \
         word",
    )
    .also(&[same("train_file")]),
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
    path("data.validation", "Validation rows; none keeps a share of the training rows")
        .also(&[same("validation_file")])
        .or_none(),
    number(
        "data.validation_share",
        (Included(0.0), Included(0.9)),
        "Share of the training rows that is kept where there is no file of validation rows",
    ),
    count(
        "data.validation_rows",
        0,
        ANY,
        "Use at most this many validation rows: more make an evaluation slower, not better",
    ),
    count(
        "data.split_seed",
        0,
        ANY,
        "Decides which rows are kept for validation, whatever the run's seed, so that seeds are comparable; none is the \
         run's seed",
    )
    .or_none(),
    number(
        "data.train_rows",
        POSITIVE,
        "Training rows that are used, for studies with little data: a share below 1 or a number, of each dataset; none \
         is all",
    )
    .or_none(),
    count(
        "data.train_rows_seed",
        0,
        ANY,
        "Decides which training rows are used where not all are; with one seed fewer rows are among more",
    ),
    text(
        "data.source_column",
        "Column that the prompt is made of, written {{ source }} in the template, or of the text or the list of words \
         that is classified; none takes the first of the usual names",
    )
    .or_none(),
    text("data.second_column", "Column of the second text, where pairs such as premise and hypothesis are classified")
        .or_none(),
    text(
        "data.target_column",
        "Column to be learned, written {{ target }} in the template, or of the class or the list of classes; of \
         masked_fill one token; none takes the first of the usual names",
    )
    .or_none(),
    words(
        "data.prompt_template",
        "Text before the target, without loss: {{ name }} is a column, {{ bos }} and {{ eos }} are the model's own \
         tokens, {{ mask }} is the place of an answer, {{ soft(3) }} three soft tokens",
    ),
    words(
        "data.target_template",
        "Text to be learned: {{ name }} is a column, {{ bos }} and {{ eos }} are the model's own tokens",
    ),
    flag(
        "data.append_end_token",
        "Ends every target with the model's end token, so that the model learns where to stop",
    ),
    choice(
        "data.begin_token",
        &["tokenizer", "template"],
        "tokenizer (before a prompt, if it is before every text) or template (only where that says)",
    ),
    flag(
        "data.chat",
        "Writes the prompt as a turn of the user in the model's chat template, the target as the model's answer",
    ),
    count(
        "data.max_tokens",
        1,
        1 << 20,
        "Longest row in tokens; what a longer one loses is data.truncate; none is what the model has left beside the \
         prefix",
    )
    .or_none(),
    choice(
        "data.truncate",
        &["prompt_start", "prompt_end", "end", "longest_first", "skip"],
        "What a row loses that is too long: longest_first (the end of the longer one, the row's text or the target), \
         prompt_start, prompt_end, end (of the whole row) or skip (it is left out)",
    ),
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
    table("method.reparameterization", "Train through Li & Liang's small network, which is folded away afterwards")
        .was("reparameterisation")
        .also(&[read("prefix_projection", Reading::Switch)])
        .or_none()
        .of(PREFIX),
    count("method.reparameterization.width", 1, 65_536, "Width of the network's hidden layer (Li & Liang: mid_dim)")
        .also(&[in_table("encoder_hidden_size"), in_table("mid_dim")])
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
            "vocabulary",
            "frequent",
            "classes",
            "words",
            "adapter",
            "prefill",
            "fresh",
        ],
        "Where training begins, to which a network is fitted: random, scaled_random, zero, vocabulary, frequent, \
         classes, words, prefill, adapter; of LoRA fresh or adapter",
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
    table("training", "How it is trained"),
    count("training.steps", 0, MILLIARD, "Optimizer steps; 0 lets epochs decide")
        .also(&[read("max_steps", Reading::NotBelowZero)]),
    number("training.epochs", (Excluded(0.0), Included(1e6)), "Passes over the training rows, when steps is 0")
        .also(&[same("num_train_epochs")]),
    count("training.batch_size", 1, 65_536, "Rows in one forward pass").also(&[same("per_device_train_batch_size")]),
    count("training.gradient_accumulation", 1, 65_536, "Forward passes in one optimizer step")
        .was("accumulation")
        .also(&[same("gradient_accumulation_steps")]),
    flag(
        "training.gradient_checkpointing",
        "Runs each block again in the backward pass instead of keeping what it needs: the same gradients, much less \
         memory for long rows and large batches, and up to half more time",
    )
    .also(&[same("gradient_checkpointing")]),
    choice(
        "training.epoch_end",
        &["smaller_step", "next_epoch"],
        "Last step of an epoch: smaller_step (Trainer), or next_epoch: the missing rows are from there",
    ),
    number("training.learning_rate", (Excluded(0.0), Excluded(1e3)), "Peak learning rate")
        .also(&[same("learning_rate"), same("lr")]),
    count("training.warmup_steps", 0, MILLIARD, "Steps in which the learning rate rises from 0")
        .also(&[read("warmup_steps", Reading::StepsOrShare("training.warmup_ratio"))]),
    number(
        "training.warmup_ratio",
        (Included(0.0), Included(1.0)),
        "Share of all steps in which the learning rate rises from 0; at most one of this and warmup_steps is more \
         than 0",
    )
    .was("warmup_share")
    .also(&[same("warmup_ratio")]),
    choice(
        "training.weight_decay_on",
        &["matrices", "all"],
        "What weight decay shrinks: matrices (Trainer: no biases, no norms) or all",
    ),
    number("training.max_grad_norm", POSITIVE, "Largest norm of the whole gradient; none leaves it as it is")
        .was("clip_norm")
        .also(&[read("max_grad_norm", Reading::ZeroIsNone)])
        .or_none(),
    choice(
        "training.loss",
        &["token_mean", "sentence_sum"],
        "token_mean (over labeled tokens, as PEFT), or sentence_sum (over each sentence, as the paper's code: it \
         belongs to a rate of 5e-5)",
    ),
    count("training.eval_every", 0, ANY, "Evaluate every so many steps; 0 means ten times in a run")
        .also(&[read("eval_steps", Reading::Steps)]),
    count("training.sample_rows", 0, 10_000, "Validation rows that are continued at each evaluation"),
    count("training.sample_tokens", 0, 1 << 20, "Longest sample, in tokens"),
    count(
        "training.patience",
        1,
        ANY,
        "Stop after so many evaluations without a better validation loss; none goes on to the end",
    )
    .also(&[same("early_stopping_patience")])
    .or_none(),
    count("training.save_every", 0, ANY, "Checkpoint every so many steps; 0 means at each evaluation")
        .was("checkpoint_every")
        .also(&[read("save_steps", Reading::Steps)]),
    table("training.schedule", "How the learning rate moves after the warm-up"),
    choice(
        "training.schedule.type",
        &["linear", "cosine", "constant", "polynomial", "inverse_sqrt", "cosine_with_restarts"],
        "linear, cosine, constant, polynomial, inverse_sqrt or cosine_with_restarts",
    )
    .also(&[read("lr_scheduler_type", Reading::Words(SCHEDULES))]),
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
    choice(
        "training.optimizer.type",
        &["adamw", "adam", "adafactor", "sgd"],
        "What becomes of a gradient: adamw, adam, adafactor or sgd, each with constants of its own",
    )
    .also(&[read("optim", Reading::Words(OPTIMIZERS))]),
    number(
        "training.optimizer.beta1",
        SHARE,
        "How much of the mean of gradients is kept at each step; for adafactor none keeps no mean",
    )
    .also(&[of_adam("adam_beta1")])
    .or_none(),
    number(
        "training.optimizer.beta2",
        SHARE,
        "For adamw and adam: how much of the mean of squared gradients is kept at each step",
    )
    .also(&[of_adam("adam_beta2")]),
    number(
        "training.optimizer.epsilon",
        POSITIVE,
        "Added to the root of the mean of squares; for adafactor to the squares",
    )
    .also(&[of_adam("adam_epsilon")]),
    number(
        "training.optimizer.decay_rate",
        (Included(-10.0), Included(0.0)),
        "For adafactor: step t counts t to this power in the mean of squares",
    ),
    number("training.optimizer.epsilon_scale", POSITIVE, "For adafactor: the least scale of a parameter"),
    number(
        "training.optimizer.clip_threshold",
        POSITIVE,
        "For adafactor: an update with a larger root mean square is shortened to it",
    ),
    flag(
        "training.optimizer.scale_parameter",
        "For adafactor: the rate is multiplied by the root mean square of each parameter",
    ),
    number(
        "training.optimizer.momentum",
        SHARE,
        "For sgd: how much of the last update's direction is kept; 0 keeps none",
    ),
    flag("training.optimizer.nesterov", "For sgd: looks ahead along the momentum"),
    number(
        "training.optimizer.weight_decay",
        (Included(0.0), Included(10.0)),
        "Weight decay: adamw and adafactor shrink the parameters by it, adam and sgd add it to the gradient",
    )
    .also(&[same("weight_decay")]),
];
