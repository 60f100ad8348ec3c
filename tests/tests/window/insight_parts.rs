//! The explorer's views of what matters, where slots lie, and what is said in words: answers as the engine sends them.

use app::action::{Action, Screen};
use app::charts::Picture;
use app::i18n::Language;
use app::store::Answer;
use app::theme::ThemeChoice;
use egui_kittest::kittest::Queryable as _;
use engine::analysis::{
    AblationReport, Agreement, Analysis, Apart, AtStrength, Candidate, CandidateSource, CheckpointDrift, DriftReport,
    Forgetting, ImportanceReport, InWords, LabelWord, LabelWordsReport, LayerDrift, LayerImportance, LayerMatch,
    LayerSimilarity, LeftOut, MapReport, MapStep, MapToken, MatchedPair, Patched, PatchedWhat, Pruned, Question,
    RandomTexts, Said, SearchStep, Side, SimilarityReport, SlotDrift, SlotImportance, Spread, WordPlace,
};
use engine::protocol::{Ask, Command};

use crate::fixtures::detail;
use crate::insight::{answer, answer_grid, answer_last, asked, attention, exploring, grid, out_of_reach};
use crate::scenes::{click, perform, picture, pictures, runs, save_as};
use crate::world::{Bench, Start, settings};

const SLOTS: usize = 20;

/// An adapter whose third slot matters most, in the second layer.
fn importance() -> Analysis {
    let of = |layer: usize, at: usize| 0.001 * (1 + (layer * 5 + at * 7) % 13) as f64;
    let layer = |layer: usize| LayerImportance {
        name: format!("blocks.{layer}.attn.hook_pattern"),
        slots: (0..SLOTS).map(|slot| if (layer, slot) == (1, 2) { 0.08 } else { of(layer, slot) }).collect(),
        expected: (0..SLOTS).map(|slot| of(layer, slot)).collect(),
        heads: (0..6).map(|head| of(layer, head)).collect(),
    };
    let slot = |slot: usize| SlotImportance {
        importance: if slot == 2 { 0.15 } else { 0.01 + 0.001 * (slot % 7) as f64 },
        expected: 0.005,
        left_out: slot.is_multiple_of(2).then_some(if slot == 2 { 0.15 } else { 0.004 }),
    };
    let agreement = Agreement { slots: 10, pearson: Some(0.42), spearman: Some(0.31), spearman_of_size: Some(0.5) };
    Analysis::Importance(ImportanceReport {
        loss: 1.2,
        slots: (0..SLOTS).map(slot).collect(),
        layers: (0..6).map(layer).collect(),
        order: std::iter::once(2).chain((0..SLOTS).filter(|slot| *slot != 2)).collect(),
        agreement: Some(agreement),
        pruned: [(10, 1.205), (5, 1.3), (1, 1.8), (0, 2.4)].map(|(slots, loss)| Pruned { slots, loss }).to_vec(),
        rows: 32,
        labels: 640,
    })
}

fn ablation(without: f64) -> Analysis {
    Analysis::Ablation(AblationReport {
        left_out: Vec::new(),
        loss: 1.2,
        without,
        base: Some(2.4),
        prompt: "name: Blue Spice".into(),
        text: "Blue Spice serves coffee".into(),
        text_without: "Blue Spice is a place".into(),
        rows: 32,
        labels: 640,
    })
}

/// Cosines of each with each; one where both are the same.
fn cosines(n: usize, seed: usize) -> Vec<Vec<f64>> {
    let cosine = |a: usize, b: usize| if a == b { 1.0 } else { 0.05 * ((a + b + seed) % 9) as f64 };
    (0..n).map(|a| (0..n).map(|b| cosine(a, b)).collect()).collect()
}

