//! The filter line on runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::super::names;
use super::super::tests_support::run;
use super::*;

fn holds(row: &RunRow, line: &str) -> bool {
    passes(row, &parse(line))
}

fn troubled(row: &RunRow, line: &str) -> Option<String> {
    trouble(&parse(line), &names(&[row]))
}

/// A run with settings, figures and everything that people write.
fn full() -> RunRow {
    let settings = [("method.n_virtual", json!(20)), ("training.learning_rate", json!(1e-3)), ("seed", json!(7))];
    RunRow {
        name: "Paper setting".into(),
        tags: vec!["my tag".into(), "paper".into()],
        experiment: Some("Length sweep".into()),
        notes: "Look at the tail".into(),
        trained_parameters: Some(9_857_024),
        started: Some(1_795_230_902),
        figures: Arc::new(BTreeMap::from([("accuracy".to_owned(), 0.875), ("test/bleu".to_owned(), 31.5)])),
        ..run("20261121-031502-7f3a", &settings)
    }
}

#[test]
fn what_could_be_asked_before_can_be_asked_still() {
    let row = RunRow::example();
    for line in [
        "",
        "paper",
        "PAPER records",
        "method:mlp",
        "state:fin loss<2.5",
        "prefix>5 tag:paper",
        "loss>2",
        "prefix>=10",
        "loss<=2.25",
        "p>3 val<3 min<1 minutes<1 step>1",
        "name:paper model:start data:rec",
        "tag:",
    ] {
        assert!(holds(&row, line), "{line}");
        assert_eq!(troubled(&row, line), None, "{line}");
    }
    for line in ["other", "state:failed", "loss<2", "prefix>10", "paper tag:none", "last<9"] {
        assert!(!holds(&row, line), "{line}");
        assert_eq!(troubled(&row, line), None, "{line}");
    }
}

#[test]
fn settings_and_figures_are_asked_for_by_any_of_their_names() {
    let row = full();
    for line in [
        "n_virtual>10 n_virtual:20 n_virtual=20 num_virtual_tokens<=20",
        "lr=1e-3 learning_rate:0.001 training.learning_rate<0.01",
        "accuracy>0.8 eval_accuracy<0.9 test/bleu>=31.5 Test/BLEU<32",
        "seed=7 trained>9M trained<10m trained>9000k trained<1g",
        "type:prefix mlp:off infix=false optimizer.type:adam",
        "started>2026-11-20 started<2026-11-22",
        "lr!=1e-2 type!=lora tag!=old",
        "experiment:sweep experiment=\"length sweep\"",
        "notes:tail tail sweep 7f3a",
    ] {
        assert!(holds(&row, line), "{line}");
        assert_eq!(troubled(&row, line), None, "{line}");
    }
    for line in ["n_virtual:2", "lr=1e-2", "accuracy>0.9", "rank>1", "bleu>0", "started<2026-11-21", "starred:true"] {
        assert!(!holds(&row, line), "{line}");
    }
}

#[test]
fn a_minus_turns_a_term_around_and_quotation_marks_hold_words_together() {
    let row = full();
    for line in [
        "-state:failed",
        "-other -tag:old",
        "\"paper setting\"",
        "tag:\"my tag\" tag=paper",
        "-\"setting paper\"",
        "-loss>100 -rank>1",
        "\"at the ta",
        "setting prefix",
    ] {
        assert!(holds(&row, line), "{line}");
    }
    for line in ["-paper", "-state:finished", "\"setting  paper\"", "tag=\"my\"", "-tag:paper", "-\"paper setting\""] {
        assert!(!holds(&row, line), "{line}");
    }
}

#[test]
fn what_is_still_being_typed_hides_no_run() {
    let row = full();
    for line in ["loss<", "loss<=", "lr=", "lr!=", "-", "\"", "-\"", "tag:", "-loss>"] {
        assert!(holds(&row, line), "{line}");
        assert_eq!(troubled(&row, line), None, "{line}");
    }
    assert!(parse("loss< -").is_empty() && !parse("tag:").is_empty());
}

#[test]
fn a_word_that_no_run_has_is_named_with_those_near_to_it() {
    let row = full();
    for (line, near) in [
        ("n_virtul>4", "n_virtual"),
        ("paper learning_rat<1", "learning_rate"),
        ("acuracy>0.5", "accuracy"),
        ("bleu>3", "test/bleu"),
        ("sate:failed", "state"),
        ("quux:8", "method"),
    ] {
        let said = troubled(&row, line).unwrap_or_default();
        let word = line.split_whitespace().last().unwrap().split(['<', '>', ':']).next().unwrap();
        assert!(said.contains(word) && said.contains(near), "{line}: {said}");
    }
    for line in ["loss<small", "started>yesterday"] {
        let word = line.split(['<', '>']).next().unwrap();
        assert!(troubled(&row, line).unwrap().contains(word), "{line}");
    }
    for line in ["http://a", "rank>4", "C:\\x", "12:30", "data.train:records"] {
        assert_eq!(troubled(&row, line), None, "{line}");
    }
}

#[test]
fn a_filter_knows_what_it_asks_for() {
    assert!(parse("archive:yes").asks_for("archived"));
    assert!(!parse("archived").asks_for("archived"), "a word");
}

#[test]
fn names_then_signs_then_values_are_offered_while_typing() {
    let (one, other) = (full(), run("b", &[("method.n_virtual", json!(5))]));
    let rows = [&one, &other];
    let names = names(&rows);
    let offered = |line: &str| {
        let (line, cursor) = (line.replace('|', ""), line.chars().position(|c| c == '|').unwrap());
        complete(&line, cursor, &names, &|name| values(&rows, name))
    };
    let shown = |line: &str| offered(line).into_iter().map(|completion| completion.shown).collect::<Vec<_>>();
    assert_eq!(shown("n_vir|")[0], "n_virtual");
    assert_eq!(shown("paper -n_vi|")[0], "n_virtual");
    assert!(shown("virt|").contains(&"n_virtual".to_owned()), "by a part");
    assert!(shown("num_virt|").is_empty(), "only names that are told");
    assert_eq!(&shown("loss|")[..3], ["loss<", "loss<=", "loss>"]);
    assert_eq!(&shown("tag|")[..2], ["tag:", "tag="]);
    assert_eq!(shown("n_virtual=|"), ["20", "5"]);
    assert_eq!(shown("tag:m|"), ["my tag"]);
    assert_eq!(shown("state:|"), ["finished"]);
    assert!(shown("|").contains(&"state".to_owned()));
    assert!(shown("\"a|").is_empty(), "within quotation marks it is words");
    let taken = offered("seed=7 tag:m| paper").remove(0);
    assert_eq!((taken.line.as_str(), taken.cursor), ("seed=7 tag:\"my tag\" paper", 19));
    let taken = offered("métier n_vi|").remove(0);
    assert_eq!((taken.line.as_str(), taken.cursor), ("métier n_virtual", 16), "the cursor counts letters");
    assert_eq!(offered("|paper").remove(0).line, "name paper");
    let taken = offered("-stat|").into_iter().find(|taken| taken.shown == "state").unwrap();
    assert_eq!(taken.line, "-state");
}
