//! All runs as the store tells them, and details of those that were looked at.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::config::RunConfig;
use engine::training::Beginning;

use super::request::Request;
use crate::screens::training::state::RunView;
use crate::store::{CheckpointRow, Curve, RunRow};
use crate::workspace::RunId;

/// The runs as the window knows them.
#[derive(Debug, Default)]
pub struct Runs {
    /// All runs, newest first; `None` until the store has answered.
    pub list: Option<Vec<RunRow>>,
    /// Counts the changes of the list: what was made of it is made anew when this is another.
    pub revision: u64,
    /// The run that *Training* shows, and *Explorer* unless it shows another instead.
    pub view: Option<RunView>,
    /// Checkpoints of the runs that were looked at.
    pub checkpoints: BTreeMap<RunId, Vec<CheckpointRow>>,
    /// Settings of the runs that were looked at.
    pub configs: BTreeMap<RunId, Box<RunConfig>>,
    /// Curves of the runs that were laid over each other, by run and name. A run that goes on has newer ones: who shows it
    /// asks again when its row changes.
    pub curves: BTreeMap<RunId, BTreeMap<String, Curve>>,
    /// Tasks of the runs whose prompt serves several.
    pub tasks: BTreeMap<RunId, Request<Vec<String>>>,
    /// Adapters that are being written for others.
    pub exports: Vec<Request<PathBuf>>,
    /// How runs stood when their curves were last asked for.
    asked_curves: BTreeMap<(RunId, String), AskedCurve>,
    /// An action that waits for the settings of the run on screen.
    pub(crate) after_detail: Option<(RunId, AfterDetail)>,
}

impl Runs {
    /// All of them, newest first; none until the store has answered.
    pub fn rows(&self) -> impl Iterator<Item = &RunRow> {
        self.list.iter().flatten()
    }

    /// The curve of a run that was told last under a name.
    pub fn curve(&self, run: &RunId, name: &str) -> Option<&Curve> {
        self.curves.get(run)?.get(name)
    }

    /// Keeps curves in place of those that were told before.
    pub(super) fn take_curves(&mut self, curves: Vec<Curve>) {
        for curve in curves {
            self.curves.entry(curve.run.clone()).or_default().insert(curve.name.clone(), curve);
        }
    }

    /// Takes the whole list.
    pub(super) fn listed(&mut self, rows: Vec<RunRow>) {
        self.revision += 1;
        self.list = Some(rows);
    }

    /// Takes a run out of the list. Answers with its name, if it was there.
    pub(super) fn take_out(&mut self, run: &RunId) -> Option<String> {
        let list = self.list.as_mut()?;
        let at = list.iter().position(|row| row.id == *run)?;
        self.revision += 1;
        Some(list.remove(at).name)
    }

    /// Puts changed rows in their places, newest first; before the store has listed all, there is no place for one.
    pub(super) fn change(&mut self, rows: Vec<RunRow>, gone: &[RunId]) {
        let Some(list) = &mut self.list else { return };
        self.revision += 1;
        list.retain(|row| !gone.contains(&row.id));
        self.curves.retain(|run, _| !gone.contains(run));
        for row in rows {
            match list.iter_mut().find(|known| known.id == row.id) {
                Some(known) => *known = row,
                None => list.insert(list.partition_point(|known| known.id > row.id), row),
            }
        }
    }

    /// The settings of a run: as they were read in full, or as its row has them.
    pub(crate) fn config(&self, run: &RunId) -> Option<Box<RunConfig>> {
        let of_row = || {
            let row = self.rows().find(|row| row.id == *run)?;
            serde_json::from_value::<RunConfig>(row.settings.as_ref().clone()).ok().map(Box::new)
        };
        self.viewed_config(run).or_else(of_row)
    }

    /// Runs whose curve of a figure is to be asked for: it never was, or the run has gone on since and was not asked within
    /// the last second.
    pub(crate) fn curves_due(&self, rows: &[&RunRow], name: &str, now: f64) -> Vec<RunId> {
        let is_due = |row: &RunRow| match self.asked_curves.get(&(row.id.clone(), name.to_owned())) {
            Some(asked) => (asked.step, asked.state) != (row.step, row.state) && now - asked.at >= AGAIN_SECS,
            None => true,
        };
        rows.iter().filter(|row| is_due(row)).map(|row| row.id.clone()).collect()
    }

    /// Whether a curve was asked for and has not come.
    pub(crate) fn is_curve_awaited(&self, run: &RunId, name: &str) -> bool {
        let key = (run.clone(), name.to_owned());
        self.asked_curves.contains_key(&key) && self.curve(run, name).is_none()
    }

    /// Notes how runs stand as their curves are asked for.
    pub(crate) fn expect_curves(&mut self, runs: &[RunId], name: &str, at: f64) {
        for run in runs {
            let Some(row) = self.rows().find(|row| row.id == *run) else { continue };
            let asked = AskedCurve { step: row.step, state: row.state, at };
            self.asked_curves.insert((run.clone(), name.to_owned()), asked);
        }
    }

