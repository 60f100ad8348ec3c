//! `generate`: continues texts with the base model and any adapters, token by token.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use engine::config::DataConfig;
use engine::data::Message;
use engine::generation::{Beams, EarlyStopping, Sampling};
use engine::protocol::{Ask, Continuation, GenerateRequest, GeneratedStream, Prompt, Report, ScoreRequest, TextScore};

use super::probabilities;
use super::streams::{AskedArgs, streams};
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::session::Session;
use crate::cli::support::target::{Target, TargetArgs};

/// Continue texts with the base model and any runs.
#[derive(Debug, Args)]
pub(in crate::cli) struct GenerateArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// A text, begun as the tokenizer begins every text; may be repeated
    #[arg(long, value_name = "TEXT")]
    prompt: Vec<String>,
    /// A text, put into the run's prompt template as its source; may be repeated
    #[arg(long, value_name = "TEXT")]
    source: Vec<String>,
    /// A column that the run's prompt template reads beside the source; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = column)]
    column: Vec<(String, String)>,
    /// A turn of a conversation, written by the model's chat template; repeated, in order, the last one is answered
    #[arg(long, value_name = "ROLE=TEXT", value_parser = turn)]
    turn: Vec<Message>,
    /// A row of the run's dataset, from 1, put into its prompt template; may be repeated
    #[arg(long, value_name = "N")]
    row: Vec<usize>,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    beams: BeamArgs,
    #[command(flatten)]
    asked: AskedArgs,
    /// Print each token with its probability, its rank, and the N most probable tokens at its place
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "5")]
    probabilities: Option<usize>,
}

/// Choice of tokens. Without any of these: always the most probable one.
#[derive(Debug, Args)]
struct SamplingArgs {
    /// Sample, dividing the logits by this
    #[arg(long)]
    temperature: Option<f64>,
    /// Sample from the k most probable tokens
    #[arg(long)]
    top_k: Option<usize>,
    /// Sample from the most probable tokens that together reach this probability
    #[arg(long)]
    top_p: Option<f64>,
    /// Always the most probable token
    #[arg(long)]
    greedy: bool,
    /// Divides the logits of tokens that are already there; 1 changes nothing
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f64,
    /// No N tokens in a row twice, the prompt's included; 0 allows everything
    #[arg(long, default_value_t = 0, value_name = "N")]
    no_repeat_ngram_size: usize,
    /// Most new tokens
    #[arg(long, default_value_t = 60)]
    max_new_tokens: usize,
    /// Most tokens in all, with the prompt's, in place of --max-new-tokens
    #[arg(long, value_name = "N", conflicts_with = "max_new_tokens")]
    max_length: Option<usize>,
    /// No end before so many new tokens
    #[arg(long, default_value_t = 0, value_name = "N")]
    min_new_tokens: usize,
    /// No end before so many tokens in all, with the prompt's
    #[arg(long, default_value_t = 0, value_name = "N")]
    min_length: usize,
    /// A text that ends the text; may be repeated
    #[arg(long, visible_alias = "stop", value_name = "TEXT")]
    stop_strings: Vec<String>,
    /// Tokens that are never chosen, as in 5,7
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    suppress_tokens: Vec<u32>,
    /// A word that is never written; may be repeated
    #[arg(long, value_name = "TEXT")]
    bad_words: Vec<String>,
    /// The first token of a target that is written from a source
    #[arg(long, value_name = "ID")]
    forced_bos_token_id: Option<u32>,
    /// The last token of a text that is cut off
    #[arg(long, value_name = "ID")]
    forced_eos_token_id: Option<u32>,
    /// Same seed, same text
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Go on after the model's end token
    #[arg(long)]
    ignore_end: bool,
}

