//! Actions of *Explorer*: another checkpoint, the tokens nearest to a cell, questions about what an adapter does.

use std::path::PathBuf;

use engine::config::{DataConfig, RunConfig};
use engine::nn::MatrixNumbers;
use engine::protocol::{AnalysisRequest, Ask, Event, NeighborRequest, Report};

use super::state::{Cell, Inquiry, can_be_explored};
use crate::action::Screen;
use crate::screens::training::state::RunView;
use crate::state::State;
use crate::workspace::RunId;

/// Tokens of a list.
const TOP: usize = 12;

/// Something to be done in *Explorer*.
#[derive(Clone, Debug)]
pub enum ExplorerAction {
    /// Look at a checkpoint.
    Explore {
        /// Folder of the checkpoint.
        checkpoint: PathBuf,
    },
    /// Nearest tokens of a cell.
    Neighbors(Cell),
    /// Answer a question about what an adapter does, unless that is done.
    Look(Box<Inquiry>),
    /// End a question that is under way.
    StopLooking(Box<Inquiry>),
    /// Look at a run beside the one that is shown; at none.
    Beside(Option<RunId>),
}

impl State {
    pub(crate) fn perform_explorer(&mut self, action: ExplorerAction) {
        match action {
            ExplorerAction::Explore { checkpoint } => self.explore(checkpoint),
            ExplorerAction::Neighbors(cell) => self.neighbors(cell),
            ExplorerAction::Look(inquiry) => self.look(*inquiry),
            ExplorerAction::StopLooking(inquiry) => {
                self.exploration.analyses.stop(&mut self.outbox, |known| *known == *inquiry);
            }
            ExplorerAction::Beside(run) => self.look_beside(run),
        }
    }

    pub(crate) fn show_explorer(&mut self) {
        self.find_explored();
        self.show(Screen::Explorer);
    }

    /// Chooses the run when Explorer is opened: the one on screen, or the newest that has something to look at.
    fn find_explored(&mut self) {
        let has_some = |view: &RunView| self.row(&view.id).is_none_or(can_be_explored);
        let instead = match (&self.runs.view, &self.exploration.instead) {
            (Some(view), None) if has_some(view) => return,
            (Some(view), Some(_)) if has_some(view) => None,
            (_, Some(_)) => return,
            (_, None) => match self.runs.rows().find(|row| can_be_explored(row)) {
                Some(row) => Some(RunView::new(row.id.clone())),
                None => return,
            },
        };
        self.explore_anew(None, instead);
        self.refresh_view();
    }

    /// Looks at something else. A question about what was looked at before ends; the cell that was clicked stays, and so do
    /// answers that may be looked at again.
    pub(crate) fn explore_anew(&mut self, checkpoint: Option<PathBuf>, instead: Option<RunView>) {
        self.exploration.nearest.stop(&mut self.outbox);
        self.exploration = std::mem::take(&mut self.exploration).anew(checkpoint, instead);
        let explored = self.explored().map(|view| view.id.clone());
        self.exploration.beside.take_if(|beside| Some(&beside.id) == explored.as_ref());
        self.stop_unseen();
    }

    /// Looks at a run beside the one that is shown.
    fn look_beside(&mut self, run: Option<RunId>) {
        let explored = self.explored().map(|view| view.id.clone());
        self.exploration.beside = run.filter(|run| Some(run) != explored.as_ref()).map(RunView::new);
        self.stop_unseen();
        self.refresh_view();
    }

    /// Ends questions about adapters that are no longer looked at.
    fn stop_unseen(&mut self) {
        let beside = self.exploration.beside.as_ref().and_then(RunView::adapter);
        let seen = [self.exploration.checkpoint.clone(), beside];
        let is_unseen = |inquiry: &Inquiry| !seen.iter().flatten().any(|adapter| *adapter == inquiry.adapter);
        self.exploration.analyses.stop(&mut self.outbox, is_unseen);
        // Whoever comes back asks anew what was ended here.
        self.exploration.analyses.forget_unanswered(is_unseen);
    }

    /// Nothing is looked at of a run that was deleted.
    pub(crate) fn forget_explored(&mut self, run: &RunId) {
        self.exploration.beside.take_if(|beside| beside.id == *run);
        self.exploration.analyses.forget(run, &mut self.outbox);
        if self.explored().is_some_and(|view| view.id == *run) {
            self.exploration.nearest.stop(&mut self.outbox);
            self.exploration = std::mem::take(&mut self.exploration).anew(None, None);
            self.exploration.cell = None;
        }
    }

