//! Files of rows as people have them: conversations, spreadsheets, what other programs save. What is read is the right
//! thing, and what is not is named with the way out.

use std::path::{Path, PathBuf};

use engine::config::{DataConfig, LearnedTurns, References, Task, TaskRecord, Truncate};
use engine::data::DataPreview;
use engine::data::{Dataset, Tokenizer, preview};
use engine::error::Result;
use engine::tokens::TargetStart;
use serde_json::{Value, json};

/// The tiny model's tokenizer, with a chat template that writes a turn as `role: text`.
fn tokenizer(folder: &Path, chat: bool) -> Tokenizer {
    let model = tests::tiny_model();
    for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"] {
        if model.join(name).is_file() {
            std::fs::copy(model.join(name), folder.join(name)).unwrap();
        }
    }
    if chat {
        let template = "{% for turn in messages %}<{{ turn.role }}: {{ turn.content }}>{% endfor %}\
                        {% if add_generation_prompt %}<assistant: {% endif %}";
        std::fs::write(folder.join("chat_template.jinja"), template).unwrap();
    }
    Tokenizer::from_folder(folder).unwrap()
}

/// A folder for files of rows, and the tokenizer of a model that knows conversations, or of one that does not.
struct Bench {
    folder: tempfile::TempDir,
    tokenizer: Tokenizer,
}

impl Bench {
    fn new(chat: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = tokenizer(folder.path(), chat);
        Self { folder, tokenizer }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> DataConfig {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        DataConfig { validation_share: 0.0, ..DataConfig::new(path) }
    }

    fn rows(&self, rows: &[Value]) -> DataConfig {
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        self.file("rows.jsonl", lines.join("\n"))
    }

    fn task(&self, config: &DataConfig, task: Task, max_tokens: usize) -> Result<DataPreview> {
        let record = TaskRecord::of(task);
        preview(config, &record, TargetStart::default(), &self.tokenizer, 100, max_tokens, 1)
    }

    fn preview(&self, config: &DataConfig) -> Result<DataPreview> {
        self.task(config, Task::Causal, 1000)
    }

    /// Prompt and target of every row.
    fn texts(&self, config: &DataConfig) -> Vec<(String, String)> {
        let preview = self.preview(config).unwrap();
        preview.rows.into_iter().map(|row| (row.prompt, row.target)).collect()
    }

    fn refusal(&self, config: &DataConfig) -> String {
        let error = self.preview(config).unwrap_err();
        format!("{error}. {}", error.advice())
    }
}

fn pair(prompt: &str, target: &str) -> (String, String) {
    (prompt.to_owned(), target.to_owned())
}

fn has(preview: &DataPreview, word: &str) -> bool {
    preview.notices.iter().any(|notice| notice.to_string().contains(word))
}

fn messages() -> Value {
    json!({"messages": [
        {"role": "system", "content": "be"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"},
    ]})
}

fn history(history: Value) -> Value {
    json!({"prompt": "c", "response": "d", "history": history})
}

fn skipped(preview: &DataPreview) -> Vec<(usize, String)> {
    preview.skipped.iter().map(|(row, reason)| (*row, reason.to_string())).collect()
}

#[test]
fn each_answer_of_a_conversation_is_learned_behind_what_was_said_before_it() {
    let bench = Bench::new(true);
    let openai = bench.rows(&[messages()]);
    assert_eq!(
        bench.texts(&openai),
        [
            pair("<system: be><user: a><assistant: ", "b"),
            pair("<system: be><user: a><assistant: b><user: c><assistant: ", "d"),
        ]
    );
    let sharegpt = bench.file(
        "rows.json",
        r#"[{"id": "0", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}]"#,
    );
    assert_eq!(bench.texts(&sharegpt), [pair("<user: a><assistant: ", "b")]);
    let preview = bench.preview(&sharegpt).unwrap();
    assert!(preview.chat && has(&preview, "conversations") && has(&preview, "not read: id"), "{:?}", preview.notices);
    let said = DataConfig { chat: true, ..openai.clone() };
    assert_eq!(bench.texts(&said), bench.texts(&openai), "saying so changes nothing");
    // What a run keeps is what it was: written as a chat, a plain row is one turn.
    let plain = DataConfig { chat: true, ..bench.rows(&[json!({"source": "a", "target": "b"})]) };
    assert_eq!(bench.texts(&plain), [pair("<user: a><assistant: ", "b")]);
}

#[test]
fn a_history_beside_the_prompt_is_said_before_it() {
    let bench = Bench::new(true);
    let config = bench.rows(&[history(json!([])), history(json!([["a", "b"]]))]);
    let texts = [pair("<user: c><assistant: ", "d"), pair("<user: a><assistant: b><user: c><assistant: ", "d")];
    assert_eq!(bench.texts(&config), texts);
    let empty = bench.preview(&bench.rows(&[history(json!([]))])).unwrap();
    assert!(!empty.chat, "rows without a history are no conversation");
}

#[test]
fn without_a_chat_template_a_conversation_needs_a_template_that_reads_it() {
    let bench = Bench::new(false);
    for config in [bench.rows(&[history(json!([["a", "b"]]))]), bench.file("m.jsonl", messages().to_string())] {
        let said = bench.refusal(&config);
        assert!(said.contains("data.prompt_template") && said.contains("no chat template"), "{said}");
        // The template in the sentence works.
        let template = said.split("A template that reads it is: ").nth(1).unwrap();
        let template = template.rsplit_once(". ").unwrap().0.to_owned();
        let texts = bench.texts(&DataConfig { prompt_template: template, ..config });
        let (prompt, target) = texts.last().unwrap();
        assert!(prompt.contains('a') && prompt.contains('b') && prompt.contains('c') && target == " d", "{texts:?}");
    }
    let one = json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]});
    assert_eq!(bench.texts(&bench.rows(&[one])).len(), 1, "a question and its answer are a prompt and its target");
    let with_chat = Bench::new(true);
    let own = DataConfig { prompt_template: "Q: {{ source }}".to_owned(), ..with_chat.rows(&[messages()]) };
    assert!(with_chat.refusal(&own).contains("data.chat = true"));
}

