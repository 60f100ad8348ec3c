//! One request at a time: redirects are followed by hand, so that a token stays with the host it was made for, and the
//! answer is read on a thread of its own, so that a silent server keeps nobody from cancelling.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Response, Uri, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::access::{Access, Token};
use super::{HubError, TransferMonitor};
use crate::error::IoAction;
use crate::{Sentence, sentence};

/// Pieces that wait to be written.
const WAITING: usize = 8;
const PIECE: usize = 256 * 1024;
const REDIRECTS: usize = 8;
/// Time within which a wish to cancel is heard.
const LOOK: Duration = Duration::from_millis(50);

/// Facts from the headers of an answer, those of redirects within the endpoint included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The hub's hash of the file: SHA-256 of a large one, git's of a small one.
    pub(super) etag: Option<String>,
    /// Bytes of the whole file.
    pub(super) linked_size: Option<u64>,
    /// Bytes that this answer sends.
    pub(super) length: Option<u64>,
    /// Where in the file they begin.
    pub(super) from: Option<u64>,
    pub(super) error_code: Option<String>,
}

/// HTTP client, with the token and the origin that may see it.
pub(super) struct Client {
    agent: Agent,
    token: Option<Token>,
    origin: Origin,
}

/// Scheme, host and port: who may see the token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin(String, String, Option<u16>);

impl Origin {
    fn of(uri: &Uri) -> Self {
        let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
        let port = uri.port_u16().or(if scheme == "https" { Some(443) } else { Some(80) });
        Self(scheme, uri.host().unwrap_or_default().to_ascii_lowercase(), port)
    }

    fn is_this_machine(&self) -> bool {
        matches!(self.1.as_str(), "localhost" | "127.0.0.1" | "[::1]" | "::1")
    }

    /// Whether nobody on the way can read what is sent.
    fn is_private(&self) -> bool {
        self.0 == "https" || self.is_this_machine()
    }
}

enum Message {
    Head(Head),
    Piece(Vec<u8>),
    End(Result<(), HubError>),
}

/// An answer on its way.
pub(super) struct Answer {
    messages: Receiver<Message>,
}

impl Client {
    /// # Errors
    /// [`HubError::BadEndpoint`].
    pub(super) fn new(access: &Access, silence: Duration) -> Result<Self, HubError> {
        let bad = || HubError::BadEndpoint { endpoint: access.endpoint.clone() };
        let origin = Origin::of(&access.endpoint.parse::<Uri>().ok().ok_or_else(bad)?);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("prefix-workbench/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(silence))
            .timeout_recv_response(Some(silence))
            .timeout_per_read(Some(silence));
        if origin.is_this_machine() {
            config = config.proxy(None);
        }
        if let Some(roots) = named_roots() {
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        let token = access.token.clone().filter(|_| origin.is_private());
        if token.is_none() && access.token.is_some() {
            tracing::warn!("the endpoint is not encrypted, so no token is sent to it");
        }
        Ok(Self { agent: config.build().new_agent(), token, origin })
    }

    pub(super) fn sends_token(&self) -> bool {
        self.token.is_some()
    }

    /// Asks for an address, from a byte of it on, and waits for the headers.
    ///
    /// # Errors
    /// [`HubError::Unreachable`], [`HubError::BadAnswer`], [`HubError::Cancelled`]. Any status is an answer.
    pub(super) fn get(
        &self,
        url: &str,
        from: u64,
        monitor: &mut TransferMonitor<'_>,
    ) -> Result<(Head, Answer), HubError> {
        let (tell, messages) = sync_channel(WAITING);
        let request = Request {
            agent: self.agent.clone(),
            token: self.token.clone(),
            origin: self.origin.clone(),
            url: url.to_owned(),
            from,
        };
        std::thread::Builder::new()
            .name("hub-get".to_owned())
            .spawn(move || {
                let ended = request.run(&tell);
                // Nobody waits for it any more after a cancellation.
                tell.send(Message::End(ended)).ok();
            })
            .map_err(HubError::io(IoAction::Start, "a thread"))?;
        let answer = Answer { messages };
        match answer.next(monitor)? {
            Message::Head(head) => Ok((head, answer)),
            Message::End(Err(error)) => Err(error),
            Message::Piece(_) | Message::End(Ok(())) => Err(HubError::Cancelled),
        }
    }
}

impl Answer {
    fn next(&self, monitor: &mut TransferMonitor<'_>) -> Result<Message, HubError> {
        loop {
            if monitor.is_cancelled() {
                return Err(HubError::Cancelled);
            }
            match self.messages.recv_timeout(LOOK) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) => monitor.nothing_arrives(),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(HubError::Io {
                        action: IoAction::Read,
                        path: "the hub's answer".into(),
                        source: std::io::Error::other("its thread ended"),
                    });
                }
            }
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`HubError::Unreachable`] when the connection was cut, [`HubError::Cancelled`].
    pub(super) fn piece(&self, monitor: &mut TransferMonitor<'_>) -> Result<Option<Vec<u8>>, HubError> {
        match self.next(monitor)? {
            Message::Piece(piece) => Ok(Some(piece)),
            Message::End(Ok(())) => Ok(None),
            Message::End(Err(error)) => Err(error),
            Message::Head(_) => Ok(Some(Vec::new())),
        }
    }