fn similarity(with_other: bool) -> Analysis {
    let spread = |mean, sd| Spread { mean, sd };
    let layer = |layer: usize| LayerSimilarity {
        layer,
        name: format!("blocks.{layer}"),
        cosines: cosines(SLOTS, layer),
        pairs: spread(0.2 + 0.05 * layer as f64, 0.1),
        by_chance: spread(0.02, 0.11),
    };
    let matched = |layer: usize| LayerMatch {
        layer,
        name: format!("blocks.{layer}"),
        cosines: cosines(SLOTS, layer + 3),
        pairs: (0..SLOTS).map(|slot| MatchedPair { slot, other: SLOTS - 1 - slot, cosine: 0.4 }).collect(),
        matched: 0.44,
        by_position: 0.21,
        matched_by_chance: spread(0.12, 0.02),
        cka: Some(0.3),
        cka_matched: Some(0.5),
        cka_by_chance: Some(spread(0.1, 0.05)),
    };
    Analysis::Similarity(SimilarityReport {
        side: Side::Key,
        is_prompt: false,
        is_centered: true,
        layers: (0..6).map(layer).collect(),
        across: cosines(6, 1),
        across_by_chance: spread(0.3, 0.2),
        other: if with_other { (0..6).map(matched).collect() } else { Vec::new() },
    })
}

fn map() -> Analysis {
    let places = |scale: f64| {
        let place = |slot: usize| {
            let angle = 0.5 * slot as f64;
            vec![scale * angle.cos() * (1.0 + 0.1 * slot as f64), scale * angle.sin()]
        };
        (0..SLOTS).map(place).collect::<Vec<_>>()
    };
    let token = |at: usize| {
        let angle = 2.4 * at as f64;
        let far = 0.02 * at as f64;
        MapToken { id: at as u32, text: format!("·token{at}"), place: vec![far * angle.cos(), far * angle.sin()] }
    };
    Analysis::Map(Box::new(MapReport {
        layer: 0,
        name: "blocks.0".into(),
        side: Side::Key,
        is_prompt: false,
        explained_of_slots: vec![0.3, 0.151],
        explained_of_tokens: vec![0.1, 0.02],
        explained_by_chance: Spread { mean: 0.2, sd: 0.03 },
        slots: places(4.0),
        start: Some(places(1.0)),
        trajectory: [40, 80].map(|step| MapStep { step, slots: places(1.0 + step as f64 / 40.0) }).to_vec(),
        other: None,
        cloud: (0..120).map(token).collect(),
    }))
}

fn drift() -> Analysis {
    let apart = |distance| Apart { distance, cosine: 0.9 };
    let layer = |layer: usize, side: Side, far: f64| LayerDrift {
        layer,
        name: format!("blocks.{layer}"),
        side: Some(side),
        slots: (0..SLOTS)
            .map(|slot| SlotDrift {
                norm: 12.0,
                start: Some(apart(far * (layer + 1) as f64 + (slot % 2) as f64)),
                before: Some(apart(far)),
                last: apart(3.0 - far),
            })
            .collect(),
    };
    let checkpoint = |step, far: f64| CheckpointDrift {
        step,
        layers: (0..6).flat_map(|at| [layer(at, Side::Key, far), layer(at, Side::Value, 2.0 * far)]).collect(),
    };
    let checkpoints = vec![checkpoint(Some(40), 1.0), checkpoint(Some(80), 2.0), checkpoint(None, 3.0)];
    Analysis::Drift(DriftReport { is_prompt: false, has_start: true, checkpoints, by_chance: 0.051 })
}

fn label_words() -> Analysis {
    let place = WordPlace {
        layer: 4,
        name: "blocks.4".into(),
        side: Some(Side::Value),
        position: 6,
        rank: 2,
        text: "·good".into(),
        z: 5.1,
    };
    let class = |word: &str, after| LabelWord {
        class: word.to_uppercase(),
        word: word.into(),
        tokens: vec![7],
        is_whole: true,
        before: None,
        after,
        slots_before: 0,
        slots_after: 3,
        by_chance: 0.024,
    };
    let classes = vec![class("good", Some(place)), class("bad", None)];
    Analysis::LabelWords(LabelWordsReport { top: 5, cells: 240, vocabulary: 50_257, has_start: true, classes })
}

