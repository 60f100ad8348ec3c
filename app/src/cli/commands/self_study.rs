//! `self-study`: rows about a document that the base model writes itself, for a run that learns from a teacher that reads it.
//! Eyuboglu et al. 2025, "Cartridges: Lightweight and general-purpose long context representations via self-study".

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use engine::config::{BeginToken, Sampling};
use engine::data::Tokenizer;
use engine::files::{self, Kind};
use engine::protocol::{Ask, GenerateRequest, Prompt, Report, Stream};
use serde_json::json;

use crate::cli::Global;
use crate::cli::run_file::shell_word;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::cli::support::session::Session;
use crate::cli::support::target::TargetArgs;

/// Texts written in one batch.
const BATCH: usize = 8;

/// What the model is to ask for: the paper's five kinds. The words, for a model that holds conversations and for one that only
/// goes on with texts, are of this program.
const SEEDS: [Seed; 5] = [
    Seed {
        kind: "structuring",
        asked: "Write one request to put some facts of the text above into a form, such as a list or a table. Say which \
                part of the text and which form are meant. Write the request and nothing else.",
        begun: "A list or a table to make of this text:",
    },
    Seed {
        kind: "summarization",
        asked: "Write one request to summarize a part of the text above. Say which part is meant. Write the request and \
                nothing else.",
        begun: "A part of this text to summarize:",
    },
    Seed {
        kind: "question",
        asked: "Write one question about a detail of the text above, which somebody can answer who has read it with care. \
                Write the question and nothing else.",
        begun: "A question about this text:",
    },
    Seed {
        kind: "use_cases",
        asked: "Write one request to tell how something in the text above can be used in practice. Write the request and \
                nothing else.",
        begun: "A use of this text to describe:",
    },
    Seed {
        kind: "creative",
        asked: "Write one request for a short piece, such as a poem or a letter, that rests on facts of the text above. \
                Write the request and nothing else.",
        begun: "A short piece to write from this text:",
    },
];

struct Seed {
    kind: &'static str,
    asked: &'static str,
    begun: &'static str,
}

/// Let the base model write requests about a document and answer them, as rows to distill it from.
#[derive(Debug, Args)]
pub(in crate::cli) struct SelfStudyArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Text file
    #[arg(long, value_name = "FILE", value_parser = path())]
    document: PathBuf,
    /// Rows to write; those that come out empty are left out
    #[arg(long, value_name = "N", default_value = "64")]
    rows: NonZeroUsize,
    /// Tokens of the document that the model reads for a row
    #[arg(long, value_name = "N", default_value = "512")]
    chunk: NonZeroUsize,
    /// Most tokens of a request or an answer
    #[arg(long, value_name = "N", default_value = "128")]
    max_new_tokens: NonZeroUsize,
    /// Divides the logits
    #[arg(long, default_value_t = 0.7)]
    temperature: f64,
    /// Sample from the most probable tokens that together reach this probability
    #[arg(long, default_value_t = 0.95)]
    top_p: f64,
    /// Same seed, same rows
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// File to write, a JSON object a line
    #[arg(long, value_name = "FILE", value_parser = path())]
    to: PathBuf,
}

/// A model that writes texts about chunks of a document.
struct Writer<'a> {
    session: &'a Session,
    request: GenerateRequest,
    /// Prompts are turns of the model's chat template.
    chat: bool,
}

impl Writer<'_> {
    /// Continuations of texts, in their order; `seed` is that of the first.
    fn written(&self, texts: &[String], sampling: &Sampling) -> Result<Vec<String>, CliError> {
        let mut written = Vec::new();
        for (batch, texts) in texts.chunks(BATCH).enumerate() {
            let stream = |(at, text): (usize, &String)| {
                let seed = sampling.seed.wrapping_add((batch * BATCH + at) as u64);
                let sampling = Some(Sampling { seed, ..sampling.clone() });
                Stream { sampling, ..Stream::of_base(self.prompt(text)) }
            };
            let streams = texts.iter().enumerate().map(stream).collect();
            let ask = Ask::Generate(Box::new(GenerateRequest { streams, ..self.request.clone() }));
            let streams = self.session.ask(ask, |report| match report {
                Report::Generated { streams } => Some(streams),
                _ => None,
            })?;
            written.extend(streams.into_iter().map(|stream| stream.text.trim().to_owned()));
        }
        Ok(written)
    }

    fn prompt(&self, text: &str) -> Prompt {
        match self.chat {
            false => Prompt::Text(text.to_owned()),
            true => Prompt::Source {
                text: text.to_owned(),
                columns: std::collections::BTreeMap::new(),
                template: "{{ source }}".to_owned(),
                begin_token: BeginToken::default(),
                chat: true,
            },
        }
    }
}

