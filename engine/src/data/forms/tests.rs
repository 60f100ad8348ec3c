//! Rows of each form, against those that are written beside its file.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::reader::read_table;
use super::super::table::{ObjectRows, Problem};
use super::*;
use crate::config::{References, TextUnit};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/forms").join(name)
}

fn config(path: impl Into<PathBuf>) -> DataConfig {
    DataConfig::new(path)
}

fn table(rows: &[Value]) -> Table {
    let mut objects = ObjectRows::new(Path::new("x.jsonl"));
    rows.iter().enumerate().for_each(|(at, row)| objects.push(at + 1, row.clone()).unwrap());
    objects.table
}

fn of(rows: &[Value], task: Task) -> Table {
    recognized(table(rows), &config("x.jsonl"), task).unwrap()
}

fn objects(table: &Table) -> Vec<Value> {
    let object = |row: &Row| {
        let cells = row.cells().iter().map(|(column, cell)| (table.columns[*column].clone(), cell.clone()));
        Value::Object(cells.collect::<Map<_, _>>())
    };
    table.rows.iter().map(object).collect()
}

fn reasons(table: &Table) -> Vec<(usize, String)> {
    table.problems.iter().map(|Problem { row, reason }| (*row, reason.to_string())).collect()
}

fn said(table: &Table) -> String {
    table.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join(". ")
}

/// Each file of the folder of fixtures that has its rows beside it.
#[test]
fn each_form_becomes_the_rows_that_are_written_beside_it() {
    let mut n = 0;
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.to_string_lossy().strip_suffix(".rows.json").map(PathBuf::from) else { continue };
        let expected: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let task: Task = serde_json::from_value(expected["task"].clone()).unwrap();
        let table = recognized(read_table(&name).unwrap(), &config(&name), task).unwrap();
        let name = name.display();
        assert_eq!(Value::Array(objects(&table)), expected["rows"], "{name}");
        let numbers: Vec<Value> = table.rows.iter().map(|row| row.number.into()).collect();
        assert_eq!(Value::Array(numbers), expected["numbers"], "{name}");
        let note = expected["note"].as_str().unwrap();
        assert!(said(&table).contains(note), "{name}: {}", said(&table));
        let skipped = expected.get("skipped").cloned().unwrap_or_else(|| json!([]));
        assert_eq!(json!(reasons(&table)), skipped, "{name}");
        let parts = table.roles.as_ref().map(|roles| json!([roles.source_name(&table), table.columns[roles.target]]));
        assert_eq!(parts.unwrap_or_default(), expected["parts"], "{name}");
        n += 1;
    }
    assert!(n >= 20, "{n} fixtures");
}

#[test]
fn a_pair_that_is_classified_has_a_second_text_and_one_that_is_written_is_one_source() {
    let rows = [json!({"premise": "a", "hypothesis": "b", "label": 0, "idx": 1})];
    let classified = of(&rows, Task::SequenceClassification);
    let roles = classified.roles.clone().unwrap();
    assert_eq!((roles.source_name(&classified), classified.second), ("premise".to_owned(), Some(1)));
    let written = of(&rows, Task::Seq2Seq);
    let roles = written.roles.clone().unwrap();
    assert_eq!((roles.source_text(&written.rows[0]), written.second), ("a\nb".to_owned(), None));
}

#[test]
fn named_columns_come_before_those_of_the_form() {
    let rows = [json!({"premise": "a", "hypothesis": "b", "label": 0, "why": "c"})];
    let config = DataConfig {
        source_column: Some("hypothesis".to_owned()),
        target_column: Some("why".to_owned()),
        ..config("x")
    };
    let table = recognized(table(&rows), &config, Task::SequenceClassification).unwrap();
    let roles = table.roles.clone().unwrap();
    assert_eq!((roles.source_name(&table), roles.target, table.second), ("hypothesis".to_owned(), 3, None));
}

#[test]
fn without_recognition_rows_are_as_the_file_has_them() {
    let rows = [json!({"mr": "name[X], food[Y]", "ref": "a"}), json!({"mr": "name[X], food[Y]", "ref": "b"})];
    let config = DataConfig { form: FormRecognition::None, ..config("x") };
    let table = recognized(table(&rows), &config, Task::Causal).unwrap();
    assert_eq!((objects(&table), table.roles), (rows.to_vec(), None));
    let conll = recognized(read_table(&fixture("conll2003.conll")).unwrap(), &config, Task::Causal).unwrap();
    assert_eq!(conll.columns, ["tokens", "labels"]);
    assert_eq!(super::texts(conll.rows[0].cell(1)).unwrap()[0], "I-ORG");
}

