//! The list: one entry for each setting, in the order of a run file. Those of methods stand in `list_method.rs`.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use super::describe::{choice, count, entries, flag, number, of_adam, path, read, same, table, text, words};
use super::generation::GENERATION;
use super::list_method::METHOD;
use super::words::{OPTIMIZERS, SAMPLING_STRATEGIES, SCHEDULES, TASKS};
use super::{Reading, Setting};

const ANY: u64 = u64::MAX;
const MILLIARD: u64 = 1_000_000_000;
/// Above 0 and finite.
const POSITIVE: (Bound<f64>, Bound<f64>) = (Excluded(0.0), Unbounded);
/// A decay, a dropout.
const SHARE: (Bound<f64>, Bound<f64>) = (Included(0.0), Excluded(1.0));

/// Every setting of a run.
pub const SETTINGS: &[Setting] =
    &joined::<{ RUN_AND_DATA.len() + METHOD.len() + TRAINING.len() + GENERATION.len() }>([
        RUN_AND_DATA,
        METHOD,
        TRAINING,
        GENERATION,
    ]);

/// Lists behind each other, which together have `N` entries.
const fn joined<const N: usize>(lists: [&[Setting]; 4]) -> [Setting; N] {
    let mut all = [lists[0][0]; N];
    let (mut list, mut at) = (0, 0);
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            all[at] = lists[list][index];
            (index, at) = (index + 1, at + 1);
        }
        list += 1;
    }
    all
}

