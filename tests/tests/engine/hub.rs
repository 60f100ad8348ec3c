//! Models fetched from a hub on this machine: what is named first, what a cut, a lie or a stranger's name does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use engine::error::Failure;
use engine::hub::{
    Destination, Hub, HubCommand, HubConfig, HubEvent, HubProgress, Listing, ModelId, Timeouts, find_cached,
    list_cached,
};
use engine::protocol::JobId;
use tests::hub_server::{COMMIT, Fault, HubServer, Served};

const JOB: JobId = JobId(7);
const WEIGHTS: usize = 700_000;

/// Files of a small model, and some that nobody here reads.
fn files() -> Vec<Served> {
    vec![
        Served::small(".gitattributes", "*.safetensors filter=lfs"),
        Served::small("README.md", "# A model"),
        Served::small("config.json", "{\"model_type\":\"gpt2\"}"),
        Served::large("model.safetensors", WEIGHTS),
        Served::large("onnx/model.onnx", 10),
        Served::large("pytorch_model.bin", 900_000),
        Served::small("tokenizer.json", "{}"),
        Served::small("vocab.json", "{}"),
    ]
}

/// The same with other weights.
fn with_weights(weights: Served) -> Vec<Served> {
    files().into_iter().map(|file| if file.name == weights.name { weights.clone() } else { file }).collect()
}

fn weights() -> Served {
    Served::large("model.safetensors", WEIGHTS)
}

pub(crate) struct Talk {
    hub: Hub,
    events: Receiver<HubEvent>,
}

impl Talk {
    pub(crate) fn new(server: &HubServer, cache: &Path, token: Option<&Path>) -> Self {
        let config = HubConfig {
            endpoint: Some(server.endpoint.clone()),
            token_file: token.map(Path::to_owned),
            cache: Some(cache.to_owned()),
            ..HubConfig::default()
        };
        let timeouts = Timeouts { attempts: 3, pause: Duration::ZERO, silence: Duration::from_secs(20) };
        let (send, events) = channel();
        // A test that is over hears no more.
        let hub = Hub::spawn(config, timeouts, move |event| drop(send.send(event))).unwrap();
        Self { hub, events }
    }

    fn next(&self) -> HubEvent {
        self.events.recv().expect("the hub's thread goes on")
    }

    pub(crate) fn look_up(&self, id: &str, to: Destination) -> Result<Listing, Failure> {
        self.hub.send(HubCommand::LookUp { job: JOB, id: ModelId::parse(id).unwrap(), to });
        loop {
            match self.next() {
                HubEvent::Listed { listing, .. } => return Ok(*listing),
                HubEvent::Failed { failure, .. } => return Err(failure),
                _ => {}
            }
        }
    }

    pub(crate) fn download(&self, listing: Listing) -> Result<(PathBuf, Vec<HubProgress>), Failure> {
        self.hub.send(HubCommand::Download { job: JOB, listing: Box::new(listing) });
        let mut heard = Vec::new();
        loop {
            match self.next() {
                HubEvent::Progress { progress, .. } => heard.push(progress),
                HubEvent::Fetched { folder, .. } => return Ok((folder, heard)),
                HubEvent::Failed { failure, .. } => return Err(failure),
                _ => {}
            }
        }
    }

    pub(crate) fn fetch(&self, id: &str) -> Result<PathBuf, Failure> {
        let listing = self.look_up(id, Destination::Cache)?;
        Ok(self.download(listing)?.0)
    }
}

