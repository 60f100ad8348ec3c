//! The command line as a library: what it refuses and with which exit code, and what it does to the runs.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use app::cli::{CliError, run};
use app::store::{Answer, Request, RunRow, RunState, Store};
use app::workspace::{RunId, Workspace};
use engine::config::{DataConfig, RunConfig};
use engine::protocol::{Event, JobId, Outcome, Report};

pub(crate) fn line(workspace: &Path, words: &[&str]) -> Result<(), CliError> {
    let head = ["prefix-workbench".into(), "--workspace".into(), workspace.as_os_str().to_owned()];
    run(head.into_iter().chain(words.iter().map(OsString::from)), |_, _| Ok(()))
}

pub(crate) fn is_usage(error: &CliError) -> bool {
    error.exit_code() == ExitCode::from(2)
}

/// A stopped run without an adapter, as the window would leave it.
fn stopped_run(workspace: &Path, name: &str) -> RunId {
    let workspace = Workspace::open(workspace).unwrap();
    let (store, _answers) = Store::open(&workspace, || {}).unwrap();
    let run = workspace.new_run().unwrap();
    let mut config = RunConfig::new("/models/tiny", DataConfig::new("/sets/records/train.jsonl"));
    config.name = name.to_owned();
    store.send(Request::Register { run: run.clone(), config: Box::new(config), experiment: None });
    store.send(Request::Begin { job: JobId(1), run: run.clone() });
    store.send(Request::Record(Event { job: JobId(1), what: Report::Finished { outcome: Outcome::Stopped } }));
    store.close();
    run
}

pub(crate) fn runs(workspace: &Path) -> Vec<RunRow> {
    let (store, answers) = Store::open(&Workspace::open(workspace).unwrap(), || {}).unwrap();
    store.send(Request::ListRuns);
    let rows = answers.iter().find_map(|answer| match answer {
        Answer::Runs(runs) => Some(runs),
        _ => None,
    });
    store.close();
    rows.unwrap()
}

#[test]
fn bad_lines_and_settings_are_exit_code_two() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.toml");
    fs::write(&file, "model = \"m\"\ndata = { train = \"d\" }\n[training]\nbatch_size = 0\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    let model = ["--set", "model=m", "--set", "data.train=d"];
    let cases: [&[&str]; 18] = [
        &["fly"],
        &["verify", "a", "b", "--out", "c"],
        &["train", "--set", "training.stepps=3"],
        &["train", "--device", "tpu"],
        &["train", "--precision", "f8"],
        &["train", &file],
        &["train", "--set", "nothing"],
        &["runs", "show", "nobody"],
        &["generate", "--base"],
        &["generate", "--base", "--prompt", "a", "--temperature", "-1"],
        &["generate", "--base", "--prompt", "a", "--beams", "4", "--temperature", "0.5"],
        &["generate", "--base", "--prompt", "a", "--length-penalty", "2"],
        &["generate", "--base", "--prompt", "a", "--beams", "2", "--return", "3"],
        &["generate", "--base", "--prompt", "a", "--samples", "2"],
        &["generate", "--base", "--prompt", "a", "--target", "b", "--samples", "2"],
        &["bench", "--adapter", "x", "--what", "lora"],
        &["devices", "--set", "seed=1"],
        &["compare-methods", "--method", "lora"],
    ];
    for words in cases {
        let error = line(folder.path(), words).expect_err(words[0]);
        assert!(is_usage(&error), "{words:?}: {error}");
    }
    let learning_rate = [&["train", "--set", "training.learning_rate=-1"], &model[..]].concat();
    let error = line(folder.path(), &learning_rate).unwrap_err();
    assert!(is_usage(&error) && error.to_string().starts_with("training.learning_rate"), "{error}");
    assert!(runs(folder.path()).is_empty(), "a refused run leaves no trace");
}

