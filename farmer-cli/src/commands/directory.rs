//! `farmer directory`

pub mod data;
pub mod unit;

use directory::Pin;
use directory::server::{self, Data, DatabaseUrl, ServerConfig, ServerError, Tls};
use node_config::ConfigError;
use serde::Serialize;

use super::Context;
use crate::args::ServeArgs;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Failure, Outcome};
use crate::page::Page;
use crate::printer::Show;
use crate::signals::Stop;

impl Classify for ServerError {
    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// What a client has to know of the server.
#[derive(Serialize)]
struct Serving {
    url: String,
    #[serde(serialize_with = "pin_text")]
    pin: Option<Pin>,
    listen: std::net::SocketAddr,
    compat_listen: Option<std::net::SocketAddr>,
    metrics_listen: Option<std::net::SocketAddr>,
    data: String,
}

fn pin_text<S: serde::Serializer>(pin: &Option<Pin>, serializer: S) -> Result<S::Ok, S::Error> {
    match pin {
        Some(pin) => serializer.collect_str(pin),
        None => serializer.serialize_none(),
    }
}

impl Show for Serving {
    fn show(&self, page: &mut Page) {
        page.field("url", &self.url);
        if let Some(pin) = &self.pin {
            page.field("pin", pin);
        }
        page.field("listen", self.listen);
        if let Some(address) = self.compat_listen {
            page.field("clients of 2020", address);
        }
        if let Some(address) = self.metrics_listen {
            page.field("metrics", address);
        }
        page.field("data", &self.data);
    }
}

/// Where the data lives: a PostgreSQL database if one is named, else the directory.
fn data(context: &Context<'_>, args: &ServeArgs) -> Outcome<Data> {
    let named = match (
        &args.database_file,
        context.environment.get("FARMER_DATABASE_URL"),
    ) {
        (Some(file), _) => {
            let doing = "reading the address of the database in";
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|error| Failure::io(doing, file, error))?;
            Some((text, format!("{doing} {}", file.display())))
        }
        (None, Some(text)) => Some((
            text.to_owned(),
            "reading the variable FARMER_DATABASE_URL".to_owned(),
        )),
        (None, None) => None,
    };
    match (named, &args.data) {
        (Some((text, doing)), _) => {
            let url: DatabaseUrl = text.parse().map_err(|error: server::DatabaseUrlError| {
                Failure::new(ExitStatus::Usage, error.to_string())
                    .context(doing)
                    .with_hint("write it as postgres://USER:PASSWORD@ADDRESS/NAME")
            })?;
            Ok(Data::Postgres(url))
        }
        (None, Some(dir)) => Ok(Data::Directory(dir.clone())),
        (None, None) => Err(
            Failure::new(ExitStatus::Usage, "no place for the data is named").with_hint(
                "name a directory with `--data DIR`, or a PostgreSQL database with \
                 `--database-file FILE` or FARMER_DATABASE_URL",
            ),
        ),
    }
}

/// Serves until the process is asked to stop; then requests under way are answered first.
pub async fn serve(context: &Context<'_>, args: ServeArgs) -> Outcome<ExitStatus> {
    let data = data(context, &args)?;
    let tls = match (args.tls_cert, args.tls_key) {
        (Some(cert), Some(key)) => Tls::Files { cert, key },
        _ if args.self_signed => Tls::SelfSigned {
            dir: args.data.ok_or_else(|| {
                Failure::new(ExitStatus::Usage, "no place for the certificate is named")
                    .with_hint("name a directory with `--data DIR`")
            })?,
            names: args.names,
        },
        _ => Tls::None,
    };
    let is_plain = matches!(tls, Tls::None);
    let mut addresses = std::iter::once(args.listen).chain(args.compat_listen);
    let open = addresses.find(|address| is_plain && !address.ip().is_loopback());
    if let Some(address) = open
        && !args.insecure_http
    {
        let error = ConfigError::InsecureHttp {
            url: format!("http://{address}"),
        };
        return Err(Failure::from(error).with_hint(
            "serve https with `--self-signed` or `--tls-cert` and `--tls-key`, or allow plain http \
             with `--insecure-http`",
        ));
    }
    // Before anything is told: whoever reads the address may stop us at once.
    let stop = Stop::listen()?;
    let place = match &data {
        Data::Directory(dir) => dir.display().to_string(),
        Data::Postgres(url) => url.to_string(),
    };
    let config = ServerConfig {
        tls,
        compat_listen: args.compat_listen,
        metrics_listen: args.metrics_listen,
        unsigned_farms_from: args.unsigned_farms_from,
        ..ServerConfig::with_data(args.listen, data)
    };
    let server = server::start(config).await?;
    let serving = Serving {
        url: server.url(),
        pin: server.pin(),
        listen: server.local_addr(),
        compat_listen: server.compat_addr(),
        metrics_listen: server.metrics_addr(),
        data: place,
    };
    let told = context.printer.event(&serving);
    if let Err(failure) = told {
        server.shutdown().await?;
        return Err(failure);
    }
    if open.is_some() {
        context
            .printer
            .warning("serving unencrypted http: anyone on the way can read and change it");
    }
    if serving.pin.is_some() && !context.printer.is_quiet() {
        context
            .printer
            .message("clients trust it with `--pin` and the pin above; Ctrl-C stops it");
    }
    stop.requested().await;
    context.printer.message("stopping");
    server.shutdown().await?;
    Ok(ExitStatus::Ok)
}