#[test]
fn a_column_of_objects_or_lists_is_no_text() {
    let bench = Bench::new(true);
    let squad = json!({"question": "a", "answers": {"text": ["b"], "answer_start": [1]}});
    let said = bench.refusal(&bench.rows(std::slice::from_ref(&squad)));
    assert!(said.contains("data.target_column") && said.contains("objects"), "{said}");
    let read = DataConfig { target_template: "{{ answers.text[0] }}".to_owned(), ..bench.rows(&[squad]) };
    assert_eq!(bench.texts(&read)[0].1, "b");
    let lines = json!({"dialogue": ["a", "b"], "summary": "c"});
    assert!(bench.refusal(&bench.rows(std::slice::from_ref(&lines))).contains("|join("));
    let read = DataConfig { prompt_template: "{{ dialogue|join(' ') }}".to_owned(), ..bench.rows(&[lines]) };
    assert_eq!(bench.texts(&read), [pair("a b", " c")]);
    let mixed = bench.rows(&[json!({"source": "a", "target": "b"}), json!({"source": {"x": 1}, "target": "b"})]);
    let preview = bench.preview(&mixed).unwrap();
    assert_eq!(skipped(&preview), [(2, "its \"source\" holds objects, no text".to_owned())]);
    let references = bench.rows(&[json!({"source": "a", "references": ["b", "c"]})]);
    assert_eq!(bench.texts(&references)[0].1, " b", "of several references the first is learned");
}

#[test]
fn a_file_that_labels_words_asks_for_an_encoder() {
    let bench = Bench::new(true);
    let said = bench.refusal(&bench.file("rows.conll", "a O\nb B-x\n\nc O\n"));
    assert!(said.contains("labels words") && said.contains("BERT"), "{said}");
}

#[test]
fn columns_that_nothing_reads_are_named() {
    let bench = Bench::new(true);
    let copa = json!({"premise": "a", "choice1": "b", "choice2": "c", "question": "cause", "label": 0, "idx": null});
    let preview = bench.task(
        &bench.rows(&[copa.clone(), json!({"premise": "a", "question": "x", "label": 1})]),
        Task::SequenceClassification,
        100,
    );
    assert!(has(&preview.unwrap(), "not read: premise, choice1, choice2 (learned is label from question)"));
    let template = "{{ premise }} {{ choice1 }} {{ row['choice2'] }}".to_owned();
    let all = DataConfig { prompt_template: template, ..bench.rows(std::slice::from_ref(&copa)) };
    assert!(!has(&bench.preview(&all).unwrap(), "not read"));
    let system = json!({"system": "s", "prompt": "a", "response": "b"});
    assert!(has(&bench.preview(&bench.rows(std::slice::from_ref(&system))).unwrap(), "not read: system"));
    let chat = DataConfig { chat: true, ..bench.rows(&[system]) };
    assert!(!has(&bench.preview(&chat).unwrap(), "not read"));
    assert_eq!(bench.texts(&chat)[0].0, "<system: s><user: a><assistant: ");
}

