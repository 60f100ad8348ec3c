//! Times that frames took: counted in place, so that counting costs nothing.

/// Frames that are kept: more than a fast screen shows in a second.
const ROOM: usize = 256;

/// The last frames, each with its moment and the seconds it took.
#[derive(Clone, Debug)]
pub struct FrameTimes {
    frames: [(f64, f32); ROOM],
    next: usize,
    len: usize,
}

/// Frames of a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameSummary {
    /// As many took longer.
    pub median_secs: f32,
    /// The longest.
    pub worst_secs: f32,
    /// Their number.
    pub frames: usize,
}

impl Default for FrameTimes {
    fn default() -> Self {
        Self { frames: [(0.0, 0.0); ROOM], next: 0, len: 0 }
    }
}

impl FrameTimes {
    /// A frame at a moment, in seconds since any time, took so long.
    pub fn add(&mut self, at: f64, secs: f32) {
        self.frames[self.next] = (at, secs);
        self.next = (self.next + 1) % ROOM;
        self.len = (self.len + 1).min(ROOM);
    }

    /// The frames of the second before the last one; `None` before the first.
    pub fn summary(&self) -> Option<FrameSummary> {
        let (last, _) = self.frames[(self.next + ROOM - 1) % ROOM];
        let (mut times, mut n) = ([0.0; ROOM], 0);
        for (at, secs) in &self.frames[..self.len] {
            if (0.0..=1.0).contains(&(last - at)) {
                times[n] = *secs;
                n += 1;
            }
        }
        let times = &mut times[..n];
        times.sort_unstable_by(f32::total_cmp);
        let (median_secs, worst_secs) = (*times.get(n / 2)?, *times.last()?);
        Some(FrameSummary { median_secs, worst_secs, frames: n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_of_the_last_second_alone() {
        let mut times = FrameTimes::default();
        assert_eq!(times.summary(), None);
        times.add(10.0, 0.9);
        for (frame, secs) in [0.004, 0.002, 0.003].into_iter().enumerate() {
            times.add(11.5 + 0.1 * frame as f64, secs);
        }
        assert_eq!(times.summary(), Some(FrameSummary { median_secs: 0.003, worst_secs: 0.004, frames: 3 }));
    }

    #[test]
    fn a_very_fast_screen_overwrites_its_oldest_frames() {
        let mut times = FrameTimes::default();
        times.add(0.0, 1.0);
        for frame in 0..ROOM {
            times.add(0.5 + frame as f64 * 1e-4, 0.001);
        }
        let summary = times.summary().unwrap();
        assert_eq!((summary.worst_secs, summary.frames), (0.001, ROOM));
    }
}