#[test]
fn help_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for words in [["--help"], ["--version"]] {
        assert_eq!(line(folder.path(), &words).unwrap_err().exit_code(), ExitCode::SUCCESS);
    }
}

#[test]
fn an_unwritable_workspace_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = line(&file, &["runs"]).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::from(1));
    assert!(error.to_string().contains("the workspace folder cannot be written"), "{error}");
}

#[test]
fn runs_are_renamed_shown_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let run = stopped_run(folder.path(), "first");
    line(folder.path(), &["runs"]).unwrap();
    line(folder.path(), &["runs", "rename", "first", "Aurora"]).unwrap();
    assert_eq!(runs(folder.path())[0].name, "Aurora");
    line(folder.path(), &["runs", "show", "Aurora", "--json"]).unwrap();
    line(folder.path(), &["runs", "delete", &run.0, "--yes"]).unwrap();
    assert!(runs(folder.path()).is_empty());
    assert!(!folder.path().join("runs").join(&run.0).exists());
}

#[test]
fn a_run_without_a_checkpoint_has_nothing_to_generate_with() {
    let folder = tempfile::tempdir().unwrap();
    stopped_run(folder.path(), "first");
    let error = line(folder.path(), &["generate", "--run", "first", "--prompt", "a"]).unwrap_err();
    assert!(error.to_string().starts_with("there is no adapter in"), "{error}");
    assert_eq!(error.exit_code(), ExitCode::from(1));
}

#[test]
fn a_database_of_a_newer_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    stopped_run(folder.path(), "first");
    let database = folder.path().join("experiments.db");
    rusqlite::Connection::open(database).unwrap().pragma_update(None, "user_version", 12).unwrap();
    let error = line(folder.path(), &["runs"]).unwrap_err();
    assert!(error.to_string().contains("version 12"), "{error}");
    assert_eq!(error.exit_code(), ExitCode::from(1));
}

/// A run file for the tiny model, with paths relative to the file where they can be.
fn run_file(folder: &Path) -> String {
    let mut config = tests::tiny_run(folder);
    config.data.train = "rows.jsonl".into();
    let file = folder.join("run.toml");
    fs::write(&file, app::cli::run_file::write(&config)).unwrap();
    file.to_string_lossy().into_owned()
}

