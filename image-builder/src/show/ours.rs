//! What only media of ours have: regions, settings, the node.

use node_config::system::SETTINGS_FILE;
use node_config::{Effective, Layer, Origin, cmdline, without_secrets};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::MediumDescription;
use crate::content::sha256;
use crate::customize::text_of;
use crate::error::ShowError;
use crate::inspect::{Probe, farmcfg};
use crate::medium::thin::ScriptFacts;
use crate::regions::{self, Flavour, PayloadKind, RegionTable, Span};

/// A region and whether it still holds what it was built with.
#[derive(Debug, Clone, Serialize)]
pub struct RegionDescription {
    /// Name.
    pub name: String,
    /// Where it lies, in bytes.
    pub span: Span,
    /// Whether the content was changed after the build.
    pub customised: bool,
}

/// The node OS on a medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeDescription {
    /// Version of `farm-node`; empty when it does not say.
    pub version: String,
    /// Newest version of the settings' schema it accepts.
    pub config_schema: u32,
    /// Release of its kernel.
    pub kernel_version: String,
}

/// A value a node will go by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    /// Dotted key.
    pub key: String,
    /// The value in words: untrusted text.
    pub value: String,
    /// Where it comes from: `image`, `farm.toml`, `kernel argument` or `default`.
    pub origin: String,
}

pub(super) fn describe(
    probe: &mut Probe<'_>,
    table: &RegionTable,
    description: &mut MediumDescription,
) -> Result<(), ShowError> {
    let mut described = Vec::with_capacity(table.regions.len());
    let mut arguments = Vec::new();
    let mut layers = Vec::new();
    for region in &table.regions {
        let Some(bytes) = probe.bytes(region.span.offset, region.span.length)? else {
            let what = format!("region {} lies beyond the end", region.name);
            description.problems.push(what);
            continue;
        };
        let text = text_of(&region.name, &bytes);
        if text.is_none() {
            let what = format!("the content of region {} is damaged", region.name);
            description.problems.push(what);
        }
        match region.name.as_str() {
            regions::KARGS_BIOS | regions::KARGS_UEFI | regions::KARGS_UKI => arguments.push(text),
            regions::SCRIPT => {
                let facts = ScriptFacts::of(text.as_deref().unwrap_or_default());
                description.fetches = facts.fetches;
                let disk = table.disk_guid.to_string();
                arguments.push(Some(facts.arguments.replace("${medium}", &disk)));
            }
            regions::CONFIG => {
                let layer = text
                    .as_deref()
                    .map(|toml| Layer::from_toml(toml, SETTINGS_FILE));
                match layer {
                    Some(Ok(layer)) => {
                        description.farm_id = layer.farm_id;
                        layers.push((Origin::Image, layer));
                    }
                    Some(Err(error)) => description.problems.push(error.to_string()),
                    None => {}
                }
                description.config_toml = text.as_deref().map(without_secrets);
            }
            _ => {}
        }
        described.push(RegionDescription {
            name: region.name.clone(),
            span: region.span,
            customised: sha256(&bytes) != region.default_sha256,
        });
    }
    if let Some(first) = arguments.first() {
        if arguments.iter().all(|other| other == first) {
            description.kernel_arguments = first.clone();
        } else {
            let words: Vec<&str> = arguments
                .iter()
                .map(|line| line.as_deref().unwrap_or("(damaged)"))
                .collect();
            description.problems.push(format!(
                "the kernel arguments for BIOS and UEFI differ: {:?}",
                words.join(" / ")
            ));
        }
    }
    description.payload = Some(table.payload.kind);
    description.flavour = Some(table.flavour);
    description.fingerprint = Some(fingerprint(table));
    description.regions = Some(described);
    let is_thin = table.flavour == Flavour::Thin;
    let line = cmdline::parse(description.kernel_arguments.as_deref().unwrap_or_default());
    if table.payload.kind == PayloadKind::ZeroOs || is_thin {
        description.farm_id = line.layer.farm_id.or(line.medium_layer.farm_id);
    }
    if table.payload.kind == PayloadKind::ZeroOs {
        return Ok(());
    }
    if let Some(volume) = farmcfg::volume(probe)?
        && let Some(file) = farmcfg::farm_toml(probe, &volume)?
    {
        match Layer::from_toml(&file.text, "farm.toml") {
            Ok(layer) => layers.push((Origin::FarmToml, layer)),
            Err(error) => description.problems.push(error.to_string()),
        }
    }
    // Most settings of what is fetched are not on the medium; its farm is.
    if is_thin {
        let stick = layers.last().and_then(|(_, layer)| layer.farm_id);
        description.farm_id = line.layer.farm_id.or(stick).or(description.farm_id);
        return Ok(());
    }
    if description.kernel_arguments.is_some() {
        layers.push((Origin::KernelArgument, line.layer));
        description.problems.extend(line.ignored);
    }
    match Effective::of(layers) {
        Ok(effective) => {
            description.settings = effective
                .settings
                .into_iter()
                .map(|setting| EffectiveSetting {
                    key: setting.key.to_owned(),
                    value: setting.value,
                    origin: setting.origin.to_string(),
                })
                .collect();
        }
        Err(error) => description.problems.push(error.to_string()),
    }
    description.node = Some(NodeDescription {
        version: table.payload.node_version.clone(),
        config_schema: table.payload.config_schema,
        kernel_version: table.payload.kernel_version.clone(),
    });
    Ok(())
}

/// One digest over those of all areas.
fn fingerprint(table: &RegionTable) -> String {
    let mut hasher = Sha256::new();
    for area in &table.areas {
        hasher.update(area.name.as_bytes());
        hasher.update([0]);
        hasher.update(area.sha256);
    }
    hex::encode(hasher.finalize())
}
