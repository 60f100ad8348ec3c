//! The setting that was meant by a name that is none.

use super::{SETTINGS, Setting};

/// Names that share less than this are no slip of each other.
const ALIKE: f32 = 0.6;

/// The setting whose name, here or in another program, is most like one that is unknown; `None` where none is like it.
pub fn nearest(key: &str) -> Option<&'static str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let name = last(key);
    let exact = SETTINGS.iter().map(|setting| setting.key).find(|known| last(known) == name);
    exact.or_else(|| {
        let score = |setting: &Setting| {
            let theirs = setting.aliases.iter().map(|alias| similarity(&name, alias.name));
            let ours = similarity(&name, setting.name()).max(similarity(key, setting.key));
            theirs.fold(ours, f32::max)
        };
        let best = SETTINGS.iter().map(|setting| (score(setting), setting.key));
        best.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score >= ALIKE).map(|(_, known)| known)
    })
}

fn similarity(a: &str, b: &str) -> f32 {
    similar::TextDiff::from_chars(a, b).ratio()
}