#[test]
fn the_main_job_runs_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let workspace = folder.path().join("workspace");
    let file = run_file(folder.path());
    line(&workspace, &["train", &file, "--name", "first", "--set", "training.steps=4"]).unwrap();
    let row = runs(&workspace).remove(0);
    assert_eq!((row.state, row.step, row.name.as_str()), (RunState::Finished, 4, "first"));
    assert!(row.best_loss.is_some() && row.sparkline.len() == 4);

    let error = line(&workspace, &["resume", "first"]).unwrap_err();
    assert!(is_usage(&error) && error.to_string().contains("done 4 of 4 steps"), "{error}");
    line(&workspace, &["resume", "first", "--set", "training.steps=8"]).unwrap();
    let row = runs(&workspace).remove(0);
    assert_eq!((row.state, row.step, row.total_steps), (RunState::Finished, 8, 8));

    line(&workspace, &["generate", "--run", "first", "--base", "--prompt", "a e", "--max-new-tokens", "3"]).unwrap();
    line(&workspace, &["generate", "--run", "first", "--source", "a e", "--max-new-tokens", "3"]).unwrap();
    assert!(is_usage(&line(&workspace, &["generate", "--source", "a e"]).unwrap_err()), "there is no template");
    line(&workspace, &["generate", "--run", "first", "--row", "2", "--max-new-tokens", "3", "--json"]).unwrap();
    line(&workspace, &["evaluate", "--run", "first", "--base", "--data", &place("rows.jsonl")]).unwrap();
    let neighbors = ["neighbors", "--run", "first", "--layer", "2", "--position", "1", "--top", "3", "--csv"];
    line(&workspace, &[&neighbors[..], &[&place("near.csv")]].concat()).unwrap();
    assert_eq!(fs::read_to_string(place("near.csv")).unwrap().lines().count(), 1 + 3 + 3);
    let each_head =
        ["neighbors", "--run", "first", "--csls", "--per-head", "--context", "a b", "--fdr", "0.1", "--csv"];
    let csv = place("heads.csv");
    let all_but_top = ["--space", "all-but-top", "--directions", "2", "--layer", "1", "--position", "2", "--top", "2"];
    line(&workspace, &[&each_head[..], &[&csv], &all_but_top].concat()).unwrap();
    let table = fs::read_to_string(&csv).unwrap();
    assert!(table.lines().count() > 1 + 2 + 2 && table.contains(",csls,all_but_top_2,"), "{table}");
    let error = line(&workspace, &["neighbors", "--run", "first", "--context", ""]).unwrap_err();
    assert!(error.to_string().contains("0 tokens"), "{error}");

    for what in ["similarity", "map", "drift"] {
        line(&workspace, &["analyze", "--run", "first", "--what", what, "--other", "first"]).unwrap();
        line(&workspace, &["analyze", "--run", "first", "--what", what, "--layer", "2", "--json"]).unwrap();
    }
    let words = "data.verbalizer={\"0\" = \"a\", \"1\" = \"e\"}";
    line(&workspace, &["analyze", "--run", "first", "--what", "label-words", "--set", words]).unwrap();

    what_matters(&workspace, &place("shorter"));
    line(&workspace, &["export", "--run", "first", "--to", &place("shared")]).unwrap();
    assert!(folder.path().join("shared/adapter_model.safetensors").is_file());
    let model = row.model_folder.to_string_lossy().into_owned();
    line(&workspace, &["import", &place("shared"), "--model", &model]).unwrap();
    let names: Vec<String> = runs(&workspace).into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["shared", "first"]);
    line(&workspace, &["generate", "--run", "shared", "--prompt", "a e", "--max-new-tokens", "3"]).unwrap();
}

