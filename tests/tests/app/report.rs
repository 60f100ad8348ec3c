//! A page on runs: one file that loads nothing, whatever the runs are called; and what other programs are given.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use app::cli::{CliError, run};
use app::workspace::{RunId, Workspace};
use engine::config::RunConfig;
use engine::protocol::Ask;
use tests::{Talk, tiny_run};

const MARKUP: &str = "<script>alert(1)</script> & \"Ada\" 前缀 $x_1$ | 50%";

fn line(workspace: &Path, words: &[&str]) -> Result<(), CliError> {
    let head = ["prefix-workbench".into(), "--workspace".into(), workspace.as_os_str().to_owned()];
    run(head.into_iter().chain(words.iter().map(OsString::from)), |_, _| Ok(()))
}

/// Runs of a tiny model in a workspace, each with a seed of its own.
fn trained(root: &Path, names: &[&str]) -> Vec<RunId> {
    let workspace = Workspace::open(&root.join("workspace")).unwrap();
    let talk = Talk::new();
    let train = |(seed, name): (u64, &&str)| {
        let id = workspace.new_run().unwrap();
        let config = Box::new(RunConfig { name: (*name).to_owned(), seed, ..tiny_run(root) });
        talk.run(Ask::Train { folder: workspace.run_folder(&id), config, resume: false, until: None });
        id
    };
    (7..).zip(names).map(train).collect()
}

