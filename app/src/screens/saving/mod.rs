//! The question where a picture or a table is written: of several runs, or of what the Explorer shows.

pub(in crate::screens) mod sheet;

use egui::{RichText, Ui};

use self::sheet::Sheet;
use crate::action::{Action, Pick};
use crate::charts::Picture;
use crate::home::typed;
use crate::t;
use crate::theme;
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::containers::modal_frame;
use crate::widgets::field;

/// The form in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::screens) enum Form {
    /// SVG or PNG, by the name.
    Picture,
    /// A table.
    Csv,
}

/// Content for a file.
#[derive(Clone, Debug)]
pub(in crate::screens) enum Content {
    /// In the form of a picture.
    Picture(Picture),
    /// In the form of a table.
    Sheet(Sheet),
    /// A table that is text already.
    Text(String),
}

/// The question that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::screens) struct Saving {
    /// What is written.
    pub(in crate::screens) form: Form,
    /// As it is typed.
    pub(in crate::screens) to: String,
}

impl Saving {
    /// A question that was just opened.
    pub(in crate::screens) fn new(form: Form) -> Self {
        Self { form, to: String::new() }
    }

    /// Why nothing can be written there; nothing is said before a name is typed.
    fn trouble(&self) -> Option<&'static str> {
        let name = self.to.trim().to_lowercase();
        let is_picture = [".svg", ".png"].iter().any(|ending| name.ends_with(ending));
        (self.form == Form::Picture && !name.is_empty() && !is_picture).then(|| t!("views.no_picture"))
    }

    fn action(&self, content: Content) -> Action {
        let path = typed(&self.to);
        match content {
            Content::Picture(picture) => Action::Picture { path, picture: Box::new(picture) },
            Content::Sheet(sheet) => Action::Write { path, text: sheet.csv() },
            Content::Text(text) => Action::Write { path, text },
        }
    }
}

/// Draws the question if one is open; what is written is made when it is answered, nothing if there is no more of it.
pub(in crate::screens) fn saving_ui(
    ui: &mut Ui,
    open: &mut Option<Saving>,
    table: Pick,
    make: impl FnOnce(Form) -> Option<Content>,
    out: &mut Vec<Action>,
) {
    let Some(mut saving) = open.take() else { return };
    let (title, hint, pick) = match saving.form {
        Form::Picture => (t!("views.save_picture_title"), t!("views.picture_hint"), Pick::Picture),
        Form::Csv => (t!("views.save_csv_title"), t!("views.csv_hint"), table),
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
        out.extend(make(saving.form).map(|content| saving.action(content)));
    } else if !cancel && !modal.should_close() {
        *open = Some(saving);
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
    fn a_picture_goes_out_as_it_is_and_a_table_as_text() {
        let action = |content| Saving { form: Form::Csv, to: "x.svg".into() }.action(content);
        let picture = Picture::Chart(Chart { title: "t".into(), ..Chart::default() });
        assert!(
            matches!(action(Content::Picture(picture.clone())), Action::Picture { picture: sent, .. } if *sent == picture)
        );
        assert!(matches!(action(Content::Sheet(Sheet::default())), Action::Write { text, .. } if text == "\n"));
        assert!(matches!(action(Content::Text("a,b\n".into())), Action::Write { text, .. } if text == "a,b\n"));
    }
}