/// Importance, ablation and pruning of a run of four slots.
fn what_matters(workspace: &Path, to: &str) {
    let analyze =
        |words: &[&str]| line(workspace, &[&["analyze", "--run", "first", "--limit", "4"][..], words].concat());
    analyze(&["--what", "importance", "--leave-one-out", "3"]).unwrap();
    analyze(&["--what", "ablation", "--leave-out", "slots=1,3", "--leave-out", "layers=2,side=key", "--json"]).unwrap();
    assert!(is_usage(&analyze(&["--what", "ablation"]).unwrap_err()), "nothing is left out");
    assert!(is_usage(&analyze(&["--what", "ablation", "--leave-out", "slots=0"]).unwrap_err()));
    let beyond = analyze(&["--what", "ablation", "--leave-out", "slots=5"]).unwrap_err().to_string();
    assert!(beyond.contains("no slot 5, the adapter has 4"), "{beyond}");

    let prune = |keep: &str| line(workspace, &["prune", "--run", "first", "--keep", keep, "--limit", "4", "--to", to]);
    let error = prune("4").unwrap_err();
    assert!(is_usage(&error) && !Path::new(to).exists(), "{error}");
    prune("2").unwrap();
    let config = fs::read_to_string(Path::new(to).join("adapter_config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!((&config["peft_type"], &config["num_virtual_tokens"]), (&"PREFIX_TUNING".into(), &2.into()));
    analyze(&["--what", "shorter", "--keep", "2,1"]).unwrap();
    let fitted = format!("{to}-fitted");
    let words = ["prune", "--match", "--run", "first", "--keep", "1", "--limit", "4", "--to", &fitted];
    line(workspace, &words).unwrap();
    assert!(fs::read_to_string(Path::new(&fitted).join("adapter_config.json")).unwrap().contains("_tokens\": 1"));
}

#[test]
fn a_source_gets_the_other_columns_of_its_template() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let file = run_file(folder.path());
    let row = |tone: &str| format!("{{\"source\": \"a b\", \"tone\": \"{tone}\", \"target\": \"c\"}}\n");
    fs::write(folder.path().join("rows.jsonl"), ["d", "e", "f", "g"].map(row).concat()).unwrap();
    let template = "data.prompt_template={{ tone }} {{ source }} ";
    line(&workspace, &["train", &file, "--name", "first", "--steps", "2", "--set", template]).unwrap();
    let kept = fs::read_to_string(runs(&workspace)[0].folder.join("config.json")).unwrap();
    assert!(kept.contains("{{ tone }} {{ source }} \""), "the last space stays: {kept}");
    let generate = ["generate", "--run", "first", "--max-new-tokens", "2"];
    let error = line(&workspace, &[&generate[..], &["--source", "a b"]].concat()).unwrap_err().to_string();
    assert!(error.contains("reads tone") && error.contains("--column NAME=VALUE"), "{error}");
    line(&workspace, &[&generate[..], &["--source", "a b", "--column", "tone=d"]].concat()).unwrap();
}

#[test]
fn a_prefix_travels_as_one_file_and_other_programs_files_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let workspace = folder.path().join("workspace");
    let file = run_file(folder.path());
    line(&workspace, &["train", &file, "--name", "first", "--set", "training.steps=4"]).unwrap();
    fs::write(place("card.md"), "Rows of letters.").unwrap();
    let (shared, model) = (place("shared.prefix"), tests::tiny_model().to_string_lossy().into_owned());
    line(&workspace, &["export", "--run", "first", "--to", &shared, "--card", &place("card.md")]).unwrap();
    let error = line(&workspace, &["export", "--run", "first", "--to", &place("peft"), "--card", &shared]).unwrap_err();
    assert!(is_usage(&error), "{error}");
    line(&workspace, &["open", &shared]).unwrap();
    line(&workspace, &["--device", "cpu", "open", &shared, "--model", &model, "--json"]).unwrap();
    line(&workspace, &["--device", "cpu", "import", &shared, "--model", &model]).unwrap();
    // The templates came along: a source can be put into them.
    line(&workspace, &["generate", "--run", "shared", "--source", "a e", "--max-new-tokens", "3"]).unwrap();

    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/foreign_files/adapters_flat");
    let foreign = foreign.to_string_lossy().into_owned();
    line(&workspace, &["--device", "cpu", "import", &foreign, "--model", &model, "--name", "theirs"]).unwrap();
    line(&workspace, &["generate", "--run", "theirs", "--prompt", "a e", "--max-new-tokens", "3"]).unwrap();
    let names: Vec<String> = runs(&workspace).into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["theirs", "shared", "first"]);
    let origin =
        fs::read_to_string(workspace.join("runs").join(&runs(&workspace)[0].id.0).join("import.json")).unwrap();
    assert!(origin.contains("\"unshifted\""), "{origin}");

    let other = tests::golden_cases().join("gpt2-prefix-2x32-bf16/model").to_string_lossy().into_owned();
    let error = line(&workspace, &["import", &shared, "--model", &other]).unwrap_err();
    assert!(error.to_string().contains("does not fit this model"), "{error}");
    assert_eq!(runs(&workspace).len(), 3, "a refused adapter leaves no run");
}

#[test]
fn a_run_that_cannot_be_is_recorded_as_failed() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let file = run_file(folder.path());
    fs::write(folder.path().join("rows.jsonl"), "").unwrap();
    let error = line(&workspace, &["train", &file]).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::from(1));
    let row = runs(&workspace).remove(0);
    assert_eq!(row.state, RunState::Failed);
    assert!(row.failure.is_some());
}

