//! What an adapter costs on neutral text, and what it says in words, from the outside.

use std::path::{Path, PathBuf};

use engine::analysis::{Analysis, CandidateSource, Forgetting, InWords, PatchedWhat, Question};
use engine::config::{DataConfig, FullConfig, LoraConfig, MethodConfig, PromptConfig, PromptInit, RunConfig};
use engine::device::DeviceChoice;
use engine::nn::MatrixNumbers;
use engine::protocol::{AnalysisRequest, Ask, Report};
use tests::{Talk, tiny_run};

fn prompt() -> MethodConfig {
    MethodConfig::Prompt(PromptConfig { n_virtual: 4, init: PromptInit::ScaledRandom, ..PromptConfig::default() })
}

/// The adapter of a short run.
fn trained(talk: &Talk, folder: PathBuf, config: &RunConfig) -> PathBuf {
    let adapter = folder.join("adapter");
    talk.run(Ask::Train { folder, config: Box::new(config.clone()), resume: false, until: None });
    adapter
}

fn request(adapter: &Path, data: DataConfig, question: Question) -> Ask {
    Ask::Analyze(Box::new(AnalysisRequest {
        model: tests::tiny_model(),
        device: DeviceChoice::Cpu,
        numbers: MatrixNumbers::default(),
        adapter: adapter.to_owned(),
        other: None,
        initial: None,
        question,
        data,
        text: None,
        rows: 8,
        checkpoints: Vec::new(),
    }))
}

fn answer(heard: &[Report]) -> Analysis {
    let answer = |report: &Report| if let Report::Analysis(found) = report { Some((**found).clone()) } else { None };
    heard.iter().find_map(answer).expect("it was answered")
}

fn forgetting(talk: &Talk, adapter: &Path, text: &Path, strengths: &[f64]) -> (Forgetting, Vec<String>) {
    let question = Question::Forgetting { strengths: strengths.to_vec() };
    let heard = talk.run(request(adapter, DataConfig::new(text), question));
    let notice = |report: &Report| if let Report::Notice { text } = report { Some(text.to_string()) } else { None };
    match answer(&heard) {
        Analysis::Forgetting(report) => (report, heard.iter().filter_map(notice).collect()),
        other => panic!("{other:?}"),
    }
}