/// Search with several beams.
#[derive(Debug, Args)]
struct BeamArgs {
    /// Search with so many beams for the most probable text
    #[arg(long, alias = "num-beams", value_name = "N", conflicts_with_all = ["temperature", "top_k", "top_p"])]
    beams: Option<usize>,
    /// A text is worth its log-probability divided by its length to this power: above 0 prefers long texts [default: 1]
    #[arg(long, value_name = "X", requires = "beams", allow_negative_numbers = true)]
    length_penalty: Option<f64>,
    /// When as many texts ended as there are beams, go on while the best beam, if it ended now, would be among them
    /// (false), end (true), or go on while it could get among them at any length (never) [default: false]
    #[arg(long, value_enum, value_name = "WHEN", requires = "beams")]
    early_stopping: Option<When>,
    /// Print so many of the best texts, with what they are worth [default: 1]
    #[arg(long = "return", alias = "num-return-sequences", value_name = "N", requires = "beams")]
    returned: Option<usize>,
}

/// transformers' values of `early_stopping`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    False,
    True,
    Never,
}

impl BeamArgs {
    fn beams(&self) -> Result<Beams, CliError> {
        let defaults = Beams::default();
        let beams = Beams {
            n_beams: self.beams.unwrap_or(defaults.n_beams),
            length_penalty: self.length_penalty.unwrap_or(defaults.length_penalty),
            early_stopping: match self.early_stopping {
                None | Some(When::False) => EarlyStopping::False,
                Some(When::True) => EarlyStopping::True,
                Some(When::Never) => EarlyStopping::Never,
            },
            n_returned: self.returned.unwrap_or(defaults.n_returned),
        };
        let refused =
            |option: &str, must: String| Err(CliError::usage(format!("{option} must be {must}"), "Correct it"));
        if !(1..=Beams::MOST).contains(&beams.n_beams) {
            return refused("--beams", format!("between 1 and {}", Beams::MOST));
        }
        if !beams.length_penalty.is_finite() {
            return refused("--length-penalty", "a number".to_owned());
        }
        if !(1..=beams.n_beams).contains(&beams.n_returned) {
            return refused("--return", format!("at least 1 and at most --beams, which is {}", beams.n_beams));
        }
        Ok(beams)
    }
}

impl SamplingArgs {
    fn sampling(&self, beams: Beams) -> Result<Sampling, CliError> {
        let sampled = self.temperature.is_some() || self.top_k.is_some() || self.top_p.is_some();
        let refused = |option: &str, must: &str| Err(CliError::usage(format!("{option} must be {must}"), "Correct it"));
        if self.temperature.is_some_and(|t| !t.is_finite() || t <= 0.0) {
            return refused("--temperature", "a positive number");
        }
        if self.top_p.is_some_and(|p| !(0.0..=1.0).contains(&p) || p == 0.0) {
            return refused("--top-p", "above 0 and at most 1");
        }
        if !self.repetition_penalty.is_finite() || self.repetition_penalty <= 0.0 {
            return refused("--repetition-penalty", "a positive number");
        }
        if self.max_new_tokens == 0 {
            return refused("--max-new-tokens", "at least 1");
        }
        if self.max_length == Some(0) {
            return refused("--max-length", "at least 1");
        }
        let sampling = Sampling {
            greedy: self.greedy || !sampled,
            temperature: self.temperature.unwrap_or(1.0),
            top_k: self.top_k.unwrap_or(0),
            top_p: self.top_p.unwrap_or(1.0),
            repetition_penalty: self.repetition_penalty,
            no_repeat_ngram_size: self.no_repeat_ngram_size,
            max_new_tokens: self.max_new_tokens,
            max_length: self.max_length.unwrap_or(0),
            min_new_tokens: self.min_new_tokens,
            min_length: self.min_length,
            seed: self.seed,
            stop_at_end: !self.ignore_end,
            stop_strings: self.stop_strings.clone(),
            suppress_tokens: self.suppress_tokens.clone(),
            bad_words_ids: Vec::new(),
            bad_words: self.bad_words.clone(),
            forced_bos_token_id: self.forced_bos_token_id,
            forced_eos_token_id: self.forced_eos_token_id,
            beams,
        };
        sampling.check().map_err(|error| CliError::usage(error.sentence(), "Correct it"))?;
        Ok(sampling)
    }
}

