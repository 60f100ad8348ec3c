//! A page on the chosen runs: the question where to write it.

use std::path::{Path, PathBuf};

use egui::{RichText, Ui};

use crate::action::{Action, Pick};
use crate::home::typed;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::containers::modal_frame;
use crate::widgets::field;
use crate::workspace::RunId;

/// The question that is open: where to write the page.
#[derive(Debug)]
pub(super) struct Reporting {
    runs: Vec<RunId>,
    /// As it is typed.
    pub(super) to: String,
}

/// The button, for chosen runs.
pub(super) fn button_ui(ui: &mut Ui, folder: &Path, chosen: &[&RunRow], reporting: &mut Option<Reporting>) {
    let can = !chosen.is_empty() && chosen.iter().all(|row| !row.files_missing);
    if quiet_ui(ui, can, t!("runs.report")).on_hover_text(t!("runs.report_help")).clicked() {
        let runs = chosen.iter().map(|row| row.id.clone()).collect();
        let to = folder.join(format!("{}.html", file_name(chosen))).display().to_string();
        *reporting = Some(Reporting { runs, to });
    }
}

/// The name of the run, or of the experiment that all of them belong to, as a file can be called.
fn file_name(chosen: &[&RunRow]) -> String {
    let name = match chosen {
        [only] => only.name.as_str(),
        [first, others @ ..] if others.iter().all(|row| row.experiment == first.experiment) => {
            first.experiment.as_deref().unwrap_or_default()
        }
        _ => "",
    };
    let words = name.split(|c: char| !c.is_alphanumeric() && !"_-.".contains(c)).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-");
    if name.trim_matches('.').is_empty() { "report".to_owned() } else { name }
}

/// The question where to.
pub(super) fn report_ui(ui: &mut Ui, reporting: &mut Option<Reporting>, out: &mut Vec<Action>) {
    let Some(Reporting { runs, to }) = reporting else { return };
    let mut done = false;
    let modal = egui::Modal::new(egui::Id::unique("report")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
        ui.set_width(500.0);
        ui.label(RichText::new(t!("runs.report_title", n = runs.len())).text_style(theme::title()));
        ui.add(egui::Label::new(RichText::new(t!("runs.report_note")).color(tokens(ui).muted)).wrap());
        ui.add_space(theme::SMALL_GAP);
        let line = |ui: &mut Ui| field::path_ui(ui, to, t!("runs.report_hint"), t!("send.browse"));
        if field::field_ui(ui, t!("send.to_file"), "", None, line).browse {
            out.push(Action::Browse(Pick::ReportFile));
        }
        ui.horizontal(|ui| {
            if primary_ui(ui, !to.trim().is_empty(), t!("send.write")).clicked() {
                out.push(Action::Report { runs: runs.clone(), to: page(typed(to)) });
                done = true;
            }
            done |= quiet_ui(ui, true, t!("frame.cancel")).clicked();
        });
    });
    if done || modal.should_close() {
        *reporting = None;
    }
}

/// A name without an ending that is known is that of a page.
fn page(path: PathBuf) -> PathBuf {
    match crate::report::Form::of(&path) {
        Some(_) => path,
        None => {
            let mut name = path.into_os_string();
            name.push(".html");
            name.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_called_after_its_run_or_the_experiment_of_all() {
        let row = |name: &str, experiment: Option<&str>| RunRow {
            name: name.to_owned(),
            experiment: experiment.map(str::to_owned),
            ..RunRow::example()
        };
        let (a, b) = (row("n_virtual 5 · seed 1", Some("which length?")), row("../x", Some("which length?")));
        assert_eq!(file_name(&[&a]), "n_virtual-5-seed-1");
        assert_eq!(file_name(&[&b]), "..-x");
        assert_eq!(file_name(&[&a, &b]), "which-length");
        assert_eq!(file_name(&[&a, &row("c", None)]), "report");
        assert_eq!(file_name(&[&row("…", None)]), "report");
    }

    #[test]
    fn a_name_without_an_ending_becomes_a_page() {
        for (typed, written) in [("/a/b", "/a/b.html"), ("/a/b.v2", "/a/b.v2.html"), ("/a/b.md", "/a/b.md")] {
            assert_eq!(page(typed.into()), PathBuf::from(written));
        }
    }
}