/// Every file below a folder, by its path in it.
pub(crate) fn tree(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, base: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                walk(&entry.path(), base, found);
            } else {
                found.push(entry.path().strip_prefix(base).unwrap().to_string_lossy().replace('\\', "/"));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

#[test]
fn files_and_sizes_are_named_first_and_then_the_shared_cache_has_them() {
    let cache = tempfile::tempdir().unwrap();
    let server = HubServer::start("org/tiny", files(), None);
    let talk = Talk::new(&server, cache.path(), None);
    let listing = talk.look_up("org/tiny", Destination::Cache).unwrap();
    let names: Vec<&str> = listing.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["config.json", "tokenizer.json", "model.safetensors"]);
    assert_eq!(listing.total_bytes(), WEIGHTS as u64 + 21 + 2);
    assert_eq!((listing.missing_bytes(), listing.gated), (listing.total_bytes(), false));
    assert_eq!((listing.commit.as_str(), listing.model_type.as_deref()), (COMMIT, Some("gpt2")));
    assert!(tree(cache.path()).is_empty(), "a look-up writes nothing");
    assert_eq!(server.asked().len(), 1, "and asks for the list only");

    let (folder, heard) = talk.download(listing.clone()).unwrap();
    let id = ModelId::parse("org/tiny").unwrap();
    assert_eq!(find_cached(cache.path(), &id), Some(folder.clone()));
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights().content);
    assert_eq!(fs::read_to_string(cache.path().join("models--org--tiny/refs/main")).unwrap(), COMMIT);
    let blob = cache.path().join("models--org--tiny/blobs").join(weights().sha256());
    assert_eq!(fs::metadata(blob).unwrap().len(), WEIGHTS as u64);
    assert_eq!(heard.last().unwrap().bytes, listing.total_bytes());
    assert!(heard.windows(2).all(|pair| pair[0].bytes <= pair[1].bytes));
    assert!(!tree(cache.path()).iter().any(|name| name.ends_with(".incomplete")));

    let asked = server.asked();
    assert!(asked.iter().all(|asked| !asked.path.contains("onnx") && !asked.path.contains("pytorch_model")));
    assert_eq!(talk.look_up("org/tiny", Destination::Cache).unwrap().missing_bytes(), 0);
    server.asked();
    talk.fetch("org/tiny").unwrap();
    assert_eq!(server.asked().len(), 1, "what is here is not fetched again");
    assert_eq!(list_cached(cache.path()).len(), 1);
}

#[test]
fn a_cut_connection_goes_on_at_the_byte_it_ended_at() {
    let cache = tempfile::tempdir().unwrap();
    let cut = Served { faults: vec![Fault::CutAfter(300_000), Fault::CutAfter(100_000)], ..weights() };
    let server = HubServer::start("gpt2", with_weights(cut), None);
    let folder = Talk::new(&server, cache.path(), None).fetch("gpt2").unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights().content);
    let ranges: Vec<Option<String>> =
        server.asked().into_iter().filter(|asked| asked.elsewhere).map(|asked| asked.range).collect();
    assert_eq!(ranges, [None, Some("bytes=300000-".to_owned()), Some("bytes=400000-".to_owned())]);
}

#[test]
fn a_connection_that_only_breaks_is_given_up_and_taken_up_again_later() {
    let cache = tempfile::tempdir().unwrap();
    let mut faults = vec![Fault::CutAfter(50_000)];
    faults.extend([Fault::CutAfter(0); 2]);
    let server = HubServer::start("gpt2", with_weights(Served { faults, ..weights() }), None);
    let talk = Talk::new(&server, cache.path(), None);
    let failure = talk.fetch("gpt2").unwrap_err();
    assert!(failure.what.to_string().contains("cut after 0.1 MB of 0.7 MB of model.safetensors"), "{failure:?}");
    assert!(failure.advice.to_string().contains("goes on from there"));
    assert_eq!(find_cached(cache.path(), &ModelId::parse("gpt2").unwrap()), None);
    assert_eq!(talk.look_up("gpt2", Destination::Cache).unwrap().missing_bytes(), 650_000);
    talk.fetch("gpt2").unwrap();
    assert_eq!(server.asked().last().unwrap().range.as_deref(), Some("bytes=50000-"));
}

