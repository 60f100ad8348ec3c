//! Actions of the form *New run*.

use std::path::PathBuf;

use engine::config::RunConfig;
use engine::protocol::Ask;
use engine::training::{InitComparisonPlan, RateRange};

use super::state::batch_size::BatchSize;
use super::state::init_comparison::InitComparison;
use super::state::lr_range_test::LrRangeTest;
use super::state::preview::{PreviewOf, PreviewQuestion};
use crate::state::State;
use crate::state::outbox::{Effect, Fill, NewRun};

/// Something to be done about a new run.
#[derive(Clone, Debug)]
pub enum NewRunAction {
    /// Begin a run with these settings, or put it into the queue.
    Start(Box<RunConfig>),
    /// Use a model in the form.
    UseModel(PathBuf),
    /// Use a dataset in the form, with validation rows if they come along.
    UseDataset(PathBuf, Option<PathBuf>),
    /// Fill in what a recipe of that name decides.
    TakePreset(&'static str),
    /// Tokenize rows.
    Preview(PreviewOf, PreviewQuestion),
    /// Try learning rates on the first steps of a run.
    TestLrRange(Box<RunConfig>),
    /// End that test, or take its curve away.
    EndLrRange,
    /// Hold initial values against each other on the first steps of a run.
    CompareStarts(Box<RunConfig>, Box<InitComparisonPlan>),
    /// End that comparison, or take its table away.
    EndInitComparison,
    /// Time a few steps of these runs, one after the other.
    TimeSteps(Vec<RunConfig>),
    /// End that.
    EndTimeSteps,
    /// Find the largest batch of a run that memory has room for.
    FindBatchSize(Box<RunConfig>),
    /// End that.
    EndFindBatchSize,
}

impl State {
    pub(crate) fn perform_new_run(&mut self, action: NewRunAction) {
        match action {
            NewRunAction::Start(config) => self.outbox.push(Effect::NewRun(NewRun::Trained(config))),
            NewRunAction::UseModel(folder) => self.fill(Fill::Model(folder)),
            NewRunAction::UseDataset(train, validation) => self.fill(Fill::Dataset(train, validation)),
            NewRunAction::TakePreset(name) => self.fill(Fill::Recipe(name)),
            NewRunAction::Preview(of, question) => {
                let job = self.outbox.ask(question.ask(of));
                self.new_run.preview_of(of).start(of, &question, job);
            }
            NewRunAction::TestLrRange(config) => {
                self.new_run.lr_range_test.request.stop(&mut self.outbox);
                let job = self.outbox.ask(Ask::TestLrRange { config: config.clone(), range: RateRange::default() });
                self.new_run.lr_range_test = LrRangeTest::new(config, job);
            }
            NewRunAction::EndLrRange => {
                let test = &mut self.new_run.lr_range_test;
                if test.request.is_open() {
                    test.request.stop(&mut self.outbox);
                } else {
                    *test = LrRangeTest::default();
                }
            }
            NewRunAction::CompareStarts(config, plan) => {
                self.new_run.init_comparison.request.stop(&mut self.outbox);
                let job = self.outbox.ask(Ask::CompareInits { config: config.clone(), plan: plan.as_ref().clone() });
                self.new_run.init_comparison = InitComparison::new(config, *plan, job);
            }
            NewRunAction::EndInitComparison => {
                let comparison = &mut self.new_run.init_comparison;
                if comparison.request.is_open() {
                    comparison.request.stop(&mut self.outbox);
                } else {
                    *comparison = InitComparison::default();
                }
            }
            NewRunAction::TimeSteps(runs) => self.new_run.step_times.start(runs, &mut self.outbox),
            NewRunAction::FindBatchSize(config) => {
                self.new_run.batch_size.request.stop(&mut self.outbox);
                let job = self.outbox.ask(Ask::FindBatchSize { config: config.clone() });
                self.new_run.batch_size = BatchSize::new(config, job);
            }
            NewRunAction::EndFindBatchSize => {
                self.new_run.batch_size.request.stop(&mut self.outbox);
                self.new_run.batch_size = BatchSize::default();
            }
            NewRunAction::EndTimeSteps => self.new_run.step_times.stop(&mut self.outbox),
        }
    }
}