fn words() -> Analysis {
    let candidate = |text: &str, source, share: f64| Candidate {
        text: text.into(),
        source,
        loss: 2.4 - 1.2 * share,
        share: Some(share),
        kl: 1.0 - share,
    };
    let said = |opening: &str| Said {
        opening: opening.into(),
        with: " describe the place in one sentence".into(),
        without: " the first thing\nto do".into(),
        samples_with: vec![" serve it".into()],
        samples_without: vec![" go home".into()],
    };
    Analysis::Words(Box::new(InWords {
        said: vec![said(""), said("The task is to")],
        patched: vec![Patched { from: Some(2), into: Some(1), text: "describe, describe".into() }],
        patched_what: Some(PatchedWhat::Bias),
        search: vec![SearchStep { text: "describe it".into(), kl: 0.42 }],
        passes: 180,
        search_rows: 4,
        candidates: vec![
            candidate("describe it", CandidateSource::Searched, 0.41),
            candidate(" the first thing", CandidateSource::BaseSaid, 0.02),
        ],
        random: RandomTexts { n: 8, loss: 2.3, loss_sd: 0.05, share: Some(0.08) },
        loss_with: 1.2,
        loss_without: 2.4,
        kl_without: 1.0,
        rows: 28,
        held_out: true,
        tokens: 560,
    }))
}

fn forgetting() -> Analysis {
    let point = |strength: f64| AtStrength {
        strength,
        loss: 3.0 + 0.2 * strength,
        rise: 0.2 * strength,
        rise_se: 0.03,
        kl: 0.15 * strength,
    };
    Analysis::Forgetting(Forgetting {
        points: [0.0, 0.5, 1.0, 1.5].map(point).to_vec(),
        left_out: Vec::new(),
        base_loss: 3.0,
        texts: 52,
        tokens: 4_812,
    })
}

pub(crate) fn last_question(bench: &Bench) -> Question {
    asked(bench).pop().expect("something was asked").1.question
}

/// The view *Importance* of a prefix, answered.
fn weighed(start: Start) -> Bench {
    let mut bench = exploring(start, grid());
    click(&mut bench, app::t!("insight.matters"));
    answer_last(&mut bench, attention());
    click(&mut bench, app::t!("insight.importance"));
    answer_last(&mut bench, importance());
    bench
}

pub(crate) fn tall(height: f32) -> Start {
    Start { size: [1280.0, height], ..Start::default() }
}

pub(crate) fn last_table(bench: &mut Bench) -> String {
    save_as(bench, "Save as CSV…", "/tmp/view.csv");
    let written = bench.world.borrow().written.last().cloned();
    written.expect("a table was written").1
}

pub(crate) fn last_picture(bench: &mut Bench) -> Picture {
    save_as(bench, "Save picture…", "/tmp/view.svg");
    let drawn = bench.world.borrow().drawn.last().cloned();
    drawn.expect("a picture was drawn").1
}