#[test]
fn a_server_without_ranges_sends_it_again_from_the_start() {
    let cache = tempfile::tempdir().unwrap();
    let cut = Served { faults: vec![Fault::CutAfter(300_000)], ranges: false, ..weights() };
    let server = HubServer::start("gpt2", with_weights(cut), None);
    let folder = Talk::new(&server, cache.path(), None).fetch("gpt2").unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights().content);
}

#[test]
fn a_wrong_hash_is_refused_and_nothing_of_it_is_left() {
    let cache = tempfile::tempdir().unwrap();
    let wrong = Served { says_sha256: Some("ab".repeat(32)), ..weights() };
    let server = HubServer::start("gpt2", with_weights(wrong), None);
    let failure = Talk::new(&server, cache.path(), None).fetch("gpt2").unwrap_err();
    assert!(failure.what.to_string().starts_with("model.safetensors arrived damaged"), "{failure:?}");
    let left = tree(cache.path());
    assert!(!left.iter().any(|name| name.contains("snapshots") || name.contains("refs")), "{left:?}");
    assert!(!left.iter().any(|name| name.contains("blobs") && name.contains(&"ab".repeat(32))), "{left:?}");
}

#[test]
fn sizes_that_lie_are_refused_and_nothing_of_it_is_left() {
    for says in [WEIGHTS as u64 - 1, WEIGHTS as u64 + 1] {
        let cache = tempfile::tempdir().unwrap();
        let lie = Served { says_bytes: Some(says), ..weights() };
        let server = HubServer::start("gpt2", with_weights(lie.clone()), None);
        let talk = Talk::new(&server, cache.path(), None);
        let failure = talk.fetch("gpt2").unwrap_err();
        assert!(
            failure.what.to_string().starts_with(&format!("model.safetensors was said to have {says} bytes")),
            "{failure:?}"
        );
        assert!(
            !tree(cache.path())
                .iter()
                .any(|name| name.contains("snapshots") || name.contains(&lie.sha256()) && !name.ends_with(".lock"))
        );
    }
}

#[test]
fn more_than_the_disk_holds_is_not_begun() {
    let cache = tempfile::tempdir().unwrap();
    let huge = Served { says_bytes: Some(1 << 60), ..weights() };
    let server = HubServer::start("gpt2", with_weights(huge), None);
    let talk = Talk::new(&server, cache.path(), None);
    let listing = talk.look_up("gpt2", Destination::Cache).unwrap();
    assert_eq!(listing.total_bytes(), (1 << 60) + 23);
    if listing.free_bytes.is_none() {
        eprintln!("the free space of this file system is not known: skipped");
        return;
    }
    server.asked();
    let failure = talk.download(listing).unwrap_err();
    assert!(failure.what.to_string().contains("are free on the disk"), "{failure:?}");
    assert!(server.asked().is_empty());
}

#[test]
fn a_gated_model_needs_a_token_and_only_the_hub_sees_it() {
    let cache = tempfile::tempdir().unwrap();
    let server = HubServer::start("org/gated", files(), Some("hf_secret"));
    let token = |text: &str| {
        let path = cache.path().join(format!("token {text}"));
        fs::write(&path, format!("{text}\n")).unwrap();
        path
    };
    let other = Talk::new(&server, cache.path(), Some(&token("hf_other")));
    let listing = other.look_up("org/gated", Destination::Cache).unwrap();
    assert!(listing.gated);
    let failure = other.download(listing).unwrap_err();
    assert!(
        failure.what.to_string().contains("gated") && failure.advice.to_string().contains("no access yet"),
        "{failure:?}"
    );
    assert!(!format!("{failure:?}").contains("hf_other"));

    let none = Talk::new(&server, cache.path(), Some(&token("")));
    let failure = none.fetch("org/gated").unwrap_err();
    assert!(failure.advice.to_string().contains(&format!("{}/settings/tokens", server.endpoint)), "{failure:?}");

    server.asked();
    Talk::new(&server, cache.path(), Some(&token("hf_secret"))).fetch("org/gated").unwrap();
    let (there, elsewhere): (Vec<_>, Vec<_>) = server.asked().into_iter().partition(|asked| !asked.elsewhere);
    assert!(there.iter().all(|asked| asked.authorization.as_deref() == Some("Bearer hf_secret")), "{there:?}");
    assert!(!elsewhere.is_empty() && elsewhere.iter().all(|asked| asked.authorization.is_none()), "{elsewhere:?}");
}

