//! The texts of a column in the chosen view: plain, with words that differ, with probabilities, or one text that every column
//! scores.

use egui::{Grid, RichText, Ui};
use engine::protocol::{GeneratedBeam, ScoredToken, TextScore};

use super::columns::Now;
use super::state::{Column, SharedText};
use super::ui::{Compare, Target, View};
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::containers::{chips_ui, plain_chip_ui};
use crate::widgets::diff::{diff_job, words_that_differ};
use crate::widgets::scored_text::{TokenPiece, scored_text_ui};

/// Nats of surprise, and of difference, at which a tint is as strong as it gets.
const FULL_SURPRISE: f64 = 8.0;
const FULL_DIFFERENCE: f64 = 3.0;
/// Part of a color in the strongest tint: text can be read on it.
const STRONGEST: f32 = 0.45;

impl Compare {
    pub(super) fn texts_ui(&self, ui: &mut Ui, place: usize, now: &Now, state: &State) {
        let column = &state.comparison.columns[place];
        match self.view {
            View::Plain => plain_ui(ui, column, None),
            View::Words => plain_ui(ui, column, self.target_text(column, now, state).as_deref()),
            View::Probability => probabilities_ui(ui, column),
            View::SameText => same_text_ui(ui, place, now, state),
        }
    }

    /// The text that words are held against: of the same prompt alone.
    fn target_text(&self, column: &Column, now: &Now, state: &State) -> Option<String> {
        let columns = &state.comparison.columns;
        let wanted = self.reference.trim();
        let other = match self.target {
            // Against what was wanted the base is no measure.
            Target::Wanted if !wanted.is_empty() => return (!column.setup.is_base()).then(|| wanted.to_owned()),
            Target::Wanted | Target::Base => columns.iter().position(|column| column.setup.is_base())?,
            Target::First => 0,
        };
        let is_current = !now.old.get(other).copied().unwrap_or(true) && columns[other].id != column.id;
        is_current.then(|| columns[other].text().to_owned())
    }
}

fn plain_ui(ui: &mut Ui, column: &Column, against: Option<&str>) {
    let several = column.samples.len() > 1;
    for (n, sample) in (1..).zip(&column.samples) {
        if several {
            ui.label(RichText::new(t!("compare.sample_n", n = n)).small().color(tokens(ui).faint));
        }
        let text = sample.text.trim();
        let pieces = match against {
            None => vec![(text.to_owned(), false)],
            Some(other) => words_that_differ(other.trim(), text),
        };
        let job = diff_job(ui, &pieces);
        ui.add(egui::Label::new(job).wrap().selectable(true));
        ui.add_space(4.0);
        others_ui(ui, sample.done.as_ref().map_or(&[], |done| &done.beams));
    }
}

/// Draws the score of the best beam, and the texts that came after it.
fn others_ui(ui: &mut Ui, beams: &[GeneratedBeam]) {
    let Some((best, others)) = beams.split_first() else { return };
    let score = |ui: &mut Ui, beam: &GeneratedBeam| {
        let worth = t!("compare.score", score = format!("{:.3}", beam.score));
        ui.label(RichText::new(worth).small().color(tokens(ui).muted)).on_hover_text(t!("compare.score_help"));
    };
    score(ui, best);
    for beam in others {
        ui.separator();
        ui.add(egui::Label::new(RichText::new(beam.text.trim()).color(tokens(ui).muted)).wrap().selectable(true));
        score(ui, beam);
    }
    ui.add_space(4.0);
}

fn probabilities_ui(ui: &mut Ui, column: &Column) {
    for (n, sample) in column.samples.iter().enumerate() {
        let score = sample.done.as_ref().map(|done| &done.score);
        let Some(score) = score.filter(|score| !score.is_empty()) else {
            // Not there yet: the text as it grows.
            ui.add(egui::Label::new(sample.text.trim()).wrap().selectable(true));
            continue;
        };
        let tint = |token: &ScoredToken| tint_of_surprise(ui, token.log_probability);
        let pieces: Vec<TokenPiece> = score.tokens.iter().map(|token| piece(token, tint(token))).collect();
        ui.push_id(("sample", n), |ui| {
            scored_text_ui(ui, &pieces, &|ui, index| top_ui(ui, &score.tokens[index], None))
        });
        figures_ui(ui, score, None);
    }
}