#[test]
fn a_lost_database_comes_back_from_the_engines_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    line(&workspace, &["train", &run_file(folder.path())]).unwrap();
    let before = runs(&workspace);
    fs::remove_file(workspace.join("experiments.db")).unwrap();
    let after = runs(&workspace);
    assert_eq!((after[0].state, after[0].step, after[0].best_step), (before[0].state, 12, before[0].best_step));
    assert_eq!(after[0].sparkline.len(), 12);
    assert_eq!((after[0].trained_parameters, after[0].total_steps), (before[0].trained_parameters, 12));
}

#[test]
fn a_model_or_rows_that_are_not_there_leave_no_run_and_are_not_offered_again() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let file = run_file(folder.path());
    for wrong in [["--model", "/no/model"], ["--data", "/no/rows.jsonl"]] {
        let error = line(&workspace, &["train", &file, "--device", "cpu", wrong[0], wrong[1]]).unwrap_err();
        assert!(error.to_string().contains("/no/"), "{error}");
        assert!(runs(&workspace).is_empty(), "{wrong:?}");
        assert_eq!(fs::read_dir(workspace.join("runs")).unwrap().count(), 0);
    }
}

/// The figures that `score --json` prints of predictions, as a process of its own, for standard output is the answer.
fn scored(folder: &Path, words: &[&str]) -> Result<serde_json::Value, String> {
    let workspace = folder.join("workspace").to_string_lossy().into_owned();
    let mut all = vec!["prefix-workbench".to_owned(), "--workspace".to_owned(), workspace, "score".to_owned()];
    all.extend(words.iter().map(|&word| word.to_owned()));
    all.push("--json".to_owned());
    let out = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["cli::the_command_line_of_another_process", "--exact", "--ignored", "--nocapture"])
        .env("TEST_LINE", serde_json::to_string(&all).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    let object = said.lines().find_map(|line| line.find('{').map(|at| serde_json::from_str(&line[at..]).unwrap()));
    object.ok_or_else(|| String::from_utf8(out.stderr).unwrap())
}

#[test]
#[ignore = "the other process of scored()"]
fn the_command_line_of_another_process() {
    let Ok(words) = std::env::var("TEST_LINE") else { return };
    let words: Vec<String> = serde_json::from_str(&words).unwrap();
    if let Err(error) = run(words.into_iter().map(OsString::from), |_, _| Ok(())) {
        eprintln!("{error}");
    }
}

#[test]
fn predictions_of_any_form_are_scored_against_references_of_any_form() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let metrics = ["--metrics", "exact_match,token_f1,bleu"];
    let lines = place("out.txt", "The cat sat on the mat\na small dog\n");
    let objects = place("out.jsonl", "{\"predict\": \"The cat sat on the mat\"}\n{\"predict\": \"a small dog\"}\n");
    let references = [
        place("refs.jsonl", "{\"references\": [\"x\", \"the cat sat on the mat\"]}\n{\"references\": [\"a dog\"]}\n"),
        place("refs.txt", "x\nthe cat sat on the mat\n\na dog\n\n"),
    ];
    let one = place(
        "both.jsonl",
        "{\"prediction\": \"The cat sat on the mat\", \"references\": [\"x\", \"the cat sat on the mat\"]}\n\
         {\"prediction\": \"a small dog\", \"references\": [\"a dog\"]}\n",
    );
    let first = scored(folder.path(), &[&["--predictions", &one], &metrics[..]].concat()).unwrap();
    // Of the second row one of two words is wanted: precision 1/2, recall 1.
    assert_eq!(first["exact_match"], 50.0);
    assert!((first["token_f1"].as_f64().unwrap() - 250.0 / 3.0).abs() < 1e-9, "{first}");
    assert_eq!(first.as_object().unwrap().keys().collect::<Vec<_>>(), ["exact_match", "token_f1", "bleu"]);
    for predictions in [&lines, &objects] {
        for references in &references {
            let words = [&["--predictions", predictions, "--references", references], &metrics[..]].concat();
            assert_eq!(scored(folder.path(), &words).unwrap(), first, "{predictions} {references}");
        }
    }
    let details = scored(folder.path(), &["--predictions", &one, "--metrics", "token_f1", "--details"]).unwrap();
    let of = &details["token_f1"];
    assert!(of["low"].as_f64() <= of["figure"].as_f64() && of["figure"].as_f64() <= of["high"].as_f64(), "{of}");
    let better = place("better.txt", "the cat sat on the mat\na dog\n");
    let words = ["--predictions", &one, "--compare", &better, "--metrics", "exact_match"];
    let compared = scored(folder.path(), &words).unwrap();
    assert_eq!((&compared["exact_match"]["first"], &compared["exact_match"]["second"]), (&50.0.into(), &100.0.into()));
}