#[test]
fn a_slot_a_head_and_a_layer_that_are_clicked_are_left_out() {
    let mut bench = weighed(tall(2000.0));
    assert!(matches!(last_question(&bench), Question::Importance { .. }));
    bench.harness.get_by_label_contains("a slot that nothing depends on has 0");
    bench.harness.get_by_label_contains("Believe what leaving out says");
    bench.harness.get_by_label_contains("The best 10 slots alone: loss 1.2050");
    bench.harness.get_by_label("Loss with the best slots");
    bench.harness.get_by_label_contains("loss and text without it stand here");
    let before = asked(&bench).len();
    click(&mut bench, "Slot 3: importance 0.1500, expected +0.0050, left out +0.1500");
    let part = |bench: &Bench| match last_question(bench) {
        Question::Ablation { left_out } => left_out,
        other => panic!("{other:?}"),
    };
    assert_eq!(part(&bench), [LeftOut { slots: vec![2], ..LeftOut::default() }]);
    answer_last(&mut bench, ablation(1.35));
    bench.harness.get_by_label("Loss 1.2000 with the adapter, 1.3500 without that part: +0.1500");
    bench.harness.get_by_label_contains("12.5 % of what the adapter gains");
    bench.harness.get_by_label("Blue Spice is a place");
    // The same slot in the map needs no other answer; there it can be left out in one layer, too.
    click(&mut bench, "Layer 2, slot 3, importance 0.0800");
    assert_eq!(asked(&bench).len(), before + 1);
    click(&mut bench, "Slot 3 in layer 2");
    assert_eq!(part(&bench), [LeftOut { slots: vec![2], layers: vec![1], ..LeftOut::default() }]);
    let (earlier, _) = asked(&bench).pop().expect("it is worked on");
    click(&mut bench, "All slots in layer 2");
    let stopped = bench.last(|command| if let Command { job, ask: Ask::Stop } = command { Some(*job) } else { None });
    assert_eq!(stopped, Some(earlier), "nobody waits for it any more");
    assert_eq!(part(&bench), [LeftOut { layers: vec![1], ..LeftOut::default() }]);
    answer_last(&mut bench, ablation(1.8));
    bench.harness.get_by_label_contains("50.0 % of what the adapter gains");
    picture(&mut bench, "explorer_importance");
    click(&mut bench, "Layer 3, head 4, importance 0.0060");
    assert_eq!(part(&bench), [LeftOut { layers: vec![2], heads: vec![3], ..LeftOut::default() }]);
    // What is left out in the end is all that is still worked on.
    let open = bench.harness.query_all_by_label("Stop").count();
    assert_eq!(open, 1);
    bench.harness.check_accessibility();
    let text = last_table(&mut bench);
    assert!(text.starts_with("run,layer,part,number,importance,expected,left_out,loss\n"), "{text}");
    assert!(text.contains("Paper setting,all,slot,3,0.15,0.005,0.15,\n"), "{text}");
    let Picture::Heat(map) = last_picture(&mut bench) else { panic!("a map") };
    assert_eq!((map.columns, map.values.len(), map.values[22]), (20, 120, 0.08));
}

#[test]
fn slots_are_compared_with_each_other_and_with_those_beside() {
    let mut bench = exploring(tall(1500.0), grid());
    click(&mut bench, "Similarity");
    assert_eq!(last_question(&bench), Question::Similarity { side: Side::Key, centered: true });
    assert!(bench.harness.query_by_label("Number of rows").is_none(), "no row is read");
    answer_last(&mut bench, similarity(false));
    click(&mut bench, "Layer 3: two slots +0.30 ± 0.10, two tokens +0.02 ± 0.11");
    click(&mut bench, "Slots 1 and 3: +0.20");
    bench.harness.get_by_label_contains("two tokens of the vocabulary");
    picture(&mut bench, "explorer_similarity");
    assert!(last_table(&mut bench).contains("Paper setting,3,1,3,0.2\n"));
    click(&mut bench, "Layers");
    bench.harness.get_by_label("Layer 1 and Layer 2: +0.10");
    bench.harness.get_by_label_contains("a token and itself in another layer, +0.30 ± 0.20");
    click(&mut bench, "Values");
    assert_eq!(last_question(&bench), Question::Similarity { side: Side::Value, centered: true });
    // A run beside it: both are held against each other.
    click(&mut bench, "Beside");
    bench.harness.get_by_label("First try").click();
    bench.settle();
    let other = runs().remove(3);
    bench.answer(Answer::Detail(Box::new(detail(other.clone(), 400))));
    let [.., first, second] = &asked(&bench)[..] else { panic!("both are asked") };
    assert!(first.1.other.as_ref().is_some_and(|folder| folder.starts_with(other.folder.join("checkpoints"))));
    assert!(second.1.other.as_ref().is_some_and(|folder| folder.starts_with(runs()[2].folder.join("checkpoints"))));
    let jobs = [first.0, second.0];
    jobs.into_iter().for_each(|job| answer(&mut bench, job, similarity(true)));
    click(&mut bench, "With the other");
    let said = "mean cosine +0.44; with random tokens +0.12 ± 0.02; by position +0.21";
    assert_eq!(bench.harness.query_all_by_label_contains(said).count(), 2);
    picture(&mut bench, "explorer_similarity_beside");
    bench.harness.check_accessibility();
}

