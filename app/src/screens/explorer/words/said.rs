//! What an adapter says when nothing is asked, beside the base model, and what texts in its place are worth.

use egui::Ui;
use engine::analysis::{Candidate, CandidateSource, InWords, Patched, PatchedWhat, Question, Said};

use super::super::lines::{Line, line_ui, sentence_ui, text_ui, title_ui};
use super::super::looking::note_ui;
use crate::charts::{Axis, Chart, Mark, Picture, Series};
use crate::format;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::{self, tokens};

/// Texts shown as prompts, the best first.
const SHOWN: usize = 12;
/// Pairs of layers shown.
const SHOWN_PAIRS: usize = 8;

/// Few passes: whoever wants more asks for them in the terminal.
pub(in crate::screens::explorer) fn question() -> Question {
    Question::Words { samples: 2, passes: 200, longest: 8 }
}

/// Draws what is said, then what is said in another prompt, then texts as prompts.
pub(in crate::screens::explorer) fn said_ui(ui: &mut Ui, who: &str, report: &InWords) {
    as_prompts_ui(ui, who, report);
    title_ui(ui, t!("insight.said_alone"));
    note_ui(ui, t!("insight.said_alone_note"));
    report.said.iter().for_each(|said| opening_ui(ui, said));
    if let Some(what) = report.patched_what.filter(|_| !report.patched.is_empty()) {
        title_ui(ui, t!("insight.patched"));
        note_ui(
            ui,
            match what {
                PatchedWhat::HiddenStates => t!("insight.patched_states"),
                PatchedWhat::Bias => t!("insight.patched_bias"),
            },
        );
        for patched in report.patched.iter().take(SHOWN_PAIRS) {
            text_ui(ui, &pair(patched), &patched.text);
        }
        if report.patched.len() > SHOWN_PAIRS {
            note_ui(ui, &t!("insight.first_of", n = SHOWN_PAIRS, of = report.patched.len()));
        }
    }
}

fn pair(patched: &Patched) -> String {
    let layer = |at: Option<usize>| {
        at.map_or_else(|| t!("insight.embeddings").to_owned(), |layer| t!("insight.layer", layer = layer + 1))
    };
    format!("{} → {}", layer(patched.from), layer(patched.into))
}

fn opening_ui(ui: &mut Ui, said: &Said) {
    ui.add_space(theme::SMALL_GAP);
    sentence_ui(ui, if said.opening.is_empty() { t!("insight.nothing_asked") } else { &said.opening });
    text_ui(ui, t!("insight.with"), &said.with);
    said.samples_with.iter().for_each(|sample| text_ui(ui, t!("insight.sampled"), sample));
    text_ui(ui, t!("insight.without"), &said.without);
    said.samples_without.iter().for_each(|sample| text_ui(ui, t!("insight.sampled"), sample));
}

/// Texts in the adapter's place, each with the share of its gain, beside random ones.
fn as_prompts_ui(ui: &mut Ui, who: &str, report: &InWords) {
    let loss = [report.loss_with, report.loss_without].map(format::figure);
    let [with, without] = loss;
    let kl = format!("{:.3}", report.kl_without);
    title_ui(ui, t!("insight.as_prompts"));
    sentence_ui(ui, &t!("insight.as_prompts_loss", with = with, without = without, kl = kl));
    if let Some(best) = report.search.last() {
        let (kl, rows) = (format!("{:.3}", best.kl), report.search_rows);
        sentence_ui(ui, &t!("insight.searched", text = best.text.trim(), passes = report.passes, kl = kl, rows = rows));
    }
    let t = tokens(ui);
    let limit = report.random.share.unwrap_or(0.0).max(0.0);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for found in report.candidates.iter().take(SHOWN) {
            let (share, loss) = (percent(found.share), format::figure(found.loss));
            let text = found.text.trim().replace('\n', " ↵ ");
            let source = source(found.source);
            let label = t!("insight.text_share", text = text, share = share, loss = loss, source = source);
            let line = Line {
                name: &text,
                wide: ui.available_width() * 0.5,
                share: found.share.unwrap_or(0.0) as f32,
                numbers: &format!("{share}  {source}"),
                room: 170.0,
                color: if found.share.is_some_and(|share| share > limit) { t.accent } else { t.faint },
                is_chosen: false,
                is_button: false,
                label: &format!("{who}{label}"),
            };
            let kl = format!("{:.3}", found.kl);
            line_ui(ui, &line).on_hover_text(t!("insight.text_kl", text = text, loss = loss, kl = kl));
        }
    });
    if report.candidates.len() > SHOWN {
        note_ui(ui, &t!("insight.first_of", n = SHOWN, of = report.candidates.len()));
    }
    let random = &report.random;
    let line = t!(
        "insight.random_texts",
        n = random.n,
        loss = format::figure(random.loss),
        sd = format::figure(random.loss_sd),
        share = percent(random.share)
    );
    sentence_ui(ui, &line);
    let (rows, tokens) = (format::count(report.rows), format::count(report.tokens));
    note_ui(
        ui,
        &match report.held_out {
            true => t!("insight.scored_on", rows = rows, tokens = tokens),
            false => t!("insight.scored_on_seen", rows = rows, tokens = tokens),
        },
    );
}

