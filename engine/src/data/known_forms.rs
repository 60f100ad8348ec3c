//! Templates of rows that are known by their columns: facts with a pattern (LAMA), and the multiple choice of SuperGLUE. A
//! configuration that says how its prompts are written keeps its own.

use super::choices::looks_like_choices;
use super::table::Table;
use crate::config::{CandidateSource, DEFAULT_PROMPT_TEMPLATE, DataConfig, Task};
use crate::{Sentence, sentence};

/// Places of subject and object in a pattern. Petroni et al. 2019, "Language Models as Knowledge Bases?".
const PLACES: [&str; 2] = ["[X]", "[Y]"];
/// Names of the columns of subjects and of objects.
const SUBJECTS: [&str; 3] = ["subject", "sub_label", "sub"];
const OBJECTS: [&str; 3] = ["object", "obj_label", "obj"];
/// Ends what is written before the object, as EleutherAI/lm-evaluation-harness has COPA: its full stop gives way to a
/// connective, and the choice begins with a small letter.
const COPA: &str = "{% set text = premise|trim %}{% if text[-1:] == \".\" %}{{ text[:-1] }}{% else %}{{ text }}{% endif %} \
                    {% if question == \"cause\" %}because{% else %}so{% endif %}";
const COPA_CHOICE: &str = " {{ target[:1]|lower }}{{ target[1:] }}";
/// Of an encoder, as THUDM/P-tuning-v2: tasks/superglue/dataset.py.
const COPA_PAIR: &str = "{{ premise }} {% if question == \"cause\" %}because{% else %}so{% endif %}";
/// The query with each entity in its place.
const RECORD: &str = "{{ query|replace(\"@placeholder\", target) }}";

/// The configuration with the templates and columns of a known form.
pub(super) fn settled(config: &DataConfig, table: &Table, task: Task) -> DataConfig {
    let mut config = config.clone();
    if config.prompt_template != DEFAULT_PROMPT_TEMPLATE {
        return config;
    }
    let has = |names: &[&str]| names.iter().all(|name| table.column(name).is_some());
    if task.writes() || task == Task::MaskedFill {
        settle_facts(&mut config, table, task);
    }
    if config.candidate_source() != CandidateSource::Choices || task == Task::MaskedFill {
        return config;
    }
    let is_plain = config.target_template == DataConfig::new("").target_template;
    let mut write = |prompt: &str, target: Option<&str>, source: Option<&str>| {
        prompt.clone_into(&mut config.prompt_template);
        if let Some(target) = target.filter(|_| is_plain) {
            target.clone_into(&mut config.target_template);
        }
        config.source_column = config.source_column.take().or_else(|| source.map(str::to_owned));
    };
    if has(&["premise", "choice1", "choice2", "question"]) {
        match task {
            Task::MultipleChoice => write(COPA_PAIR, None, Some("premise")),
            _ => write(COPA, Some(COPA_CHOICE), Some("premise")),
        }
    } else if has(&["passage", "query", "entities", "answers"]) {
        write("{{ source }}\n", Some(RECORD), Some("passage"));
    } else {
        // HellaSwag's name of it.
        let source = ["ctx"].into_iter().find(|name| table.column(name).is_some());
        write("{{ source }}", None, source);
    }
    config
}

/// Facts with a pattern: the object is told, at the mask or behind the pattern's beginning.
fn settle_facts(config: &mut DataConfig, table: &Table, task: Task) {
    let named = |names: &[&str]| names.iter().find_map(|name| table.column(name));
    let (Some(pattern), Some(subject), Some(object)) = (table.column("template"), named(&SUBJECTS), named(&OBJECTS))
    else {
        return;
    };
    let is_pattern = |text: &str| PLACES.iter().all(|place| text.contains(place));
    if !table.rows.iter().take(20).any(|row| is_pattern(&row.text(pattern))) {
        return;
    }
    let (subject, object) = (&table.columns[subject], &table.columns[object]);
    let filled = format!("template|replace(\"[X]\", {subject})");
    config.prompt_template = match task {
        Task::MaskedFill => format!("{{{{ {filled}|replace(\"[Y]\", mask) }}}}"),
        _ => format!("{{{{ ({filled}|split(\"[Y]\"))|first|trim }}}}"),
    };
    config.source_column.get_or_insert_with(|| subject.clone());
    config.target_column.get_or_insert_with(|| object.clone());
    config.append_end_token = false;
    if config.candidate_source() == CandidateSource::None {
        config.candidates = CandidateSource::Answers;
    }
}