pub(in crate::cli) fn run(args: SelfStudyArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let target = args.target.resolve(&workspace, global)?;
    let tokenizer = Tokenizer::from_folder(&target.model)?;
    let chunks = chunks(&tokenizer, &files::read_to_string(&args.document, Kind::Document)?, args.chunk.get())?;
    if chunks.is_empty() {
        return Err(CliError::usage(format!("{} has no text", args.document.display()), "Name a file with some"));
    }
    let sampling = Sampling {
        greedy: false,
        temperature: args.temperature,
        top_p: args.top_p,
        max_new_tokens: args.max_new_tokens.get(),
        seed: args.seed,
        ..Sampling::default()
    };
    sampling.check().map_err(|error| CliError::usage(error.sentence(), "Correct it"))?;
    let session = Session::start(&workspace, None)?;
    let (device, numbers) = (global.device.unwrap_or_default(), target.numbers(global));
    let (model, streams) = (target.model.clone(), Vec::new());
    let request = GenerateRequest { model, device, numbers, streams, sampling: sampling.clone(), top: 0 };
    let writer = Writer { session: &session, request, chat: tokenizer.chat_template().is_some() };
    let asked: Vec<(&String, &Seed)> = (0..args.rows.get()).map(|row| nth(row, &chunks)).collect();
    let rows = study(&writer, &asked, &sampling)?;
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    files::write_whole(&args.to, lines.as_bytes())?;
    if global.json {
        out::result(named("written", &json!({"file": args.to, "rows": rows.len(), "chat": writer.chat})));
        return Ok(());
    }
    out::result(args.to.display());
    out::note(format_args!("{} rows of {} asked for", rows.len(), asked.len()));
    let word = |path: &PathBuf| shell_word(&path.to_string_lossy());
    let chat = if writer.chat { " --set data.chat=true" } else { "" };
    let next = format!(
        "train --model {} --data {} --set training.distillation.document={}{chat}",
        word(&target.model),
        word(&args.to),
        word(&args.document)
    );
    out::note(format_args!("Distill the document with: {}", global.next_command(&next)));
    Ok(())
}

/// Requests about chunks, then answers to them, as rows.
fn study(
    writer: &Writer<'_>,
    asked: &[(&String, &Seed)],
    sampling: &Sampling,
) -> Result<Vec<serde_json::Value>, CliError> {
    let ask = |(chunk, seed): &(&String, &Seed)| match writer.chat {
        true => format!("{chunk}\n\n{}", seed.asked),
        false => format!("{chunk}\n\n{}", seed.begun),
    };
    let requests = writer.written(&asked.iter().map(ask).collect::<Vec<_>>(), sampling)?;
    // What only goes on with a text ends a request with its line.
    let first_line = |text: &String| match writer.chat {
        true => text.clone(),
        false => text.lines().next().unwrap_or_default().trim().to_owned(),
    };
    let requests: Vec<String> = requests.iter().map(first_line).collect();
    let answer = |((chunk, seed), request): (&(&String, &Seed), &String)| match writer.chat {
        true => format!("{chunk}\n\n{request}"),
        false => format!("{chunk}\n\n{} {request}\n", seed.begun),
    };
    let prompts: Vec<String> = asked.iter().zip(&requests).map(answer).collect();
    let of_answers = Sampling { seed: sampling.seed.wrapping_add(1 << 32), ..sampling.clone() };
    let answers = writer.written(&prompts, &of_answers)?;
    let row = |(((_, seed), request), answer): ((&(&String, &Seed), &String), &String)| {
        let is_whole = !request.is_empty() && !answer.is_empty();
        is_whole.then(|| json!({"source": request, "target": answer, "kind": seed.kind}))
    };
    Ok(asked.iter().zip(&requests).zip(&answers).filter_map(row).collect())
}

/// The chunk and the kind of a row: every kind of each chunk before the first comes again.
fn nth(row: usize, chunks: &[String]) -> (&String, &'static Seed) {
    (&chunks[row % chunks.len()], &SEEDS[(row / chunks.len() + row % chunks.len()) % SEEDS.len()])
}

/// A document in parts of so many tokens; the last may have fewer.
fn chunks(tokenizer: &Tokenizer, document: &str, size: usize) -> Result<Vec<String>, CliError> {
    let tokens = tokenizer.encode(document)?;
    let text = |tokens: &[u32]| tokenizer.decode(tokens).map(|text| text.trim().to_owned());
    let mut all = tokens.chunks(size).map(text).collect::<Result<Vec<String>, _>>()?;
    all.retain(|chunk| !chunk.is_empty());
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_asked_of_every_chunk() {
        for n_chunks in [1, 2, 3, 5, 7] {
            let chunks: Vec<String> = (0..n_chunks).map(|at| at.to_string()).collect();
            let mut pairs: Vec<(&String, &str)> = (0..5 * n_chunks)
                .map(|row| {
                    let (chunk, seed) = nth(row, &chunks);
                    (chunk, seed.kind)
                })
                .collect();
            pairs.sort_unstable();
            pairs.dedup();
            assert_eq!(pairs.len(), 5 * n_chunks, "{n_chunks}");
        }
    }
}