pub(in crate::cli) fn run(args: GenerateArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let sampling = args.sampling.sampling(args.beams.beams()?)?;
    let draws = !sampling.is_greedy() && sampling.beams.n_beams == 1;
    if args.asked.samples > 1 && !draws {
        return Err(CliError::usage(
            "--samples without sampling writes the same text again",
            "Add --temperature, --top-k or --top-p",
        ));
    }
    let is_bare = args.prompt.is_empty() && args.source.is_empty() && args.column.is_empty();
    if is_bare && args.turn.is_empty() && args.row.is_empty() {
        return Err(CliError::usage(
            "there is nothing to continue",
            "Give --source TEXT, --column NAME=VALUE, --prompt TEXT, --turn user=TEXT, or --row N of the run's dataset",
        ));
    }
    let workspace = global.workspace()?;
    let target = args.target.resolve(&workspace, global)?;
    let session = Session::start(&workspace, None)?;
    let mut prompts: Vec<Prompt> = args.prompt.into_iter().map(Prompt::Text).collect();
    prompts.extend(sources(args.source, args.column, &target)?);
    prompts.extend((!args.turn.is_empty()).then_some(Prompt::Chat { turns: args.turn }));
    prompts.extend(rows(&args.row, &target, &session)?.into_iter().map(Prompt::Text));
    let (titles, streams) = streams(&args.asked, &prompts, (&target, &sampling));
    let (device, numbers) = (global.device.unwrap_or_default(), target.numbers(global));
    if let Some(text) = args.asked.target {
        let texts = streams.into_iter().map(|stream| (stream, Continuation::Text { text: text.clone(), end: false }));
        let top = args.probabilities.unwrap_or(0);
        let request = ScoreRequest { model: target.model, device, numbers, texts: texts.collect(), top };
        return probabilities::score(&session, request, &titles, global);
    }
    let has_beams = sampling.beams.n_beams > 1;
    let top = args.probabilities.filter(|_| !has_beams).map_or(0, |top| top.max(1));
    let request = GenerateRequest { model: target.model, device, numbers, streams, sampling, top };
    // The best of several beams can become another: there is nothing to print before the end.
    let alone = titles.len() == 1;
    let flowing = alone && !has_beams && args.probabilities.is_none();
    let ask = Ask::Generate(Box::new(request.clone()));
    let done = session.ask(ask, |report| {
        if global.json {
            out::result(json::line(&report));
        } else if let Report::Token { text, .. } = &report
            && flowing
        {
            out::piece(text);
        }
        match report {
            Report::Generated { streams } => Some(streams),
            _ => None,
        }
    })?;
    match done.as_slice() {
        // What beams have written is scored when it is there.
        written if args.probabilities.is_some() && has_beams => {
            let texts = request.streams.into_iter().zip(written);
            let texts = texts.map(|(stream, text)| (stream, Continuation::Tokens(text.tokens.clone()))).collect();
            let top = args.probabilities.unwrap_or(0);
            let request = ScoreRequest { model: request.model, device, numbers, texts, top };
            probabilities::score(&session, request, &titles, global)?;
        }
        _ if global.json => {}
        streams if args.probabilities.is_some() => {
            let scores: Vec<TextScore> = streams.iter().map(|stream| stream.score.clone()).collect();
            probabilities::print(&titles, &scores);
        }
        _ if flowing => out::result(""),
        [stream] if alone => print_stream("", stream),
        streams => print_all(&titles, streams),
    }
    Ok(())
}