#[test]
fn references_of_a_source_stand_together_and_one_row_has_them_all() {
    let row = |mr: &str, text: &str| json!({"mr": mr, "ref": text});
    let rows = [row("name[X]", "a"), row("name[Y]", "b"), row("name[X]", "c")];
    let table = of(&rows, Task::Causal);
    assert_eq!(table.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 3, 2]);
    let references = table.references.unwrap();
    assert_eq!(*table.rows[0].cell(references), json!(["a", "c"]));
    assert!(table.rows[1..].iter().all(|row| row.cell(references).is_null()));
    let one = one_per_source(table);
    assert_eq!(one.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_million_references_of_one_source_cost_what_they_are() {
    let rows: Vec<Value> = (0..1_000_000).map(|_| json!({"mr": "name[X]", "ref": "a"})).collect();
    assert_eq!(of(&rows, Task::Causal).rows.len(), 1_000_000);
    let long = "x".repeat(1 << 20);
    let texts: Vec<Value> = (0..10_000).map(|at| json!({"text": at.to_string()})).collect();
    let rows = [
        json!({"tripleset": [["a", "b", long]], "annotations": texts}),
        json!({"tripleset": [["a", "B", "c"]], "annotations": [{"text": "d"}]}),
    ];
    let table = of(&rows, Task::Causal);
    assert_eq!((table.rows.len(), table.n_problems), (1, 1));
    assert!(reasons(&table)[0].1.contains("more rows than fit"));
}

#[test]
fn a_paragraph_is_what_stands_between_empty_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.txt");
    std::fs::write(&path, "\n\na\nb\n\n\nc\n\nd").unwrap();
    let unit = |text_unit| DataConfig { text_unit, ..config(&path) };
    let read = |text_unit| recognized(read_table(&path).unwrap(), &unit(text_unit), Task::Causal).unwrap();
    let texts = |table: &Table| table.rows.iter().map(|row| row.text(0).into_owned()).collect::<Vec<_>>();
    assert_eq!(texts(&read(TextUnit::Line)), ["a", "b", "c", "d"]);
    let paragraphs = read(TextUnit::Paragraph);
    assert_eq!(texts(&paragraphs), ["a\nb", "c", "d"]);
    assert!(said(&paragraphs) == "Each of 3 paragraphs is a text to be learned as a whole");
}

#[test]
fn halves_of_different_length_are_refused_with_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let source = file("a.source", "one\ntwo\n");
    assert!(read_table(&source).unwrap_err().to_string().contains("a.target"));
    let target = file("a.target", "1\n2\n3\n");
    for path in [&source, &target] {
        let error = read_table(path).unwrap_err().to_string();
        assert!(error.contains("2 lines of sources and 3 of targets"), "{error}");
    }
    file("a.target", "1\n2");
    for path in [source, target] {
        let rows = objects(&read_table(&path).unwrap());
        assert_eq!(rows, [json!({"source": "one", "target": "1"}), json!({"source": "two", "target": "2"})]);
    }
}

#[test]
fn xml_that_is_hostile_or_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |text: &str| {
        let path = folder.path().join("x.xml");
        std::fs::write(&path, text).unwrap();
        read_table(&path).unwrap_err().to_string()
    };
    assert!(refusal("<?xml version=\"1.0\"?><a><b/></a>").contains("an XML file"));
    assert!(refusal("<a><b></a>").contains("not valid XML"));
    let deep = format!("<benchmark>{}{}</benchmark>", "<a>".repeat(1_000_000), "</a>".repeat(1_000_000));
    assert!(refusal(&deep).contains("nested more than"));
    let bomb = "<!DOCTYPE b [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><b><entry>&b;</entry></b>";
    assert!(refusal(bomb).contains("not valid XML"));
    let entry = "<entry category=\"Food\"><modifiedtripleset><mtriple>a | b | c</mtriple></modifiedtripleset></entry>";
    let path = folder.path().join("x.xml");
    std::fs::write(&path, format!("<entries>{entry}</entries>")).unwrap();
    let table = recognized(read_table(&path).unwrap(), &config(&path), Task::Causal).unwrap();
    assert_eq!(reasons(&table), [(1, "it has no text".to_owned())]);
}

