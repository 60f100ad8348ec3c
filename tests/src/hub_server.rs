//! A hub on this machine: it speaks the routes that the workbench and Python's client use, and misbehaves on request.
//!
//! Large files are sent by a second address, as the hub's are. Every request is kept, so that a test can say what was
//! asked and with which headers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The commit that the served branch is at.
pub const COMMIT: &str = "607a30d783dfa663caf39e06633721c8d4cfcd7e";

/// The fault of one connection of a file that does not send all of it.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Ends after so many bytes.
    CutAfter(usize),
    /// Sends so many bytes and then nothing any more.
    StallAfter(usize),
}

/// A file of the served model.
#[derive(Clone, Debug)]
pub struct Served {
    /// Name of the file, as it is listed.
    pub name: String,
    /// Bytes that are sent.
    pub content: Vec<u8>,
    /// Kept apart from the repository: listed with a SHA-256, sent by the second address.
    pub large: bool,
    /// The size that is listed; without it the true one.
    pub says_bytes: Option<u64>,
    /// The SHA-256 that is listed; without it the true one.
    pub says_sha256: Option<String>,
    /// Of the first connections, in order.
    pub faults: Vec<Fault>,
    /// Whether a part can be asked for.
    pub ranges: bool,
}

impl Served {
    /// A file of the repository itself.
    pub fn small(name: &str, content: &str) -> Self {
        Self {
            name: name.to_owned(),
            content: content.as_bytes().to_vec(),
            large: false,
            says_bytes: None,
            says_sha256: None,
            faults: Vec::new(),
            ranges: true,
        }
    }

    /// A file of so many bytes, kept apart.
    pub fn large(name: &str, bytes: usize) -> Self {
        let content = (0..bytes).map(|i| (i * 31 % 251) as u8).collect();
        Self { content, large: true, ..Self::small(name, "") }
    }

    /// The SHA-256 that is listed.
    pub fn sha256(&self) -> String {
        self.says_sha256.clone().unwrap_or_else(|| hex(&Sha256::digest(&self.content)))
    }

    /// The hub's tag of the file: for a small one, forty digits that follow from its content.
    pub fn etag(&self) -> String {
        if self.large { self.sha256() } else { hex(&Sha256::digest(&self.content))[..40].to_owned() }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// By the second address.
    pub elsewhere: bool,
    /// The path with its query.
    pub path: String,
    /// The header `Range`.
    pub range: Option<String>,
    /// The header `Authorization`.
    pub authorization: Option<String>,
}

/// The server. Its threads end with the process.
pub struct HubServer {
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    asked: Receiver<Asked>,
}

struct Site {
    model: String,
    files: Vec<Served>,
    token: Option<String>,
    elsewhere: String,
    connections: Vec<AtomicUsize>,
}

impl HubServer {
    /// Serves one model, or a dataset as `datasets/OWNER/NAME`, to everybody, or to those who have the token. A dataset of files
    /// such as `CONFIG/SPLIT/0000.parquet` is one that the hub converted.
    pub fn start(model: &str, files: Vec<Served>, token: Option<&str>) -> Self {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (home, elsewhere) = (listen(), listen());
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let endpoint = address(&home);
        let connections = files.iter().map(|_| AtomicUsize::new(0)).collect();
        let site = Arc::new(Site {
            model: model.to_owned(),
            files,
            token: token.map(str::to_owned),
            elsewhere: address(&elsewhere),
            connections,
        });
        let (tell, asked) = channel();
        serve(home, site.clone(), tell.clone(), false);
        serve(elsewhere, site, tell, true);
        Self { endpoint, asked }
    }

    /// Requests made since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }
}

fn serve(listener: TcpListener, site: Arc<Site>, tell: Sender<Asked>, elsewhere: bool) {
    let accept = move || {
        for stream in listener.incoming().flatten() {
            let (site, tell) = (site.clone(), tell.clone());
            let answer = move || answer(stream, &site, &tell, elsewhere);
            std::thread::Builder::new().name("connection".to_owned()).spawn(answer).unwrap();
        }
    };
    std::thread::Builder::new().name("hub server".to_owned()).spawn(accept).unwrap();
}

fn answer(stream: TcpStream, site: &Site, tell: &Sender<Asked>, elsewhere: bool) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut asked = Asked { elsewhere, path, range: None, authorization: None };
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.trim().split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = Some(value.to_owned()),
            "authorization" => asked.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    // The test may be over.
    tell.send(asked.clone()).ok();
    let mut stream = reader.into_inner();
    let body = method != "HEAD";
    // A client that goes away in the middle is what some tests are about.
    site.respond(&asked, &mut stream, body).ok();
}

