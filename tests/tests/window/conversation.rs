//! *Compare*: a prompt of turns, and strengths of single layers.

use app::screens::compare::state::ColumnSetup;
use egui::Key;
use egui_kittest::kittest::Queryable as _;
use engine::data::{DataPreview, Message};
use engine::models::ModelSummary;
use engine::protocol::{Ask, Command, GenerateRequest, Prompt, Report};

use crate::compare::{answer, comparing, comparing_on};
use crate::fixtures::{model_summary, preview_rows};
use crate::scenes::{click, pictures, type_into};
use crate::world::{Bench, Start, settings};

fn asked(bench: &Bench) -> GenerateRequest {
    let sent = bench.last(|command| match command {
        Command { ask: Ask::Generate(request), .. } => Some(request.as_ref().clone()),
        _ => None,
    });
    sent.expect("it was asked")
}

/// Rows of a model that has a chat template, and what is known of the model.
fn of_chat_model(start: Start) -> Bench {
    let mut bench = comparing_on(start, DataPreview { has_chat_template: true, ..preview_rows() });
    answer(&mut bench, true);
    let model = bench.last(|command| match command {
        Command { job, ask: Ask::DescribeModel { folder } } => Some((*job, folder.clone())),
        _ => None,
    });
    let (job, folder) = model.expect("the model was asked for");
    bench.event(job, Report::Model(Box::new(ModelSummary { folder, ..model_summary() })));
    bench
}

#[test]
fn turns_are_the_prompt_of_every_column_and_an_answer_becomes_the_next() {
    let mut bench = of_chat_model(Start::default());
    click(&mut bench, "Conversation");
    bench.harness.check_accessibility();
    type_into(&mut bench, "Turn 1", "Who was Ada?");
    click(&mut bench, "Generate");
    let streams = asked(&bench).streams;
    let turns = vec![Message::user("Who was Ada?")];
    assert_eq!(streams.len(), 2);
    assert!(streams.iter().all(|stream| stream.prompt == Prompt::Chat { turns: turns.clone() }));
    answer(&mut bench, true);
    click(&mut bench, "Take over what First says as the next turn");
    let columns = || bench.harness.query_all_by_label("For another prompt").count();
    assert_eq!(columns(), 2, "what they said was said to other turns");
    type_into(&mut bench, "Turn 3", "And Babbage?");
    click(&mut bench, "Generate");
    let Prompt::Chat { turns } = asked(&bench).streams[0].prompt.clone() else { panic!("turns") };
    let said = [Message::user("Who was Ada?"), Message::assistant("said 1"), Message::user("And Babbage?")];
    assert_eq!(turns, said);
    click(&mut bench, "Remove turn 2");
    click(&mut bench, "Remove turn 2");
    assert!(bench.harness.query_by_label("Turn 2").is_none());
}

#[test]
fn a_model_without_a_chat_template_says_so() {
    let mut bench = comparing(Start::default());
    answer(&mut bench, true);
    click(&mut bench, "Conversation");
    bench.harness.get_by_label_contains("This model has no chat template");
}

#[test]
fn each_layer_has_a_strength_of_its_own_by_pointer_keys_and_number() {
    let mut bench = of_chat_model(Start::default());
    click(&mut bench, "Each layer its own strength in First");
    bench.harness.check_accessibility();
    let strengths = |bench: &Bench| asked(bench).streams[1].layer_strengths.clone();
    bench.harness.get_by_label_contains("Strengths of the layers of First: 1.00 1.00").focus();
    bench.settle();
    for key in [Key::ArrowRight, Key::ArrowRight, Key::ArrowDown, Key::ArrowDown] {
        bench.harness.key_press(key);
        bench.settle();
    }
    bench.harness.get_by_label_contains("Strengths of the layers of First: 1.00 1.00 0.90 1.00");
    click(&mut bench, "Generate");
    assert_eq!(strengths(&bench), [1.0, 1.0, 0.9, 1.0, 1.0, 1.0]);
    answer(&mut bench, true);
    bench.harness.get_by_label("strength by layer");
    // A column beside it begins anew with one strength.
    click(&mut bench, "More for First");
    click(&mut bench, "Beside it at another strength");
    click(&mut bench, "Generate");
    let streams = asked(&bench).streams;
    assert_eq!((streams[2].strength, streams[2].layer_strengths.len()), (1.0, 0));
    // What is kept is read again, also what earlier versions kept.
    let setup: ColumnSetup = serde_json::from_str(r#"{"run": "a", "strength": 0.5}"#).expect("a column");
    assert!(setup.strength == 0.5 && setup.layer_strengths.is_empty());
}

#[test]
fn turns_and_strengths_of_layers_look_like_this() {
    let scene = |start: Start, words: [&str; 4]| {
        let mut bench = of_chat_model(start);
        let [conversation, by_layer, turn, generate] = words;
        click(&mut bench, by_layer);
        click(&mut bench, conversation);
        type_into(&mut bench, turn, "Who was Ada?");
        click(&mut bench, generate);
        answer(&mut bench, true);
        bench
    };
    let english = ["Conversation", "Each layer its own strength in First", "Turn 1", "Generate"];
    let chinese = ["对话", "First 的强度逐层设置", "第 1 轮", "生成"];
    let light = app::settings::Settings { theme: app::theme::ThemeChoice::Light, ..settings() };
    let in_chinese = app::settings::Settings { language: app::i18n::Language::Chinese, ..settings() };
    pictures([
        (scene(Start { settings: light, size: [900.0, 800.0], ..Start::default() }, english), "compare_turns_light"),
        (scene(Start { settings: in_chinese, ..Start::default() }, chinese), "compare_turns_chinese"),
    ]);
}
