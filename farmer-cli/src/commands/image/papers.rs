//! What goes with an image that is given away: manifest, SBOM, digests, signature.

use std::path::{Path, PathBuf};

use directory::identity::UserIdentity;
use image_builder::emit::{self, EmitOptions, Emitted};
use image_builder::error::EmitError;
use image_builder::medium::pxe;
use image_builder::provenance::{self, ImageManifest, Output, minisign};
use image_builder::rope::LayoutBuilder;

use super::outputs::{Parts, Written};
use crate::failure::Outcome;

/// The signature of the list of digests.
pub const SIGNATURE: &str = "SHA256SUMS.minisig";

/// `node.iso` and `manifest.json` make `node.iso.manifest.json`.
pub fn beside(path: &Path, name: &str) -> PathBuf {
    let mut full = path.as_os_str().to_owned();
    full.push(".");
    full.push(name);
    PathBuf::from(full)
}

/// Writes the papers that were asked for beside the image `path`.
pub fn write(
    parts: &Parts<'_>,
    path: &Path,
    overwrite: bool,
    written: &mut Written,
) -> Outcome<()> {
    let request = &parts.job.request;
    let Some(sha256) = written.sha256 else {
        return Ok(());
    };
    let mut outputs = vec![Output {
        path: file_name(path),
        size_bytes: written.size_bytes,
        sha256,
    }];
    let manifest = manifest(parts, outputs.clone());
    let mut paper = |name: &str, text: &str| -> Outcome<()> {
        let target = beside(path, name);
        let mut builder = LayoutBuilder::new();
        builder.place_bytes(0, text.as_bytes());
        let layout = builder.finish(text.len() as u64)?;
        let options = EmitOptions {
            digest: true,
            ..request.options(overwrite)
        };
        let emitted = emit::to_file(&layout, &target, options, &mut |_| {})?;
        outputs.push(output(&file_name(&target), &emitted));
        written.papers.push(target);
        Ok(())
    };
    if request.manifest {
        paper(pxe::MANIFEST, &manifest.to_json())?;
    }
    if request.sbom {
        let sbom = provenance::describe(&manifest, parts.kit);
        paper(pxe::SBOM, &sbom.to_json())?;
    }
    if !request.sums {
        return Ok(());
    }
    let sums = sums(&outputs);
    let name = file_name(&beside(path, pxe::CHECKSUMS));
    let mut papers = vec![(pxe::CHECKSUMS, sums.clone())];
    if let Some(signer) = &request.signer {
        let (signature, key) = sign(signer, &sums, &name);
        written.public_key = Some(key);
        papers.push((SIGNATURE, signature));
    }
    for (name, text) in papers {
        let target = beside(path, name);
        let options = request.options(overwrite);
        emit::with_writer(&target, text.len() as u64, options, |file| {
            file.write_all(text.as_bytes())
                .map_err(|source| EmitError::Write {
                    path: target.clone(),
                    offset: 0,
                    source,
                })
        })?;
        written.papers.push(target);
    }
    Ok(())
}

/// The manifest of these outputs.
pub fn manifest(parts: &Parts<'_>, outputs: Vec<Output>) -> ImageManifest {
    let format = parts.job.request.format();
    ImageManifest::new(
        format.name(),
        format.is_disk(),
        parts.farm_id,
        parts.medium.timestamp.0,
        (parts.kit, parts.system, parts.plan),
        outputs,
    )
}

/// The list for `sha256sum -c`.
pub fn sums(outputs: &[Output]) -> String {
    let files = outputs.iter().map(|o| (o.path.as_str(), o.sha256));
    provenance::sha256sums(files)
}

/// Signature file of `text`, which is called `name`, and the public key.
pub fn sign(signer: &UserIdentity, text: &str, name: &str) -> (String, String) {
    let key = *signer.seed.public_key().as_bytes();
    let sign = |message: &[u8]| signer.seed.sign(message);
    (
        minisign::signature(text.as_bytes(), name, &key, sign),
        minisign::public_key(&key),
    )
}

/// A file that was written with its digest.
pub fn output(path: &str, emitted: &Emitted) -> Output {
    Output {
        path: path.to_owned(),
        size_bytes: emitted.bytes,
        sha256: emitted.sha256.unwrap_or_default().into(),
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