impl Site {
    fn respond(&self, asked: &Asked, stream: &mut TcpStream, body: bool) -> std::io::Result<()> {
        let path = asked.path.split('?').next().unwrap_or_default();
        if let Some(name) = path.strip_prefix("/elsewhere/").filter(|_| asked.elsewhere) {
            return match self.files.iter().position(|file| file.name == name) {
                Some(at) => self.send(at, asked, &[], stream, body),
                None => head(stream, "404 Not Found", &[], 0),
            };
        }
        let wanted = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let may = wanted.is_none() || asked.authorization == wanted;
        let interface = if self.model.starts_with("datasets/") { "" } else { "models/" };
        if let Some(rest) = path.strip_prefix(&format!("/api/{interface}{}/revision/", self.model)) {
            let converted = self.files.iter().any(|file| file.name.ends_with("/0000.parquet"));
            let branch = if converted { "refs%2Fconvert%2Fparquet" } else { "main" };
            if rest != branch && rest != COMMIT {
                return head(stream, "404 Not Found", &["X-Error-Code: RevisionNotFound".to_owned()], 0);
            }
            let text = self.listing().to_string();
            head(stream, "200 OK", &["Content-Type: application/json".to_owned()], text.len())?;
            return if body { stream.write_all(text.as_bytes()) } else { Ok(()) };
        }
        let resolve = |revision: &str| format!("/{}/resolve/{revision}/", self.model);
        let name = path.strip_prefix(&resolve(COMMIT)).or_else(|| path.strip_prefix(&resolve("main")));
        let Some(at) = name.and_then(|name| self.files.iter().position(|file| file.name == name)) else {
            let code = if path.starts_with(&format!("/{}/", self.model)) { "EntryNotFound" } else { "RepoNotFound" };
            return head(stream, "404 Not Found", &[format!("X-Error-Code: {code}")], 0);
        };
        if !may {
            let status = if asked.authorization.is_some() { "403 Forbidden" } else { "401 Unauthorized" };
            return head(stream, status, &["X-Error-Code: GatedRepo".to_owned()], 0);
        }
        let file = &self.files[at];
        let commit = format!("X-Repo-Commit: {COMMIT}");
        if !file.large {
            return self.send(at, asked, &[commit, format!("ETag: \"{}\"", file.etag())], stream, body);
        }
        let headers = [
            commit,
            format!("X-Linked-Etag: \"{}\"", file.etag()),
            format!("X-Linked-Size: {}", file.says_bytes.unwrap_or(file.content.len() as u64)),
            format!("Location: {}/elsewhere/{}", self.elsewhere, file.name),
        ];
        head(stream, "302 Found", &headers, 0)
    }

    fn listing(&self) -> Value {
        let sibling = |file: &Served| {
            let bytes = file.says_bytes.unwrap_or(file.content.len() as u64);
            let mut sibling = json!({ "rfilename": file.name, "size": bytes, "blobId": &file.etag()[..40] });
            if file.large {
                sibling["lfs"] = json!({ "sha256": file.sha256(), "size": bytes, "pointerSize": 134 });
            }
            sibling
        };
        json!({
            "id": self.model,
            "sha": COMMIT,
            "gated": if self.token.is_some() { json!("auto") } else { json!(false) },
            "config": { "model_type": "gpt2" },
            "siblings": self.files.iter().map(sibling).collect::<Vec<_>>(),
        })
    }

    fn send(
        &self,
        at: usize,
        asked: &Asked,
        headers: &[String],
        stream: &mut TcpStream,
        body: bool,
    ) -> std::io::Result<()> {
        let file = &self.files[at];
        let from = asked
            .range
            .as_ref()
            .filter(|_| file.ranges)
            .and_then(|range| range.strip_prefix("bytes=")?.trim_end_matches('-').parse::<usize>().ok());
        let whole = file.content.len();
        let content = &file.content[from.unwrap_or(0).min(whole)..];
        let mut headers = headers.to_vec();
        if let Some(from) = from {
            headers.push(format!("Content-Range: bytes {from}-{}/{whole}", whole.saturating_sub(1)));
        }
        let status = if from.is_some() { "206 Partial Content" } else { "200 OK" };
        head(stream, status, &headers, content.len())?;
        if !body {
            return Ok(());
        }
        let connection = self.connections[at].fetch_add(1, Ordering::SeqCst);
        match file.faults.get(connection) {
            None => stream.write_all(content),
            Some(Fault::CutAfter(bytes)) => stream.write_all(&content[..*bytes]),
            Some(Fault::StallAfter(bytes)) => {
                stream.write_all(&content[..*bytes])?;
                // Until the other side has had enough.
                stream.read(&mut [0]).map(drop)
            }
        }
    }
}

fn head(stream: &mut TcpStream, status: &str, headers: &[String], length: usize) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    stream.write_all(format!("{text}\r\n").as_bytes())
}
