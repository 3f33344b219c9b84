//! `farmer image keys`

use std::io;
use std::path::Path;

use directory::clock::{Clock as _, SystemClock};
use hw_probe::text::Untrusted;
use image_builder::secureboot::efivars::KeyVariable;
use image_builder::secureboot::keyring::{KeyDirectory, Keyring};
use image_builder::secureboot::varstore::microsoft_certificates;
use image_builder::secureboot::{Certificate, SecureBootError, Signer as _};
use serde::Serialize;

use super::assemble::hex;
use crate::args::{KeysNewArgs, KeysShowArgs};
use crate::blocking;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

impl Classify for SecureBootError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Exists { .. } => ExitStatus::Refused,
            Self::Name { .. } | Self::Bits { .. } => ExitStatus::Usage,
            Self::Pair { .. } => ExitStatus::Mismatch,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ExitStatus::NotFound
            }
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

/// Where Debian's ovmf package has a firmware's variables with Microsoft's keys.
const OVMF_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";

/// A directory of keys, as told.
#[derive(Serialize)]
struct Shown {
    path: String,
    owner: String,
    keys: Vec<ShownKey>,
}

#[derive(Serialize)]
struct ShownKey {
    variable: &'static str,
    purpose: &'static str,
    subject: String,
    /// SHA-256 of the certificate.
    fingerprint: String,
    /// Whether the private key is here and belongs to the certificate.
    private_key: bool,
}

impl Show for Shown {
    fn show(&self, page: &mut Page) {
        page.field("keys", &self.path).field("owner", &self.owner);
        let rows: Vec<Vec<String>> = self
            .keys
            .iter()
            .map(|key| {
                vec![
                    key.variable.to_owned(),
                    Untrusted::from(key.subject.as_str()).to_string(),
                    if key.private_key { "here" } else { "-" }.to_owned(),
                    key.purpose.to_owned(),
                ]
            })
            .collect();
        page.line("").table(
            &[
                ("VARIABLE", Align::Left),
                ("CERTIFICATE", Align::Left),
                ("PRIVATE KEY", Align::Left),
                ("USE", Align::Left),
            ],
            &rows,
        );
        page.heading("SHA-256 of the certificates, as firmware setups show it");
        for key in &self.keys {
            page.line(format_args!("{:3}  {}", key.variable, key.fingerprint));
        }
    }
}

/// `farmer image keys new`
pub fn new(context: &Context<'_>, args: KeysNewArgs) -> Outcome<ExitStatus> {
    let dir = args
        .out
        .ok_or_else(|| Failure::new(ExitStatus::Usage, "no directory is named"))?;
    let now = u64::try_from(SystemClock.now().secs).unwrap_or(0);
    let others = if args.with_microsoft {
        microsoft()?
    } else {
        Vec::new()
    };
    let ring = Keyring::generate(&args.name, args.bits, now)?.with_others(others);
    let shown = blocking::run(|_| {
        ring.write(&dir)?;
        describe(&dir)
    })?;
    context.printer.message(&format!(
        "{} holds private keys without a passphrase; keep a copy in a safe place",
        dir.display()
    ));
    context.printer.to_stdout().data(&shown)?;
    Ok(ExitStatus::Ok)
}

/// `farmer image keys show`
pub fn show(context: &Context<'_>, args: &KeysShowArgs) -> Outcome<ExitStatus> {
    context.printer.data(&describe(&args.dir)?)?;
    Ok(ExitStatus::Ok)
}

fn microsoft() -> Outcome<Vec<(KeyVariable, Certificate, Vec<u8>)>> {
    let path = Path::new(OVMF_VARIABLES);
    let hint = "apt-get install ovmf, or leave `--with-microsoft` out and enrol Microsoft's \
                certificates yourself";
    let image =
        std::fs::read(path).map_err(|error| Failure::io("reading", path, error).with_hint(hint))?;
    let found = microsoft_certificates(&image);
    for variable in [KeyVariable::Kek, KeyVariable::Db] {
        if !found.iter().any(|(of, ..)| *of == variable) {
            let message =
                format!("{OVMF_VARIABLES} has no certificate of Microsoft in {variable:?}");
            return Err(Failure::new(ExitStatus::NotFound, message).with_hint(hint));
        }
    }
    Ok(found)
}

fn describe(dir: &Path) -> Outcome<Shown> {
    let directory = KeyDirectory::open(dir)?;
    let keys = directory.keys.iter().map(|(variable, certificate)| {
        let signer = directory.signer_of(*variable);
        ShownKey {
            variable: variable.name(),
            purpose: match variable {
                KeyVariable::Pk => "owns the machine",
                KeyVariable::Kek => "may change db",
                KeyVariable::Db => "signs images",
            },
            subject: certificate.subject().to_owned(),
            fingerprint: hex(certificate.fingerprint()),
            private_key: signer.is_ok_and(|signer| signer.certificate() == certificate),
        }
    });
    Ok(Shown {
        path: dir.display().to_string(),
        owner: directory.owner.to_string(),
        keys: keys.collect(),
    })
}