#[test]
fn rows_that_do_not_belong_together_and_unknown_metrics_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let (three, two) = (place("out.txt", "a\nb\nc\n"), place("refs.txt", "a\nb\n"));
    let refused = |words: &[&str]| line(folder.path(), &[&["score"], words].concat()).unwrap_err();
    let error = refused(&["--predictions", &three, "--references", &two, "--metrics", "exact_match"]);
    assert!(error.to_string().contains("has 2 rows, and there are 3 predictions"), "{error}");
    let error = refused(&["--predictions", &three, "--metrics", "exact_match"]);
    assert!(error.to_string().contains("--references"), "{error}");
    let both = ["--predictions", &three, "--references", &three, "--metrics"];
    for (metric, word) in [("blue", "there are"), ("bleurt", "RemBERT"), ("moverscore", "MNLI"), ("mrr", "ranks")] {
        let error = refused(&[&both[..], &[metric]].concat());
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = refused(&[&both[..], &["bertscore"]].concat());
    assert!(is_usage(&error) && error.to_string().contains("--encoder"), "{error}");
    let error = refused(&[&both[..], &["accuracy", "--compare", &two]].concat());
    assert!(error.to_string().contains("3 predictions, and 2"), "{error}");
    assert!(is_usage(&refused(&[])), "predictions are named");
}

/// What the program prints for a line, in a process of its own, and on standard error.
fn printed(workspace: &Path, words: &[&str]) -> (String, String) {
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_workbench-under-test"))
        .arg("--workspace")
        .arg(workspace)
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{words:?}: {said}");
    (String::from_utf8(out.stdout).unwrap(), said)
}

