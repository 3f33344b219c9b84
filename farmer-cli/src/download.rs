//! Large files from the web into a directory of files named after their digest.
//!
//! A transfer that breaks is taken up where it broke, also by the next run: the part lies beside, with
//! the server's validator (RFC 9110, 8.8) that says whether the rest still belongs to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use directory::client::download_client;
use image_builder::bootkit::Digest;
use reqwest::header::{CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Response, StatusCode, Url};
use serde::{Deserialize, Serialize};

use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::progress::Progress;

/// Nothing for so long: the transfer has broken.
const PATIENCE: Duration = Duration::from_secs(30);
/// Breaks that are mended before the command gives up.
const TRIES: u32 = 4;
/// Larger than any file that is downloaded.
const LIMIT_BYTES: u64 = 4 << 30;

/// A file to download.
pub struct Download<'a> {
    /// Where it is.
    pub url: &'a str,
    /// What it has to be; then a file that is already there is taken without asking.
    pub sha256: Option<Digest>,
    /// Whether `http://` to other machines is allowed.
    pub insecure_http: bool,
    /// Where it goes; made if missing.
    pub directory: PathBuf,
    /// Behind the digest in the file's name.
    pub suffix: &'static str,
}

/// What is kept beside a part, and beside a complete file.
#[derive(Default, Serialize, Deserialize)]
struct Known {
    /// The server's validator of the part.
    validator: Option<String>,
    /// Digest of the complete file, and its entity tag.
    complete: Option<(String, String)>,
}

/// Why one try ended.
enum Broken {
    /// Worth another try.
    Transfer(String),
    /// Not worth one.
    Final(Failure),
}

