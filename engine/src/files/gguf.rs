//! Names of files in GGUF: which of a folder or a repository are models, and which belong together.

use std::collections::BTreeSet;

/// In the names of files that hold what a model sees or hears with, and no model.
const BESIDE: &str = "mmproj";

/// Whether a name ends as those of files in GGUF do.
pub(crate) fn is_gguf(name: &str) -> bool {
    let stem = name.len().checked_sub(ENDING).filter(|stem| *stem > 0);
    stem.and_then(|stem| name.get(stem..)).is_some_and(|ending| ending.eq_ignore_ascii_case(".gguf"))
}

/// The files that are a model, or the first of those that one was split into.
pub(crate) fn models<'a>(listed: &[&'a str]) -> Vec<&'a str> {
    let is_first = |name: &str| part_of(name).is_none_or(|(_, part, _)| part == 1);
    let is_model = |name: &&str| is_gguf(name) && !name.to_ascii_lowercase().contains(BESIDE) && is_first(name);
    let mut models: Vec<&str> = listed.iter().copied().filter(is_model).collect();
    models.sort_unstable();
    models
}

/// All files of a model that one of them names, in order; or the name of the first that is not there.
pub(crate) fn parts<'a>(file: &'a str, listed: &[&'a str]) -> Result<Vec<&'a str>, String> {
    let Some((stem, _, total)) = part_of(file) else { return Ok(vec![file]) };
    let listed: BTreeSet<&str> = listed.iter().copied().collect();
    (1..=total)
        .map(|part| {
            let name = format!("{stem}-{part:05}-of-{total:05}{}", &file[file.len() - ENDING..]);
            listed.get(name.as_str()).copied().ok_or(name)
        })
        .collect()
}

/// Length of `.gguf`.
const ENDING: usize = 5;

/// Of a file that is one of several: what they have in common, its number, and how many they are.
fn part_of(name: &str) -> Option<(&str, usize, usize)> {
    let name = name.get(..name.len().checked_sub(ENDING)?)?;
    let (rest, total) = name.rsplit_once("-of-")?;
    let (stem, part) = rest.rsplit_once('-')?;
    let number = |text: &str| (text.len() == 5).then(|| text.parse::<usize>().ok()).flatten();
    Some((stem, number(part)?, number(total)?))
}
