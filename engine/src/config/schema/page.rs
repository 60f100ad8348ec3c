//! The list as a page: `docs/settings.md`, which this test writes and holds current.

use std::fmt::Write as _;

use super::{Kind, SETTINGS, Setting, default_value};

/// What stands above the tables.
const HEAD: &str = "# Settings\n\nEvery setting of a run: its path in a run file and for `--set`, its form and range, what a new run has that does \
not say it, and what it decides; where the default is empty it must be said, or has settings of its own. `prefix-workbench train --print-config` writes a file with those of a run.\n";

/// The page, in Markdown: a section for each table of a run file.
fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in ["", "data", "method", "lora", "training"] {
        let of_section = |setting: &&Setting| setting.key.split_once('.').map_or("", |(first, _)| first) == section;
        let title = Setting::find(section).map_or("What is run", |table| table.help);
        let path = if section.is_empty() { String::new() } else { format!(" `[{section}]`") };
        // Writing into a string cannot fail.
        write!(page, "\n##{path} {title}\n\n| setting | value | default | meaning |\n|---|---|---|---|\n")
            .unwrap_or_default();
        for setting in SETTINGS.iter().filter(of_section).filter(|setting| !is_section(setting)) {
            page.push_str(&row(setting));
        }
    }
    page
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
    format!("| `{}` | {kind} | {default} | {help}{methods} |\n", setting.key)
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
