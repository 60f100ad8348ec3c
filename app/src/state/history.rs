//! Back and forward: the screens that were shown, each with its run.

use super::State;
use crate::action::Screen;
use crate::workspace::RunId;

/// Places that are kept.
const KEPT: usize = 100;

/// A screen, and the run on it where it shows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The screen.
    pub screen: Screen,
    /// The run that it shows.
    pub run: Option<RunId>,
}

/// A way through the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To where one was before.
    Back,
    /// To where one was when one went back.
    Forward,
}

/// Places where one was, the one where one is, and those where one went back from.
#[derive(Clone, Debug, Default)]
pub struct History {
    here: Option<Place>,
    back: Vec<Place>,
    forward: Vec<Place>,
}

impl History {
    /// Whether there is a place that way.
    pub fn leads(&self, way: Way) -> bool {
        match way {
            Way::Back => !self.back.is_empty(),
            Way::Forward => !self.forward.is_empty(),
        }
    }

    /// Somebody went to a place by other means than this history.
    fn note(&mut self, place: Place) {
        if self.here.as_ref() == Some(&place) {
            return;
        }
        if let Some(left) = self.here.replace(place) {
            self.back.push(left);
            self.forward.clear();
        }
        if self.back.len() > KEPT {
            self.back.remove(0);
        }
    }

    /// The next place that way, which is left behind on the other side.
    fn step(&mut self, way: Way) -> Option<Place> {
        let (from, to) = match way {
            Way::Back => (&mut self.back, &mut self.forward),
            Way::Forward => (&mut self.forward, &mut self.back),
        };
        let place = from.pop()?;
        to.extend(self.here.replace(place.clone()));
        Some(place)
    }
}

impl State {
    /// Where one is.
    fn place(&self) -> Place {
        let has_run = matches!(self.screen, Screen::Training | Screen::Evaluate | Screen::Explorer);
        let run = self.runs.view.as_ref().filter(|_| has_run).map(|view| view.id.clone());
        Place { screen: self.screen, run }
    }

    /// Remembers where one is, if one has gone somewhere.
    pub fn note_place(&mut self) {
        let place = self.place();
        self.history.note(place);
    }

    /// Forgets where one was before.
    pub(super) fn begin_history(&mut self) {
        self.history = History { here: Some(self.place()), ..History::default() };
    }

    /// Goes back, or forward again, past runs that are gone.
    pub(crate) fn go(&mut self, way: Way) {
        while let Some(Place { screen, run }) = self.history.step(way) {
            match run {
                Some(run) if self.row(&run).is_none() => continue,
                Some(run) if self.runs.view.as_ref().is_none_or(|view| view.id != run) => {
                    self.view_run(run, screen == Screen::Explorer);
                }
                _ => {}
            }
            self.show(screen);
            break;
        }
        self.history.here = Some(self.place());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(screen: Screen) -> Place {
        Place { screen, run: None }
    }

    #[test]
    fn going_somewhere_ends_the_way_forward_and_standing_still_is_nothing() {
        let mut history = History::default();
        for screen in [Screen::Runs, Screen::Runs, Screen::Library, Screen::Settings] {
            history.note(place(screen));
        }
        assert!(history.leads(Way::Back) && !history.leads(Way::Forward));
        assert_eq!(history.step(Way::Back), Some(place(Screen::Library)));
        assert_eq!(history.step(Way::Back), Some(place(Screen::Runs)));
        assert_eq!(history.step(Way::Back), None);
        assert_eq!(history.step(Way::Forward), Some(place(Screen::Library)));
        history.note(place(Screen::Compare));
        assert!(!history.leads(Way::Forward));
        assert_eq!(history.step(Way::Back), Some(place(Screen::Library)));
    }

    #[test]
    fn no_more_is_kept_than_somebody_goes_back() {
        let mut history = History::default();
        for n in 0..3 * KEPT {
            history.note(place(if n % 2 == 0 { Screen::Runs } else { Screen::Library }));
        }
        assert_eq!(history.back.len(), KEPT);
    }
}
