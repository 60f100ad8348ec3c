//! Decoding of the columns: greedily, by sampling, or with beams, and the settings that belong to each.

use egui::{RichText, Ui};
use engine::generation::{Beams, EarlyStopping, Sampling};

use crate::t;
use crate::theme;
use crate::widgets::field;

/// Six fields, of which the last four depend on the first, and more below.
pub(in crate::screens) fn settings_ui(ui: &mut Ui, sampling: &mut Sampling) {
    let per_row = if ui.available_width() < theme::NARROW_SCREEN { 3 } else { 6 };
    for first in (0..6).step_by(per_row) {
        ui.columns(per_row, |columns| {
            for (i, ui) in columns.iter_mut().enumerate() {
                setting_ui(ui, first + i, sampling);
            }
        });
    }
    egui::CollapsingHeader::new(RichText::new(t!("compare.more")).small()).id_salt("more decoding").show(ui, |ui| {
        super::limits::limits_ui(ui, sampling);
    });
}

/// The settings in a few words, for when they are folded away.
pub(in crate::screens) fn in_words(sampling: &Sampling) -> String {
    let n = sampling.max_new_tokens;
    match Decoding::of(sampling) {
        Decoding::Greedy => t!("compare.in_words_greedy", n = n),
        Decoding::Sampled => {
            t!("compare.in_words_sampled", n = n, t = sampling.temperature, seed = sampling.seed)
        }
        Decoding::Beams => t!("compare.in_words_beams", n = n, beams = sampling.beams.n_beams),
    }
}

/// Way of choosing tokens, as one choice among three.
#[derive(Clone, Copy, PartialEq)]
enum Decoding {
    Greedy,
    Sampled,
    Beams,
}

impl Decoding {
    fn of(sampling: &Sampling) -> Self {
        match sampling.greedy {
            _ if sampling.beams.n_beams > 1 => Self::Beams,
            true => Self::Greedy,
            false => Self::Sampled,
        }
    }

    fn put_into(self, sampling: &mut Sampling) {
        sampling.greedy = self != Self::Sampled;
        sampling.beams = match self {
            Self::Beams => Beams { n_beams: 4, ..Beams::default() },
            Self::Greedy | Self::Sampled => Beams::default(),
        };
    }
}

fn setting_ui(ui: &mut Ui, which: usize, sampling: &mut Sampling) {
    match which {
        0 => {
            let mut decoding = Decoding::of(sampling);
            let names = [
                (Decoding::Greedy, t!("compare.greedy").to_owned()),
                (Decoding::Sampled, t!("compare.sample").to_owned()),
                (Decoding::Beams, t!("compare.beam_search").to_owned()),
            ];
            let changed = field::field_ui(ui, t!("compare.how"), t!("compare.how_help"), None, |ui| {
                field::choice_ui(ui, "decoding", &mut decoding, &names)
            });
            if changed {
                decoding.put_into(sampling);
            }
        }
        1 => {
            field::field_ui(ui, t!("compare.tokens"), "", None, |ui| {
                field::count_ui(ui, &mut sampling.max_new_tokens, 1..=2000)
            });
        }
        other if sampling.beams.n_beams > 1 => beam_field_ui(ui, other, &mut sampling.beams),
        other => sampling_field_ui(ui, other, sampling),
    }
}

fn beam_field_ui(ui: &mut Ui, which: usize, beams: &mut Beams) {
    match which {
        2 => {
            field::field_ui(ui, t!("compare.beams"), t!("compare.beams_help"), None, |ui| {
                field::count_ui(ui, &mut beams.n_beams, 2..=Beams::MOST)
            });
            beams.n_returned = beams.n_returned.min(beams.n_beams);
        }
        3 => {
            field::field_ui(ui, t!("compare.length_penalty"), t!("compare.length_penalty_help"), None, |ui| {
                field::number_ui(ui, &mut beams.length_penalty, -5.0..=5.0, 0.01)
            });
        }
        4 => {
            let choices = [
                (EarlyStopping::False, t!("compare.stops_likely").to_owned()),
                (EarlyStopping::True, t!("compare.stops_at_once").to_owned()),
                (EarlyStopping::Never, t!("compare.stops_surely").to_owned()),
            ];
            field::field_ui(ui, t!("compare.early_stopping"), t!("compare.early_stopping_help"), None, |ui| {
                field::choice_ui(ui, "early_stopping", &mut beams.early_stopping, &choices)
            });
        }
        _ => {
            field::field_ui(ui, t!("compare.returned"), t!("compare.returned_help"), None, |ui| {
                field::count_ui(ui, &mut beams.n_returned, 1..=beams.n_beams)
            });
        }
    }
}

fn sampling_field_ui(ui: &mut Ui, which: usize, sampling: &mut Sampling) {
    let drawn = !sampling.greedy;
    match which {
        2 => {
            ui.add_enabled_ui(drawn, |ui| {
                field::field_ui(ui, t!("compare.temperature"), "", None, |ui| {
                    field::number_ui(ui, &mut sampling.temperature, 0.05..=5.0, 0.01)
                })
            });
        }
        3 => {
            ui.add_enabled_ui(drawn, |ui| {
                field::field_ui(ui, t!("compare.top_p"), t!("compare.top_p_help"), None, |ui| {
                    field::number_ui(ui, &mut sampling.top_p, 0.01..=1.0, 0.005)
                })
            });
        }
        4 => {
            ui.add_enabled_ui(drawn, |ui| {
                field::field_ui(ui, t!("compare.top_k"), t!("compare.top_k_help"), None, |ui| {
                    field::count_ui(ui, &mut sampling.top_k, 0..=100_000)
                })
            });
        }
        _ => {
            field::field_ui(ui, t!("compare.seed"), "", None, |ui| field::seed_ui(ui, &mut sampling.seed));
        }
    }
}
