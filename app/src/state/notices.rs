//! Things that happened and passed by: each is shown for a while and then kept in the list behind the bell.

use engine::error::Failure;

use crate::widgets::surface::Level;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// One sentence.
    pub what: String,
    /// What to do, or nothing.
    pub advice: String,
    /// Seconds since 1970.
    pub at: f64,
}

/// How long a notice stays on the screen.
pub const SHOWN_SECS: f64 = 6.0;
const KEPT: usize = 200;

/// The list behind the bell.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
    /// How many came since the list was looked at.
    pub unread: usize,
}

impl Notices {
    /// Adds one.
    pub fn add(&mut self, level: Level, what: impl Into<String>, advice: impl Into<String>, at: f64) {
        self.list.push(Notice { level, what: what.into(), advice: advice.into(), at });
        self.unread += 1;
        if self.list.len() > KEPT {
            self.list.remove(0);
        }
    }

    /// Adds an error.
    pub fn fail(&mut self, failure: &Failure, at: f64) {
        self.add(Level::Bad, &failure.what, &failure.advice, at);
    }

    /// Newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Notice> {
        self.list.iter().rev()
    }

    /// Those that are still on the screen, newest first; errors stay twice as long.
    pub fn shown(&self, now: f64) -> impl Iterator<Item = &Notice> {
        self.newest().take(4).filter(move |notice| {
            let stays = if notice.level == Level::Bad { 2.0 * SHOWN_SECS } else { SHOWN_SECS };
            now - notice.at < stays
        })
    }

    /// No notices.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