    /// Everything, if it is not more than so many bytes.
    pub(super) fn whole(
        &self,
        host: &str,
        most: usize,
        monitor: &mut TransferMonitor<'_>,
    ) -> Result<Vec<u8>, HubError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece(monitor)? {
            whole.extend(piece);
            if whole.len() > most {
                let reason = sentence!("it is longer than {most} bytes", most);
                return Err(HubError::BadAnswer { host: host.to_owned(), reason });
            }
        }
        Ok(whole)
    }
}

/// A request, as the thread needs it.
struct Request {
    agent: Agent,
    token: Option<Token>,
    origin: Origin,
    url: String,
    from: u64,
}

impl Request {
    fn run(self, tell: &SyncSender<Message>) -> Result<(), HubError> {
        let (head, response, host) = self.follow()?;
        if tell.send(Message::Head(head)).is_err() {
            return Ok(());
        }
        let mut reader = response.into_body().into_reader();
        loop {
            let mut piece = vec![0; PIECE];
            let read = reader.read(&mut piece).map_err(|error| unreachable_host(&host, &error))?;
            piece.truncate(read);
            if read == 0 || tell.send(Message::Piece(piece)).is_err() {
                return Ok(());
            }
        }
    }

    /// Follows redirects to the end.
    fn follow(&self) -> Result<(Head, Response<ureq::Body>, String), HubError> {
        let mut head = Head::default();
        let mut url = self.url.clone();
        for _ in 0..REDIRECTS {
            let bad = |reason: Sentence| HubError::BadAnswer { host: self.origin.1.clone(), reason };
            let uri: Uri = url.parse().ok().ok_or_else(|| bad(sentence!("it leads to an address that is none")))?;
            let origin = Origin::of(&uri);
            let at_home = origin == self.origin;
            if !at_home && self.origin.0 == "https" && origin.0 != "https" {
                return Err(bad(sentence!("it leads to a place that is not encrypted")));
            }
            let mut request = self.agent.get(&url);
            if let Some(token) = self.token.as_ref().filter(|_| at_home) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.secret()));
            }
            if self.from > 0 {
                request = request.header(header::RANGE, format!("bytes={}-", self.from));
            }
            let response = request.call().map_err(|error| unreachable_host(&origin.1, &error))?;
            head.take(&response, at_home);
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            match location.filter(|_| response.status().is_redirection()) {
                None => return Ok((head, response, origin.1)),
                Some(to) if to.starts_with("https://") || to.starts_with("http://") => url = to.to_owned(),
                Some(to) if to.starts_with('/') && !to.starts_with("//") => {
                    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
                    url = format!("{}://{authority}{to}", origin.0);
                }
                Some(_) => return Err(bad(sentence!("it leads to an address that is none"))),
            }
        }
        Err(HubError::BadAnswer { host: self.origin.1.clone(), reason: sentence!("it leads from place to place") })
    }
}

impl Head {
    /// Takes in what the endpoint says of the file; of another host only what it sends.
    fn take(&mut self, response: &Response<ureq::Body>, at_home: bool) {
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
        self.status = response.status().as_u16();
        self.length = number("content-length");
        self.from = text("content-range").and_then(|range| {
            let bytes = range.strip_prefix("bytes ")?.split_once('-')?;
            bytes.0.trim().parse().ok()
        });
        self.error_code = text("x-error-code").map(str::to_owned);
        if at_home {
            let etag = text("x-linked-etag").or_else(|| text("etag").filter(|_| self.linked_size.is_none()));
            self.etag = etag.map(plain_etag).or(self.etag.take());
            self.linked_size = number("x-linked-size").or(self.linked_size);
        }
    }
}

/// Without the quotation marks and the mark of a weak one.
fn plain_etag(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_ascii_lowercase()
}

fn unreachable_host(host: &str, error: &dyn std::fmt::Display) -> HubError {
    let said = error.to_string();
    let reason = Sentence::verbatim(said.trim_start_matches("io: "));
    HubError::Unreachable { host: host.to_owned(), reason }
}

/// Certificates that a company's network needs, as other tools are told of them.
fn named_roots() -> Option<RootCerts> {
    let path = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"].iter().find_map(std::env::var_os)?;
    let pem = std::fs::read(path).ok()?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    (!certificates.is_empty()).then(|| RootCerts::new_with_certs(&certificates))
}