    fn look(&mut self, inquiry: Inquiry) {
        let known = self.exploration.analyses.find(&inquiry);
        if known.is_some_and(|request| request.is_open() || request.answer.is_some()) {
            return;
        }
        let Some(request) = self.analysis_request(&inquiry) else { return };
        // The same of other rows, of another checkpoint or of another part is no longer waited for.
        let kind = |inquiry: &Inquiry| std::mem::discriminant(&inquiry.question);
        let is_same = |known: &Inquiry| known.run == inquiry.run && kind(known) == kind(&inquiry);
        self.exploration.analyses.stop(&mut self.outbox, is_same);
        self.exploration.analyses.forget_unanswered(is_same);
        let job = self.outbox.ask(Ask::Analyze(Box::new(request)));
        self.exploration.analyses.start(inquiry, job);
    }

    /// The question as the engine is asked it; `None` as long as the run is not known, and where it has no rows.
    pub fn analysis_request(&self, inquiry: &Inquiry) -> Option<AnalysisRequest> {
        let looked_at = [self.explored(), self.exploration.beside.as_ref()];
        let view = looked_at.into_iter().flatten().find(|view| view.id == inquiry.run)?;
        let row = view.row.as_ref()?;
        let question = &inquiry.question;
        let data = match (&view.config, &inquiry.basis.text) {
            _ if question.wants_plain_text() => DataConfig::new(self.env.neutral_text.clone()?),
            (Some(config), _) => validation_rows(config),
            (None, Some(_)) => DataConfig::new(""),
            (None, None) if question.needs_no_rows() => DataConfig::new(""),
            (None, None) => return None,
        };
        Some(AnalysisRequest {
            model: row.model_folder.clone(),
            device: self.settings.device,
            numbers: numbers_of(view),
            adapter: inquiry.adapter.clone(),
            other: inquiry.other.clone(),
            initial: view.initial(),
            question: question.clone(),
            data,
            text: inquiry.basis.text.clone(),
            rows: inquiry.basis.rows,
            checkpoints: view.checkpoints.iter().map(|kept| (kept.step as usize, kept.folder.clone())).collect(),
        })
    }

    /// Looks at what is kept of the run, once there is something.
    pub(crate) fn explore_best(&mut self) {
        let Some(view) = self.explored() else { return };
        if self.exploration.checkpoint.is_none()
            && let Some(folder) = view.adapter()
        {
            self.explore(folder);
        }
    }

    fn explore(&mut self, checkpoint: PathBuf) {
        let instead = self.exploration.instead.take();
        self.explore_anew(Some(checkpoint.clone()), instead);
        let model = self.explored().and_then(|view| view.row.as_ref()).map(|row| row.model_folder.clone());
        let initial = self.explored().and_then(RunView::initial);
        let job = self.outbox.ask(Ask::DescribePrefix { adapter: checkpoint, model, initial });
        self.exploration.grid.start(job);
    }

    fn neighbors(&mut self, cell: Cell) {
        self.exploration.cell = Some(cell);
        self.exploration.nearest.failure = None;
        self.exploration.nearest.stop(&mut self.outbox);
        if self.exploration.list().is_some() {
            return;
        }
        let (Some(adapter), Some(view)) = (self.exploration.checkpoint.clone(), self.explored()) else { return };
        let Some(model) = view.row.as_ref().map(|row| row.model_folder.clone()) else { return };
        let request = NeighborRequest {
            model,
            device: self.settings.device,
            numbers: numbers_of(view),
            adapter,
            initial: view.initial(),
            layers: vec![cell.layer],
            positions: vec![cell.position],
            side: cell.side,
            metric: cell.metric,
            space: cell.space,
            top: TOP,
            per_head: false,
            context: None,
        };
        let job = self.outbox.ask(Ask::Neighbors(Box::new(request)));
        self.exploration.ask_nearest(job, cell);
    }

    /// Takes in what the questions of this screen are told.
    pub(crate) fn on_explorer(&mut self, event: &Event) -> bool {
        if !self.exploration.on(event) {
            return false;
        }
        // The cell that was clicked in the grid before is asked about anew.
        if let (Report::Grid(_), Some(cell)) = (&event.what, self.exploration.cell) {
            self.neighbors(cell);
        }
        true
    }
}

/// The numbers that an adapter is looked at in: f32, on a base whose matrices are kept as its run kept them.
pub fn numbers_of(view: &RunView) -> MatrixNumbers {
    view.config.as_ref().map(|config| config.quantization).unwrap_or_default().into()
}

/// The rows that a run is validated on, as the first rows of a dataset; those it learns from where it has no others.
pub fn validation_rows(config: &RunConfig) -> DataConfig {
    let mut data = config.data.clone();
    if let Some(validation) = data.validation.take() {
        data.train = validation;
    }
    data
}