fn same_text_ui(ui: &mut Ui, place: usize, now: &Now, state: &State) {
    let Some(shared) = &now.shared else {
        plain_ui(ui, &state.comparison.columns[place], None);
        return;
    };
    let against = state.comparison.columns.iter().position(|column| Some(column.id) == now.against);
    let own = score_of(place, shared, now, state);
    let other = against.filter(|&other| other != place).and_then(|other| score_of(other, shared, now, state));
    let Some(own) = own else {
        if state.comparison.same_text.request.is_open() {
            ui.spinner();
        }
        return;
    };
    let beside = |index: usize| other.and_then(|other| other.tokens.get(index));
    let pieces: Vec<TokenPiece> = own
        .tokens
        .iter()
        .enumerate()
        .map(|(index, token)| match beside(index) {
            None => piece(token, tint_of_surprise(ui, token.log_probability)),
            Some(other) => {
                let difference = token.log_probability - other.log_probability;
                let label = t!(
                    "compare.difference_label",
                    token = token.text,
                    difference = format!("{difference:+.2}"),
                    share = percent(token.log_probability),
                );
                TokenPiece { label, ..piece(token, tint_of_difference(ui, difference)) }
            }
        })
        .collect();
    scored_text_ui(ui, &pieces, &|ui, index| top_ui(ui, &own.tokens[index], beside(index)));
    figures_ui(ui, own, other);
}

fn score_of<'a>(place: usize, shared: &SharedText, now: &Now, state: &'a State) -> Option<&'a TextScore> {
    let id = state.comparison.columns[place].id;
    state.comparison.same_text.score(shared, (id, &now.questions[place].without_decoding()))
}

/// Loss and perplexity of a text, and how much that is more or less than under another column.
fn figures_ui(ui: &mut Ui, score: &TextScore, other: Option<&TextScore>) {
    ui.add_space(2.0);
    chips_ui(ui, |ui| {
        let loss = score.loss();
        plain_chip_ui(ui, &t!("compare.loss", loss = format!("{loss:.3}"))).on_hover_text(t!("compare.loss_help"));
        plain_chip_ui(ui, &t!("compare.perplexity", perplexity = format!("{:.2}", score.perplexity())));
        if let Some(other) = other {
            let difference = format!("{:+.3}", loss - other.loss());
            plain_chip_ui(ui, &t!("compare.loss_difference", difference = difference));
        }
    });
}

fn piece(token: &ScoredToken, tint: Option<egui::Color32>) -> TokenPiece {
    let label =
        t!("compare.token_label", token = token.text, share = percent(token.log_probability), rank = token.rank,);
    TokenPiece { text: token.text.clone(), tint, label }
}

/// Nothing where a token was sure to come, warmer the less it was.
fn tint_of_surprise(ui: &Ui, log_probability: f64) -> Option<egui::Color32> {
    let t = tokens(ui);
    let share = (-log_probability / FULL_SURPRISE).clamp(0.0, 1.0) as f32;
    (share > 0.02).then(|| theme::blend(t.surface, t.second, STRONGEST * share.sqrt()))
}

/// Good where the column finds a token more probable than the other does, bad where less.
fn tint_of_difference(ui: &Ui, difference: f64) -> Option<egui::Color32> {
    let t = tokens(ui);
    let share = (difference.abs() / FULL_DIFFERENCE).clamp(0.0, 1.0) as f32;
    let color = if difference > 0.0 { t.good } else { t.bad };
    (share > 0.02).then(|| theme::blend(t.surface, color, STRONGEST * share.sqrt()))
}

/// The most probable tokens in place of one, and what another column gives it.
fn top_ui(ui: &mut Ui, token: &ScoredToken, other: Option<&ScoredToken>) {
    let t = tokens(ui);
    let own = t!("compare.own_share", share = percent(token.log_probability), rank = token.rank);
    ui.label(RichText::new(format!("“{}”  {own}", token.text)).color(t.text));
    if let Some(other) = other {
        let line = t!("compare.other_share", share = percent(other.log_probability), rank = other.rank);
        ui.label(RichText::new(line).small().color(t.muted));
        let difference = format!("{:+.3}", token.log_probability - other.log_probability);
        ui.label(RichText::new(t!("compare.difference", difference = difference)).small().color(t.muted));
    }
    Grid::new("top").num_columns(3).spacing([12.0, 2.0]).show(ui, |ui| {
        for (rank, likely) in (1..).zip(&token.top) {
            let ink = if likely.text == token.text { t.accent } else { t.text };
            ui.label(RichText::new(format!("{rank}")).small().color(t.faint));
            ui.label(RichText::new(format!("“{}”", likely.text)).color(ink));
            ui.label(RichText::new(percent(likely.log_probability)).text_style(theme::small_number()).color(t.muted));
            ui.end_row();
        }
    });
}

/// A probability by its logarithm.
fn percent(log_probability: f64) -> String {
    let share = 100.0 * log_probability.exp();
    match share {
        share if !share.is_finite() => "–".to_owned(),
        share if share >= 0.1 => format!("{share:.1} %"),
        share if share >= 0.001 => format!("{share:.3} %"),
        _ => "<0.001 %".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_has_the_digits_that_say_something() {
        let said: Vec<String> = [0.5_f64, 0.0123, 0.0004, 1e-9].map(|share| percent(share.ln())).to_vec();
        assert_eq!(said, ["50.0 %", "1.2 %", "0.040 %", "<0.001 %"]);
        assert_eq!(percent(f64::NAN), "–");
    }
}
