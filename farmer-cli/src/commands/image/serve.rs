//! `farmer image serve`: a directory over plain HTTP.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hw_probe::text::Untrusted;
use serde::Serialize;
use tokio::net::TcpListener;
use tower_http::services::ServeFile;

use crate::args::ImageServeArgs;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::Page;
use crate::printer::{Printer, Show};
use crate::signals::Stop;

/// Where it is served.
#[derive(Serialize)]
struct Serving {
    url: String,
    listen: SocketAddr,
    directory: String,
}

impl Show for Serving {
    fn show(&self, page: &mut Page) {
        page.field("url", &self.url)
            .field("listen", self.listen)
            .field("directory", &self.directory);
    }
}

struct Site {
    root: PathBuf,
    printer: Printer,
}

/// Serves until the process is asked to stop.
pub async fn serve(context: &Context<'_>, args: ImageServeArgs) -> Outcome<ExitStatus> {
    if !args.listen.ip().is_loopback() && !args.insecure_http {
        let message = format!(
            "http://{} is not encrypted: anybody on the way can change what machines boot",
            args.listen
        );
        return Err(Failure::new(ExitStatus::Refused, message)
            .with_hint("allow it with `--insecure-http` on a network you trust"));
    }
    let root = args
        .directory
        .canonicalize()
        .map_err(|error| Failure::io("opening", &args.directory, error))?;
    if !root.is_dir() {
        let message = format!("{} is no directory", args.directory.display());
        return Err(Failure::new(ExitStatus::NotFound, message));
    }
    let listening = |error| Failure::io("listening", Path::new(&args.listen.to_string()), error);
    let stop = Stop::listen()?;
    let listener = TcpListener::bind(args.listen).await.map_err(listening)?;
    let listen = listener.local_addr().map_err(listening)?;
    context.printer.event(&Serving {
        url: format!("http://{listen}"),
        listen,
        directory: root.display().to_string(),
    })?;
    let site = Arc::new(Site {
        root,
        printer: context.printer.clone(),
    });
    let router = Router::new().fallback(answer).with_state(site);
    let server = axum::serve(listener, router);
    // A machine in the middle of a download would hold the process up.
    tokio::select! {
        served = async { server.await } => served.map_err(listening)?,
        () = stop.requested() => context.printer.message("stopping"),
    }
    Ok(ExitStatus::Ok)
}

/// A file, or a part of it: streamed, so that a hundred machines that start at once do not take a
/// hundred times its size.
async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let found = {
        let (site, path) = (Arc::clone(&site), path.clone());
        tokio::task::spawn_blocking(move || locate(&site.root, &path)).await
    };
    let response = match found {
        _ if !is_read => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        Ok(Ok(file)) => match ServeFile::new(file).try_call(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => status_of(&error).into_response(),
        },
        Ok(Err(error)) => status_of(&error).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let path = Untrusted::from(path.as_str());
    let status = response.status().as_u16();
    site.printer.message(&format!("{status} {path}"));
    response
}

fn status_of(error: &io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A file below the root, whatever links lead out of it.
fn locate(root: &Path, path: &str) -> io::Result<PathBuf> {
    let not_found = || io::Error::from(io::ErrorKind::NotFound);
    let mut file = root.to_owned();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        if name.starts_with('.') || name.contains(['%', '\\', '\0']) {
            return Err(not_found());
        }
        file.push(name);
    }
    let file = file.canonicalize()?;
    if !file.starts_with(root) || !file.is_file() {
        return Err(not_found());
    }
    Ok(file)
}