#[test]
fn rows_that_lost_the_beginning_of_their_prompt_are_counted() {
    let bench = Bench::new(false);
    let row = |source: &str, target: &str| json!({"source": source, "target": target});
    let rows = bench.rows(&[row("a b c d e f", "a"), row("a", "a b c d e f"), row("a", "b")]);
    let config = DataConfig { truncate: Truncate::PromptStart, ..rows };
    let preview = bench.task(&config, Task::Causal, 5).unwrap();
    assert_eq!(preview.truncated_rows, 2);
    let first = &preview.rows[0];
    assert!(first.truncated && first.tokens.len() == 5, "{first:?}");
    assert!(
        has(&preview, "2 lost the beginning of their prompt, and 1 keeps one token of it"),
        "{:?}",
        preview.notices
    );
    let data = Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &bench.tokenizer, 5, 1);
    assert!(data.unwrap().report.notices()[0].to_string().contains("2 rows were cut to 5 tokens"));
}

#[test]
fn rows_are_counted_as_people_count_them_and_the_line_is_named_beside() {
    let bench = Bench::new(false);
    let csv = bench.file("rows.csv", "source,target\n\n\"a\nb\",c\nd\ne,f\n");
    let preview = bench.preview(&csv).unwrap();
    assert_eq!(preview.rows.iter().map(|row| row.row).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(skipped(&preview), [(2, "it has 1 fields, the header has 2 (line 5)".to_owned())]);
}

#[test]
fn a_row_without_a_target_says_what_it_lacks() {
    let bench = Bench::new(false);
    let rows = [
        json!({"source": "a", "target": "b"}),
        json!({"source": "a"}),
        json!({"source": "a", "target": null}),
        json!({"source": "a", "target": " "}),
    ];
    let preview = bench.preview(&bench.rows(&rows)).unwrap();
    let reasons: Vec<String> = preview.skipped.iter().map(|(_, reason)| reason.to_string()).collect();
    assert_eq!(reasons, ["it has no \"target\"", "its \"target\" is null", "the target is empty"]);
}

#[test]
fn tokens_that_the_vocabulary_does_not_have_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let words = json!({
        "version": "1.0", "added_tokens": [{"id": 1, "content": "</s>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}],
        "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<unk>": 0, "</s>": 1, "a": 2, "b": 3}},
    });
    std::fs::write(folder.path().join("tokenizer.json"), words.to_string()).unwrap();
    let names = r#"{"eos_token": "</s>", "unk_token": "<unk>"}"#;
    std::fs::write(folder.path().join("tokenizer_config.json"), names).unwrap();
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let bench = Bench { folder, tokenizer };
    let row = |source: &str, target: &str| json!({"source": source, "target": target});
    let config = bench.rows(&[row("a", "b"), row("山 高 a", "b 月")]);
    assert!(
        has(&bench.preview(&config).unwrap(), "3 tokens in 1 row stand"),
        "{:?}",
        bench.preview(&config).unwrap().notices
    );
    // GPT-2's token of the unknown is its end token, and says nothing.
    let bench = Bench::new(false);
    assert!(!has(&bench.preview(&bench.rows(&[row("a", "b")])).unwrap(), "does not know"));
}

#[test]
fn what_other_programs_save_is_named_with_the_way_to_rows() {
    let bench = Bench::new(false);
    let of = |path: PathBuf| bench.refusal(&DataConfig::new(path));
    assert!(of(tests::datasets().join("delta.parquet")).contains("DELTA_BYTE_ARRAY"));
    assert!(of(tests::tiny_model()).contains("the folder of a model"));
    let missing = of(bench.folder.path().join("none.jsonl"));
    assert!(
        missing.contains("no such file") && !missing.contains("os error") && !missing.contains("disk"),
        "{missing}"
    );
    for (name, bytes) in [("a.parquet", &b"PAR1"[..]), ("a.jsonl", b"\x1F\x8B\x08")] {
        assert!(bench.refusal(&bench.file(name, bytes)).contains("ends in the middle"));
    }
}

