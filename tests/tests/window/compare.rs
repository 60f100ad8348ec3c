//! Columns of *Compare*: what stands in them, how their texts are shown, and what serving each costs.

use app::action::{Action, Screen};
use app::screens::compare::action::CompareAction;
use app::screens::compare::state::{ColumnSetup, Mix};
use app::store::{Answer, RunState};
use app::window::Workbench;
use egui_kittest::kittest::Queryable as _;
use engine::adapters::Combination;
use engine::data::DataPreview;
use engine::generation::{Sampling, ServingTime};
use engine::protocol::{
    Ask, Command, Continuation, GenerateRequest, GeneratedBeam, GeneratedStream, JobId, LikelyToken, Report,
    ScoreRequest, ScoredToken, TextScore,
};

use crate::fixtures::{detail, preview_rows, row};
use crate::scenes::{click, perform, pictures};
use crate::world::{Bench, Start};

/// A window that compares the run *First* with the base, on the first of its rows; nothing was answered yet.
pub(crate) fn comparing(start: Start) -> Bench {
    comparing_on(start, preview_rows())
}

/// The same on other rows.
pub(crate) fn comparing_on(start: Start, rows: DataPreview) -> Bench {
    let runs = vec![row("b", "Second", RunState::Finished), row("a", "First", RunState::Finished)];
    let bench = Bench::with_runs(start, runs.clone());
    let mut bench = perform(bench, Action::Open(runs[1].id.clone(), Screen::Compare));
    for run in runs {
        bench.answer(Answer::Detail(Box::new(detail(run, 40))));
    }
    let asked =
        bench.last(|command| if let Command { job, ask: Ask::Preview { .. } } = command { Some(*job) } else { None });
    bench.event(asked.expect("rows were asked for"), Report::Preview(Box::new(rows)));
    bench
}

fn window(bench: &mut Bench) -> &mut Workbench {
    bench.harness.state_mut().as_mut().expect("the window is open")
}

fn act(bench: Bench, action: CompareAction) -> Bench {
    perform(bench, Action::Compare(action))
}

fn generation(bench: &Bench) -> (JobId, GenerateRequest) {
    let sent = bench.last(|command| match command {
        Command { job, ask: Ask::Generate(request) } => Some((*job, request.as_ref().clone())),
        _ => None,
    });
    sent.expect("it was asked")
}

fn scoring(bench: &Bench) -> Option<(JobId, ScoreRequest)> {
    bench.last(|command| match command {
        Command { job, ask: Ask::ScoreText(request) } => Some((*job, request.as_ref().clone())),
        _ => None,
    })
}

fn scored(tokens: &[(&str, f64)]) -> TextScore {
    let likely = |text: &str, share: f64| LikelyToken { text: text.to_owned(), log_probability: share.ln() };
    let token = |&(text, share): &(&str, f64)| ScoredToken {
        text: text.to_owned(),
        log_probability: share.ln(),
        rank: if share >= 0.5 { 1 } else { 3 },
        top: vec![likely(" river", 0.6), likely(" sea", 0.3)],
    };
    TextScore { tokens: tokens.iter().map(token).collect() }
}

/// Answers the generation under way, with a score for each text or without.
pub(crate) fn answer(bench: &mut Bench, with_scores: bool) {
    let (job, request) = generation(bench);
    let stream = |n: usize| GeneratedStream {
        text: format!(" said {n}"),
        tokens: vec![1, 2],
        proven_base: (n == 0).then_some(true),
        score: if with_scores { scored(&[(" said", 0.5), (" much", 0.125)]) } else { TextScore::default() },
        ..GeneratedStream::default()
    };
    bench.event(job, Report::Generated { streams: (0..request.streams.len()).map(stream).collect() });
}

#[test]
fn the_same_run_stands_at_two_strengths_and_columns_change_places() {
    let mut bench = comparing(Start::default());
    answer(&mut bench, true);
    click(&mut bench, "More for First");
    click(&mut bench, "Beside it at another strength");
    assert!(bench.harness.query_all_by_label("Strength of First (2)").next().is_some());
    bench.harness.check_accessibility();
    click(&mut bench, "Generate");
    let streams = generation(&bench).1.streams;
    assert_eq!(streams.iter().map(|stream| stream.strength).collect::<Vec<_>>(), [1.0, 1.0, 0.5]);
    assert_eq!(streams[1].adapter, streams[2].adapter);
    answer(&mut bench, true);
    let texts = |bench: &mut Bench| {
        let columns = &window(bench).state.comparison.columns;
        columns.iter().map(|column| column.text().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&mut bench), [" said 0", " said 1", " said 2"]);
    click(&mut bench, "More for First (2)");
    click(&mut bench, "Move to the left");
    assert_eq!(texts(&mut bench), [" said 0", " said 2", " said 1"], "a text goes with its column");
    click(&mut bench, "Remove First (2)");
    assert_eq!(texts(&mut bench).len(), 2);
}