/// What a known form leaves out, or what its columns look like, a sentence each.
pub(super) fn notes(config: &DataConfig, table: &Table, task: Task) -> Vec<Sentence> {
    let mut notes = Vec::new();
    let source = config.candidate_source();
    if source != CandidateSource::Choices
        && let Some(columns) = looks_like_choices(table)
    {
        notes.push(sentence!(
            "Columns that look like the choices of a row: {columns}; task = multiple_choice ranks them",
            columns
        ));
    }
    let (writes, pattern) = (task.writes(), table.column("template"));
    if let Some(pattern) = pattern.filter(|_| writes && source == CandidateSource::Answers) {
        let goes_on = |text: &str| {
            let after = text.split_once(PLACES[1]).map(|(_, after)| after.trim());
            after.is_some_and(|after| after.chars().any(char::is_alphanumeric))
        };
        let n = table.rows.iter().filter(|row| goes_on(&row.text(pattern))).count();
        if n > 0 {
            notes.push(sentence!(
                "{n} {n:pattern goes|patterns go} on behind the object: a model that writes does not see that",
                n
            ));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::super::columns::Roles;
    use super::super::table::ObjectRows;
    use super::super::template::{Fields, Templates};
    use super::super::tokenizer::byte_tokenizer;
    use super::*;

    fn written(row: &Value, task: Task, candidates: CandidateSource, target: &str) -> (String, String) {
        let mut rows = ObjectRows::new(Path::new("x.jsonl"));
        rows.push(1, row.clone()).unwrap();
        let table = rows.table;
        let config = settled(&DataConfig { candidates, ..DataConfig::new("x") }, &table, task);
        let roles = Roles::resolve(&table, config.source_column.as_deref(), config.target_column.as_deref()).unwrap();
        let templates = Templates::new(&config).unwrap();
        templates.check_names(&table.columns).unwrap();
        let fields = Fields::of_row(&table, &roles, &table.rows[0], &byte_tokenizer()).with_target(target);
        (templates.prompt(&fields).unwrap(), templates.target(&fields).unwrap())
    }

    #[test]
    fn the_question_of_copa_becomes_a_connective() {
        let copa = |question: &str| json!({"premise": "It rained. ", "choice1": "A", "choice2": "B", "question": question, "label": 0});
        let written = |question: &str, task| written(&copa(question), task, CandidateSource::Choices, "The sky fell.");
        assert_eq!(written("cause", Task::Causal), ("It rained because".into(), " the sky fell.".into()));
        assert_eq!(written("effect", Task::Seq2Seq), ("It rained so".into(), " the sky fell.".into()));
        assert_eq!(written("effect", Task::MultipleChoice).0, "It rained.  so");
    }

    #[test]
    fn the_query_of_record_takes_each_entity() {
        let row = json!({"passage": "P", "query": "So @placeholder won.", "entities": ["x", "y"], "answers": ["x"]});
        let (prompt, target) = written(&row, Task::Causal, CandidateSource::Choices, "Ann");
        assert_eq!((prompt.as_str(), target.as_str()), ("P\n", "So Ann won."));
    }

    #[test]
    fn a_fact_is_told_at_its_mask_or_behind_its_pattern() {
        let row = json!({"subject": "Ann", "object": "Rome", "template": "[X] was born in [Y] ."});
        let (prompt, target) = written(&row, Task::Causal, CandidateSource::None, "Rome");
        assert_eq!((prompt.as_str(), target.as_str()), ("Ann was born in", " Rome"));
        let (masked, _) = written(&row, Task::MaskedFill, CandidateSource::None, "Rome");
        assert_eq!(masked, "Ann was born in  .", "the mask of a tokenizer without one is empty");
    }
}
