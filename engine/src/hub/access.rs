//! With which address, which token and into which cache: what the flags, the settings and the environment say.
//!
//! The variables are those of Python's client: huggingface/huggingface_hub: src/huggingface_hub/constants.py.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use ureq::http::Uri;

use super::HubError;
use crate::error::IoAction;
use crate::sentence;

/// The hub itself.
pub const ENDPOINT: &str = "https://huggingface.co";

/// A secret: it prints as dots, and goes to the endpoint only.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// From a file or a field; `None` when there is nothing in it.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        // A line break inside would end the header that it is sent in.
        (!text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Where the token comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// There is none.
    #[default]
    None,
    /// The file that was named, or the one this program keeps.
    Own,
    /// `HF_TOKEN`.
    Environment,
    /// The file that Python's `hf auth login` writes.
    Shared,
}

/// Settings of the hub that somebody chose; what was not chosen follows from the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubConfig {
    /// Address of the hub or of a mirror.
    pub endpoint: Option<String>,
    /// A file with a token, named for this once: it goes before the environment.
    pub token_file: Option<PathBuf>,
    /// The file in which this program keeps a token: it goes behind the environment.
    pub kept_token: Option<PathBuf>,
    /// The cache, instead of the one that all programs share.
    pub cache: Option<PathBuf>,
}

/// Address, token and cache.
#[derive(Clone, Debug)]
pub struct Access {
    pub(super) endpoint: String,
    pub(super) token: Option<Token>,
    pub(super) source: TokenSource,
    pub(super) cache: PathBuf,
    pub(super) offline: bool,
}

/// Facts about address, token and cache that anybody may know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AccessFacts {
    /// Address of the hub or of a mirror.
    pub endpoint: String,
    /// Where the token comes from.
    pub token: TokenSource,
    /// The shared cache.
    pub cache: PathBuf,
}

impl Access {
    /// Reads the environment and the token's file.
    ///
    /// # Errors
    /// The endpoint is no address, or the named file of a token cannot be read.
    pub fn find(config: &HubConfig) -> Result<Self, HubError> {
        Self::from(config, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from(config: &HubConfig, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let chosen = config.endpoint.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let endpoint = chosen.or_else(|| env("HF_ENDPOINT")).unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let is_address = endpoint.starts_with("https://") || endpoint.starts_with("http://");
        if !is_address || endpoint.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::len)).unwrap_or(0) == 0 {
            return Err(HubError::BadEndpoint { endpoint });
        }
        let home = home(env);
        let (token, source) = token(config, env, &home)?;
        let is_set = |name| env(name).is_some_and(|v| ["1", "ON", "YES", "TRUE"].contains(&v.to_uppercase().as_str()));
        let offline = is_set("HF_HUB_OFFLINE") || is_set("TRANSFORMERS_OFFLINE");
        let cache = config.cache.clone().unwrap_or_else(|| cache(env, &home));
        Ok(Self { endpoint, token, source, cache, offline })
    }

    /// The facts that anybody may know.
    pub fn facts(&self) -> AccessFacts {
        AccessFacts { endpoint: self.endpoint.clone(), token: self.source, cache: self.cache.clone() }
    }

    /// The host's name, for sentences.
    pub(super) fn host(&self) -> String {
        self.endpoint.split("://").nth(1).unwrap_or_default().to_owned()
    }
}

/// The folder of the shared cache.
pub fn shared_cache() -> PathBuf {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    cache(&env, &home(&env))
}

fn cache(env: &dyn Fn(&str) -> Option<String>, home: &Path) -> PathBuf {
    let named = env("HF_HUB_CACHE").or_else(|| env("HUGGINGFACE_HUB_CACHE"));
    named.map_or_else(|| home.join("hub"), |path| expand(&path))
}

/// `HF_HOME`, as on every system `~/.cache/huggingface` unless something else is said.
fn home(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    env("HF_HOME").map(|path| expand(&path)).unwrap_or_else(|| {
        let caches = env("XDG_CACHE_HOME").map_or_else(|| expand("~/.cache"), |path| expand(&path));
        caches.join("huggingface")
    })
}

fn expand(path: &str) -> PathBuf {
    match path.strip_prefix('~').map(|rest| rest.trim_start_matches(['/', '\\'])) {
        Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
        None => PathBuf::from(path),
    }
}

fn token(
    config: &HubConfig,
    env: &dyn Fn(&str) -> Option<String>,
    home: &Path,
) -> Result<(Option<Token>, TokenSource), HubError> {
    if let Some(path) = &config.token_file {
        return Ok((in_file(path)?, TokenSource::Own));
    }
    for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
        if let Some(token) = said(&env(name).unwrap_or_default(), name)? {
            return Ok((Some(token), TokenSource::Environment));
        }
    }
    let shared = env("HF_TOKEN_PATH").map_or_else(|| home.join("token"), |path| expand(&path));
    for (path, source) in [(config.kept_token.as_deref(), TokenSource::Own), (Some(&*shared), TokenSource::Shared)] {
        let token = path.filter(|path| path.is_file()).map(in_file).transpose()?.flatten();
        if token.is_some() {
            return Ok((token, source));
        }
    }
    Ok((None, TokenSource::None))
}

