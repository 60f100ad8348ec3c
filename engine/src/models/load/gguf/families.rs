//! The architectures as llama.cpp names them, an entry each: the names of their tensors, and what makes Hugging Face's
//! weight of each.

use serde_json::Value;

use super::config;
use super::facts::Facts;
use crate::error::{EngineError, Result};

/// An architecture of llama.cpp's.
pub(super) struct Family {
    /// As `general.architecture` says.
    pub(super) name: &'static str,
    /// Those that Hugging Face has of it, as their `model_type` says.
    pub(super) models: &'static [&'static str],
    /// Before the number of a block, in Hugging Face's names.
    pub(super) layers: &'static str,
    /// What stands in no block.
    pub(super) outer: &'static [Name],
    /// What stands in each block, behind its number.
    pub(super) block: &'static [Name],
    /// The equivalent of `config.json`.
    pub(super) config: fn(&Facts<'_>) -> Result<Value>,
}

/// A module in the file's words, in Hugging Face's, and what differs in the order of its weight.
pub(super) struct Name(pub(super) &'static str, pub(super) &'static str, pub(super) Order);

/// How the file keeps a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// As Hugging Face does.
    Same,
    /// In each head of queries, the two numbers that turn together stand side by side.
    Queries,
    /// The same of keys.
    Keys,
    /// All queries, all keys, all values, where Hugging Face has the three of each head together.
    ByHead,
    /// A third of the rows: queries, keys or values of a matrix that Hugging Face keeps as three.
    Part(usize),
    /// Rows and columns exchanged.
    Transposed,
    /// A norm with the one that Hugging Face adds to it.
    LessOne,
}

use Order::{ByHead, Keys, LessOne, Part, Queries, Same, Transposed};

/// Names that LLaMA and most after it share.
const EMBEDDINGS: Name = Name("token_embd", "model.embed_tokens", Same);
const HEAD: Name = Name("output", "lm_head", Same);
const NORM: Name = Name("output_norm", "model.norm", Same);
const OUTER: &[Name] = &[EMBEDDINGS, NORM, HEAD];
const O_PROJ: Name = Name("attn_output", "self_attn.o_proj", Same);
const V_PROJ: Name = Name("attn_v", "self_attn.v_proj", Same);
const Q_PROJ: Name = Name("attn_q", "self_attn.q_proj", Same);
const K_PROJ: Name = Name("attn_k", "self_attn.k_proj", Same);
const GATE: Name = Name("ffn_gate", "mlp.gate_proj", Same);
const UP: Name = Name("ffn_up", "mlp.up_proj", Same);
const DOWN: Name = Name("ffn_down", "mlp.down_proj", Same);
const ATTN_NORM: Name = Name("attn_norm", "input_layernorm", Same);
const FFN_NORM: Name = Name("ffn_norm", "post_attention_layernorm", Same);

/// Blocks with LLaMA's names and every row as Hugging Face has it.
const PLAIN: &[Name] = &[ATTN_NORM, Q_PROJ, K_PROJ, V_PROJ, O_PROJ, FFN_NORM, GATE, UP, DOWN];

const GEMMA_OUTER: &[Name] = &[EMBEDDINGS, HEAD, Name("output_norm", "model.norm", LessOne)];

/// Gemma 2's and Gemma 3's; Gemma 2 has no norms of queries and keys.
const GEMMA: &[Name] = &[
    Name("attn_norm", "input_layernorm", LessOne),
    Q_PROJ,
    K_PROJ,
    V_PROJ,
    Name("attn_q_norm", "self_attn.q_norm", LessOne),
    Name("attn_k_norm", "self_attn.k_norm", LessOne),
    O_PROJ,
    Name("post_attention_norm", "post_attention_layernorm", LessOne),
    Name("ffn_norm", "pre_feedforward_layernorm", LessOne),
    GATE,
    UP,
    DOWN,
    Name("post_ffw_norm", "post_feedforward_layernorm", LessOne),
];