#[test]
fn words_and_checkpoints_are_columns_and_stay_over_a_restart() {
    let mut bench = comparing(Start::default());
    answer(&mut bench, true);
    click(&mut bench, "Add…");
    click(&mut bench, "Text prompt");
    bench.harness.get_by_label("Words of Text prompt").focus();
    bench.harness.get_by_label("Words of Text prompt").type_text("Say");
    bench.settle();
    let run = row("a", "First", RunState::Finished);
    let checkpoint = Some(run.folder.join("checkpoints/0"));
    let early = ColumnSetup { checkpoint: checkpoint.clone(), ..ColumnSetup::of_run(run.id.clone()) };
    bench = act(bench, CompareAction::AddColumn(Box::new(early), None));
    bench.harness.get_by_label("First · step 0");
    click(&mut bench, "Generate");
    let streams = generation(&bench).1.streams;
    assert_eq!((streams[2].words.as_str(), &streams[2].adapter), ("Say", &None));
    assert_eq!(streams[3].adapter, checkpoint);
    bench.world.borrow_mut().now += 5.0;
    bench.settle();
    let kept = bench.world.borrow().desks.last().cloned().expect("the desk is kept");
    let desk: app::desk::Desk = serde_json::from_str(&kept).expect("a desk");
    let mut again = Bench::new(Start::default());
    window(&mut again).restore(desk);
    again.answer(Answer::Runs(vec![run]));
    let before: Vec<ColumnSetup> =
        window(&mut bench).state.comparison.columns.iter().map(|column| column.setup.clone()).collect();
    let after: Vec<ColumnSetup> =
        window(&mut again).state.comparison.columns.iter().map(|column| column.setup.clone()).collect();
    assert_eq!(after, before);
}

#[test]
fn a_column_with_decoding_of_its_own_says_so() {
    let mut bench = comparing(Start::default());
    answer(&mut bench, true);
    assert!(bench.harness.query_by_label("Own decoding").is_none());
    click(&mut bench, "More for First");
    click(&mut bench, "Decoding of its own…");
    click(&mut bench, "This column decodes in its own way");
    bench.harness.check_accessibility();
    click(&mut bench, "Done");
    bench.harness.get_by_label("Own decoding");
    click(&mut bench, "Generate");
    let streams = generation(&bench).1.streams;
    assert_eq!(streams[0].sampling, None);
    assert_eq!(streams[1].sampling, Some(Sampling::default()));
}

#[test]
fn two_runs_are_mixed_by_a_share_or_side_by_side() {
    let mut bench = comparing(Start::default());
    answer(&mut bench, true);
    let (first, second) = (row("a", "First", RunState::Finished).id, row("b", "Second", RunState::Finished).id);
    let mix = |share| Some(Mix { run: second.clone(), share });
    let setup = ColumnSetup { mix: mix(Some(0.25)), ..ColumnSetup::of_run(first) };
    bench = act(bench, CompareAction::AddColumn(Box::new(setup), None));
    assert!(bench.harness.query_all_by_label("Share of the other in First + Second").next().is_some());
    click(&mut bench, "Generate");
    let mixed = generation(&bench).1.streams[2].mixed.clone().expect("it is mixed");
    assert!(mixed.adapter.starts_with("/workspace/runs/b"), "{mixed:?}");
    assert_eq!(mixed.how, Combination::Interpolated { weights: vec![0.75, 0.25] });
    answer(&mut bench, true);
    click(&mut bench, "Side by side in First + Second");
    bench.harness.get_by_label("For other settings");
    click(&mut bench, "Generate");
    let mixed = generation(&bench).1.streams[2].mixed.clone().expect("it is mixed");
    assert_eq!(mixed.how, Combination::Concatenated);
}

#[test]
fn samples_of_a_column_are_drawn_with_seeds_of_their_own() {
    let mut bench = comparing(Start { size: [1280.0, 1000.0], ..Start::default() });
    answer(&mut bench, true);
    bench.harness.get_by_label_contains("Decoding: greedy").click();
    bench.settle();
    click(&mut bench, "Decoding");
    click(&mut bench, "Sampling");
    bench.harness.get_by_label("Texts of each column").focus();
    bench.settle();
    bench.harness.get_by_label("Texts of each column").type_text("2");
    bench.settle();
    click(&mut bench, "Generate");
    let streams = generation(&bench).1.streams;
    let seeds: Vec<Option<u64>> = streams.iter().map(|stream| stream.sampling.as_ref().map(|own| own.seed)).collect();
    assert_eq!(seeds, [None, Some(43), None, Some(43)]);
    answer(&mut bench, true);
    assert_eq!(bench.harness.query_all_by_label("Text 2").count(), 2);
}