fn in_file(path: &Path) -> Result<Option<Token>, HubError> {
    // A user's own, and perhaps a pipe from a program that keeps secrets.
    let text = fs::read_to_string(path).map_err(HubError::io(IoAction::Read, path))?;
    said(&text, &path.display().to_string())
}

/// The token of a text; none if there is nothing in it.
fn said(text: &str, place: &str) -> Result<Option<Token>, HubError> {
    let bad = || HubError::BadToken {
        place: place.to_owned(),
        reason: match text.trim().lines().count() {
            0 | 1 => sentence!("it has spaces or other characters that no token has"),
            n => sentence!("it has {n} lines, and a token has one", n),
        },
    };
    match text.trim() {
        "" => Ok(None),
        text => Token::new(text).map(Some).ok_or_else(bad),
    }
}

/// Keeps a token in a file that nobody else may read, or takes it away.
pub(super) fn keep_token(path: &Path, token: Option<&Token>) -> Result<(), HubError> {
    let Some(token) = token else {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(HubError::io(IoAction::Remove, path)(error))
            }
            _ => Ok(()),
        };
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(HubError::io(IoAction::Create, folder))?;
    }
    // A temporary file is readable by its owner alone, and stays so when it gets its name.
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(HubError::io(IoAction::Write, path))?;
    std::io::Write::write_all(&mut file, token.secret().as_bytes()).map_err(HubError::io(IoAction::Write, path))?;
    file.persist(path).map_err(|error| HubError::io(IoAction::Write, path)(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn found(config: &HubConfig, env: &[(&str, &str)]) -> Access {
        let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Access::from(config, &|name| env.get(name).cloned()).unwrap()
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        let cache = |env: &[(&str, &str)]| found(&HubConfig::default(), env).cache;
        assert_eq!(cache(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/h")]), Path::new("/c"));
        assert_eq!(cache(&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HOME", "/h")]), Path::new("/old"));
        assert_eq!(cache(&[("HF_HOME", "/h")]), Path::new("/h/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert!(cache(&[]).ends_with(".cache/huggingface/hub"));
    }

    #[test]
    fn a_choice_goes_before_the_environment_and_that_before_the_hub() {
        let mirror = HubConfig { endpoint: Some("https://mirror.example/".to_owned()), ..HubConfig::default() };
        let env = [("HF_ENDPOINT", "http://127.0.0.1:9"), ("HF_HUB_OFFLINE", "1")];
        assert_eq!(found(&mirror, &env).endpoint, "https://mirror.example");
        assert_eq!(found(&HubConfig::default(), &env).endpoint, "http://127.0.0.1:9");
        assert!(found(&HubConfig::default(), &env).offline && !found(&HubConfig::default(), &[]).offline);
        assert_eq!(found(&HubConfig::default(), &[]).endpoint, ENDPOINT);
        for endpoint in ["mirror.example", "file:///etc", "https://"] {
            let config = HubConfig { endpoint: Some(endpoint.to_owned()), ..HubConfig::default() };
            let error = Access::from(&config, &|_| None).unwrap_err();
            assert!(matches!(error, HubError::BadEndpoint { .. }), "{endpoint}");
        }
    }

    #[test]
    fn a_token_is_kept_for_its_owner_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/token");
        let token = Token::new(" hf_secret\n").unwrap();
        keep_token(&path, Some(&token)).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let home = folder.path().join("hf");
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("token"), "hf_shared").unwrap();
        let home = home.to_string_lossy().into_owned();
        let config = HubConfig { kept_token: Some(path.clone()), ..HubConfig::default() };
        let access = found(&config, &[("HF_HOME", &home)]);
        assert_eq!((access.token.as_ref(), access.source), (Some(&token), TokenSource::Own));
        assert!(!format!("{access:?}").contains("secret"));
        assert_eq!(found(&config, &[("HF_TOKEN", "hf_env")]).source, TokenSource::Environment);
        let named = HubConfig { token_file: Some(path.clone()), ..HubConfig::default() };
        assert_eq!(found(&named, &[("HF_TOKEN", "hf_env")]).source, TokenSource::Own);
        keep_token(&path, None).unwrap();
        keep_token(&path, None).unwrap();
        assert_eq!(found(&config, &[("HF_HOME", &home)]).source, TokenSource::Shared);
        assert!(Token::new("a\nb").is_none() && Token::new("  ").is_none());
    }

    #[test]
    fn a_token_that_cannot_be_sent_is_said_and_not_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "hf_one\nhf_two\n").unwrap();
        for config in [
            HubConfig { token_file: Some(path.clone()), ..HubConfig::default() },
            HubConfig { kept_token: Some(path.clone()), ..HubConfig::default() },
        ] {
            let error = Access::from(&config, &|_| None).unwrap_err().to_string();
            assert!(error.contains("2 lines") && !error.contains("hf_one"), "{error}");
        }
        let env = |name: &str| (name == "HF_TOKEN").then(|| "hf one".to_owned());
        let error = Access::from(&HubConfig::default(), &env).unwrap_err().to_string();
        assert!(error.contains("HF_TOKEN") && !error.contains("hf one"), "{error}");
        fs::write(&path, " \n").unwrap();
        let config = HubConfig { kept_token: Some(path), ..HubConfig::default() };
        assert_eq!(found(&config, &[("HF_HOME", "/nowhere")]).source, TokenSource::None);
    }
}
