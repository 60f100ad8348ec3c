//! Keeps what ARCHITECTURE.md promises about the code itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn rust_files(package: &str) -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    sources(&root().join(package), &mut paths);
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn the_engine_knows_no_window_and_no_database() {
    let manifest = std::fs::read_to_string(root().join("engine/Cargo.toml")).unwrap();
    for word in ["egui", "eframe", "rfd", "rusqlite", "clap"] {
        assert!(!manifest.contains(word), "engine/Cargo.toml names {word}");
    }
}

#[test]
fn screens_and_widgets_see_no_channel_no_file_and_no_table() {
    for (path, text) in rust_files("app/src/screens").into_iter().chain(rust_files("app/src/widgets")) {
        for word in ["std::sync::mpsc", "std::fs", "rusqlite", "std::thread"] {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

/// State and actions of the window are tested without a window: the shared facts, and `state.rs` or `state/`
/// and `action.rs` of each screen.
#[test]
fn state_and_actions_see_no_egui_no_channel_no_file_and_no_thread() {
    let is_state = |path: &Path| {
        let inside = path.strip_prefix(root().join("app/src")).unwrap();
        inside.iter().any(|part| ["state", "state.rs", "action.rs"].iter().any(|name| part == *name))
    };
    let files: Vec<_> = rust_files("app/src").into_iter().filter(|(path, _)| is_state(path)).collect();
    assert!(files.len() > 8, "where are they? {files:?}");
    for (path, text) in files {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: Vec<&str> = lines.collect();
        for word in ["egui", "crate::widgets", "std::sync::mpsc", "std::fs", "rusqlite", "std::thread"] {
            assert!(!code.iter().any(|line| line.contains(word)), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn a_module_of_the_app_is_a_file_or_a_folder_with_a_mod_rs() {
    for (path, _) in rust_files("app/src") {
        assert!(!path.with_extension("").is_dir(), "{} stands beside its folder", path.display());
    }
}

#[test]
fn only_the_device_folder_names_a_backend() {
    // A test may say where it runs.
    let allowed = ["device/", "nn/", "generation/tiny.rs"];
    for (path, text) in rust_files("engine/src") {
        let name = path.strip_prefix(root().join("engine/src")).unwrap().to_string_lossy().into_owned();
        if allowed.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["Device::flex", "Device::wgpu", "Device::vulkan", "burn_flex"] {
            assert!(!text.contains(word), "{name} names {word}");
        }
    }
}

/// Rooms of the engine, and those that they do not see.
const ROOMS: [(&[&str], &[&str]); 10] = [
    // What a run is needs no model to be said.
    (&["config"], &["models", "adapters", "training", "generation", "analysis"]),
    (&["nn"], &["models", "adapters", "data", "config", "training", "generation", "analysis"]),
    // A figure is the same whoever made the predictions.
    (&["metrics"], &["models", "nn", "adapters", "data", "config", "training", "generation", "analysis", "files"]),
    // A model is the same whatever is trained on it, and by whatever rows.
    (&["models"], &["data", "adapters", "training", "generation", "analysis"]),
    // A method, and what is saved of it, knows no file; what makes one adapter of others knows none either.
    (
        &["adapters/methods", "adapters/ops", "adapters/state", "adapters/adapter", "adapters/plan", "adapters/fits"],
        &["adapters::formats"],
    ),
    (&["adapters"], &["training", "generation", "analysis", "bundle", "loaded_model", "verify", "bench"]),
    // Who opens an adapter of any form hands it down.
    (&["training"], &["bundle", "verify"]),
    // What is kept of an evaluation, and its figures, need no model.
    (&["evaluation"], &["models", "adapters", "training", "generation", "loaded_model", "analysis"]),
    // Which runs there are is said without computing anything.
    (&["experiment"], &["models", "nn", "adapters", "data", "training", "generation", "loaded_model", "analysis"]),
    // Below the jobs nothing knows of commands, events, threads and what is loaded for whom.
    (
        &[
            "adapters",
            "analysis",
            "bundle",
            "config",
            "data",
            "device",
            "error",
            "evaluation",
            "experiment",
            "files",
            "metrics",
            "generation",
            "models",
            "nn",
            "training",
            "verify",
            "weights",
            "loaded_model",
            "bench",
        ],
        &["protocol", "jobs", "worker", "session", "hub"],
    ),
];

#[test]
fn each_room_of_the_engine_sees_only_what_is_below_it() {
    for (path, text) in rust_files("engine/src") {
        let name = path.strip_prefix(root().join("engine/src")).unwrap().to_string_lossy().into_owned();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        if name.ends_with("tests.rs") {
            continue;
        }
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text = lines.collect::<Vec<&str>>().join("\n");
        for (rooms, unseen) in ROOMS {
            let is_in = |room: &&str| name.starts_with(&format!("{room}/")) || name == format!("{room}.rs");
            for other in unseen.iter().filter(|_| rooms.iter().any(is_in)) {
                assert!(!sees(&text, other), "{name} sees {other}");
            }
        }
    }
}

/// Whether a text names a room, or a folder of one: by its path, or among others as in `crate::adapters::{Adapter, formats}`.
fn sees(text: &str, other: &str) -> bool {
    let is_named = ["::", ";"].iter().any(|end| text.contains(&format!("crate::{other}{end}")));
    let Some((room, folder)) = other.split_once("::") else { return is_named };
    let among = regex::Regex::new(&format!(r"crate::{room}::\{{[^;]*\b{folder}\b")).unwrap();
    is_named || among.is_match(text)
}

#[test]
fn what_a_room_sees_is_found_in_every_form() {
    let seen = [
        "use crate::adapters::formats;",
        "crate::adapters::formats::read(x)",
        "use crate::adapters::{\n    A, formats,\n};",
    ];
    assert!(seen.iter().all(|text| sees(text, "adapters::formats")));
    assert!(!sees("use crate::adapters::{Adapter, state};\nlet formats = 1;", "adapters::formats"));
    assert!(sees("use crate::bundle;", "bundle") && !sees("use crate::bundles::x;", "bundle"));
}

#[test]
fn each_file_says_what_it_is_for() {
    for (path, text) in ["engine", "app", "tests"].iter().flat_map(|package| rust_files(package)) {
        assert!(text.starts_with("//!"), "{} begins with its purpose", path.display());
    }
}

/// Full paths, and those that a room's section says from the room on.
#[test]
fn the_pages_name_files_that_are_there() {
    let mut pages = vec![root().join("docs/glossary.md")];
    pages.extend(["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)));
    pages.extend(std::fs::read_dir(root().join("docs/decisions")).unwrap().map(|entry| entry.unwrap().path()));
    let name = regex::Regex::new(r"`([a-z_]+[\w./-]*(?:/|\.(?:rs|py|sh)))`").unwrap();
    let (rooms, mut found) = (["", "engine/src", "app/src", "tests"], BTreeSet::new());
    for folder in ["engine", "app", "tests", "assets"] {
        places(&root().join(folder), &mut found);
    }
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        for (_, [named]) in name.captures_iter(&text).map(|found| found.extract()) {
            let is_there = rooms.iter().any(|room| root().join(room).join(named).exists());
            let is_a_name = found.contains(named.trim_end_matches('/'));
            assert!(is_there || is_a_name, "{} names {named}", page.display());
        }
    }
}

/// Names of files and folders below a folder.
fn places(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        found.insert(entry.file_name().to_string_lossy().into_owned());
        if entry.path().is_dir() {
            places(&entry.path(), found);
        }
    }
}

/// The check of `cargo deny check licenses`, without a network: of what is built here.
#[test]
fn every_dependency_has_a_license_that_is_allowed() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let list = deny.split("allow = [").nth(1).unwrap().split(']').next().unwrap();
    let allowed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains(&"MIT"), "{allowed:?}");

    let said = |program: &str, words: &[&str]| {
        let out = std::process::Command::new(program).args(words).current_dir(root()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let rustc = said("rustc", &["-vV"]);
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let words = ["metadata", "--locked", "--format-version", "1", "--filter-platform", host];
    let metadata: serde_json::Value = serde_json::from_str(&said(env!("CARGO"), &words)).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let is_built = |package: &serde_json::Value| nodes.iter().any(|node| node["id"] == package["id"]);

    for package in metadata["packages"].as_array().unwrap().iter().filter(|package| is_built(package)) {
        let name = package["name"].as_str().unwrap();
        // Names none; deny.toml says which it is.
        let Some(license) = package["license"].as_str() else {
            assert!(deny.contains(&format!("crate = \"{name}\"")), "{name} names no license");
            continue;
        };
        let license = license.replace(" / ", " OR ").replace('/', " OR ");
        let is_allowed = |part: &str| part.trim_matches(['(', ')']).split(" OR ").any(|one| allowed.contains(&one));
        assert!(license.split(" AND ").all(is_allowed), "{name} has the license {license}");
    }
}

/// Spellings that no name has: code and settings are spelled as Rust, PyTorch and Hugging Face spell.
const BRITISH: [&str; 28] = [
    "behaviour",
    "capitalis",
    "catalogue",
    "colour",
    "favour",
    "finalis",
    "generalis",
    "grey",
    "initialis",
    "labell",
    "licence",
    "maximis",
    "minimis",
    "neighbour",
    "normalis",
    "optimis",
    "organis",
    "parameteris",
    "penalis",
    "quantis",
    "recognis",
    "serialis",
    "specialis",
    "stabilis",
    "summaris",
    "synchronis",
    "tokenis",
    "vectoris",
];

#[test]
fn names_are_spelled_as_the_field_spells_them() {
    // Texts and comments may have others: names of earlier versions, data.
    let passed_over = regex::Regex::new(r##"(?s)r#".*?"#|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|//[^\n]*"##).unwrap();
    let name = regex::Regex::new("[A-Za-z_][A-Za-z0-9_]*").unwrap();
    let british = |word: &str| BRITISH.iter().find(|part| word.to_lowercase().contains(**part));
    let mut found = BTreeSet::new();
    for (path, text) in ["engine/src", "app/src", "tests/src", "tests/tests"].into_iter().flat_map(rust_files) {
        let code = passed_over.replace_all(&text, "");
        for word in name.find_iter(&code).map(|word| word.as_str()).filter(|word| british(word).is_some()) {
            found.insert(format!("{word} in {}", path.display()));
        }
    }
    for setting in engine::config::schema::SETTINGS {
        let words = match setting.kind {
            engine::config::schema::Kind::Choice(words) => words,
            _ => &[],
        };
        let all = std::iter::once(setting.key).chain(words.iter().copied());
        found.extend(all.filter(|word| british(word).is_some()).map(|word| format!("the setting {word}")));
    }
    let but = ["BRITISH", "british"];
    found.retain(|word| !but.iter().any(|but| word.starts_with(but)));
    assert!(found.is_empty(), "{found:#?}");
}

/// A comment that begins with a question's word hides the thing; a few read well all the same.
#[test]
fn doc_comments_name_the_thing() {
    let question = regex::Regex::new(r"^/// (What|How|Its|In what|Which|So many)\b").unwrap();
    for package in ["engine/src", "app/src"] {
        let (mut all, mut questions) = (0, Vec::new());
        for (path, text) in rust_files(package) {
            let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
            for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("///")) {
                let is_first = at == 0 || !lines[at - 1].starts_with("///");
                all += usize::from(is_first);
                if is_first && question.is_match(line) {
                    questions.push(format!("{}: {line}", path.display()));
                }
            }
        }
        assert!(all > 1000 && 20 * questions.len() < all, "{} of {all}: {questions:#?}", questions.len());
    }
}
