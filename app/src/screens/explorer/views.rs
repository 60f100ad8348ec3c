//! The tabs, and the views of each: a question, a function that draws its answer, a table and a picture of it, in a file of
//! its own below a folder of its tab. A new view has a line in each list here; a tab without a view is not shown.

use egui::Ui;
use engine::analysis::{Analysis, PrefixGrid, Question};

use super::does::{bias, heads, layers, lens, moved, tokens};
use super::lies::{drift, label_words, map, similarity};
use super::looking::Choices;
use super::matters::{ablation, importance, shorter, slots};
use super::words::{forgetting, said};
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
    /// How much slots and heads matter, and what fewer slots cost.
    Importance,
    /// What fewer slots cost, left out and fitted.
    Shorter,
    /// How alike slots are.
    Similarity,
    /// Slots among tokens, on the way of training.
    Map,
    /// How far slots have moved.
    Drift,
    /// Words of classes among the nearest tokens.
    LabelWords,
    /// Texts that it says, and texts in its place.
    Said,
    /// What it costs on other texts.
    Forgetting,
}

/// What an adapter must have for a view of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing but itself.
    Nothing,
    /// Slots: a prefix or a soft prompt.
    Slots,
    /// Keys and values that layers attend to.
    Prefix,
    /// Slots, and classes with names.
    Classes,
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
            Self::Lies => &[View::Vectors, View::Similarity, View::Map, View::Drift, View::LabelWords],
            Self::Does => &[View::Heads, View::Tokens, View::Bias, View::Lens, View::Moved, View::Layers],
            Self::Matters => &[View::Slots, View::Importance, View::Shorter],
            Self::Words => &[View::Said, View::Forgetting],
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
            Self::Importance => t!("insight.importance"),
            Self::Shorter => t!("insight.shorter"),
            Self::Similarity => t!("insight.similarity"),
            Self::Map => t!("insight.map"),
            Self::Drift => t!("insight.drift"),
            Self::LabelWords => t!("insight.label_words"),
            Self::Said => t!("insight.said"),
            Self::Forgetting => t!("insight.forgetting"),
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
            Self::Importance => t!("insight.importance_note"),
            Self::Shorter => t!("insight.shorter_note"),
            Self::Similarity => t!("insight.similarity_note"),
            Self::Map => t!("insight.map_note"),
            Self::Drift => t!("insight.drift_note"),
            Self::LabelWords => t!("insight.label_words_note"),
            Self::Said => t!("insight.said_note"),
            Self::Forgetting => t!("insight.forgetting_note"),
        }
    }

    /// The question whose answer is shown.
    pub(super) fn question(self, choices: &Choices) -> Option<Question> {
        match self {
            Self::Vectors => None,
            Self::Heads | Self::Tokens | Self::Bias => Some(Question::Decomposition),
            Self::Lens | Self::Moved | Self::Layers => Some(Question::Lens),
            Self::Slots => Some(Question::Attention),
            Self::Importance => Some(importance::question()),
            Self::Shorter => Some(Question::Shorter { sizes: Vec::new() }),
            Self::Similarity => Some(Question::Similarity { side: choices.side(), centered: !choices.is_raw }),
            Self::Map => Some(map::question(choices)),
            Self::Drift => Some(Question::Drift),
            Self::LabelWords => Some(Question::LabelWords),
            Self::Said => Some(said::question()),
            Self::Forgetting => Some(Question::Forgetting { strengths: Vec::new() }),
        }
    }

    /// What an adapter must have: nothing else has an answer.
    pub(super) fn needs(self) -> Needs {
        match self {
            Self::Heads | Self::Tokens | Self::Bias | Self::Slots | Self::Shorter => Needs::Prefix,
            Self::Importance | Self::Similarity | Self::Map | Self::Drift => Needs::Slots,
            Self::LabelWords => Needs::Classes,
            Self::Vectors | Self::Lens | Self::Moved | Self::Layers | Self::Said | Self::Forgetting => Needs::Nothing,
        }
    }

    /// Draws the choices that decide what is asked.
    pub(super) fn asking_ui(self, ui: &mut Ui, choices: &mut Choices, grid: Option<&PrefixGrid>) {
        match (self, grid) {
            (Self::Similarity, Some(grid)) => similarity::asking_ui(ui, choices, grid),
            (Self::Map, Some(grid)) => map::asking_ui(ui, choices, grid),
            _ => {}
        }
    }

    /// A question about something that was clicked in an answer.
    pub(super) fn next_question(self, choices: &Choices, answer: &Analysis) -> Option<Question> {
        match (self, answer) {
            (Self::Importance, Analysis::Importance(report)) => ablation::question(choices.cut?, report),
            _ => None,
        }
    }

    /// Draws the answer to that.
    pub(super) fn next_ui(self, ui: &mut Ui, who: &str, answer: &Analysis) {
        if let (Self::Importance, Analysis::Ablation(report)) = (self, answer) {
            ablation::ablation_ui(ui, who, report);
        }
    }

    /// Draws what is chosen once for all adapters.
    pub(super) fn choices_ui(self, ui: &mut Ui, choices: &mut Choices, first: &Analysis) {
        match (self, first) {
            (Self::Heads, _) => heads::choices_ui(ui, choices),
            (Self::Tokens, Analysis::Decomposition(report)) => tokens::choices_ui(ui, choices, report),
            (Self::Lens, _) => lens::choices_ui(ui, choices),
            (Self::Slots, Analysis::Attention(report)) => slots::choices_ui(ui, choices, report),
            (Self::Similarity, Analysis::Similarity(report)) => similarity::choices_ui(ui, choices, report),
            (Self::Drift, Analysis::Drift(report)) => drift::choices_ui(ui, choices, report),
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
            (Self::Importance, Analysis::Importance(report)) => {
                importance::importance_ui(ui, choices, who, report, all);
            }
            (Self::Shorter, Analysis::Shorter(report)) => shorter::shorter_ui(ui, who, report),
            (Self::Similarity, Analysis::Similarity(report)) => {
                similarity::similarity_ui(ui, choices, who, report, all);
            }
            (Self::Map, Analysis::Map(report)) => map::map_ui(ui, choices, who, report),
            (Self::Drift, Analysis::Drift(report)) => drift::drift_ui(ui, choices, who, report, all),
            (Self::LabelWords, Analysis::LabelWords(report)) => label_words::label_words_ui(ui, who, report),
            (Self::Said, Analysis::Words(report)) => said::said_ui(ui, who, report),
            (Self::Forgetting, Analysis::Forgetting(report)) => forgetting::forgetting_ui(ui, who, report),
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
                (Self::Importance, Analysis::Importance(report)) => importance::table(report),
                (Self::Shorter, Analysis::Shorter(report)) => shorter::table(report),
                (Self::Similarity, Analysis::Similarity(report)) => similarity::table(choices, report),
                (Self::Map, Analysis::Map(report)) => map::table(report),
                (Self::Drift, Analysis::Drift(report)) => drift::table(report),
                (Self::LabelWords, Analysis::LabelWords(report)) => label_words::table(report),
                (Self::Said, Analysis::Words(report)) => said::table(report),
                (Self::Forgetting, Analysis::Forgetting(report)) => forgetting::table(report),
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
            (Self::Importance, Analysis::Importance(report)) => Some(importance::picture(report, title)),
            (Self::Shorter, Analysis::Shorter(report)) => Some(shorter::picture(report, title)),
            (Self::Similarity, Analysis::Similarity(report)) => Some(similarity::picture(choices, report, title)),
            (Self::Map, Analysis::Map(report)) => Some(map::picture(choices, report, title)),
            (Self::Drift, Analysis::Drift(report)) => Some(drift::picture(choices, report, title)),
            (Self::LabelWords, Analysis::LabelWords(report)) => Some(label_words::picture(report, title)),
            (Self::Said, Analysis::Words(report)) => Some(said::picture(report, title)),
            (Self::Forgetting, Analysis::Forgetting(report)) => Some(forgetting::picture(report, title)),
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
