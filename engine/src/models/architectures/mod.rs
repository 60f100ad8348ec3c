//! The architectures: a file for each, with its configuration, its weights and its whole forward pass; the encoders that
//! differ from BERT in names alone share its block.

pub mod bart;
pub(crate) mod bert_family;
pub mod bloom;
pub mod chatglm;
pub mod falcon;
pub mod gemma;
pub mod glm;
pub mod gpt2;
pub mod gpt_neo;
pub mod gpt_neox;
pub mod gptj;
pub mod llama;
pub mod olmo2;
pub mod opt;
pub mod phi;
pub mod phi3;
pub mod stablelm;
pub mod t5;