#[test]
fn what_the_datasets_library_saves_is_read_with_the_names_of_its_classes() {
    let bench = Bench::new(false);
    let rows = |name: &str| {
        let config = DataConfig { validation_share: 0.0, ..DataConfig::new(tests::datasets().join(name)) };
        bench.preview(&config).unwrap()
    };
    let split = rows("split");
    assert_eq!(split.rows[1].target, " answer 1 é");
    for name in ["lines.jsonl.gz", "lines.jsonl.zst", "lines.jsonl.xz", "shards", "shards/data/train-*.parquet"] {
        assert_eq!(
            rows(name).rows.iter().map(|row| row.target.clone()).collect::<Vec<_>>()[3],
            " answer 3 é",
            "{name}"
        );
    }
    let dict = rows("dict");
    assert_eq!(dict.rows[1].target, " positive", "a class is its name, not its number");
    assert!(has(&dict, "dict/test") && has(&dict, "picture"), "{:?}", dict.notices);
    // The order of a shuffled dataset is 4, 0, 5, 5, 2 of its six rows.
    let shuffled: Vec<String> = rows("shuffled").rows.iter().map(|row| row.target.clone()).collect();
    assert_eq!(shuffled, [4, 0, 5, 5, 2].map(|i| format!(" answer {i} é")));
    let of = |name: &str| bench.refusal(&DataConfig::new(tests::datasets().join(name)));
    assert!(of("none-*.parquet").contains("none-*.parquet is a pattern that no file has"));
}

#[test]
fn a_file_in_gb18030_is_read_and_said() {
    let bench = Bench::new(false);
    // "source,target\n山高,月小\n"
    let config = bench.file("rows.csv", b"source,target\n\xC9\xBD\xB8\xDF,\xD4\xC2\xD0\xA1\n");
    let preview = bench.preview(&config).unwrap();
    assert_eq!(preview.rows[0].target, " 月小");
    assert!(has(&preview, "GB18030"), "{:?}", preview.notices);
}

#[test]
fn plain_text_is_a_text_a_line() {
    let bench = Bench::new(false);
    let plain = bench.preview(&bench.file("a.txt", "a b\n\nc d\n")).unwrap();
    assert_eq!(plain.rows.iter().map(|row| row.target.as_str()).collect::<Vec<_>>(), [" a b", " c d"]);
    assert!(has(&plain, "2 lines"), "{:?}", plain.notices);
    assert_eq!(bench.texts(&bench.file("b.txt", "n : X || a b . \n"))[0].1, " a b .");
}

#[test]
fn a_template_over_turns_writes_a_conversation_and_the_last_answer_may_be_learned_alone() {
    let bench = Bench::new(false);
    let prompt_template = "{% for turn in turns %}{{ turn.role }}: {{ turn.content }}|{% endfor %}".to_owned();
    let all = DataConfig { prompt_template, ..bench.rows(&[messages()]) };
    let (first, last) = (pair("system: be|user: a|", " b"), pair("system: be|user: a|assistant: b|user: c|", " d"));
    assert_eq!(bench.texts(&all), [first, last.clone()]);
    let learned = DataConfig { learned_turns: LearnedTurns::Last, ..all.clone() };
    assert_eq!(bench.texts(&learned), [last]);
    let plain =
        DataConfig { prompt_template: all.prompt_template, ..bench.rows(&[json!({"source": "a", "target": "b"})]) };
    assert_eq!(bench.texts(&plain), [pair("user: a|", " b")]);
    let with_chat = Bench::new(true);
    let both = DataConfig { chat: true, prompt_template: plain.prompt_template, ..with_chat.rows(&[messages()]) };
    assert!(with_chat.refusal(&both).contains("leave one of them out"));
}

#[test]
fn the_references_of_a_source_are_rows_and_stay_on_one_side_of_the_split() {
    let bench = Bench::new(false);
    let mut text = "mr,ref\n".to_owned();
    for index in 0..20 {
        text += &format!("\"name[a], food[b{index}]\",c d {index}\n\"name[a], food[b{index}]\",e f {index}\n");
    }
    let load = |config: DataConfig| {
        Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &bench.tokenizer, 1000, 1).unwrap()
    };
    let config = DataConfig { validation_share: 0.25, ..bench.file("x.csv", &text) };
    let data = load(config.clone());
    assert_eq!((data.train.len(), data.validation.len()), (30, 5));
    let (train, validation) = (data.train.read(0..data.train.len()).unwrap(), data.validation);
    assert!(validation.iter().all(|row| row.references.len() == 2 && row.references[0] == row.reference));
    assert!(train.iter().all(|row| validation.iter().all(|kept| kept.prompt != row.prompt)));
    assert!(train[0].prompt.starts_with("name : a | food : b"), "{}", train[0].prompt);
    let first = load(DataConfig { references: References::First, ..config });
    assert_eq!((first.train.len(), first.validation.len()), (15, 5));
}