#[test]
fn wrong_types_in_a_form_are_rows_with_a_reason() {
    for rows in [
        vec![json!({"title": "t", "paragraphs": [{"context": 1, "qas": [{}]}]})],
        vec![json!({"tripleset": "x", "annotations": 3})],
        vec![json!({"tripleset": [["a", "b", "c"]], "annotations": [{"text": {}}]})],
        vec![json!({"modifiedtripleset": [1], "lexicalisations": [{}]})],
        vec![json!({"modifiedtripleset": [], "lexicalisations": []})],
        vec![json!({"passage": {"text": "a", "questions": [{"question": "b", "answers": 1}]}})],
        vec![json!({"passage": {"text": "a", "entities": [{"start": 5, "end": 18446744073709551615_u64}]}, "qas": []})],
        vec![json!({"sentence1": "a", "sentence2": "b", "start1": 0, "end1": 9, "start2": 0, "end2": 1})],
        vec![json!({"sentence1": "a", "sentence2": "b", "start1": -1, "end1": [], "start2": {}, "end2": 1})],
        vec![
            json!({"text": "a b", "target": {"span1_index": 7, "span1_text": "a", "span2_index": 0, "span2_text": "b"}}),
        ],
        vec![json!({"text": "a b", "span1_index": u64::MAX, "span1_text": "a", "span2_index": 0, "span2_text": "b"})],
        vec![json!({"sub_label": "a", "obj_label": {}})],
        vec![json!({"tokens": ["a"], "relations": [], "entities": [{"type": "x", "start": 0, "end": 2}]})],
        vec![json!({"tokens": ["a"], "relations": [], "entities": [{"type": "x", "start": 1, "end": 0}]})],
    ] {
        let table = of(&rows, Task::Causal);
        assert_eq!((table.rows.len(), table.n_problems), (0, 1), "{rows:?}: {:?}", objects(&table));
        assert!(said(&table).starts_with("Read as "), "{}", said(&table));
    }
}

#[test]
fn brackets_become_labels_and_broken_ones_are_named() {
    let labels = |cells: &str| {
        let cells: Vec<String> = cells.split(' ').map(str::to_owned).collect();
        conll_columns::of_brackets(&cells).map(|labels| labels.join(" ")).map_err(|reason| reason.to_string())
    };
    assert_eq!(labels("(A0* * *) (V*) * (A1*)").unwrap(), "B-A0 I-A0 I-A0 B-V O B-A1");
    assert_eq!(labels("(A1* (A0*) *) *").unwrap(), "B-A1 I-A1 I-A1 O");
    assert_eq!(labels("(ORG) *").unwrap(), "B-ORG O");
    for broken in ["*) *", "(A0* *", "(*)"] {
        assert!(labels(broken).is_err(), "{broken}");
    }
}

#[test]
fn a_column_of_another_name_is_no_form() {
    for row in [
        json!({"question": "a", "passage": "b", "answer": "in words", "label": "x"}),
        json!({"context": "a", "question": "b", "answers": ["c"]}),
        json!({"mr": "no brackets", "ref": "a"}),
        json!({"source": "a", "target": "b"}),
        json!({"text": "a", "label": "b"}),
        json!({"instruction": "a", "input": "b", "output": "c"}),
        json!({"fields": [["a"]], "text": "b"}),
    ] {
        let table = of(std::slice::from_ref(&row), Task::Causal);
        assert_eq!((objects(&table)[0].clone(), said(&table)), (row, String::new()));
    }
}

#[test]
fn references_are_each_a_row_or_the_first_alone() {
    use super::super::prompts::Prompts;
    use super::super::tokenizer::byte_tokenizer;

    let rows = [json!({"source": "s", "references": ["a", "b", " "]}), json!({"source": "t", "references": ["c"]})];
    let read = |references, target_template: &str| {
        let mut config = DataConfig { references, ..config("x") };
        if !target_template.is_empty() {
            config.target_template = target_template.to_owned();
        }
        let table = table(&rows);
        let roles = Roles::resolve(&table, None, None).unwrap();
        let prompts = Prompts::new(&config, Task::Causal, &byte_tokenizer()).unwrap();
        let (table, roles) = by_reference(table, roles, &config, &prompts, Task::Causal).unwrap();
        table.rows.iter().map(|row| (row.number, roles.target_text(row))).collect::<Vec<_>>()
    };
    let row = |number: usize, text: &str| (number, text.to_owned());
    assert_eq!(read(References::Each, ""), [row(1, "a"), row(1, "b"), row(2, "c")]);
    assert_eq!(read(References::One, ""), read(References::Each, ""));
    assert_eq!(read(References::First, ""), [row(1, "a"), row(2, "c")]);
    assert_eq!(read(References::Each, "{{ references|join(' ') }}").len(), 2, "a template that reads the list has it");
}