#[test]
fn what_is_not_there_is_a_sentence() {
    let cache = tempfile::tempdir().unwrap();
    let server = HubServer::start("gpt2", files(), None);
    let talk = Talk::new(&server, cache.path(), None);
    let missing = talk.fetch("gtp2").unwrap_err();
    assert!(missing.what.to_string().contains("has no model gtp2, or it is private"), "{missing:?}");
    let revision = talk.fetch("gpt2@v9").unwrap_err();
    assert_eq!(revision.what, "gpt2 has no revision \"v9\"");
    talk.fetch(&format!("gpt2@{COMMIT}")).unwrap();

    let mut gone = HubServer::start("gpt2", Vec::new(), None);
    gone.endpoint = "http://127.0.0.1:1".to_owned();
    let failure = Talk::new(&gone, cache.path(), None).look_up("gpt2", Destination::Cache).unwrap_err();
    assert!(failure.what.to_string().starts_with("127.0.0.1 cannot be reached"), "{failure:?}");
    assert!(failure.advice.to_string().contains("mirror"));
}

#[test]
fn a_name_that_leads_out_of_the_cache_is_refused_before_anything_is_fetched() {
    for name in ["../../evil.safetensors", "/etc/evil", "a\\..\\evil"] {
        let cache = tempfile::tempdir().unwrap();
        let mut hostile = files();
        hostile.push(Served::small(name, "evil"));
        let server = HubServer::start("gpt2", hostile, None);
        let failure = Talk::new(&server, cache.path(), None).fetch("gpt2").unwrap_err();
        assert!(failure.what.to_string().contains("it is refused"), "{failure:?}");
        assert!(tree(cache.path()).is_empty());
    }
}

#[test]
fn a_download_is_cancelled_while_the_server_is_silent_and_goes_on_later() {
    let cache = tempfile::tempdir().unwrap();
    let stalls = Served { faults: vec![Fault::StallAfter(300_000)], ..weights() };
    let server = HubServer::start("gpt2", with_weights(stalls), None);
    let talk = Talk::new(&server, cache.path(), None);
    let listing = Box::new(talk.look_up("gpt2", Destination::Cache).unwrap());
    talk.hub.send(HubCommand::Download { job: JOB, listing });
    let arrived = |event: &HubEvent| matches!(event, HubEvent::Progress { progress, .. } if progress.bytes > 23);
    while !arrived(&talk.next()) {}
    talk.hub.send(HubCommand::Cancel { job: JOB });
    let left = loop {
        if let HubEvent::Kept { listing, .. } = talk.next() {
            break listing.missing_bytes();
        }
    };
    assert!(left < WEIGHTS as u64, "what arrived is kept");
    assert!(matches!(talk.next(), HubEvent::Cancelled { job: JOB }));
    assert_eq!(talk.look_up("gpt2", Destination::Cache).unwrap().missing_bytes(), left);
    server.asked();
    let folder = talk.fetch("gpt2").unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights().content);
    let from = format!("bytes={}-", WEIGHTS as u64 - left);
    assert_eq!(server.asked().last().unwrap().range.as_deref(), Some(from.as_str()));
}