    /// The settings of the run on screen, if it is this one.
    pub(crate) fn viewed_config(&self, run: &RunId) -> Option<Box<RunConfig>> {
        self.view.as_ref().filter(|view| view.id == *run)?.config.clone()
    }

    /// The tasks of a run's prompt; none until they are known.
    pub fn tasks_of(&self, run: &RunId) -> &[String] {
        self.tasks.get(run).and_then(|tasks| tasks.answer.as_deref()).unwrap_or_default()
    }
}

/// Seconds between two questions about a run that goes on.
const AGAIN_SECS: f64 = 1.0;

/// A run as it stood when a curve of it was asked for.
#[derive(Clone, Copy, Debug)]
struct AskedCurve {
    step: u64,
    state: crate::store::RunState,
    /// Seconds since 1970.
    at: f64,
}

/// An action that needs a run's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterDetail {
    Resume(Beginning),
    Duplicate,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids and names, as they are listed.
    fn listed(runs: &Runs) -> Vec<(&str, &str)> {
        runs.rows().map(|row| (row.id.0.as_str(), row.name.as_str())).collect()
    }

    fn row((id, name): (&str, &str)) -> RunRow {
        RunRow { id: RunId(id.into()), name: name.into(), ..RunRow::example() }
    }

    #[test]
    fn a_curve_is_kept_until_a_newer_one_or_the_end_of_its_run() {
        use crate::store::CurvePoint;

        let curve = |run: &str, value| Curve {
            run: RunId(run.into()),
            name: "loss".into(),
            points: vec![CurvePoint { value, ..CurvePoint::default() }],
        };
        let mut runs = Runs { list: Some(Vec::new()), ..Runs::default() };
        runs.take_curves(vec![curve("a", 3.0), curve("b", 2.0)]);
        runs.take_curves(vec![curve("a", 1.0)]);
        let last = |runs: &Runs, run: &str| runs.curve(&RunId(run.into()), "loss").map(|curve| curve.points[0].value);
        assert_eq!((last(&runs, "a"), last(&runs, "b")), (Some(1.0), Some(2.0)));
        assert!(runs.curve(&RunId("a".into()), "accuracy").is_none());
        runs.change(Vec::new(), &[RunId("a".into())]);
        assert_eq!((last(&runs, "a"), last(&runs, "b")), (None, Some(2.0)));
    }

    #[test]
    fn changed_rows_take_their_places_and_those_that_are_gone_leave() {
        let mut runs = Runs::default();
        runs.change(vec![row(("9", "early"))], &[]);
        assert!(runs.list.is_none(), "nothing was listed yet");
        runs.listed([("7", "c"), ("5", "b"), ("3", "a")].map(row).into());
        let before = runs.revision;
        runs.change([("6", "new"), ("5", "renamed"), ("8", "newest")].map(row).into(), &[RunId("3".into())]);
        assert_eq!(listed(&runs), [("8", "newest"), ("7", "c"), ("6", "new"), ("5", "renamed")]);
        assert_eq!(runs.take_out(&RunId("6".into())).as_deref(), Some("new"));
        assert_eq!(runs.take_out(&RunId("6".into())), None);
        assert_eq!(runs.revision, before + 2, "each change is counted");
    }

    #[test]
    fn a_curve_is_asked_for_once_and_again_when_its_run_has_gone_on() {
        let mut live = RunRow { state: crate::store::RunState::Running, step: 10, ..row(("1", "live")) };
        let done = row(("2", "done"));
        let mut runs = Runs { list: Some(vec![live.clone(), done.clone()]), ..Runs::default() };
        let ids = |due: Vec<RunId>| due.into_iter().map(|run| run.0).collect::<Vec<String>>();
        assert_eq!(ids(runs.curves_due(&[&live, &done], "loss", 0.0)), ["1", "2"]);
        runs.expect_curves(&[live.id.clone(), done.id.clone()], "loss", 0.0);
        assert!(runs.is_curve_awaited(&live.id, "loss") && !runs.is_curve_awaited(&live.id, "bleu"));
        assert!(runs.curves_due(&[&live, &done], "loss", 5.0).is_empty(), "nothing has changed");
        live.step = 11;
        assert!(runs.curves_due(&[&live, &done], "loss", 0.5).is_empty(), "not within a second");
        assert_eq!(ids(runs.curves_due(&[&live, &done], "loss", 1.0)), ["1"]);
        assert_eq!(ids(runs.curves_due(&[&done], "bleu", 0.5)), ["2"], "another figure");
        let curve = Curve { run: live.id.clone(), name: "loss".into(), points: Vec::new() };
        runs.take_curves(vec![curve]);
        assert!(!runs.is_curve_awaited(&live.id, "loss"));
    }
}
