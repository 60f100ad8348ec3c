//! The tabs, and the views of each: a question, a function that draws its answer, a table and a picture of it, in a file of
//! its own below `does/` or `matters/`. A new view has a line in each list here; a tab without a view is not shown.

use egui::Ui;
use engine::analysis::{Analysis, Question};

use super::does::{bias, heads, layers, lens, moved, tokens};
use super::looking::Choices;
use super::matters::slots;
use crate::charts::Picture;
use crate::screens::saving::sheet::Sheet;
use crate::t;

/// A question that a person has about an adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    /// Nearness: to tokens, to itself.
    #[default]
    Lies,
    /// Changes that it makes.
    Does,
    /// Parts that it needs.
    Matters,
    /// Words for it.
    Words,
}

/// A view of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Trained vectors and the tokens nearest to them; it has questions of its own.
    Vectors,
    /// Heads by what they scale and add.
    Heads,
    /// Attention on the prefix under a text.
    Tokens,
    /// Tokens that the bias of a layer points to.
    Bias,
    /// Tokens that each layer would say at each position.
    Lens,
    /// Tokens whose probability moved most.
    Moved,
    /// The probability of what comes, layer by layer.
    Layers,
    /// Attention on each slot in each layer.
    Slots,
}

/// An answer about one of the adapters that are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered<'a> {
    /// Name of the run.
    pub(super) run: &'a str,
    /// Stands before each label where there are two: `First try: `.
    pub(super) who: &'a str,
    /// The answer.
    pub(super) analysis: &'a Analysis,
}

impl Tab {
    pub(super) const ALL: [Self; 4] = [Self::Lies, Self::Does, Self::Matters, Self::Words];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lies => t!("insight.lies"),
            Self::Does => t!("insight.does"),
            Self::Matters => t!("insight.matters"),
            Self::Words => t!("insight.words"),
        }
    }

    /// Its views, in their order.
    pub(super) fn views(self) -> &'static [View] {
        match self {
            Self::Lies => &[View::Vectors],
            Self::Does => &[View::Heads, View::Tokens, View::Bias, View::Lens, View::Moved, View::Layers],
            Self::Matters => &[View::Slots],
            Self::Words => &[],
        }
    }
}