const RUN_AND_DATA: &[Setting] = &[
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
    choice(
        "quantization",
        &["stored", "q8_0", "q4_0", "nf4"],
        "How the matrices of the base model are kept: as its files have them, in 8 bits, in 4 bits with embeddings and \
         head in 8, or in bitsandbytes' 4 bits with embeddings and head as stored; what is trained stays f32",
    )
    .also(&[read("load_in_8bit", Reading::IfTrue("q8_0")), read("load_in_4bit", Reading::IfTrue("nf4"))]),
    count(
        "seed",
        0,
        ANY,
        "Decides initial values, data order, dropout and samples: the same seed on the same device gives the same \
         result",
    ),
    choice(
        "task",
        &[
            "causal",
            "seq2seq",
            "sequence_classification",
            "token_classification",
            "regression",
            "masked_fill",
            "question_answering",
            "multiple_choice",
        ],
        "What is learned of a row: causal, seq2seq, sequence_classification, token_classification, regression, \
         masked_fill, question_answering or multiple_choice; none is what the model does",
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
        "Training rows: .jsonl, .json, .csv, .tsv, .parquet or .arrow, packed by gz, zst or xz or not; .txt with a text \
         on each line; .conll with a label for each word; a folder of save_to_disk or of shards; a pattern such as \
         shards/*.parquet",
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
    choice(
        "data.form",
        &["auto", "none"],
        "auto (files of papers and benchmarks are known by their columns and read as such) or none (rows as they are)",
    ),
    choice(
        "data.references",
        &["each", "one", "first"],
        "What is learned of a source with several references: each as a row, one drawn for each epoch, or the first",
    ),
    choice(
        "data.learned_turns",
        &["all", "last"],
        "Which answers of a conversation are learned: all, each with what was said before it, or the last",
    ),
    choice(
        "data.text_unit",
        &["line", "paragraph", "chunk"],
        "What is a row of a .txt file: a line, a paragraph, or a chunk of as many tokens as a row may have",
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
    count(
        "data.stride",
        0,
        1 << 20,
        "Tokens by which the windows of a long text overlap that a question is about; none is 128, or a third of a window \
         if that is less",
    )
    .or_none()
    .also(&[same("doc_stride")]),
    choice(
        "data.candidates",
        &["none", "classes", "choices", "answers", "vocabulary"],
        "Among what a row's answer is looked for, by likelihood: classes (each by its word), choices (the row's own), \
         answers (those of all rows), vocabulary, or none",
    ),
    entries(
        "data.verbalizer",
        "words by class",
        "The word of each class, as { \"0\" = \"bad\", \"1\" = \"good\" }; without it a class is written as its name",
    ),
    path("data.candidates_file", "Candidates in place of the answers of all rows: a text file with one on each line")
        .or_none(),
    choice(
        "data.candidate_score",
        &["sum", "token", "byte"],
        "How candidates are compared: sum of the log-probabilities of their tokens, the sum by token, or by byte",
    ),
    text(
        "data.choice_column",
        "Column of a row's choices, a list, or several as choice1 + choice2; none takes those of the usual names",
    )
    .or_none(),
];

const TRAINING: &[Setting] = &[
    table("training", "How it is trained"),
    count("training.steps", 0, MILLIARD, "Optimizer steps; 0 lets epochs decide")
        .also(&[read("max_steps", Reading::NotBelowZero)]),
    number("training.epochs", (Excluded(0.0), Included(1e6)), "Passes over the training rows, when steps is 0")
        .also(&[same("num_train_epochs")]),
    count("training.batch_size", 1, 65_536, "Rows in one forward pass").also(&[same("per_device_train_batch_size")]),
    flag(
        "training.group_by_length",
        "Rows of similar length stand in a batch together, which saves padding; without it a batch is what the order of an \
         epoch has side by side, as in the Trainer",
    )
    .also(&[same("group_by_length"), read("train_sampling_strategy", Reading::Words(SAMPLING_STRATEGIES))]),
    flag(
        "training.packing",
        "Short rows of a batch stand behind each other in one line, where each sees the adapter and itself alone: the same \
         steps with less padding, most of all where rows are not grouped by length; for causal models",
    )
    .also(&[same("packing")]),
    count("training.gradient_accumulation", 1, 65_536, "Forward passes in one optimizer step")
        .was("accumulation")
        .also(&[same("gradient_accumulation_steps")]),
    flag(
        "training.gradient_checkpointing",
        "Runs each block again in the backward pass instead of keeping what it needs: the same gradients, much less \
         memory for long rows and large batches, and up to half more time",
    )
    .also(&[same("gradient_checkpointing")]),
    flag(
        "training.base_dropout",
        "The base model drops numbers in training at the rates of its configuration, as in transformers' train mode and \
         so in PEFT; without it the frozen model computes as it does later",
    ),
    choice(
        "training.epoch_end",
        &["smaller_step", "next_epoch"],
        "Last step of an epoch: smaller_step (Trainer), or next_epoch: the missing rows are from there",
    ),
    number("training.learning_rate", (Excluded(0.0), Excluded(1e3)), "Peak learning rate")
        .also(&[same("learning_rate"), same("lr")]),
    number(
        "training.head_learning_rate",
        (Excluded(0.0), Excluded(1e3)),
        "Peak learning rate of the head of a task with classes; none is training.learning_rate",
    )
    .or_none(),
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
    choice(
        "training.candidate_loss",
        &["right", "among"],
        "What is learned where there are candidates: right (the tokens of the right one) or among (the right one among \
         the candidates, as PET and P-tuning v2)",
    ),
    table(
        "training.distillation",
        "Learn what the base model says that has read a document, in place of the rows' targets: Cartridges",
    )
    .or_none(),
    path("training.distillation.document", "The text file that the teacher reads before each row"),
    count(
        "training.distillation.top_k",
        1,
        1000,
        "Most probable tokens of the teacher that are learned at each place; 20 as in PEFT's example",
    ),
    count("training.eval_every", 0, ANY, "Evaluate every so many steps; 0 means ten times in a run")
        .also(&[read("eval_steps", Reading::Steps)]),
    count("training.sample_rows", 0, 10_000, "Validation rows that are continued at each evaluation"),
    count("training.sample_tokens", 0, 1 << 20, "Longest sample, in tokens"),
    count(
        "training.patience",
        1,
        ANY,
        "Stop after so many evaluations without a better validation figure; none goes on to the end",
    )
    .also(&[same("early_stopping_patience")])
    .or_none(),
    text(
        "training.best_metric",
        "The figure by which an evaluation is the best: loss, accuracy, macro_f1, micro_f1 or entity_f1 of what is \
         predicted, or a figure of generated texts such as bleu",
    )
    .also(&[same("metric_for_best_model")]),
    count(
        "training.metric_rows",
        1,
        1_000_000,
        "Validation rows whose texts are generated at each evaluation, where the figure is one of texts",
    ),
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
