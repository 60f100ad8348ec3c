//! Words of transformers and PEFT, and what they say here.

use super::Literal::{Count, Flag, Table, Word as Named};
use super::{Literal, Word};

const fn word(theirs: &'static str, says: &'static [(&'static str, Literal)]) -> Word {
    Word { theirs, says, needs: None }
}

pub(super) const TASKS: &[Word] = &[
    word("CAUSAL_LM", &[("task", Named("causal"))]),
    word("SEQ_2_SEQ_LM", &[("task", Named("seq2seq"))]),
    word("SEQ_CLS", &[("task", Named("sequence_classification"))]),
    word("TOKEN_CLS", &[("task", Named("token_classification"))]),
];
pub(super) const PEFT_TYPES: &[Word] = &[
    word("PREFIX_TUNING", &[("method.type", Named("prefix"))]),
    word("PROMPT_TUNING", &[("method.type", Named("prompt"))]),
    word("P_TUNING", &[("method.type", Named("prompt")), ("method.encoder", Table)]),
    word("LORA", &[("method.type", Named("lora"))]),
];
pub(super) const ENCODERS: &[Word] =
    &[word("MLP", &[("method.encoder.type", Named("mlp"))]), word("LSTM", &[("method.encoder.type", Named("lstm"))])];
pub(super) const PROMPT_INITS: &[Word] = &[
    word("RANDOM", &[("method.init.type", Named("random"))]),
    word("SAMPLE_VOCAB", &[("method.init.type", Named("vocabulary"))]),
    Word { theirs: "TEXT", says: &[("method.init.type", Named("words"))], needs: Some("method.init.text") },
];
pub(super) const PREFIX_INITS: &[Word] = &[word("zero", &[("method.init.type", Named("zero"))])];
/// As transformers' `get_scheduler` with no arguments of their own: one cycle of restarts, a polynomial of power 1 to 1e-7.
pub(super) const SCHEDULES: &[Word] = &[
    word("linear", &[("training.schedule.type", Named("linear"))]),
    word("cosine", &[("training.schedule.type", Named("cosine"))]),
    word(
        "constant",
        &[
            ("training.schedule.type", Named("constant")),
            ("training.warmup_steps", Count(0)),
            ("training.warmup_ratio", Count(0)),
        ],
    ),
    word("constant_with_warmup", &[("training.schedule.type", Named("constant"))]),
    word("polynomial", &[("training.schedule.type", Named("polynomial"))]),
    word("inverse_sqrt", &[("training.schedule.type", Named("inverse_sqrt"))]),
    word(
        "cosine_with_restarts",
        &[("training.schedule.type", Named("cosine_with_restarts")), ("training.schedule.cycles", Count(1))],
    ),
];
pub(super) const OPTIMIZERS: &[Word] = &[
    word("adamw_torch", &[("training.optimizer.type", Named("adamw"))]),
    word("adamw_torch_fused", &[("training.optimizer.type", Named("adamw"))]),
    word("adafactor", &[("training.optimizer.type", Named("adafactor"))]),
    word("sgd", &[("training.optimizer.type", Named("sgd"))]),
];
pub(super) const SAMPLING_STRATEGIES: &[Word] = &[
    word("random", &[("training.group_by_length", Flag(false))]),
    word("group_by_length", &[("training.group_by_length", Flag(true))]),
];
