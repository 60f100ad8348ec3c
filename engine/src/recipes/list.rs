//! The list of recipes: each number is that of the source named.

use super::{Form, Recipe, RecipeData, RecipeDecoding, RecipeTraining};
use crate::config::{AdafactorConfig, AdamConfig, LossReduction, OptimizerConfig, Schedule, Truncate};

/// Figures of the official scripts of E2E.
const E2E: &[&str] = &["bleu_e2e", "nist", "meteor", "rouge_l_e2e", "cider"];

const GREEDY: RecipeDecoding = RecipeDecoding {
    num_beams: 1,
    length_penalty: None,
    do_sample: false,
    temperature: None,
    top_p: None,
    min_length: None,
    max_length: None,
    max_new_tokens: None,
    no_repeat_ngram_size: None,
    bad_words: &[],
    stop_strings: &[],
    source: "",
};

/// Tables into text: new lines, of one and of two, are forbidden.
const TABLES: RecipeDecoding = RecipeDecoding {
    num_beams: 5,
    min_length: Some(5),
    max_new_tokens: Some(100),
    bad_words: &["\n", "\n\n"],
    source: "XiangLi1999/PrefixTuning: gpt2/run_generation.py",
    ..GREEDY
};

/// Of the walk-through on Alpaca-zh: `"\n".join(["Human: " + instruction, input]).strip() + "\n\nAssistant: "`.
const WALKTHROUGH: RecipeData = RecipeData {
    source_column: "instruction",
    target_column: "output",
    prompt_template: "{{ (\"Human: \" ~ instruction ~ \"\\n\" ~ input) | trim }}\n\nAssistant: ",
    target_template: "{{ target }}",
    append_end_token: true,
    max_tokens: 256,
    truncate: Truncate::End,
};

/// The Trainer of transformers, which most of them use.
const TRAINER: RecipeTraining = RecipeTraining {
    steps: 0,
    epochs: 3.0,
    batch_size: 8,
    gradient_accumulation: 1,
    learning_rate: 5e-5,
    warmup_steps: 0,
    warmup_ratio: 0.0,
    schedule: Schedule::Linear,
    optimizer: OptimizerConfig::AdamW(AdamConfig::USUAL),
    max_grad_norm: Some(1.0),
    loss: LossReduction::TokenMean,
};

/// Li & Liang's code for GPT-2.
const LI_LIANG: RecipeTraining =
    RecipeTraining { epochs: 5.0, batch_size: 10, loss: LossReduction::SentenceSum, ..TRAINER };

const LI_LIANG_SOURCE: &str = "XiangLi1999/PrefixTuning: gpt2; Li & Liang 2021";

/// `torch.optim.AdamW` as it comes.
const TORCH_ADAMW: OptimizerConfig = OptimizerConfig::AdamW(AdamConfig { weight_decay: 0.01, ..AdamConfig::USUAL });

const fn prefix(name: &'static str, title: &'static str, source: &'static str, form: Form) -> Recipe {
    Recipe {
        name,
        title,
        source,
        form,
        n_virtual: None,
        width: None,
        dropout: 0.0,
        words: None,
        lora: None,
        training: TRAINER,
        decoding: None,
        metrics: &[],
        data: None,
        note: None,
    }
}