#[test]
fn a_folder_of_its_own_gets_the_files_and_keeps_what_is_not_ours() {
    let home = tempfile::tempdir().unwrap();
    let server = HubServer::start("gpt2", files(), None);
    let talk = Talk::new(&server, &home.path().join("cache"), None);
    let to = home.path().join("models/gpt2");
    let get = || talk.download(talk.look_up("gpt2", Destination::Folder(to.clone()))?).map(|done| done.0);
    assert_eq!(get().unwrap(), to);
    assert_eq!(tree(&to), ["config.json", "model.safetensors", "tokenizer.json"]);
    server.asked();
    get().unwrap();
    assert_eq!(server.asked().len(), 1, "what is here is not fetched again");
    let mut other = weights().content;
    other[5] ^= 1;
    fs::write(to.join("model.safetensors"), &other).unwrap();
    let failure = get().unwrap_err();
    assert!(failure.what.to_string().starts_with("there is another model.safetensors already"), "{failure:?}");
    assert_eq!(fs::read(to.join("model.safetensors")).unwrap(), other);
}

#[test]
fn another_program_that_fetches_the_same_file_is_not_disturbed() {
    let cache = tempfile::tempdir().unwrap();
    let server = HubServer::start("gpt2", files(), None);
    let locks = cache.path().join(".locks/models--gpt2");
    fs::create_dir_all(&locks).unwrap();
    let held = fs::File::create(locks.join(format!("{}.lock", weights().sha256()))).unwrap();
    held.lock().unwrap();
    let failure = Talk::new(&server, cache.path(), None).fetch("gpt2").unwrap_err();
    assert_eq!(failure.what, "another program is downloading model.safetensors");
}

/// A model that computes, as a hub has it.
fn working_model(faults: Vec<Fault>) -> HubServer {
    let read = |name: &str| fs::read(tests::tiny_model().join(name)).unwrap();
    let small = |name: &str| Served { content: read(name), ..Served::small(name, "") };
    let weights = Served { content: read("model.safetensors"), faults, ..Served::large("model.safetensors", 0) };
    HubServer::start("org/tiny", vec![small("config.json"), small("tokenizer.json"), weights], None)
}

/// The program, with an environment of its own.
fn program(home: &Path, server: &HubServer, words: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_workbench-under-test"));
    program.args(["--device", "cpu", "--workspace"]).arg(home.join("workspace")).args(words);
    program.env("HF_HOME", home.join("hf")).env("HF_ENDPOINT", &server.endpoint).current_dir(home);
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        program.env_remove(name);
    }
    program
}