fn percent(share: Option<f64>) -> String {
    share.filter(|share| share.is_finite()).map_or("–".to_owned(), |share| format!("{:.0} %", 100.0 * share))
}

fn source(source: CandidateSource) -> &'static str {
    match source {
        CandidateSource::Searched => t!("insight.from_search"),
        CandidateSource::Said => t!("insight.from_said"),
        CandidateSource::Sampled => t!("insight.sampled"),
        CandidateSource::Patched => t!("insight.from_patched"),
        CandidateSource::BaseSaid => t!("insight.from_base"),
    }
}

/// As tables name it.
fn source_key(source: CandidateSource) -> &'static str {
    match source {
        CandidateSource::Searched => "searched",
        CandidateSource::Said => "said",
        CandidateSource::Sampled => "sampled",
        CandidateSource::Patched => "patched",
        CandidateSource::BaseSaid => "base_said",
    }
}

pub(in crate::screens::explorer) fn table(report: &InWords) -> (&'static [&'static str], Vec<Vec<String>>) {
    let optional = |value: Option<f64>| value.map_or(String::new(), number);
    let text = |what: &str, place: &str, text: &str| {
        vec![what.to_owned(), place.to_owned(), text.to_owned(), String::new(), String::new(), String::new()]
    };
    let mut rows = Vec::new();
    for Candidate { text, source, loss, share, kl } in &report.candidates {
        let place = source_key(*source).to_owned();
        rows.push(vec!["prompt".to_owned(), place, text.clone(), number(*loss), optional(*share), number(*kl)]);
    }
    let random = &report.random;
    let share = optional(random.share);
    rows.push(vec!["prompt".into(), "random".into(), String::new(), number(random.loss), share, String::new()]);
    for said in &report.said {
        rows.push(text("with", &said.opening, &said.with));
        rows.extend(said.samples_with.iter().map(|sample| text("with_sampled", &said.opening, sample)));
        rows.push(text("without", &said.opening, &said.without));
        rows.extend(said.samples_without.iter().map(|sample| text("without_sampled", &said.opening, sample)));
    }
    let layer = |at: Option<usize>| at.map_or("embeddings".to_owned(), |layer| (layer + 1).to_string());
    let place = |patched: &Patched| format!("{} > {}", layer(patched.from), layer(patched.into));
    rows.extend(report.patched.iter().map(|patched| text("patched", &place(patched), &patched.text)));
    (&["what", "place", "text", "loss", "share", "kl"], rows)
}

/// The share of the gain, text by text, beside that of random texts.
pub(in crate::screens::explorer) fn picture(report: &InWords, title: String) -> Picture {
    let shown = report.candidates.len().min(SHOWN);
    // The best is at the top.
    let all: Vec<&Candidate> = report.candidates.iter().take(shown).rev().collect();
    let series = |name: &str, points| Series { name: name.into(), points, mark: Mark::Points, ..Series::default() };
    let shares = all.iter().enumerate().filter_map(|(at, found)| Some([100.0 * found.share?, at as f64]));
    let random = report.random.share.map(|share| 100.0 * share);
    let random = random.into_iter().flat_map(|share| (0..shown).map(move |at| [share, at as f64]));
    let name = |found: &&Candidate| format::shortened(found.text.trim(), 48).replace('\n', " ");
    Picture::Chart(Chart {
        title,
        x: Axis { label: t!("insight.axis_share").to_owned(), ..Axis::default() },
        y: Axis { names: all.iter().map(name).collect(), ..Axis::default() },
        series: vec![
            series(t!("insight.the_text"), shares.collect()),
            series(t!("insight.random_text"), random.collect()),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_what_is_said_and_what_texts_are_worth() {
        let candidate = |text: &str, share| Candidate {
            text: text.into(),
            source: CandidateSource::BaseSaid,
            loss: 2.0,
            share,
            kl: 0.5,
        };
        let said = Said { samples_with: vec!["c".into()], with: "a".into(), without: "b".into(), ..Said::default() };
        let patched = Patched { from: None, into: Some(1), text: "p".into() };
        let report = InWords {
            said: vec![said],
            patched: vec![patched],
            candidates: vec![candidate("x", Some(0.5)), candidate("y", None)],
            ..InWords::default()
        };
        let (head, rows) = table(&report);
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!(rows.iter().map(|row| row[2].as_str()).collect::<Vec<_>>(), ["x", "y", "", "a", "c", "b", "p"]);
        assert_eq!(rows[6][1], "embeddings > 2");
        assert_eq!(rows[0], ["prompt", "base_said", "x", "2", "0.5", "0.5"]);
        let Picture::Chart(chart) = picture(&report, String::new()) else { panic!("a chart") };
        assert_eq!((chart.y.names[1].as_str(), chart.series[0].points.clone()), ("x", vec![[50.0, 1.0]]));
    }
}
