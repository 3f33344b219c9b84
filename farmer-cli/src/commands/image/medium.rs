//! What a job puts on its medium, by system.

use image_builder::bootkit::{Bootkit, Loader};
use image_builder::content::Content;
use image_builder::formats::el_torito::UefiSectorCount;
use image_builder::formats::timestamp::Timestamp;
use image_builder::medium::{
    BiosLoaders, InitramfsFile, IsolinuxMenu, Loaders, UefiBoot, UniversalMedium,
};
use image_builder::payload::{CONFIG_REGION_BYTES, ConfigFile, LayerKind, Payload, config_cpio};
use image_builder::regions::{PayloadFacts, PayloadKind};
use image_builder::zos::ZosKernel;
use node_config::NodeConfig;
use node_config::system::SETTINGS_FILE;

use super::Job;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};

/// `farm.toml` on a fresh medium: nothing is set, everything is explained.
pub const FARM_TOML: &str = include_str!("farm.toml");

/// A medium that starts farm-node.
pub fn farm_node(
    job: &Job,
    config: &NodeConfig,
    kit: &Bootkit,
    payload: &Payload,
) -> Outcome<UniversalMedium> {
    let toml = config.to_toml();
    let config = config_cpio(
        &[ConfigFile {
            path: SETTINGS_FILE,
            content: toml.as_bytes(),
            mode: 0o600,
        }],
        CONFIG_REGION_BYTES,
    )?;
    let initramfs = payload
        .layers
        .iter()
        .map(|layer| {
            let name = match layer.kind {
                LayerKind::Node => "NODE.IMG",
                LayerKind::Firmware => "FIRMWARE.IMG",
                LayerKind::Microcode => "UCODE.IMG",
                LayerKind::Added => "ADDED.IMG",
                _ => "BASE.IMG",
            };
            Ok(InitramfsFile {
                name: name.to_owned(),
                content: layer.part.content()?,
            })
        })
        .collect::<Outcome<Vec<_>>>()?;
    Ok(UniversalMedium {
        title: "ThreeFold farm node".to_owned(),
        payload: payload.facts(),
        uefi: job.uefi.boot(kit, payload)?,
        kernel: payload.kernel.content()?,
        initramfs,
        config,
        farm_toml: FARM_TOML.to_owned(),
        ..bare(job, kit, payload.manifest.newest_mtime)?
    })
}

/// A medium that starts Zero-OS.
pub fn zero_os(job: &Job, kit: &Bootkit, kernel: &ZosKernel) -> Outcome<UniversalMedium> {
    Ok(UniversalMedium {
        title: "Zero-OS".to_owned(),
        payload: PayloadFacts {
            kind: PayloadKind::ZeroOs,
            kernel_version: kernel.info.release.clone(),
            ..PayloadFacts::default()
        },
        kernel: kernel.content.clone(),
        ..bare(job, kit, kit.lock().newest_mtime_unix_s)?
    })
}

/// A file of the bootkit.
pub fn loader(kit: &Bootkit, loader: Loader) -> Outcome<Content> {
    let entry = kit.loader_entry(loader).ok_or_else(|| {
        Failure::new(
            ExitStatus::NotFound,
            format!("the bootkit has no {}", loader.path()),
        )
        .with_hint(format!(
            "let apt's sources offer the package {}, or name its file with `--deb`",
            loader.package()
        ))
    })?;
    Ok(Content::file(kit.loader(loader), *entry.sha256.as_bytes())?)
}

/// ISOLINUX without its menu.
pub fn isolinux(kit: &Bootkit) -> Outcome<BiosLoaders> {
    Ok(BiosLoaders {
        isohdpfx: loader(kit, Loader::IsohybridMbr)?.read()?.into(),
        isolinux: loader(kit, Loader::Isolinux)?.read()?.into(),
        ldlinux: loader(kit, Loader::Ldlinux)?,
        menu: None,
    })
}

/// Loaders and arguments, without a system.
fn bare(job: &Job, kit: &Bootkit, newest_mtime: u64) -> Outcome<UniversalMedium> {
    let loader = |which| loader(kit, which);
    Ok(UniversalMedium {
        title: String::new(),
        payload: PayloadFacts::default(),
        serial: job.serial,
        loaders: Loaders {
            bios: BiosLoaders {
                menu: Some(IsolinuxMenu {
                    menu: loader(Loader::Menu)?,
                    libcom32: loader(Loader::Libcom32)?,
                    libutil: loader(Loader::Libutil)?,
                }),
                ..isolinux(kit)?
            },
            shim: loader(Loader::Shim)?,
            grub: loader(Loader::Grub)?,
            mok_manager: Some(loader(Loader::MokManager)?),
            grub_directory: "EFI/DEBIAN".to_owned(),
        },
        uefi: UefiBoot::Stock,
        kernel: Content::bytes(Vec::new()),
        initramfs: Vec::new(),
        kernel_arguments: job.kernel_arguments.clone(),
        config: Vec::new(),
        farm_toml: String::new(),
        timestamp: Timestamp(job.timestamp.unwrap_or(newest_mtime)),
        uefi_sector_count: UefiSectorCount::default(),
    })
}