/// Exit code, standard output, standard error.
fn line(home: &Path, server: &HubServer, words: &[&str]) -> (i32, String, String) {
    let out = program(home, server, words).stdin(std::process::Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

#[test]
fn the_command_line_names_the_files_asks_and_then_the_id_is_a_model() {
    let home = tempfile::tempdir().unwrap();
    let server = working_model(Vec::new());
    let generate = ["generate", "--model", "org/tiny", "--prompt", "a e", "--max-new-tokens", "2"];
    let (code, _, said) = line(home.path(), &server, &generate);
    assert_eq!(code, 1);
    assert!(said.ends_with("Fetch it with: prefix-workbench download org/tiny"), "{said}");
    assert!(server.asked().is_empty(), "nothing is fetched unasked");

    let (code, _, said) = line(home.path(), &server, &["download", "org/tiny"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("model.safetensors") && said.contains("3 files") && said.ends_with("Add --yes"), "{said}");
    assert_eq!(server.asked().len(), 1);
    let (code, folder, said) = line(home.path(), &server, &["download", "org/tiny", "--yes"]);
    assert_eq!((code, Path::new(&folder).join("config.json").is_file()), (0, true), "{said}");

    server.asked();
    for model in ["org/tiny", "hub:org/tiny"] {
        let words = [&["generate", "--model", model], &generate[3..]].concat();
        let (code, _, said) = line(home.path(), &server, &words);
        assert_eq!(code, 0, "{said}");
    }
    let (code, config, said) = line(home.path(), &server, &["train", "--model", "org/tiny", "--print-config"]);
    assert!(code == 0 && config.contains(&format!("snapshots/{COMMIT}")), "{config}{said}");
    assert!(server.asked().is_empty(), "what is in the cache needs no network");

    let to = home.path().join("models/tiny");
    let words = ["download", "org/tiny", "--to", "models/tiny", "--yes", "--json"];
    let (code, events, said) = line(home.path(), &server, &words);
    assert_eq!(code, 0, "{said}");
    let events: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "listing");
    assert_eq!(
        events[0]["files"][0],
        serde_json::json!({
            "name": "config.json", "bytes": events[0]["files"][0]["bytes"], "here_bytes": 0
        })
    );
    assert_eq!(events.last().unwrap()["folder"], to.to_string_lossy().as_ref());
    assert!(to.join("model.safetensors").is_file());
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_arrived_and_says_how_to_go_on() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let home = tempfile::tempdir().unwrap();
    let server = working_model(vec![Fault::StallAfter(20_000)]);
    let mut program = program(home.path(), &server, &["download", "org/tiny", "--yes", "--json"]);
    let mut child = program.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut before) = (String::new(), None);
    // The first bytes of the weights have arrived when more is there than the small files are.
    loop {
        line.clear();
        assert!(events.read_line(&mut line).unwrap() > 0, "the program goes on");
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        match event["event"].as_str() {
            Some("listing") => {
                let small = [&event["files"][0], &event["files"][1]].map(|file| file["bytes"].as_u64().unwrap());
                before = Some(small.iter().sum::<u64>());
            }
            Some("progress") if event["bytes"].as_u64() >= before.map(|before| before + 20_000) => break,
            _ => {}
        }
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.trim().ends_with("Go on with: prefix-workbench download org/tiny"), "{said}");
    server.asked();
    let (code, _, said) = self::line(home.path(), &server, &["download", "org/tiny", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(server.asked().last().unwrap().range.as_deref(), Some("bytes=20000-"));
}

/// A line of Python with the hub's client, or `None` where it is not installed.
fn python(line: &str, cache: &Path, endpoint: &str) -> Option<String> {
    let run = |line: &str| {
        let mut python = Command::new("python3");
        let vars = [("HF_HUB_CACHE", cache.to_string_lossy().into_owned()), ("HF_ENDPOINT", endpoint.to_owned())];
        python.args(["-c", line]).envs(vars).env_remove("HF_HUB_OFFLINE").env("NO_PROXY", "127.0.0.1").output().ok()
    };
    if !run("import huggingface_hub").is_some_and(|out| out.status.success()) {
        eprintln!("python3 has no huggingface_hub: the cross-check is skipped");
        return None;
    }
    let out = run(line)?;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

#[test]
fn python_finds_what_was_fetched_here_and_the_other_way_round() {
    let cache = tempfile::tempdir().unwrap();
    let server = HubServer::start("org/tiny", files(), None);
    let folder = Talk::new(&server, cache.path(), None).fetch("org/tiny").unwrap();
    server.asked();
    let line = "from huggingface_hub import try_to_load_from_cache as find, hf_hub_download as get\n\
                a = find('org/tiny', 'model.safetensors')\n\
                b = get('org/tiny', 'model.safetensors')\n\
                assert a == b, (a, b)\n\
                print(a)";
    let Some(found) = python(line, cache.path(), &server.endpoint) else { return };
    assert_eq!(Path::new(&found), folder.join("model.safetensors"));
    assert!(server.asked().iter().all(|asked| !asked.elsewhere), "Python fetches nothing of it again");

    let cache = tempfile::tempdir().unwrap();
    let line = "from huggingface_hub import hf_hub_download as get\n\
                [get('org/tiny', name) for name in ('config.json', 'tokenizer.json', 'model.safetensors')]";
    python(line, cache.path(), &server.endpoint).unwrap();
    assert!(find_cached(cache.path(), &ModelId::parse("org/tiny").unwrap()).is_some());
    server.asked();
    let listing = Talk::new(&server, cache.path(), None).look_up("org/tiny", Destination::Cache).unwrap();
    assert_eq!(listing.missing_bytes(), 0);
}
