//! Under the curves: samples of each evaluation, the log, the settings.

use egui::{RichText, ScrollArea, Ui};
use engine::training::{NamedMetrics, SampleReport};
use serde::{Deserialize, Serialize};

use super::figures::told;
use super::state::RunView;
use crate::format;
use crate::i18n::tell;
use crate::store::{LogLevel, LogLine};
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::containers::{card_ui, empty_ui};
use crate::widgets::field;
use crate::workspace::{RunId, date_and_time};

/// The tab that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tab {
    #[default]
    Samples,
    Log,
    Config,
}

impl Tab {
    pub(super) const ALL: [Self; 3] = [Self::Samples, Self::Log, Self::Config];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Samples => t!("training.samples"),
            Self::Log => t!("training.log"),
            Self::Config => t!("training.config"),
        }
    }
}

/// Chosen tab, chosen evaluation and search text.
#[derive(Debug, Default)]
pub(super) struct Tabs {
    tab: Tab,
    /// Step of the evaluation whose samples are shown; `None` is the last.
    step: Option<usize>,
    /// Whose.
    of: Option<RunId>,
    search: String,
}

impl Tabs {
    /// Draws them.
    pub(super) fn ui(&mut self, ui: &mut Ui, view: &RunView) {
        card_ui(ui, "", |ui| {
            segmented_ui(ui, &mut self.tab, &Tab::ALL.map(|tab| (tab, tab.name())));
            ui.add_space(theme::SMALL_GAP);
            self.text_ui(ui, self.tab, view);
        });
    }

    /// Draws what stands in a tab.
    pub(super) fn text_ui(&mut self, ui: &mut Ui, tab: Tab, view: &RunView) {
        if self.of.as_ref() != Some(&view.id) {
            (self.step, self.of) = (None, Some(view.id.clone()));
        }
        match tab {
            Tab::Samples => self.samples_ui(ui, view),
            Tab::Log => self.log_ui(ui, view),
            Tab::Config => config_ui(ui, view),
        }
    }

    fn samples_ui(&mut self, ui: &mut Ui, view: &RunView) {
        let mut steps: Vec<usize> = view.samples.iter().map(|sample| sample.step).collect();
        steps.dedup();
        let Some(&last) = steps.last() else {
            return empty_ui(ui, t!("training.no_samples"), t!("training.no_samples_advice"));
        };
        let place = self.step.and_then(|step| steps.iter().position(|known| *known == step)).unwrap_or(steps.len() - 1);
        let shown = steps[place];
        ui.horizontal(|ui| {
            if ui.add_enabled(place > 0, egui::Button::new(t!("training.earlier"))).clicked() {
                self.step = Some(steps[place - 1]);
            }
            if ui.add_enabled(shown != last, egui::Button::new(t!("training.later"))).clicked() {
                let next = steps[place + 1];
                self.step = (next != last).then_some(next);
            }
            let evaluation = view.evaluations.iter().find(|e| e.step == shown);
            let loss = evaluation.map_or_else(|| "–".to_owned(), |e| format::figure(e.loss));
            let mut line = t!("training.samples_at", step = shown, loss = loss);
            if let Some(figures) = evaluation.and_then(|e| e.figures.as_ref()) {
                if let Some(accuracy) = figures.accuracy {
                    line.push_str(&t!("training.samples_accuracy", accuracy = format!("{:.1}", 100.0 * accuracy)));
                }
                if let Some(numbers) = &figures.regression {
                    line.push_str(&format!(" · {} {:.3}", t!("training.pearson"), numbers.pearson));
                }
                for NamedMetrics { name, figures } in &figures.datasets {
                    line.push_str(&format!(" · {name} {}", told(figures)));
                }
            }
            ui.label(RichText::new(line).color(tokens(ui).muted));
        });
        for sample in view.samples.iter().filter(|sample| sample.step == shown) {
            sample_ui(ui, sample);
        }
    }

    fn log_ui(&mut self, ui: &mut Ui, view: &RunView) {
        ui.horizontal(|ui| {
            let line = |ui: &mut Ui| field::line_ui(ui, &mut self.search, t!("training.search"), 240.0);
            ui.name_inputs(t!("training.search"), line);
            if ui.button(t!("training.copy_log")).clicked() {
                let lines = view.log.iter().map(|line| format!("{} {}", date_and_time(line.at), tell(&line.text)));
                ui.ctx().copy_text(lines.collect::<Vec<_>>().join("\n"));
            }
        });
        let wanted = self.search.to_lowercase();
        let fits = |line: &&LogLine| wanted.is_empty() || tell(&line.text).to_lowercase().contains(&wanted);
        let lines: Vec<_> = view.log.iter().filter(fits).collect();
        if lines.is_empty() {
            return empty_ui(ui, t!("training.no_log"), "");
        }
        let t = tokens(ui);
        let height = ui.text_style_height(&egui::TextStyle::Monospace) + 4.0;
        ScrollArea::vertical()
            .id_salt("log")
            .max_height(320.0)
            .stick_to_bottom(true)
            .auto_shrink([false, true])
            .show_rows(ui, height, lines.len(), |ui, range| {
                ui.spacing_mut().item_spacing.y = 4.0;
                for line in &lines[range] {
                    let ink = match line.level {
                        LogLevel::Info => t.text,
                        LogLevel::Warning => t.warn,
                        LogLevel::Error => t.bad,
                    };
                    let text = RichText::new(format!("{}  {}", &date_and_time(line.at)[11..], tell(&line.text)));
                    ui.add(egui::Label::new(text.monospace().color(ink)).truncate().selectable(true));
                }
            });
    }
}

fn sample_ui(ui: &mut Ui, sample: &SampleReport) {
    let t = tokens(ui);
    egui::Frame::new().fill(t.raised).corner_radius(8).inner_margin(12).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 4.0;
        for (name, text, ink) in [
            (t!("training.prompt"), &sample.prompt, t.muted),
            (t!("training.wanted"), &sample.reference, t.muted),
            (t!("training.says"), &sample.text, t.text),
        ] {
            ui.horizontal_top(|ui| {
                let (rect, _) = ui.allocate_exact_size(egui::vec2(86.0, 18.0), egui::Sense::empty());
                let font = egui::FontId::proportional(12.5);
                ui.painter().text(rect.left_center(), egui::Align2::LEFT_CENTER, name, font, t.faint);
                ui.add(egui::Label::new(RichText::new(text.trim()).color(ink)).wrap().selectable(true));
            });
        }
    });
}

fn config_ui(ui: &mut Ui, view: &RunView) {
    let Some(config) = &view.config else {
        return empty_ui(ui, t!("training.no_config"), "");
    };
    let text = toml::to_string_pretty(config.as_ref()).unwrap_or_else(|error| error.to_string());
    if ui.button(t!("training.copy_config")).on_hover_text(t!("training.copy_config_help")).clicked() {
        ui.ctx().copy_text(text.clone());
    }
    ui.add(egui::Label::new(RichText::new(text).monospace()).wrap().selectable(true));
}