#[test]
fn slots_are_on_a_map_of_tokens_and_have_moved() {
    let mut bench = exploring(tall(1100.0), grid());
    click(&mut bench, "Map");
    let (_, request) = asked(&bench).pop().expect("asked");
    assert!(matches!(request.question, Question::Map { layer: 0, side: Side::Key, .. }));
    assert!(!request.checkpoints.is_empty(), "the way is of its checkpoints");
    answer_last(&mut bench, map());
    bench.harness.get_by_label("Layer 1, now");
    bench.harness.get_by_label_contains("45.1 % of the slots’ squared distance and 12.0 % of that of 120 tokens");
    bench.harness.get_by_label("Map of slots and tokens");
    picture(&mut bench, "explorer_map");
    let slider = bench.harness.get_by_label("Checkpoint on the map");
    slider.focus();
    bench.settle();
    bench.harness.key_press(egui::Key::ArrowLeft);
    bench.settle();
    bench.harness.get_by_label("Layer 1, step 80");
    let Picture::Chart(chart) = last_picture(&mut bench) else { panic!("a chart") };
    assert_eq!(chart.series.last().map(|slots| slots.points[0]), Some([3.0, 0.0]));
    assert!(last_table(&mut bench).contains("Paper setting,slot,40,1,2,0\n"));
    // Another layer is another question, and its choice stays while it is worked on.
    click(&mut bench, "Layer");
    bench.harness.get_by_label("Layer 4").click();
    bench.settle();
    assert!(matches!(last_question(&bench), Question::Map { layer: 3, .. }));
    assert!(bench.harness.query_all_by_label("Layer").next().is_some());
    click(&mut bench, "Drift");
    assert_eq!(last_question(&bench), Question::Drift);
    answer_last(&mut bench, drift());
    click(&mut bench, "Layer 3, Step 80, 6.5");
    bench.harness.get_by_label_contains("have cosine 0 ± 0.051");
    bench.harness.get_by_label("From the start: distance 6.5, cosine +0.900");
    bench.harness.get_by_label("Slot 2, distance 7");
    picture(&mut bench, "explorer_drift");
    click(&mut bench, "Values");
    bench.harness.get_by_label("Layer 3, now, 18.5");
    assert!(last_table(&mut bench).contains("Paper setting,80,3,value,2,12,13,0.9,4,0.9,-1,0.9\n"));
    bench.harness.check_accessibility();
}

#[test]
fn words_of_classes_are_looked_for_where_a_run_has_classes() {
    let bench = exploring(Start::default(), grid());
    assert!(bench.harness.query_by_label("Label words").is_none(), "its answers are no classes");
    let shown = Action::Open(runs()[2].id.clone(), Screen::Explorer);
    let mut bench = perform(Bench::with_runs(tall(1000.0), runs()), shown);
    let mut of_classes = detail(runs().remove(2), 400);
    let config = of_classes.config.as_mut().expect("it has settings");
    config.data.verbalizer = [("GOOD", "good"), ("BAD", "bad")].map(|(a, b)| (a.into(), b.into())).into();
    bench.answer(Answer::Detail(Box::new(of_classes)));
    answer_grid(&mut bench, grid());
    click(&mut bench, "Label words");
    let (_, request) = asked(&bench).pop().expect("asked");
    assert_eq!((request.question, request.data.verbalizer.len()), (Question::LabelWords, 2));
    answer_last(&mut bench, label_words());
    bench.harness.get_by_label("1 of 2 words are among the first 5 tokens of some slot");
    bench.harness.get_by_label_contains("·good is number 2 of slot 7 (Layer 5, Values), z 5.1; near to 3 slots");
    bench.harness.get_by_label("After training: near to no slot");
    assert_eq!(bench.harness.query_all_by_label_contains("By chance: 2.4 %").count(), 2);
    picture(&mut bench, "explorer_label_words");
    assert!(last_table(&mut bench).contains("Paper setting,GOOD,good,true,,,0,2,"));
    let Picture::Chart(chart) = last_picture(&mut bench) else { panic!("a chart") };
    assert_eq!(chart.y.names, ["good", "bad"]);
}