#[test]
fn runs_are_marked_found_put_away_deleted_and_brought_back_on_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (one, other) = (stopped_run(folder, "one"), stopped_run(folder, "other"));
    for words in [
        &["runs", "tag", "one", "paper", "length"][..],
        &["runs", "tag", "one", "length", "--remove"],
        &["runs", "note", "one", "two words"],
        &["runs", "star", "one"],
        &["runs", "archive", "other"],
    ] {
        line(folder, words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    let row = runs(folder).into_iter().find(|row| row.id == one).unwrap();
    assert_eq!((row.tags.as_slice(), row.notes.as_str(), row.starred), (&["paper".to_owned()][..], "two words", true));

    let (listed, said) = printed(folder, &["runs"]);
    assert!(listed.contains(&one.0) && !listed.contains(&other.0) && said.contains("--all"), "{listed}{said}");
    let columns = ["--columns", "name,state,n_virtual,tag", "--sort=-name", "--all"];
    let (listed, _) = printed(folder, &[&["runs", "list", "--csv"][..], &columns].concat());
    assert_eq!(listed, "name,state,n_virtual,tag\nother,stopped,20,\none,stopped,20,paper\n");
    let (listed, _) = printed(folder, &["runs", "list", "--filter", "state:stopped n_virtual>10 -tag:paper", "--all"]);
    assert!(listed.contains("other") && !listed.contains(&one.0), "{listed}");
    let (listed, _) = printed(folder, &["--json", "runs", "list", "--filter", "starred:yes"]);
    let row: serde_json::Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!((&row["settings"]["method"]["n_virtual"], &row["notes"]), (&20.into(), &"two words".into()));
    for wrong in [&["--sort", "lsos"][..], &["--columns", "nme"], &["--filter", "n_virtul>3"]] {
        let error = line(folder, &[&["runs", "list"][..], wrong].concat()).unwrap_err();
        assert!(is_usage(&error), "{wrong:?}: {error}");
    }

    let (_, said) = printed(folder, &["runs", "delete", "one", "--yes"]);
    assert!(said.contains(&format!("runs undelete {one}")), "{said}");
    let (listed, _) = printed(folder, &["runs", "undelete"]);
    assert!(listed.contains(&one.0) && listed.trim().ends_with("one"), "{listed}");
    assert!(is_usage(&line(folder, &["runs", "undelete", "other"]).unwrap_err()));
    line(folder, &["runs", "undelete", "one"]).unwrap();
    assert_eq!(runs(folder).iter().filter(|row| row.starred && row.notes == "two words").count(), 1);
    line(folder, &["runs", "archive", "other", "--off"]).unwrap();
    line(folder, &["runs", "delete", "other", "--yes"]).unwrap();
    line(folder, &["runs", "empty-trash", "--yes"]).unwrap();
    assert_eq!(runs(folder).len(), 1);
    assert!(is_usage(&line(folder, &["runs", "undelete", "other"]).unwrap_err()));
}

#[test]
fn texts_are_scored_and_serving_is_measured_on_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let file = run_file(folder.path());
    line(&workspace, &["train", &file, "--name", "first", "--set", "training.steps=4"]).unwrap();
    let generate = ["generate", "--run", "first", "--base", "--prompt", "a e", "--max-new-tokens", "3"];
    let said = |more: &[&str]| printed(&workspace, &[&generate[..], more].concat()).0;

    let scored = said(&["--probabilities", "2"]);
    assert!(scored.contains("[base] loss") && scored.contains("[first] loss") && scored.contains("#1 "), "{scored}");
    assert!(scored.lines().filter(|line| line.contains('%')).count() >= 2, "{scored}");
    let beams = said(&["--probabilities", "--beams", "2"]);
    assert!(beams.contains("[first] loss"), "what beams have written is scored when it is there: {beams}");

    let target = said(&["--target", " e a", "--json"]);
    let line_of = |event: &str| target.lines().find(|line| line.contains(event)).unwrap().to_owned();
    let answer: serde_json::Value = serde_json::from_str(&line_of("text_scored")).unwrap();
    let scores = answer["scores"].as_array().unwrap();
    assert_eq!(scores.len(), 2);
    assert!(scores[1]["tokens"][0]["log_probability"].as_f64().unwrap() < 0.0);

    assert!(said(&["--words", "b e "]).contains("[base]"));
    let samples = said(&["--temperature", "1", "--samples", "2"]);
    assert!(samples.contains("[base 2]") && samples.contains("[first 1]"), "{samples}");

    let run = runs(&workspace).remove(0).folder.to_string_lossy().into_owned();
    let (figures, _) = printed(&workspace, &["--device", "cpu", "bench", "--adapter", &run, "--steps", "1"]);
    let figures: Vec<serde_json::Value> = figures.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |bench: &str, variant: &str| {
        let found = figures.iter().find(|figure| figure["bench"] == bench && figure["variant"] == variant);
        found.unwrap()["value"].as_f64().unwrap()
    };
    assert!(of("first_token", "base") > 0.0 && of("decode_token", "adapter") > 0.0);
    assert_eq!(of("cache_of_adapter", "base"), 0.0);
    assert!(of("cache_of_adapter", "adapter") > 0.0);
    assert!(figures.iter().any(|figure| figure["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0)));
}
