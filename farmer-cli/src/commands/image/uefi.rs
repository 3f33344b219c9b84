//! What UEFI starts: flavour, signing key and the refusals that belong to them.

use std::path::Path;
use std::sync::Arc;

use image_builder::bootkit::{Bootkit, Loader};
use image_builder::content::Content;
use image_builder::formats::pe;
use image_builder::medium::{Enrolment, UefiBoot, UkiBoot};
use image_builder::payload::Payload;
use image_builder::secureboot::keyring::KeyDirectory;
use image_builder::secureboot::{RsaSigner, Signer};

use image_builder::regions::PayloadKind;

use crate::args::{FlavourValue, ImageFormat, UefiArgs};
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;

/// Name of the node OS in `os-release` and in boot menus.
const TITLE: &str = "ThreeFold farm node";

/// The farmer's choice.
pub struct Uefi {
    uki: bool,
    signing: Option<Signing>,
    no_secure_boot: bool,
}

struct Signing {
    signer: Arc<dyn Signer>,
    enrolment: Vec<Enrolment>,
}

impl Uefi {
    /// Reads the keys and refuses at once what cannot go together.
    pub fn choose(
        args: &UefiArgs,
        format: ImageFormat,
        kind: PayloadKind,
        own_kernel: bool,
    ) -> Outcome<Self> {
        let alone = format == ImageFormat::Uki;
        let usage = |message: &'static str| Failure::new(ExitStatus::Usage, message);
        let uki = match args.flavour {
            Some(FlavourValue::Stock) if alone => {
                return Err(usage("--format uki and --flavour stock exclude each other"));
            }
            Some(flavour) => flavour == FlavourValue::Uki,
            None => alone,
        };
        if kind == PayloadKind::ZeroOs && (uki || args.signing_key.is_some()) {
            return Err(usage(
                "Zero-OS is started as it was released: its kernel is one EFI program already",
            )
            .with_hint("leave --flavour, --signing-key and the format uki away"));
        }
        if !uki && args.signing_key.is_some() {
            return Err(usage(
                "the stock flavour is signed by Debian and Microsoft, not with a key of yours",
            )
            .with_hint("sign with `--flavour uki`"));
        }
        if !uki && own_kernel && !args.no_secure_boot {
            return Err(unsigned_kernel("a kernel of your own"));
        }
        let signing = match &args.signing_key {
            Some(key) => Some(signing(key, args.signing_cert.as_deref())?),
            None => None,
        };
        Ok(Self {
            uki,
            signing,
            no_secure_boot: args.no_secure_boot,
        })
    }

    /// Short name, as it stands in JSON.
    pub fn name(&self) -> &'static str {
        match (self.uki, &self.signing) {
            (false, _) => "stock",
            (true, None) => "uki",
            (true, Some(_)) => "uki-signed",
        }
    }

    /// What UEFI starts, from the bootkit.
    pub fn boot(&self, kit: &Bootkit, payload: &Payload) -> Outcome<UefiBoot> {
        if self.uki {
            return Ok(UefiBoot::Uki(self.unified(kit, payload)?));
        }
        if !self.no_secure_boot && !is_signed(&payload.kernel.content()?)? {
            return Err(unsigned_kernel("a kernel that nobody has signed"));
        }
        Ok(UefiBoot::Stock)
    }

    /// What a unified kernel image needs beside kernel and initramfs.
    pub fn unified(&self, kit: &Bootkit, payload: &Payload) -> Outcome<UkiBoot> {
        let stub = kit.loader_entry(Loader::SystemdStub).ok_or_else(|| {
            let package = Loader::SystemdStub.package();
            let message = format!("the bootkit has no systemd-stub (package {package})");
            Failure::new(ExitStatus::NotFound, message).with_hint(format!(
                "with `--deb`, name the file of {package} too; with apt, let the host's sources \
                 offer it"
            ))
        })?;
        let path = kit.loader(Loader::SystemdStub);
        let release = &payload.kernel_version;
        Ok(UkiBoot {
            stub: Content::file(path, *stub.sha256.as_bytes())?,
            os_release: format!(
                "ID=farm-node\nNAME=\"{TITLE}\"\nPRETTY_NAME=\"{TITLE}\"\nVERSION_ID=\"{}\"\n\
                 BUILD_ID=\"{release}\"\n",
                env!("CARGO_PKG_VERSION"),
            ),
            kernel_release: release.clone(),
            signer: self.signing.as_ref().map(|s| Arc::clone(&s.signer)),
            enrolment: match &self.signing {
                Some(signing) => signing.enrolment.clone(),
                None => Vec::new(),
            },
        })
    }

    /// What the farmer should know about Secure Boot with this image.
    pub fn tell(&self, printer: &Printer) {
        if self.uki && self.signing.is_none() && !self.no_secure_boot {
            printer.warning(
                "the image is not signed: on UEFI it starts with Secure Boot off only \
                 (sign with `--signing-key`)",
            );
        }
    }
}

fn signing(key: &Path, certificate: Option<&Path>) -> Outcome<Signing> {
    if !key.is_dir() {
        let certificate = certificate.ok_or_else(|| {
            Failure::new(ExitStatus::Usage, "a signing key needs its certificate")
                .with_hint("name it with `--signing-cert`, or name a directory of keys")
        })?;
        return Ok(Signing {
            signer: Arc::new(RsaSigner::read(key, certificate)?),
            enrolment: Vec::new(),
        });
    }
    if certificate.is_some() {
        return Err(Failure::new(
            ExitStatus::Usage,
            "a directory of keys brings its own certificate; --signing-cert goes with a key file",
        ));
    }
    let directory = KeyDirectory::open(key)?;
    let files = directory.enrolment_files()?.into_iter();
    Ok(Signing {
        signer: Arc::new(directory.signer()?),
        enrolment: files
            .map(|(name, bytes)| Enrolment { name, bytes })
            .collect(),
    })
}

fn unsigned_kernel(what: &str) -> Failure {
    Failure::new(
        ExitStatus::Refused,
        format!(
            "{what} does not start under the stock flavour's Secure Boot: Debian's shim and GRUB \
             start Debian's signed kernels only"
        ),
    )
    .with_hint(
        "sign it with a key of your own: `--flavour uki --signing-key DIR`; or, for machines with \
         Secure Boot off, add `--no-secure-boot`",
    )
}

/// Whether the kernel carries any signature.
fn is_signed(kernel: &Content) -> Outcome<bool> {
    let head = kernel.head(4096)?;
    Ok(pe::Headers::parse(&head).is_ok_and(|headers| headers.is_signed()))
}