#[test]
fn texts_stand_beside_those_of_the_base_and_random_ones_and_its_cost_elsewhere_beside_the_base() {
    let mut bench = exploring(tall(1500.0), grid());
    click(&mut bench, "In words");
    assert!(asked(&bench).is_empty(), "a long search is not begun by opening a tab");
    click(&mut bench, "Put it into words");
    assert!(matches!(last_question(&bench), Question::Words { .. }));
    answer_last(&mut bench, words());
    bench.harness.get_by_label("describe it: 41 % of the gain, loss 1.9080, searched");
    bench
        .harness
        .get_by_label_contains("8 random texts of as many tokens have loss 2.3000 ± 0.0500 and 8 % of the gain");
    bench.harness.get_by_label("Nothing is asked");
    assert_eq!(bench.harness.query_all_by_label("the first thing ↵ to do").count(), 2);
    bench.harness.get_by_label("Layer 3 → Layer 2");
    picture(&mut bench, "explorer_words");
    assert!(last_table(&mut bench).contains("Paper setting,prompt,searched,describe it,"));
    click(&mut bench, "What it costs elsewhere");
    bench.harness.get_by_label_contains("The prose that comes with the program is not there");
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    window.state.env.neutral_text = Some("/assets/datasets/neutral/text.txt".into());
    bench.settle();
    let (_, request) = asked(&bench).pop().expect("asked");
    assert_eq!(request.question, Question::Forgetting { strengths: Vec::new() });
    assert!(request.data.train.ends_with("neutral/text.txt") && request.rows >= 52);
    answer_last(&mut bench, forgetting());
    bench.harness.get_by_label_contains("Strength 1: loss 3.2000, +0.2000 ± 0.0300 beside the base model, KL 0.1500");
    bench.harness.get_by_label_contains("it costs something elsewhere");
    bench.harness.get_by_label_contains("52 texts, 4,812 tokens; the base model’s loss is 3.0000");
    picture(&mut bench, "explorer_forgetting");
    let Picture::Chart(chart) = last_picture(&mut bench) else { panic!("a chart") };
    assert_eq!(chart.series[1].points[2], [1.0, 3.0], "the base model's line");
    assert!(last_table(&mut bench).contains("Paper setting,1,3.2,0.2,0.03,0.15,3\n"));
    bench.harness.check_accessibility();
}

#[test]
fn in_chinese_on_a_narrow_screen_and_in_large_type_each_view_is_within_reach() {
    let chinese = app::settings::Settings { language: Language::Chinese, theme: ThemeChoice::Light, ..settings() };
    let large = app::settings::Settings { zoom: 1.5, ..settings() };
    let start = |settings, size| Start { settings, size, ..Start::default() };
    let windows = [
        (start(chinese, [900.0, 2200.0]), "chinese_explorer_importance"),
        (start(large, [1280.0, 2800.0]), "explorer_importance_large"),
    ];
    pictures(windows.map(|(start, name)| {
        let mut bench = weighed(start);
        assert_eq!(out_of_reach(&bench), Vec::<String>::new());
        click(&mut bench, app::t!("insight.lies"));
        let views = [
            (app::t!("insight.similarity"), similarity(false)),
            (app::t!("insight.map"), map()),
            (app::t!("insight.drift"), drift()),
        ];
        for (view, report) in views {
            click(&mut bench, view);
            answer_last(&mut bench, report);
            assert_eq!(out_of_reach(&bench), Vec::<String>::new(), "{view}");
            bench.harness.check_accessibility();
        }
        click(&mut bench, app::t!("insight.words"));
        click(&mut bench, app::t!("insight.put_into_words"));
        answer_last(&mut bench, words());
        assert_eq!(out_of_reach(&bench), Vec::<String>::new());
        click(&mut bench, app::t!("insight.matters"));
        (bench, name)
    }));
}