/// BLOOM's and GPT-NeoX's, below their blocks; they differ in what they call attention.
const H_TO_4H: Name = Name("ffn_up", "mlp.dense_h_to_4h", Same);
const BACK_TO_H: Name = Name("ffn_down", "mlp.dense_4h_to_h", Same);

const GLM_BLOCK: &[Name] = &[
    ATTN_NORM,
    Q_PROJ,
    K_PROJ,
    V_PROJ,
    Name("attn_qkv", "self_attn.q_proj", Part(0)),
    Name("attn_qkv", "self_attn.k_proj", Part(1)),
    Name("attn_qkv", "self_attn.v_proj", Part(2)),
    O_PROJ,
    FFN_NORM,
    Name("ffn_up", "mlp.gate_up_proj", Same),
    DOWN,
];

static FAMILIES: &[Family] = &[
    Family {
        name: "llama",
        models: &["llama", "mistral"],
        layers: "model.layers",
        outer: OUTER,
        block: &[
            ATTN_NORM,
            Name("attn_q", "self_attn.q_proj", Queries),
            Name("attn_k", "self_attn.k_proj", Keys),
            V_PROJ,
            O_PROJ,
            FFN_NORM,
            GATE,
            UP,
            DOWN,
        ],
        config: config::llama,
    },
    Family {
        name: "qwen2",
        models: &["qwen2"],
        layers: "model.layers",
        outer: OUTER,
        block: PLAIN,
        config: config::qwen2,
    },
    Family {
        name: "qwen3",
        models: &["qwen3"],
        layers: "model.layers",
        outer: OUTER,
        block: &[
            ATTN_NORM,
            Q_PROJ,
            K_PROJ,
            V_PROJ,
            Name("attn_q_norm", "self_attn.q_norm", Same),
            Name("attn_k_norm", "self_attn.k_norm", Same),
            O_PROJ,
            FFN_NORM,
            GATE,
            UP,
            DOWN,
        ],
        config: config::qwen3,
    },
    Family {
        name: "gemma",
        models: &["gemma"],
        layers: "model.layers",
        outer: GEMMA_OUTER,
        block: &[
            Name("attn_norm", "input_layernorm", LessOne),
            Q_PROJ,
            K_PROJ,
            V_PROJ,
            O_PROJ,
            Name("ffn_norm", "post_attention_layernorm", LessOne),
            GATE,
            UP,
            DOWN,
        ],
        config: config::gemma,
    },
    Family {
        name: "gemma2",
        models: &["gemma2"],
        layers: "model.layers",
        outer: GEMMA_OUTER,
        block: GEMMA,
        config: config::gemma2,
    },
    Family {
        name: "gemma3",
        models: &["gemma3_text"],
        layers: "model.layers",
        outer: GEMMA_OUTER,
        block: GEMMA,
        config: config::gemma3,
    },
    Family {
        name: "phi2",
        models: &["phi"],
        layers: "model.layers",
        outer: &[EMBEDDINGS, Name("output_norm", "model.final_layernorm", Same), HEAD],
        block: &[
            ATTN_NORM,
            Q_PROJ,
            K_PROJ,
            V_PROJ,
            Name("attn_qkv", "self_attn.q_proj", Part(0)),
            Name("attn_qkv", "self_attn.k_proj", Part(1)),
            Name("attn_qkv", "self_attn.v_proj", Part(2)),
            Name("attn_output", "self_attn.dense", Same),
            Name("ffn_up", "mlp.fc1", Same),
            Name("ffn_down", "mlp.fc2", Same),
        ],
        config: config::phi2,
    },
    Family {
        name: "phi3",
        models: &["phi3"],
        layers: "model.layers",
        outer: OUTER,
        block: &[
            ATTN_NORM,
            Name("attn_qkv", "self_attn.qkv_proj", Same),
            O_PROJ,
            FFN_NORM,
            Name("ffn_up", "mlp.gate_up_proj", Same),
            DOWN,
        ],
        config: config::phi3,
    },
    Family {
        name: "stablelm",
        models: &["stablelm"],
        layers: "model.layers",
        outer: OUTER,
        block: PLAIN,
        config: config::stablelm,
    },
    Family {
        name: "gpt2",
        models: &["gpt2"],
        layers: "transformer.h",
        outer: &[
            Name("token_embd", "transformer.wte", Same),
            Name("position_embd", "transformer.wpe", Same),
            Name("output_norm", "transformer.ln_f", Same),
            HEAD,
        ],
        block: &[
            Name("attn_norm", "ln_1", Same),
            Name("attn_qkv", "attn.c_attn", Transposed),
            Name("attn_output", "attn.c_proj", Transposed),
            Name("ffn_norm", "ln_2", Same),
            Name("ffn_up", "mlp.c_fc", Transposed),
            Name("ffn_down", "mlp.c_proj", Transposed),
        ],
        config: config::gpt2,
    },
    Family {
        name: "gptneox",
        models: &["gpt_neox"],
        layers: "gpt_neox.layers",
        outer: &[
            Name("token_embd", "gpt_neox.embed_in", Same),
            Name("output_norm", "gpt_neox.final_layer_norm", Same),
            Name("output", "embed_out", Same),
        ],
        block: &[
            ATTN_NORM,
            Name("attn_qkv", "attention.query_key_value", ByHead),
            Name("attn_output", "attention.dense", Same),
            FFN_NORM,
            H_TO_4H,
            BACK_TO_H,
        ],
        config: config::gptneox,
    },
    Family {
        name: "bloom",
        models: &["bloom"],
        layers: "transformer.h",
        outer: &[
            Name("token_embd", "transformer.word_embeddings", Same),
            Name("token_embd_norm", "transformer.word_embeddings_layernorm", Same),
            Name("output_norm", "transformer.ln_f", Same),
            HEAD,
        ],
        block: &[
            ATTN_NORM,
            Name("attn_qkv", "self_attention.query_key_value", ByHead),
            Name("attn_output", "self_attention.dense", Same),
            FFN_NORM,
            H_TO_4H,
            BACK_TO_H,
        ],
        config: config::bloom,
    },
    Family {
        name: "chatglm",
        models: &["chatglm"],
        layers: "transformer.encoder.layers",
        outer: &[
            Name("token_embd", "transformer.embedding.word_embeddings", Same),
            Name("output_norm", "transformer.encoder.final_layernorm", Same),
            Name("output", "transformer.output_layer", Same),
        ],
        block: &[
            ATTN_NORM,
            Name("attn_qkv", "self_attention.query_key_value", Same),
            Name("attn_output", "self_attention.dense", Same),
            FFN_NORM,
            H_TO_4H,
            BACK_TO_H,
        ],
        config: config::chatglm,
    },
];

/// What a file of `chatglm` is where ChatGLM2's code would not compute it: with queries, keys and values of their own, or
/// with other frequencies than 10,000 makes. Hugging Face has both as GLM.
static GLM: Family = Family {
    name: "chatglm",
    models: &["glm"],
    layers: "model.layers",
    outer: OUTER,
    block: GLM_BLOCK,
    config: config::glm,
};

impl Family {
    /// The entry of a file's architecture.
    ///
    /// # Errors
    /// There is none; those there are are named.
    pub(super) fn of(facts: &Facts<'_>) -> Result<&'static Self> {
        let found = facts.architecture;
        let family = FAMILIES.iter().find(|family| family.name == found).ok_or_else(|| {
            let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
            EngineError::UnknownArchitecture { found: found.to_owned(), known: known.join(", ") }
        })?;
        Ok(if found == "chatglm" && config::is_glm(facts)? { &GLM } else { family })
    }

    /// The entry of a model of Hugging Face's; `None` where its tensors have no names here.
    pub(super) fn of_model(model_type: &str) -> Option<&'static Self> {
        FAMILIES.iter().chain([&GLM]).find(|family| family.models.contains(&model_type))
    }
}
