//! The list of parts as an SPDX 2.3 document (<https://spdx.github.io/spdx-spec/v2.3/>).

use std::collections::BTreeMap;

use serde::Serialize;

use super::licence::{NO_ASSERTION, Own, id_text, of_debian_copyright};
use super::manifest::ImageManifest;
use crate::bootkit::{Bootkit, Digest, PackageEntry};
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;
use crate::regions::PayloadKind;

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-image";

/// An SPDX document, to be written as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<ExtractedLicence>,
    relationships: Vec<Relationship>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtractedLicence {
    license_id: String,
    name: String,
    extracted_text: String,
}

#[derive(Debug, Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<&'static str>,
    download_location: &'static str,
    files_analyzed: bool,
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: Digest,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// Describes the image of `manifest`. Licences come from the copyright files in `kit`.
#[must_use]
pub fn describe(manifest: &ImageManifest, kit: &Bootkit) -> Document {
    let image = manifest.outputs.first();
    let name = image.map_or("image", |output| output.path.as_str());
    // Identified by what is in it: two images of one content are one document.
    let outputs: Vec<u8> = manifest
        .outputs
        .iter()
        .flat_map(|output| *output.sha256.as_bytes())
        .collect();
    let uuid = Guid::derive("spdx", &outputs);
    let own = |id: &str, name: &str, digests: Vec<Digest>| Package {
        id: id.to_owned(),
        name: name.to_owned(),
        version_info: None,
        supplier: None,
        download_location: NO_ASSERTION,
        files_analyzed: false,
        checksums: digests.into_iter().map(sha256).collect(),
        source_info: None,
        license_concluded: NO_ASSERTION,
        license_declared: NO_ASSERTION.to_owned(),
        copyright_text: NO_ASSERTION,
        external_refs: Vec::new(),
    };
    // A bundle of several files has no digest of its own.
    let image_digests = match &manifest.outputs[..] {
        [one] => vec![one.sha256],
        _ => Vec::new(),
    };
    let mut packages = vec![own(IMAGE, name, image_digests)];
    let system = manifest.payload.name();
    let programs = manifest.inputs.iter().filter(|input| input.path == system);
    let id = format!("SPDXRef-{system}");
    let system = own(&id, system, programs.map(|input| input.sha256).collect());
    packages.push(match manifest.payload {
        PayloadKind::FarmNode => Package {
            license_declared: "Apache-2.0".to_owned(),
            ..system
        },
        // A kernel and many programs, each under its own licence.
        PayloadKind::ZeroOs => Package {
            version_info: Some(manifest.kernel_version.clone()),
            ..system
        },
    });
    let mut licences = Licences::new();
    for package in &manifest.packages {
        packages.push(debian(package, kit, &mut licences));
    }
    let mut relationships = vec![Relationship {
        spdx_element_id: DOCUMENT.to_owned(),
        relationship_type: "DESCRIBES",
        related_spdx_element: IMAGE.to_owned(),
    }];
    relationships.extend(packages[1..].iter().map(|package| Relationship {
        spdx_element_id: IMAGE.to_owned(),
        relationship_type: "CONTAINS",
        related_spdx_element: package.id.clone(),
    }));
    Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: name.to_owned(),
        document_namespace: format!("https://spdx.org/spdxdocs/farmer-{uuid}"),
        creation_info: CreationInfo {
            created: Timestamp(manifest.timestamp_unix_s).rfc3339(),
            creators: vec![format!("Tool: {}", manifest.generator.replace(' ', "-"))],
        },
        packages,
        has_extracted_licensing_infos: licences
            .into_iter()
            .map(|(license_id, (name, extracted_text))| ExtractedLicence {
                license_id,
                name,
                extracted_text,
            })
            .collect(),
        relationships,
    }
}

impl Document {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        pretty(self)
    }
}

/// Name and text of licences by their id.
type Licences = BTreeMap<String, (String, String)>;

fn debian(package: &PackageEntry, kit: &Bootkit, licences: &mut Licences) -> Package {
    let copyright = kit.copyright(&package.name);
    let (license_declared, own) = of_debian_copyright(copyright.as_deref().unwrap_or_default());
    for Own { id, name } in own {
        licences.entry(id).or_insert_with(|| {
            let text = format!(
                "What the copyright file of Debian's package {} calls {name}; see there.",
                package.name
            );
            (name, text)
        });
    }
    Package {
        id: format!("SPDXRef-deb-{}", id_text(&package.name)),
        name: package.name.clone(),
        version_info: Some(package.version.clone()),
        supplier: Some("Organization: Debian"),
        download_location: NO_ASSERTION,
        files_analyzed: false,
        checksums: vec![sha256(package.sha256)],
        source_info: Some(match &package.built_using {
            Some(used) => format!("built of {}, using {used}", package.source),
            None => format!("built of {}", package.source),
        }),
        license_concluded: NO_ASSERTION,
        license_declared,
        copyright_text: NO_ASSERTION,
        external_refs: vec![ExternalRef {
            reference_category: "PACKAGE-MANAGER",
            reference_type: "purl",
            reference_locator: format!(
                "pkg:deb/debian/{}@{}?arch={}",
                purl_text(&package.name),
                purl_text(&package.version),
                purl_text(&package.architecture)
            ),
        }],
    }
}

fn sha256(digest: Digest) -> Checksum {
    Checksum {
        algorithm: "SHA256",
        checksum_value: digest,
    }
}

/// Percent-encoding as package URLs want it.
fn purl_text(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b".-_~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

pub(super) fn pretty(value: &impl Serialize) -> String {
    #[expect(
        clippy::expect_used,
        reason = "plain data with text keys always serialises"
    )]
    let mut text = serde_json::to_string_pretty(value).expect("plain data");
    text.push('\n');
    text
}