/// Panics where a page would ask a network or run anything.
fn stands_alone(page: &str) {
    assert!(!page.contains("<script") && !page.contains("javascript:"), "{page}");
    let loading =
        regex::Regex::new(r#"(?i)<[a-z][^>]*\s(?:src|srcset|href|action|data)\s*=\s*["']?([^"'\s>]*)|url\(|@import"#)
            .unwrap();
    for found in loading.captures_iter(page) {
        let to = found.get(1).map(|to| to.as_str());
        assert_eq!(to, Some("data:,"), "{}", found.get(0).unwrap().as_str());
    }
    let links = page.matches("http").count() - page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
    let policy = page.matches("http-equiv").count();
    assert_eq!(links, policy, "an address that could be loaded");
    let pictures = page.split("<svg ").skip(1).map(|rest| rest.split("</svg>").next().unwrap());
    let mut count = 0;
    for picture in pictures {
        assert!(!picture.contains("NaN"), "{picture}");
        count += 1;
    }
    assert!(count > 0, "no picture");
}

#[test]
fn a_page_on_a_run_is_one_file_and_says_what_was_trained_on_what() {
    let root = tempfile::tempdir().unwrap();
    let ids = trained(root.path(), &[MARKUP]);
    let (workspace, page) = (root.path().join("workspace"), root.path().join("report.html"));
    let written = |words: &[&str]| {
        let to = page.to_string_lossy().into_owned();
        line(&workspace, &[&["report", &ids[0].0, "--to", &to], words].concat()).unwrap();
        fs::read_to_string(&page).unwrap()
    };
    let text = written(&[]);
    stands_alone(&text);
    assert!(text.contains("&lt;script&gt;alert(1)") && text.contains("前缀"), "the name is shown as text");
    let facts: serde_json::Value =
        serde_json::from_slice(&fs::read(workspace.join("runs").join(&ids[0].0).join("facts.json")).unwrap()).unwrap();
    let rows = sha256(&fs::read(root.path().join("rows.jsonl")).unwrap());
    for said in [facts["model_hash"].as_str().unwrap(), &rows, "rows.jsonl", "prefix-workbench train", "n_virtual = 4"]
    {
        assert!(text.contains(said), "{said}");
    }
    for section in ["curves", "samples", "sources", "prefixes", "repeat", "environment"] {
        assert!(text.contains(&format!("<section id=\"{section}\">")), "{section}");
    }
    let chinese = written(&["--language", "zh"]);
    stands_alone(&chinese);
    assert!(chinese.contains("lang=\"zh\"") && chinese.contains("验证损失") && !chinese.contains("Validation loss"));
}

#[test]
fn tables_are_markdown_and_latex_by_the_ending() {
    let root = tempfile::tempdir().unwrap();
    let ids = trained(root.path(), &[MARKUP]);
    let workspace = root.path().join("workspace");
    let written = |name: &str| {
        let to = root.path().join(name);
        line(&workspace, &["report", &ids[0].0, "--to", &to.to_string_lossy()])
            .map(|()| fs::read_to_string(to).unwrap())
    };
    let markdown = written("tables.md").unwrap();
    assert!(markdown.contains("| Run | Validation loss |") && markdown.contains("&lt;script&gt;"), "{markdown}");
    let latex = written("tables.tex").unwrap();
    assert!(latex.contains("\\toprule") && latex.contains("\\$x\\_1\\$") && latex.contains("50\\%"), "{latex}");
    assert!(written("tables.docx").unwrap_err().to_string().contains(".html, .md or .tex"));
    assert!(line(&workspace, &["report", &ids[0].0]).unwrap_err().to_string().contains("--to report.html"));
    assert!(line(&workspace, &["report", "nobody", "--to", "x.html"]).is_err());
}

#[test]
fn runs_are_beside_each_other_with_the_mean_over_their_seeds() {
    let root = tempfile::tempdir().unwrap();
    let ids = trained(root.path(), &["one", "two"]);
    let to = root.path().join("report.html");
    let words = ["report", &ids[0].0, &ids[1].0, "--title", "Two <b>seeds</b>", "--to", &to.to_string_lossy()];
    line(&root.path().join("workspace"), &words).unwrap();
    let text = fs::read_to_string(to).unwrap();
    stands_alone(&text);
    assert!(text.contains("Two &lt;b&gt;seeds") && text.contains(" ± "), "{text}");
}

#[test]
fn other_programs_are_given_every_step() {
    let root = tempfile::tempdir().unwrap();
    let ids = trained(root.path(), &[MARKUP]);
    let workspace = root.path().join("workspace");
    let export = |words: &[&str], to: &Path| {
        let to = to.to_string_lossy().into_owned();
        line(&workspace, &[&["runs", "export", &ids[0].0, "--to", &to], words].concat())
    };
    let folder = root.path().join("out");
    export(&[], &folder).unwrap();
    let inside = folder.join(&ids[0].0);
    let read = |name: &str| fs::read_to_string(inside.join(name)).unwrap();
    let csv = read("metrics.csv");
    assert_eq!(csv.lines().count(), 1 + 13, "twelve steps, and an evaluation before the first: {csv}");
    let json: serde_json::Value = serde_json::from_str(&read("run.json")).unwrap();
    assert_eq!(json["config"]["method"]["n_virtual"], 4);
    assert_eq!(json["evaluations"].as_array().unwrap().len(), 4);
    assert!(
        read("loss.svg").starts_with("<svg ") && fs::read(inside.join("loss.png")).unwrap().starts_with(b"\x89PNG")
    );
    for part in ["train", "validation"] {
        let mut files = fs::read_dir(inside.join(part)).unwrap().map(Result::unwrap);
        let file = files.next().unwrap();
        assert!(file.file_name().to_string_lossy().starts_with("events.out.tfevents."));
        assert!(fs::read(file.path()).unwrap().windows(4).any(|bytes| bytes == b"loss"));
    }
    for name in ["all.csv", "all.json", "all.svg", "all.png"] {
        export(&[], &root.path().join(name)).unwrap();
        assert!(root.path().join(name).metadata().unwrap().len() > 500, "{name}");
    }
    let refused = export(&["--form", "csv"], &root.path().join("all.csv")).unwrap_err();
    assert!(refused.to_string().contains("by its ending"), "{refused}");
}

/// As `sha256sum` says it.
fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