impl View {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Vectors => t!("explorer.neighbors"),
            Self::Heads => t!("insight.heads"),
            Self::Tokens => t!("insight.tokens"),
            Self::Bias => t!("insight.bias"),
            Self::Lens => t!("insight.lens"),
            Self::Moved => t!("insight.moved"),
            Self::Layers => t!("insight.layers"),
            Self::Slots => t!("insight.slots"),
        }
    }

    /// One sentence on what is compared, and on what would be seen by chance.
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::Vectors => t!("explorer.note"),
            Self::Heads => t!("insight.heads_note"),
            Self::Tokens => t!("insight.tokens_note"),
            Self::Bias => t!("insight.bias_note"),
            Self::Lens => t!("insight.lens_note"),
            Self::Moved => t!("insight.moved_note"),
            Self::Layers => t!("insight.layers_note"),
            Self::Slots => t!("insight.slots_note"),
        }
    }

    /// The question whose answer is shown.
    pub(super) fn question(self) -> Option<Question> {
        match self {
            Self::Vectors => None,
            Self::Heads | Self::Tokens | Self::Bias => Some(Question::Decomposition),
            Self::Lens | Self::Moved | Self::Layers => Some(Question::Lens),
            Self::Slots => Some(Question::Attention),
        }
    }

    /// Whether it is about keys and values that a layer attends to: nothing else has an answer.
    pub(super) fn needs_prefix(self) -> bool {
        matches!(self.question(), Some(Question::Decomposition | Question::Attention))
    }

    /// Draws what is chosen once for all adapters.
    pub(super) fn choices_ui(self, ui: &mut Ui, choices: &mut Choices, first: &Analysis) {
        match (self, first) {
            (Self::Heads, _) => heads::choices_ui(ui, choices),
            (Self::Tokens, Analysis::Decomposition(report)) => tokens::choices_ui(ui, choices, report),
            (Self::Lens, _) => lens::choices_ui(ui, choices),
            (Self::Slots, Analysis::Attention(report)) => slots::choices_ui(ui, choices, report),
            _ => {}
        }
    }

    /// Draws an answer; colors run over `all` of them.
    pub(super) fn ui(self, ui: &mut Ui, choices: &mut Choices, one: Answered<'_>, all: &[Answered<'_>]) {
        let who = one.who;
        match (self, one.analysis) {
            (Self::Heads, Analysis::Decomposition(report)) => heads::heads_ui(ui, choices, who, report, all),
            (Self::Tokens, Analysis::Decomposition(report)) => tokens::tokens_ui(ui, choices, who, report, all),
            (Self::Bias, Analysis::Decomposition(report)) => bias::bias_ui(ui, who, report),
            (Self::Lens, Analysis::Lens(report)) => lens::lens_ui(ui, choices, who, report, all),
            (Self::Moved, Analysis::Lens(report)) => moved::moved_ui(ui, who, report),
            (Self::Layers, Analysis::Lens(report)) => layers::layers_ui(ui, who, report),
            (Self::Slots, Analysis::Attention(report)) => slots::slots_ui(ui, choices, who, report, all),
            _ => {}
        }
    }

    /// The numbers behind it, of all adapters.
    pub(super) fn sheet(self, choices: &Choices, all: &[Answered<'_>]) -> Sheet {
        let mut sheet = Sheet::default();
        for one in all {
            let (head, rows) = match (self, one.analysis) {
                (Self::Heads, Analysis::Decomposition(report)) => heads::table(report),
                (Self::Tokens, Analysis::Decomposition(report)) => tokens::table(report),
                (Self::Bias, Analysis::Decomposition(report)) => bias::table(report),
                (Self::Lens, Analysis::Lens(report)) => lens::table(report),
                (Self::Moved, Analysis::Lens(report)) => moved::table(report),
                (Self::Layers, Analysis::Lens(report)) => layers::table(report),
                (Self::Slots, Analysis::Attention(report)) => slots::table(choices, report),
                _ => continue,
            };
            sheet.head = std::iter::once("run").chain(head.iter().copied()).map(str::to_owned).collect();
            let named = |row: Vec<String>| std::iter::once(one.run.to_owned()).chain(row).collect();
            sheet.rows.extend(rows.into_iter().map(named));
        }
        sheet
    }

    /// A picture of an answer; a list of words has none.
    pub(super) fn picture(self, choices: &Choices, one: Answered<'_>) -> Option<Picture> {
        let title = format!("{} · {}", self.name(), one.run);
        match (self, one.analysis) {
            (Self::Heads, Analysis::Decomposition(report)) => Some(heads::picture(choices, report, title)),
            (Self::Tokens, Analysis::Decomposition(report)) => Some(tokens::picture(choices, report, title)),
            (Self::Lens, Analysis::Lens(report)) => Some(lens::picture(report, title)),
            (Self::Moved, Analysis::Lens(report)) => Some(moved::picture(report, title)),
            (Self::Layers, Analysis::Lens(report)) => Some(layers::picture(report, title)),
            (Self::Slots, Analysis::Attention(report)) => Some(slots::picture(choices, report, title)),
            (Self::Bias, Analysis::Decomposition(report)) => Some(bias::picture(report, title)),
            _ => None,
        }
    }
}

/// Answers of one kind among all of them.
pub(super) fn of_kind<'a, T: 'a>(
    all: &'a [Answered<'a>],
    kind: impl Fn(&'a Analysis) -> Option<&'a T>,
) -> impl Iterator<Item = &'a T> {
    all.iter().filter_map(move |one| kind(one.analysis))
}