fn in_words(talk: &Talk, adapter: &Path, data: &DataConfig) -> InWords {
    let question = Question::Words { samples: 1, passes: 40, longest: 3 };
    match answer(&talk.run(request(adapter, data.clone(), question))) {
        Analysis::Words(report) => *report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_method_costs_nothing_at_strength_0_and_is_measured_on_the_same_tokens() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    let text = home.path().join("neutral.txt");
    std::fs::write(&text, "the moon is round\nrain falls on the sea\n\nwho goes there?\n").unwrap();
    let plain = tiny_run(home.path());
    let with = |method: MethodConfig| RunConfig { method, ..plain.clone() };
    let mut full = with(MethodConfig::Full(FullConfig::default()));
    full.training.learning_rate = 2e-3;
    let methods = [
        ("prefix", plain.clone()),
        ("prompt", with(prompt())),
        ("LoRA", with(MethodConfig::Lora(LoraConfig::default()))),
        ("full", full),
    ];
    let mut base = None;
    for (name, config) in methods {
        let adapter = trained(&talk, home.path().join(name), &config);
        let (found, notices) = forgetting(&talk, &adapter, &text, &[1.0, 0.0, 0.5]);
        let strengths: Vec<f64> = found.points.iter().map(|point| point.strength).collect();
        assert_eq!((strengths, found.left_out.len(), found.texts), (vec![0.0, 0.5, 1.0], 0, 3), "{name}");
        assert!(notices.is_empty(), "{notices:?}");
        let [nothing, half, whole] = [found.points[0], found.points[1], found.points[2]];
        assert_eq!((nothing.kl, nothing.rise, nothing.rise_se), (0.0, 0.0, 0.0), "{name}");
        for point in [nothing, half, whole] {
            assert!((point.loss - found.base_loss - point.rise).abs() < 1e-9, "{name}: {point:?}");
        }
        assert!(half.kl > 0.0 && half.rise_se > 0.0 && whole.kl > 0.0 && whole.rise_se > 0.0, "{name}: {found:?}");
        if name == "LoRA" || name == "full" {
            assert!(half.kl < whole.kl, "{name}: {half:?} lies between the base and {whole:?}");
        }
        let (loss, tokens) = *base.get_or_insert((found.base_loss, found.tokens));
        assert_eq!(found.tokens, tokens, "{name}");
        assert!((found.base_loss - loss).abs() < 1e-6, "{name}: {} and {loss}", found.base_loss);
    }
}

#[test]
fn what_does_not_fit_into_a_text_is_told_and_a_wrong_strength_is_refused() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    let text = home.path().join("neutral.txt");
    std::fs::write(&text, "a\nrain falls\nand some of it falls far out upon the sea, where no one hears\n").unwrap();
    let adapter = trained(&talk, home.path().join("run"), &tiny_run(home.path()));
    let (found, notices) = forgetting(&talk, &adapter, &text, &[1.0]);
    assert_eq!(found.texts, 2);
    let told = "Texts cut to the model's 37 positions: 1; texts of fewer than two tokens, left out: 1";
    assert_eq!(notices, [told]);
    let refused = |data: DataConfig, strength: f64| {
        talk.send(request(&adapter, data, Question::Forgetting { strengths: vec![strength] }));
        match talk.until_end().pop() {
            Some(Report::Failed(failure)) => failure.what.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(DataConfig::new(&text), -0.5).contains("between 0 and 2"));
    let rows = home.path().join("table.jsonl");
    std::fs::write(&rows, "{\"one\": \"rain\", \"two\": \"falls\"}\n").unwrap();
    assert!(refused(DataConfig::new(&rows), 1.0).contains("one, two"), "nothing says which column it is");
    let named = DataConfig { target_column: Some("two".to_owned()), ..DataConfig::new(&rows) };
    let question = Question::Forgetting { strengths: vec![1.0] };
    let found = answer(&talk.run(request(&adapter, named, question)));
    assert!(matches!(found, Analysis::Forgetting(report) if report.texts == 1));
}

#[test]
fn texts_of_an_adapter_are_worth_what_they_do_as_prompts_before_held_out_rows() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    let mut plain = tiny_run(home.path());
    (plain.training.steps, plain.training.eval_every) = (40, 20);
    let methods = [
        ("prefix", plain.clone(), Some(PatchedWhat::Bias)),
        ("prompt", RunConfig { method: prompt(), ..plain.clone() }, Some(PatchedWhat::HiddenStates)),
        ("LoRA", RunConfig { method: MethodConfig::Lora(LoraConfig::default()), ..plain.clone() }, None),
    ];
    for (name, config, what) in methods {
        let adapter = trained(&talk, home.path().join(name), &config);
        let report = in_words(&talk, &adapter, &config.data);
        assert_eq!((report.said[0].opening.as_str(), report.said[0].samples_with.len()), ("", 1), "{name}");
        assert!(report.said.iter().all(|said| said.samples_without.len() == 1), "{name}");
        // Of two layers: behind the embeddings and behind the first; what a prefix adds is of both layers.
        let pairs = if what.is_some() { 4 } else { 0 };
        assert_eq!((report.patched_what, report.patched.len()), (what, pairs), "{name}");
        assert!(report.passes <= 40 && report.search.windows(2).all(|two| two[1].kl < two[0].kl), "{name}");
        assert_eq!((report.search_rows, report.rows, report.held_out, report.random.n), (4, 4, true, 8), "{name}");

        // The rows that texts were scored on, scored as any others.
        let rows = std::fs::read_to_string(&config.data.train).unwrap();
        let held_out = home.path().join("held_out.jsonl");
        std::fs::write(&held_out, rows.lines().skip(4).take(4).collect::<Vec<_>>().join("\n")).unwrap();
        let scored = |before: &str, adapter: Option<PathBuf>| {
            let mut config = config.clone();
            config.data.train.clone_from(&held_out);
            config.data.prompt_template = format!("{before}{}", config.data.prompt_template);
            talk.score(&config, adapter).0
        };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-5, "{name}: {a} and {b}");
        close(report.loss_with, scored("", Some(adapter.clone())));
        close(report.loss_without, scored("", None));
        assert!(report.loss_with < report.loss_without && report.kl_without > 0.0, "{name}: it has learned");
        let gain = report.loss_without - report.loss_with;
        assert!(report.candidates.windows(2).all(|two| two[0].loss <= two[1].loss), "{name}: the best comes first");
        for candidate in &report.candidates {
            close(candidate.share.unwrap(), (report.loss_without - candidate.loss) / gain);
            assert!(candidate.kl > 0.0, "{name}");
        }
        let is_plain =
            |text: &str| text.len() <= 20 && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == ' ');
        for candidate in report.candidates.iter().filter(|candidate| is_plain(&candidate.text)) {
            close(candidate.loss, scored(&format!("{}\n", candidate.text), None));
        }
        let searched = report.candidates.iter().find(|candidate| candidate.source == CandidateSource::Searched);
        let last = report.search.last().map(|step| step.text.as_str());
        assert_eq!(searched.map(|searched| searched.text.as_str()), last, "{name}");
    }
}