impl Download<'_> {
    /// Downloads it and returns its path.
    pub async fn fetch(&self, printer: &Printer) -> Outcome<PathBuf> {
        let url = self.checked_url()?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&self.directory)
            .map_err(|error| Failure::io("creating", &self.directory, error))?;
        if let Some(sha256) = self.sha256
            && self.is_there(sha256)
        {
            return Ok(self.place(sha256));
        }
        let client = download_client(PATIENCE, concat!("farmer/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| Failure::new(ExitStatus::Failed, error.to_string()))?;
        let mut progress = Progress::new(printer);
        let host = url.host_str().unwrap_or_default().to_owned();
        progress.stage(&format!("downloading from {host}"));
        let part = self.beside("part");
        let mut known = self.known();
        for left in (0..TRIES).rev() {
            let tried = self
                .attempt(&client, &url, &part, &mut known, &mut progress)
                .await;
            match tried {
                Ok(Some(path)) => return Ok(path),
                Ok(None) => return self.accept(&part, &mut known),
                Err(Broken::Final(failure)) => return Err(failure),
                Err(Broken::Transfer(reason)) if left == 0 => {
                    return Err(Failure::new(
                        ExitStatus::Failed,
                        format!("downloading {url}: {reason}"),
                    )
                    .with_hint("try again: what has arrived is kept and the rest is fetched"));
                }
                Err(Broken::Transfer(reason)) => {
                    tracing::info!("the transfer broke: {reason}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        Err(Failure::new(ExitStatus::Failed, "nothing was tried"))
    }

    fn checked_url(&self) -> Outcome<Url> {
        let usage = |reason: String| Failure::new(ExitStatus::Usage, reason);
        let url = Url::parse(self.url).map_err(|error| usage(format!("{}: {error}", self.url)))?;
        let is_loopback = match url.host_str().unwrap_or_default() {
            "localhost" => true,
            host => host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback()),
        };
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_loopback || self.insecure_http => Ok(url),
            "http" => Err(Failure::new(
                ExitStatus::Refused,
                format!("{url} is not encrypted: anybody on the way can change the file"),
            )
            .with_hint("use https://, or allow it with `--insecure-http` and give `--sha256`")),
            other => Err(usage(format!("{other}:// is neither https:// nor http://"))),
        }
    }

    /// One request. `Ok(None)`: the part is complete. `Ok(Some)`: nothing has changed since a file
    /// was completed.
    async fn attempt(
        &self,
        client: &reqwest::Client,
        url: &Url,
        part: &Path,
        known: &mut Known,
        progress: &mut Progress,
    ) -> Result<Option<PathBuf>, Broken> {
        let have = fs::metadata(part).map_or(0, |meta| meta.len());
        let mut request = client.get(url.clone());
        let complete = self.complete(known);
        match (&known.validator, &complete) {
            (Some(validator), _) if have > 0 => {
                request = request
                    .header(RANGE, format!("bytes={have}-"))
                    .header(IF_RANGE, validator);
            }
            (_, Some((_, etag))) => request = request.header(IF_NONE_MATCH, etag),
            _ => {}
        }
        let response = request
            .send()
            .await
            .map_err(|e| Broken::Transfer(words(&e)))?;
        let offset = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if starts_at(&response, have) => have,
            StatusCode::NOT_MODIFIED => {
                if let Some((path, _)) = complete {
                    return Ok(Some(path));
                }
                return Err(self.start_over(part, known));
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(self.start_over(part, known));
            }
            status if status.is_server_error() => {
                return Err(Broken::Transfer(format!("the server answers {status}")));
            }
            status => {
                let exit = match status {
                    StatusCode::NOT_FOUND | StatusCode::GONE => ExitStatus::NotFound,
                    _ => ExitStatus::Failed,
                };
                let text = format!("downloading {url}: the server answers {status}");
                return Err(Broken::Final(Failure::new(exit, text)));
            }
        };
        if offset == 0 {
            known.validator = validator(&response);
            self.remember(known).map_err(Broken::Final)?;
        }
        self.receive(response, part, offset, progress).await?;
        Ok(None)
    }

    async fn receive(
        &self,
        mut response: Response,
        part: &Path,
        offset: u64,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        let failed = |error: io::Error| Broken::Final(Failure::io("writing", part, error));
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(part)
            .map_err(failed)?;
        file.set_len(offset).map_err(failed)?;
        let total = response.content_length().map(|length| offset + length);
        let mut done = offset;
        while let Some(bytes) = response
            .chunk()
            .await
            .map_err(|error| Broken::Transfer(words(&error)))?
        {
            file.write_all(&bytes).map_err(failed)?;
            done += bytes.len() as u64;
            if done > LIMIT_BYTES {
                let text = format!("{} is larger than {LIMIT_BYTES} bytes", self.url);
                return Err(Broken::Final(Failure::new(ExitStatus::Refused, text)));
            }
            progress.bytes(done, total.unwrap_or(done));
        }
        if total.is_some_and(|total| done < total) {
            return Err(Broken::Transfer(
                "the connection was closed early".to_owned(),
            ));
        }
        file.sync_all().map_err(failed)
    }

    /// Gives the complete part its name, if it is what it should be.
    fn accept(&self, part: &Path, known: &mut Known) -> Outcome<PathBuf> {
        let read = File::open(part).and_then(|mut file| Digest::of_reader(&mut file));
        let (found, _) = read.map_err(|error| Failure::io("reading", part, error))?;
        if let Some(expected) = self.sha256
            && found != expected
        {
            let _ = fs::remove_file(part);
            known.validator = None;
            self.remember(known)?;
            return Err(Failure::new(
                ExitStatus::Mismatch,
                format!("{} has sha256 {found}, not {expected}", self.url),
            )
            .with_hint("the file on the server is another one; nothing of it is kept"));
        }
        let place = self.place(found);
        fs::rename(part, &place).map_err(|error| Failure::io("creating", &place, error))?;
        // Only an entity tag can be asked about later.
        let etag = known.validator.take().filter(|text| text.starts_with('"'));
        known.complete = etag.map(|etag| (found.to_string(), etag));
        self.remember(known)?;
        Ok(place)
    }

    fn start_over(&self, part: &Path, known: &mut Known) -> Broken {
        let _ = fs::remove_file(part);
        *known = Known::default();
        Broken::Transfer("the file on the server has changed".to_owned())
    }

    fn place(&self, sha256: Digest) -> PathBuf {
        self.directory.join(format!("{sha256}{}", self.suffix))
    }

    fn is_there(&self, sha256: Digest) -> bool {
        Digest::of_file(&self.place(sha256)).is_ok_and(|(found, _)| found == sha256)
    }

    /// A complete file of this URL that is still whole, and its entity tag.
    fn complete(&self, known: &Known) -> Option<(PathBuf, String)> {
        let (sha256, etag) = known.complete.as_ref()?;
        let sha256: Digest = sha256.parse().ok()?;
        let is_wanted = self.sha256.is_none_or(|wanted| wanted == sha256);
        (is_wanted && self.is_there(sha256)).then(|| (self.place(sha256), etag.clone()))
    }

    /// A file about this URL.
    fn beside(&self, kind: &str) -> PathBuf {
        let url = Digest::of(self.url.as_bytes()).short();
        self.directory.join(format!(".{url}.{kind}"))
    }

    fn known(&self) -> Known {
        fs::read(self.beside("json"))
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default()
    }

    fn remember(&self, known: &Known) -> Outcome<()> {
        let path = self.beside("json");
        let json = serde_json::to_vec(known).unwrap_or_default();
        fs::write(&path, json).map_err(|error| Failure::io("writing", &path, error))
    }
}

/// A strong entity tag, else the time of the last change.
fn validator(response: &Response) -> Option<String> {
    let text = |name| {
        response
            .headers()
            .get(name)?
            .to_str()
            .ok()
            .map(str::to_owned)
    };
    text(ETAG)
        .filter(|etag| !etag.starts_with("W/"))
        .or_else(|| text(LAST_MODIFIED))
}

/// Whether a partial answer continues where the part ends.
fn starts_at(response: &Response, offset: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE);
    let range = range
        .and_then(|range| range.to_str().ok())
        .unwrap_or_default();
    offset > 0 && range.starts_with(&format!("bytes {offset}-"))
}

/// An error with its causes: reqwest's own text hides them.
fn words(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}
