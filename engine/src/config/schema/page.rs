//! The list as a page: `docs/settings.md`, which this test writes and holds current.

use std::fmt::Write as _;

use super::{Alias, Given, Kind, Literal, Reading, SETTINGS, Setting, UNMATCHED, default_value};

/// Text above the tables.
const HEAD: &str = "# Settings\n\nEvery setting of a run: its path in a run file and for `--set`, its form and range, what a new run has that does \
not say it, its other names, and what it decides; where the default is empty it must be said, or has settings of its own. `prefix-workbench train --print-config` writes a file with those of a run. \
Names of transformers and PEFT may stand alone or in the table of the setting, in run files, in `--set` and, with their \
underscores, as flags where there is a flag; what is said under two names has to be the same.\n";

/// The page, in Markdown: a section for each table of a run file.
fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in ["", "data", "method", "lora", "training", "generation"] {
        let of_section = |setting: &&Setting| setting.key.split_once('.').map_or("", |(first, _)| first) == section;
        let title = Setting::find(section).map_or("What is run", |table| table.help);
        let path = if section.is_empty() { String::new() } else { format!(" `[{section}]`") };
        // Writing into a string cannot fail.
        writeln!(page, "\n##{path} {title}\n\n| setting | value | default | also | meaning |\n|---|---|---|---|---|")
            .unwrap_or_default();
        for setting in SETTINGS.iter().filter(of_section).filter(|setting| !is_section(setting)) {
            page.push_str(&row(setting));
        }
    }
    page.push_str(&converted());
    page.push_str(&refused());
    page
}

/// The names whose values are not taken as they are.
fn converted() -> String {
    let mut text = "\n## Values of transformers and PEFT\n\nTaken as they are, but for these.\n\n| name | how it is read |\n|---|---|\n".to_owned();
    let mut seen = Vec::new();
    for (setting, alias) in
        SETTINGS.iter().flat_map(|setting| setting.aliases.iter().map(move |alias| (setting, alias)))
    {
        let how = how(setting, alias);
        if !how.is_empty() && !seen.contains(&alias.name) {
            seen.push(alias.name);
            writeln!(text, "| `{}` | {how} |", alias.name).unwrap_or_default();
        }
    }
    text
}

fn how(setting: &Setting, alias: &Alias) -> String {
    let reading = match alias.reading {
        Reading::Same => String::new(),
        Reading::Switch => "true is the table with its defaults, false is none".to_owned(),
        Reading::ZeroIsNone => "0 is none".to_owned(),
        Reading::NotBelowZero => "0 and less are 0: not set".to_owned(),
        Reading::Steps => "a whole number of steps; a share of the run is refused".to_owned(),
        Reading::StepsOrShare(share) => format!("below 1 it is `{share}`"),
        Reading::IfTrue(word) => format!("true is `{word}`, false says nothing"),
        Reading::OnlyTrue(word) => format!("true is `{word}`; any other is refused"),
        Reading::Modules => "a list; a text is a pattern, or `all-linear`".to_owned(),
        Reading::Tokens => "a list is for the model's own table".to_owned(),
        Reading::Words(words) => {
            let words = words.iter().map(|word| format!("`{}` is {}", word.theirs, says(word.says)));
            format!("{}; any other is refused", words.collect::<Vec<_>>().join("; "))
        }
    };
    let given = match alias.given {
        Given::Always => String::new(),
        Given::Table => format!("only with `{}`", setting.table()),
        Given::Types(key, words) => format!("only with `{key}` = {}", words.join(" or ")),
    };
    [reading, given].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn says(all: &[(&str, Literal)]) -> String {
    let one = |(key, literal): &(&str, Literal)| match literal {
        Literal::Word(word) => format!("`{key}` = {word}"),
        Literal::Flag(flag) => format!("`{key}` = {flag}"),
        Literal::Count(count) => format!("`{key}` = {count}"),
        Literal::Table => format!("with `{key}`"),
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The names that have no setting.
fn refused() -> String {
    let mut text = "\n## Names that are refused\n\n| name | but for | because it |\n|---|---|---|\n".to_owned();
    for unmatched in UNMATCHED {
        let taken: Vec<String> = unmatched.taken.iter().map(|taken| format!("`{taken}`")).collect();
        writeln!(text, "| `{}` | {} | {} |", unmatched.name, taken.join(", "), unmatched.why.sentence())
            .unwrap_or_default();
    }
    text
}

/// Whether a setting is a table with a section of its own.
fn is_section(setting: &Setting) -> bool {
    setting.kind == Kind::Table && !setting.key.contains('.')
}

fn row(setting: &Setting) -> String {
    let default = match default_value(setting) {
        Some(value) if value.is_null() => "none".to_owned(),
        Some(value) => format!("`{value}`"),
        None if setting.optional => "none".to_owned(),
        None => String::new(),
    };
    let kind = match setting.kind {
        // The meaning names the words, with what each is.
        Kind::Choice(_) => "a word".to_owned(),
        kind => kind.to_string(),
    };
    let methods = match setting.methods {
        [] => String::new(),
        methods => format!(" ({})", methods.join(", ")),
    };
    let help = setting.help.replace('|', "\\|");
    let old = setting.formerly.into_iter().map(|name| format!("{}.{name}", setting.table()));
    let names = setting.aliases.iter().map(|alias| alias.name.to_owned()).chain(old);
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    format!("| `{}` | {kind} | {default} | {} | {help}{methods} |\n", setting.key, names.join(", "))
}

/// `UPDATE_DOCS=1 cargo test -p engine --lib the_page_is_current` writes it.
#[test]
fn the_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    assert!(written == page(), "docs/settings.md is not current: UPDATE_DOCS=1 cargo test writes it");
}
