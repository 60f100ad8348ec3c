//! The row that the token view shows, and its dataset among those of the run.

use egui::Ui;
use engine::config::{DataConfig, MoreData};

use crate::t;
use crate::widgets::field;

/// Dataset and row that the token view shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// 0 is the first one, whose columns and lengths the form goes by.
    pub(super) dataset: usize,
    /// Number of the row, from 0.
    pub(super) row: usize,
}

impl Shown {
    /// The dataset beside the first one that is shown.
    pub(super) fn beside(self, data: &DataConfig) -> Option<DataConfig> {
        let more = data.more.get(self.dataset.checked_sub(1)?)?;
        Some(more.over(data))
    }

    /// Goes back to the first dataset where the one that was shown is gone.
    pub(super) fn keep_within(&mut self, data: &DataConfig) {
        if self.dataset > data.more.len() {
            *self = Self::default();
        }
    }
}

/// The datasets by their names, where there are several.
pub(super) fn switch_ui(ui: &mut Ui, data: &DataConfig, shown: &mut Shown) {
    if data.more.is_empty() {
        return;
    }
    let names = std::iter::once(data.name_of_rows()).chain(data.more.iter().map(MoreData::name_of_rows));
    let choices: Vec<(usize, String)> = names.enumerate().collect();
    let mut dataset = shown.dataset;
    let changed = field::field_ui(ui, t!("data.dataset"), t!("data.dataset_help"), None, |ui| {
        field::choice_ui(ui, "dataset", &mut dataset, &choices)
    });
    if changed {
        *shown = Shown { dataset, row: 0 };
    }
}