/// `name=value`; a value may hold the sign too.
fn column(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write --column NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// `role=text`; a text may hold the sign too.
fn turn(text: &str) -> Result<Message, String> {
    let (role, content) = text.split_once('=').ok_or("write --turn ROLE=TEXT")?;
    match role.trim() {
        role @ ("user" | "assistant" | "system") => Ok(Message { role: role.to_owned(), content: content.to_owned() }),
        _ => Err("a turn is of user, assistant or system".to_owned()),
    }
}

/// Texts for the prompt template of the run, each with the same columns beside it. Columns alone are one such text.
fn sources(mut texts: Vec<String>, columns: Vec<(String, String)>, target: &Target) -> Result<Vec<Prompt>, CliError> {
    if texts.is_empty() && columns.is_empty() {
        return Ok(Vec::new());
    }
    let Some(config) = &target.config else {
        let what = "--source and --column need a run, whose template they are put into";
        return Err(CliError::usage(what, "Add --run RUN"));
    };
    let data = &config.data;
    let columns: BTreeMap<String, String> = columns.into_iter().collect();
    if texts.is_empty() {
        let source = data.source_column.as_ref().and_then(|name| columns.get(name));
        texts.push(source.cloned().unwrap_or_default());
    }
    let prompt = |text: String| {
        let mut columns = columns.clone();
        if let Some(name) = &data.source_column {
            columns.entry(name.clone()).or_insert_with(|| text.clone());
        }
        let (template, begin_token, chat) = (data.prompt_template.clone(), data.begin_token, data.chat);
        Prompt::Source { text, columns, template, begin_token, chat }
    };
    Ok(texts.into_iter().map(prompt).collect())
}

/// The prompts of rows, rendered as training would.
fn rows(asked: &[usize], target: &Target, session: &Session) -> Result<Vec<String>, CliError> {
    let Some(&last) = asked.iter().max() else { return Ok(Vec::new()) };
    let Some(config) = &target.config else {
        return Err(CliError::usage("--row needs a run, whose dataset it is a row of", "Add --run RUN"));
    };
    let data: DataConfig = config.data.clone();
    let (model, task) = (target.model.clone(), config.task);
    let ask = Ask::Preview { model, data, task, n_virtual: 0, rows: last };
    let preview = session.ask(ask, |report| match report {
        Report::Preview(preview) => Some(preview),
        _ => None,
    })?;
    let find = |row: &usize| {
        preview.rows.iter().find(|found| found.row == *row).map(|found| found.prompt.clone()).ok_or_else(|| {
            CliError::usage(
                format!("there is no row {row} that can be used"),
                format!("There are {}", preview.total_rows),
            )
        })
    };
    asked.iter().map(find).collect()
}

fn print_all(titles: &[(String, String)], streams: &[GeneratedStream]) {
    let mut said = None;
    for ((name, prompt), stream) in titles.iter().zip(streams) {
        if said != Some(prompt) {
            out::result(prompt);
            said = Some(prompt);
        }
        print_stream(&format!("  [{name}] "), stream);
    }
}

/// The text, or the texts with what they are worth.
fn print_stream(before: &str, stream: &GeneratedStream) {
    match stream.beams.as_slice() {
        [] | [_] => out::result(format_args!("{before}{}", stream.text.trim())),
        beams => {
            for beam in beams {
                out::result(format_args!("{before}{:.4}  {}", beam.score, beam.text.trim()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use engine::config::RunConfig;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: GenerateArgs,
    }

    fn sampling(line: &str) -> Result<Sampling, CliError> {
        let line = format!("generate --prompt a {line}");
        let args = Line::try_parse_from(line.split_whitespace()).unwrap().args;
        args.sampling.sampling(args.beams.beams()?)
    }

    #[test]
    fn columns_stand_beside_a_source_or_alone() {
        let mut data = DataConfig::new("/rows.csv");
        data.source_column = Some("question".to_owned());
        let config = Some(RunConfig::new("/model", data));
        let target = Target { model: "/model".into(), columns: Vec::new(), config };
        let given = |line: &str| {
            let args = Line::try_parse_from(line.split_whitespace()).unwrap().args;
            sources(args.source, args.column, &target).unwrap()
        };
        let of = |prompts: Vec<Prompt>| match prompts.into_iter().next() {
            Some(Prompt::Source { text, columns, .. }) => (text, columns.into_iter().collect::<Vec<_>>()),
            other => panic!("{other:?}"),
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let beside = of(given("generate --source why --column tone=a=b"));
        assert_eq!(beside, ("why".to_owned(), vec![pair("question", "why"), pair("tone", "a=b")]));
        let alone = of(given("generate --column question=who --column tone=c"));
        assert_eq!(alone, ("who".to_owned(), vec![pair("question", "who"), pair("tone", "c")]));
        assert!(Line::try_parse_from(["generate", "--column", "tone"]).is_err());
        let without = Target { config: None, ..target };
        assert!(matches!(sources(vec!["a".to_owned()], Vec::new(), &without), Err(CliError::Usage(_))));
    }

    #[test]
    fn turns_say_whose_they_are() {
        let given = |turns: &[&str]| {
            let words = ["generate"].into_iter().chain(turns.iter().flat_map(|turn| ["--turn", turn]));
            Line::try_parse_from(words).map(|line| line.args.turn)
        };
        let turns = given(&["system=Be brief", "user=1 + 1 = ?"]).unwrap();
        assert_eq!(
            turns,
            [Message { role: "system".to_owned(), content: "Be brief".to_owned() }, Message::user("1 + 1 = ?"),]
        );
        assert!(given(&["tool=x"]).is_err() && given(&["user"]).is_err());
    }

    #[test]
    fn sampling_begins_with_the_first_option_of_it() {
        assert_eq!(sampling("").unwrap(), Sampling::default());
        let sampled = sampling("--top-k 40 --seed 7 --max-new-tokens 5").unwrap();
        assert!(!sampled.greedy && sampled.top_k == 40 && sampled.seed == 7 && sampled.max_new_tokens == 5);
        assert!(sampling("--temperature 0.7 --greedy").unwrap().greedy);
    }

    #[test]
    fn lengths_stop_words_and_forbidden_tokens_are_called_as_in_transformers() {
        let asked = sampling(
            "--max-length 30 --min-length 8 --min-new-tokens 3 --no-repeat-ngram-size 2 --stop-strings END --stop . \
             --suppress-tokens 5,7 --bad-words oh --forced-eos-token-id 3",
        )
        .unwrap();
        assert_eq!((asked.max_length, asked.min_length, asked.min_new_tokens), (30, 8, 3));
        assert_eq!((asked.no_repeat_ngram_size, asked.suppress_tokens.as_slice()), (2, &[5, 7][..]));
        assert_eq!((asked.stop_strings.join(" "), asked.bad_words.join(" ")), ("END .".to_owned(), "oh".to_owned()));
        assert_eq!(asked.forced_eos_token_id, Some(3));
        let both = ["generate", "--prompt", "a", "--max-length", "9", "--max-new-tokens", "9"];
        assert!(Line::try_parse_from(both).is_err());
        assert_eq!(sampling("--num-beams 3").unwrap().beams.n_beams, 3);
    }

    #[test]
    fn beams_have_options_of_their_own() {
        let searched = sampling("--beams 4 --length-penalty -0.5 --early-stopping never --return 2").unwrap();
        let (early_stopping, length_penalty) = (EarlyStopping::Never, -0.5);
        assert_eq!(searched.beams, Beams { n_beams: 4, length_penalty, early_stopping, n_returned: 2 });
        assert!(searched.greedy);
        for line in
            ["--length-penalty 1", "--return 2", "--beams 2 --temperature 0.5", "--beams 2 --early-stopping soon"]
        {
            let line = format!("generate --prompt a {line}");
            assert!(Line::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }

    #[test]
    fn impossible_sampling_is_bad_usage() {
        for line in [
            "--temperature 0",
            "--top-p 0",
            "--top-p 1.5",
            "--repetition-penalty nan",
            "--max-new-tokens 0",
            "--beams 0",
            "--beams 1000",
            "--beams 2 --return 3",
            "--beams 2 --length-penalty inf",
        ] {
            assert!(matches!(sampling(line), Err(CliError::Usage(_))), "{line}");
        }
    }
}
