//! The whole program behind the window: a run is started, watched, compared, looked into, and found again.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::time::{Duration, Instant};

use app::window::Workbench;
use app::workspace::Workspace;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tests::tiny_run;

use crate::world::{press, settings};

/// Longer than this nothing here takes, unless it hangs.
const HANGS: Duration = Duration::from_secs(120);

/// The window on a workspace, drawn into memory.
struct Whole(Harness<'static, Option<Workbench>>);

impl Whole {
    fn open(home: &std::path::Path) -> Self {
        let (place, starter) = (home.join("workspace"), Box::new(tiny_run(home)));
        let draw = move |ui: &mut egui::Ui, window: &mut Option<Workbench>| {
            let window = window.get_or_insert_with(|| {
                let workspace = Workspace::open(&place).unwrap();
                app::window::open(&workspace, ui.ctx(), settings(), Some(starter.clone())).unwrap()
            });
            window.receive(ui.ctx());
            window.ui(ui);
        };
        // A model of random weights says things that no font has a glyph for.
        Self(Harness::builder().with_size([1280.0, 800.0]).allow_missing_glyphs().build_ui_state(draw, None))
    }

    /// Draws until something with these words is there.
    fn until(&mut self, words: &str) {
        let begun = Instant::now();
        while self.0.query_all_by_label_contains(words).next().is_none() {
            assert!(begun.elapsed() < HANGS, "nothing says {words:?}; there are {:?}", self.words());
            std::thread::yield_now();
            self.0.step();
        }
        self.0.run_steps(3);
    }

    /// All labels, for whoever has to find out why something is not there.
    fn words(&self) -> Vec<String> {
        let nodes = self.0.root().children_recursive();
        nodes.filter_map(|node| node.accesskit_node().label()).collect()
    }

    fn press(&mut self, label: &str) {
        self.until(label);
        press(&self.0, label);
        self.0.run_steps(3);
    }

    /// Presses what leads to another screen. Figures that come in between two frames may move it from under a press,
    /// which is then made again, as a person makes it.
    fn leave_by(&mut self, label: &str) {
        let begun = Instant::now();
        self.press(label);
        while self.0.query_by_label(label).is_some() {
            assert!(begun.elapsed() < HANGS, "{label:?} leads nowhere");
            self.press(label);
        }
    }

    /// Ends the window; all that was sent to the store is on disk when this returns.
    fn close(mut self) {
        self.0.state_mut().take().unwrap().finish();
    }
}

#[test]
fn a_run_is_started_watched_compared_and_found_again() {
    let home = tempfile::tempdir().unwrap();
    let mut window = Whole::open(home.path());
    window.press("Train the starter example");
    window.until("Loss over steps");
    window.until("step 12 of 12");
    // The row of buttons is another one from now on, and a press must not fall between the two.
    window.until("Idle");
    window.until("Finished");
    window.leave_by("Compare with the base");
    window.until("Next row");
    window.until("Base proven");
    window.until("adapter ");
    window.press("Explorer");
    window.until("Layer 2, position 3,");
    window.0.get_by_label_contains("Layer 2, position 3,").click();
    window.0.run_steps(3);
    window.until("Grey hill: all");
    window.close();

    let mut window = Whole::open(home.path());
    window.until("Layer 2, position 3,");
    window.press("Runs");
    window.until("Finished");
    window.press("tiny");
    window.press("Open");
    window.until("Loss over steps");
    window.until("step 12 of 12");
    window.close();
}