/// All of them.
pub const RECIPES: [Recipe; 14] = [
    Recipe {
        n_virtual: Some(10),
        width: Some(512),
        training: LI_LIANG,
        ..prefix("prefix-gpt2", "Prefix-Tuning, GPT-2", LI_LIANG_SOURCE, Form::PrefixMlp)
    },
    Recipe {
        n_virtual: Some(5),
        width: Some(512),
        training: RecipeTraining { learning_rate: 8e-5, ..LI_LIANG },
        decoding: Some(TABLES),
        metrics: E2E,
        ..prefix("prefix-gpt2-e2e", "Prefix-Tuning, GPT-2 on E2E", LI_LIANG_SOURCE, Form::PrefixMlp)
    },
    Recipe {
        n_virtual: Some(5),
        width: Some(512),
        training: RecipeTraining { batch_size: 5, ..LI_LIANG },
        decoding: Some(TABLES),
        metrics: &["bleu", "meteor", "ter"],
        ..prefix("prefix-gpt2-webnlg", "Prefix-Tuning, GPT-2 on WebNLG", LI_LIANG_SOURCE, Form::PrefixMlp)
    },
    Recipe {
        n_virtual: Some(10),
        width: Some(512),
        training: RecipeTraining { batch_size: 5, epochs: 10.0, ..LI_LIANG },
        decoding: Some(TABLES),
        metrics: &["bleu", "meteor", "ter", "bertscore"],
        ..prefix("prefix-gpt2-dart", "Prefix-Tuning, GPT-2 on DART", LI_LIANG_SOURCE, Form::PrefixMlp)
    },
    Recipe {
        n_virtual: Some(6),
        width: Some(512),
        training: RecipeTraining { steps: 200, warmup_steps: 100, ..LI_LIANG },
        decoding: Some(TABLES),
        metrics: E2E,
        words: Some("table-to-text:"),
        note: Some("It is for at most 200 rows"),
        ..prefix("prefix-gpt2-low-data", "Prefix-Tuning, GPT-2 with few rows", LI_LIANG_SOURCE, Form::PrefixMlp)
    },
    Recipe {
        n_virtual: Some(200),
        width: Some(800),
        training: RecipeTraining { epochs: 30.0, batch_size: 16, gradient_accumulation: 3, ..TRAINER },
        decoding: Some(RecipeDecoding {
            num_beams: 6,
            length_penalty: Some(0.8),
            min_length: Some(11),
            max_length: Some(62),
            source: "Li & Liang 2021 (beams, length penalty); XiangLi1999/PrefixTuning: seq2seq (lengths)",
            ..GREEDY
        }),
        metrics: &["rouge1", "rouge2", "rougeL"],
        note: Some(
            "Its paper trains batches of 14; its sources are cut at 512 tokens, 1024 in its code, its targets at 60",
        ),
        ..prefix(
            "prefix-bart-xsum",
            "Prefix-Tuning, BART on XSum",
            "XiangLi1999/PrefixTuning: seq2seq; Li & Liang 2021",
            Form::PrefixMlp,
        )
    },
    Recipe {
        n_virtual: Some(10),
        width: Some(0),
        training: RecipeTraining { epochs: 1.0, batch_size: 1, gradient_accumulation: 8, ..TRAINER },
        decoding: Some(RecipeDecoding { do_sample: true, max_length: Some(128), ..GREEDY }),
        data: Some(WALKTHROUGH),
        note: Some("The order of its rows is drawn by torch"),
        ..prefix(
            "hf-walkthrough",
            "The walk-through of PEFT, BLOOM on Alpaca-zh",
            "huggingface/peft and transformers' Trainer, as walk-throughs of prefix tuning on Alpaca-zh call them",
            Form::PrefixMlp,
        )
    },
    Recipe {
        n_virtual: Some(30),
        training: RecipeTraining {
            epochs: 50.0,
            learning_rate: 3e-2,
            optimizer: TORCH_ADAMW,
            max_grad_norm: None,
            ..TRAINER
        },
        ..prefix(
            "peft-prefix",
            "PEFT's example of prefix tuning",
            "huggingface/peft: examples/causal_language_modeling/peft_prefix_tuning_clm.ipynb",
            Form::PrefixFlat,
        )
    },
    Recipe {
        n_virtual: Some(128),
        training: RecipeTraining {
            steps: 3000,
            batch_size: 1,
            gradient_accumulation: 16,
            learning_rate: 2e-2,
            ..TRAINER
        },
        dropout: 0.1,
        decoding: Some(RecipeDecoding { do_sample: true, temperature: Some(0.95), top_p: Some(0.7), ..GREEDY }),
        metrics: &["bleu4_char", "rouge1", "rouge2", "rougeL"],
        ..prefix("chatglm", "P-tuning v2, ChatGLM-6B", "THUDM/ChatGLM-6B: ptuning", Form::PrefixFlat)
    },
    Recipe {
        n_virtual: Some(128),
        training: RecipeTraining { epochs: 100.0, batch_size: 32, learning_rate: 5e-3, ..TRAINER },
        dropout: 0.1,
        metrics: &["accuracy"],
        note: Some("Its model drops a tenth too: training.base_dropout"),
        ..prefix(
            "p-tuning-v2-rte",
            "P-tuning v2, classes of texts (RTE)",
            "THUDM/P-tuning-v2: run_script/run_rte_roberta.sh",
            Form::DeepPromptClassification,
        )
    },
    Recipe {
        n_virtual: Some(11),
        training: RecipeTraining { epochs: 30.0, batch_size: 16, learning_rate: 3e-2, ..TRAINER },
        dropout: 0.1,
        metrics: &["entity_f1"],
        note: Some("Its model drops a tenth too: training.base_dropout"),
        ..prefix(
            "p-tuning-v2-ner",
            "P-tuning v2, classes of words (CoNLL 2003)",
            "THUDM/P-tuning-v2: run_script/run_conll03_roberta.sh",
            Form::DeepPromptClassification,
        )
    },
    Recipe {
        training: RecipeTraining {
            steps: 30_000,
            batch_size: 32,
            learning_rate: 0.3,
            schedule: Schedule::Constant,
            optimizer: OptimizerConfig::Adafactor(AdafactorConfig { weight_decay: 1e-5, ..AdafactorConfig::USUAL }),
            max_grad_norm: None,
            ..TRAINER
        },
        n_virtual: Some(100),
        note: Some("It adds a z-loss of 1e-4"),
        ..prefix(
            "prompt-tuning",
            "Prompt tuning, T5",
            "google-research/prompt-tuning: prompt_tuning/configs; Lester et al. 2021",
            Form::Prompt,
        )
    },
    Recipe {
        training: RecipeTraining {
            epochs: 5.0,
            learning_rate: 2e-4,
            warmup_steps: 500,
            optimizer: TORCH_ADAMW,
            max_grad_norm: None,
            ..TRAINER
        },
        lora: Some((4, 32.0, 0.1)),
        decoding: Some(RecipeDecoding {
            num_beams: 10,
            length_penalty: Some(0.8),
            max_new_tokens: Some(64),
            no_repeat_ngram_size: Some(4),
            stop_strings: &["\n\n"],
            source: "microsoft/LoRA: examples/NLG (its paper has a length penalty of 0.9)",
            ..GREEDY
        }),
        metrics: E2E,
        note: Some("It has matrices of their own for query and value, and smooths labels by 0.1"),
        ..prefix("lora-gpt2-e2e", "LoRA, GPT-2 on E2E", "microsoft/LoRA: examples/NLG; Hu et al. 2021", Form::Lora)
    },
    prefix(
        "trainer",
        "The defaults of transformers' Trainer",
        "huggingface/transformers: src/transformers/training_args.py",
        Form::Full,
    ),
];
