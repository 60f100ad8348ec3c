//! The question where a picture or a table is written.

use egui::{RichText, Ui};

use super::choices::Views;
use super::view::View;
use crate::action::{Action, Pick};
use crate::home::typed;
use crate::t;
use crate::theme;
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::containers::modal_frame;
use crate::widgets::field;

/// The form in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// SVG or PNG, by the name.
    Picture,
    /// A table.
    Csv,
}

/// The question that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saving {
    /// What is written.
    pub(super) form: Form,
    /// As it is typed.
    pub(super) to: String,
}

impl Saving {
    /// Why nothing can be written there; nothing is said before a name is typed.
    fn trouble(&self) -> Option<&'static str> {
        let name = self.to.trim().to_lowercase();
        let is_picture = [".svg", ".png"].iter().any(|ending| name.ends_with(ending));
        (self.form == Form::Picture && !name.is_empty() && !is_picture).then(|| t!("views.no_picture"))
    }

    fn action(&self, view: View) -> Action {
        let path = typed(&self.to);
        match self.form {
            Form::Picture => Action::Picture { path, chart: Box::new(view.chart) },
            Form::Csv => Action::Write { path, text: view.sheet.csv() },
        }
    }
}

/// Draws the question if one is open; what is written is made when it is answered.
pub(super) fn saving_ui(ui: &mut Ui, views: &mut Views, make: impl FnOnce(&Views) -> View, out: &mut Vec<Action>) {
    let Some(mut saving) = views.saving.take() else { return };
    let (title, hint, pick) = match saving.form {
        Form::Picture => (t!("views.save_picture_title"), t!("views.picture_hint"), Pick::Picture),
        Form::Csv => (t!("views.save_csv_title"), t!("views.csv_hint"), Pick::RunsCsv),
    };
    let (mut write, mut cancel) = (false, false);
    let modal = egui::Modal::new(egui::Id::unique("save a view")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
        ui.set_width(500.0);
        ui.label(RichText::new(title).text_style(theme::title()));
        ui.add_space(theme::SMALL_GAP);
        let trouble = saving.trouble();
        let edit = field::field_ui(ui, t!("views.file"), "", trouble, |ui| {
            field::path_ui(ui, &mut saving.to, hint, t!("views.browse"))
        });
        if edit.browse {
            out.push(Action::Browse(pick));
        }
        ui.horizontal(|ui| {
            let ready = !saving.to.trim().is_empty() && saving.trouble().is_none();
            write = primary_ui(ui, ready, t!("views.write")).clicked();
            cancel = quiet_ui(ui, true, t!("frame.cancel")).clicked();
        });
    });
    if write {
        out.push(saving.action(make(views)));
    } else if !cancel && !modal.should_close() {
        views.saving = Some(saving);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charts::Chart;

    #[test]
    fn a_picture_is_svg_or_png_and_anything_else_is_said() {
        let trouble = |form, to: &str| Saving { form, to: to.into() }.trouble();
        for name in ["a.svg", "a.PNG ", ""] {
            assert_eq!(trouble(Form::Picture, name), None, "{name}");
        }
        assert!(trouble(Form::Picture, "a.jpg").is_some_and(|sentence| sentence.contains(".svg")));
        assert_eq!(trouble(Form::Csv, "a.txt"), None);
    }

    #[test]
    fn a_picture_goes_out_as_a_chart_and_a_table_as_text() {
        let view = View { chart: Chart { title: "t".into(), ..Chart::default() }, ..View::default() };
        let action = |form| Saving { form, to: "x.svg".into() }.action(view.clone());
        assert!(matches!(action(Form::Picture), Action::Picture { chart, .. } if chart.title == "t"));
        assert!(matches!(action(Form::Csv), Action::Write { text, .. } if text == "\n"));
    }
}