#[test]
fn tokens_have_their_probabilities_and_what_beams_wrote_is_scored_first() {
    let mut bench = comparing(Start::default());
    assert!(generation(&bench).1.top > 0);
    answer(&mut bench, true);
    click(&mut bench, "Probabilities");
    assert_eq!(bench.harness.query_all_by_label(" much: probability 12.5 %, number 3").count(), 2);
    assert!(scoring(&bench).is_none(), "they came with the texts");
    bench.harness.check_accessibility();
    click(&mut bench, "Generate");
    let (job, _) = generation(&bench);
    let beam = |n: u32| GeneratedBeam { text: " by beams".into(), tokens: vec![n, 9], score: -0.5 };
    let stream = |n: u32| GeneratedStream {
        text: " by beams".into(),
        tokens: vec![n, 9],
        beams: vec![beam(n)],
        ..GeneratedStream::default()
    };
    bench.event(job, Report::Generated { streams: vec![stream(3), stream(4)] });
    let (job, request) = scoring(&bench).expect("their probabilities are asked for");
    let texts: Vec<Continuation> = request.texts.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(texts, [Continuation::Tokens(vec![3, 9]), Continuation::Tokens(vec![4, 9])]);
    bench.event(job, Report::TextScored { scores: vec![scored(&[(" by", 0.5)]), scored(&[(" beams", 0.25)])] });
    bench.harness.get_by_label(" beams: probability 25.0 %, number 3");
    let asked = bench.world.borrow().commands.iter().filter(|c| matches!(c.ask, Ask::ScoreText(_))).count();
    assert_eq!(asked, 1, "once");
}

#[test]
fn the_wanted_text_is_scored_under_every_column_and_the_difference_is_shown() {
    let mut bench = comparing(Start::default());
    answer(&mut bench, true);
    click(&mut bench, "Same text");
    let (job, request) = scoring(&bench).expect("the wanted text is scored");
    let wanted = preview_rows().rows[0].target.clone();
    let text = Continuation::Text { text: wanted, end: true };
    assert!(request.texts.len() == 2 && request.texts.iter().all(|(_, scored)| *scored == text));
    assert!(request.texts[0].0.adapter.is_none() && request.texts[1].0.adapter.is_some());
    let scores = vec![scored(&[(" Blue", 0.125)]), scored(&[(" Blue", 0.5)])];
    bench.event(job, Report::TextScored { scores });
    bench.harness.get_by_label("loss 2.079");
    bench.harness.get_by_label("perplexity 2.00");
    bench.harness.get_by_label("-1.386 nats a token");
    bench.harness.get_by_label(" Blue: difference +1.39, probability 50.0 %");
    bench.harness.check_accessibility();
    click(&mut bench, "Compared with");
    click(&mut bench, "First");
    bench.harness.get_by_label(" Blue: difference -1.39, probability 12.5 %");
    click(&mut bench, "Text that is scored");
    click(&mut bench, "Text of First");
    let (again, request) = scoring(&bench).expect("the other text is scored");
    assert!(again != job && request.texts.iter().all(|(_, text)| *text == Continuation::Tokens(vec![1, 2])));
    pictures([(bench, "compare_same_text")]);
}

#[test]
fn a_score_that_fails_is_said_and_not_asked_for_twice() {
    let mut bench = comparing(Start::default());
    answer(&mut bench, true);
    click(&mut bench, "Same text");
    let (job, _) = scoring(&bench).expect("it is scored");
    bench.event(job, Report::Failed(crate::scenes::failure()));
    bench.harness.get_by_label_contains("no tokenizer.json");
    bench.settle();
    assert_eq!(scoring(&bench).map(|(job, _)| job), Some(job));
}

#[test]
fn serving_times_are_each_columns_own() {
    let mut bench = comparing(Start::default());
    answer(&mut bench, true);
    click(&mut bench, "Measure serving time");
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::TimeServing(request) } => Some((*job, request.streams.len())),
        _ => None,
    });
    let (job, n) = asked.expect("it is measured");
    assert_eq!(n, 2);
    let time =
        |first: f64, bytes| ServingTime { first_token_secs: first, token_secs: 0.01, tokens: 24, cache_bytes: bytes };
    bench.event(job, Report::Serving { times: vec![time(0.02, 0), time(0.025, 3_000_000)] });
    bench.harness.get_by_label("first token 20.0 ms");
    bench.harness.get_by_label("first token 25.0 ms");
    assert_eq!(bench.harness.query_all_by_label("100 tokens/s").count(), 2);
    bench.harness.check_accessibility();
    let column = window(&mut bench).state.comparison.columns[1].clone();
    let setup = ColumnSetup { strength: 0.5, ..column.setup };
    bench = act(bench, CompareAction::SetColumn(column.id, Box::new(setup)));
    click(&mut bench, "Generate");
    answer(&mut bench, true);
    assert!(bench.harness.query_by_label("first token 25.0 ms").is_none(), "it was measured at another strength");
    bench.harness.get_by_label("first token 20.0 ms");
}
