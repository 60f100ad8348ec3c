//! The first run of an experiment, whose adapter others may begin with: in a file its path is `first`, in a plan the folder
//! that the run has.

use std::path::Path;

use engine::experiment::Axis;
use serde_json::Value;

use super::{Plan, Stand};
use crate::store::RunState;
use crate::workspace::Workspace;

/// The path that stands for the first run.
pub(super) const FIRST: &str = "first";

/// Takes back that a folder was put before the name of the first run.
pub(super) fn keep_name(axes: &mut [Axis], base: &mut Value, folder: &Path) {
    let absolute = folder.join(FIRST).to_string_lossy().into_owned();
    axes.iter_mut().flat_map(|axis| &mut axis.points).flatten().for_each(|value| put_back(value, &absolute));
    put_back(base, &absolute);
}

fn put_back(value: &mut Value, absolute: &str) {
    match value {
        Value::String(text) if text == absolute => FIRST.clone_into(text),
        Value::Object(table) => table.values_mut().for_each(|value| put_back(value, absolute)),
        _ => {}
    }
}

impl Plan {
    /// Names the folder of the first run where it was meant.
    pub(super) fn name_first(&mut self, workspace: &Workspace) {
        let Some((first, others)) = self.runs.split_first_mut().filter(|_| self.experiment.first.is_some()) else {
            return;
        };
        let folder = workspace.run_folder(&first.run);
        for planned in others {
            if planned.config.method.starts_from() == Some(Path::new(FIRST)) {
                planned.config.method.start_from(&folder);
            }
        }
    }

    /// Whether a run begins with the adapter of the first, and that is not done.
    pub(super) fn waits_for_first(&self, index: usize, stands: &[Option<Stand>]) -> bool {
        let Some(first) = self.runs.first().filter(|_| index > 0 && self.experiment.first.is_some()) else {
            return false;
        };
        let from = self.runs[index].config.method.starts_from().and_then(Path::file_name);
        let is_done = stands[0].is_some_and(|stand| stand.state == RunState::Finished);
        !is_done && from.is_some_and(|name| *name == *first.run.0)
    }
}

#[cfg(test)]
mod tests {
    use engine::config::{DataConfig, MethodConfig, PrefixConfig, PrefixInit, RunConfig};
    use engine::experiment::{Experiment, Member, Strategy};
    use serde_json::json;

    use super::*;

    #[test]
    fn runs_that_begin_with_the_first_wait_until_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let member = |name: &str, init: PrefixInit| {
            let method = MethodConfig::Prefix(PrefixConfig { init, ..PrefixConfig::default() });
            let config = RunConfig { method, ..RunConfig::new("/m", DataConfig::new("/d.jsonl")) };
            (Member { name: name.to_owned(), values: Vec::new(), settings: json!({}) }, config)
        };
        let members = vec![
            member("all tasks", PrefixInit::ScaledRandom),
            member("from nothing", PrefixInit::ScaledRandom),
            member("from all tasks", PrefixInit::Adapter { path: FIRST.into() }),
        ];
        let (name, base, axes, first) = ("e".to_owned(), json!({}), Vec::new(), Some(json!({})));
        let experiment = Experiment { name, base, axes, strategy: Strategy::Grid, first };
        let plan = Plan::create(&workspace, experiment, members).unwrap();
        let first = workspace.run_folder(&plan.runs[0].run);
        assert_eq!(plan.runs[2].config.method.starts_from(), Some(first.as_path()));
        let due = |stands: [Option<Stand>; 3]| {
            plan.due_of(&stands, false).into_iter().map(|due| due.index).collect::<Vec<_>>()
        };
        let stand = |state| Some(Stand { state, step: 9, total_steps: 9, figure: None });
        assert_eq!(due([None, None, None]), [0, 1]);
        assert_eq!(due([stand(RunState::Running), None, None]), [1]);
        assert!(due([stand(RunState::Failed), stand(RunState::Finished), None]).is_empty(), "nothing to begin with");
        assert_eq!(due([stand(RunState::Finished), stand(RunState::Finished), None]), [2]);
        assert_eq!(Plan::list(&workspace).0, std::slice::from_ref(&plan));
    }
}
