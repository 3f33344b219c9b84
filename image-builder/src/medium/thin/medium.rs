//! The disk: the universal medium's frame around iPXE.

use sha2::{Digest as _, Sha256};

use super::script::{ThinBoot, guid_at};
use super::{Program, files};
use crate::content::Content;
use crate::error::PlanError;
use crate::formats::el_torito::UefiSectorCount;
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;
use crate::medium::disk::{Assembly, Disk, ESP_OFFSET, Farmcfg};
use crate::medium::gap::{BiosLoaders, Gap, GapParts};
use crate::medium::loader_config;
use crate::medium::region_contents::RegionContents;
use crate::medium::serial::SerialConsole;
use crate::medium::universal::{PlacedFile, Plan, placed};
use crate::medium::volumes::{Body, TreeFile};
use crate::regions::{self, Flavour, PayloadFacts, PayloadKind, Span};

/// Part of every identifier: raise it whenever the same input gives a different medium.
const RECIPE_REVISION: u32 = 1;

const IPXE_PATH: &str = "BOOT/IPXE.KRN";
/// Where ISOLINUX finds the script; 8.3 as all of its tree.
const SCRIPT_PATH: &str = "BOOT/FARM.IPX";

/// A disk that starts iPXE: CD, stick and disk in one, as the universal medium is.
#[derive(Debug, Clone)]
pub struct ThinMedium {
    /// ISOLINUX, for BIOS.
    pub loaders: BiosLoaders,
    /// `ipxe.lkrn`, for BIOS.
    pub lkrn: Program,
    /// iPXE's EFI program; without it the medium starts with BIOS only.
    pub efi: Option<Program>,
    /// What the script does.
    pub boot: ThinBoot,
    /// What it fetches.
    pub payload: PayloadKind,
    /// `farm.toml` for FARMCFG, at most 4 KiB; unused by Zero-OS.
    pub farm_toml: String,
    /// Serial console of the loader, beside the screen.
    pub serial: SerialConsole,
    /// Time of everything on the medium: the parts', or SOURCE_DATE_EPOCH.
    pub timestamp: Timestamp,
}

impl ThinMedium {
    /// Plans the medium.
    ///
    /// # Errors
    /// [`PlanError`]; [`PlanError::Script`] for a script that one of the binaries would refuse.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        let disk_guid = self.disk_guid();
        let binaries: Vec<_> = [Some(&self.lkrn), self.efi.as_ref()]
            .into_iter()
            .flatten()
            .map(|program| &program.capabilities)
            .collect();
        let (head, own) = self.boot.script_on(disk_guid, &binaries)?;
        let contents = self.contents(&own, head.len())?;
        let own = contents.get(regions::SCRIPT).unwrap_or_default();
        let script = Content::bytes([head.as_bytes(), own].concat());

        let esp_files = self.esp_files(&script);
        let farm_toml = contents.get(regions::FARM_TOML);
        let farmcfg = Farmcfg {
            farm_toml,
            readme: match farm_toml {
                Some(_) => include_str!("farmcfg-readme.txt"),
                None => include_str!("../farmcfg-zero-os.txt"),
            },
        };
        let disk = Disk::place(disk_guid, self.timestamp, &esp_files, &farmcfg)?;
        let files = &disk.esp.files;
        let file = |path| placed(files, path);
        let iso_files = [
            (IPXE_PATH, file(IPXE_PATH)),
            (SCRIPT_PATH, file(self.script_path())),
        ]
        .map(|(path, span)| PlacedFile {
            path: path.to_owned(),
            span,
        });
        let isolinux_cfg = loader_config::thin_isolinux(self.serial, IPXE_PATH, SCRIPT_PATH);
        let parts = GapParts {
            loaders: &self.loaders,
            timestamp: self.timestamp,
            uefi_sector_count: UefiSectorCount::default(),
        };
        let cfg_bytes = isolinux_cfg.text.len();
        let gap = Gap::place(parts, ESP_OFFSET, &iso_files, cfg_bytes, &contents)?;
        let behind_head = |span: Span| Span {
            offset: span.offset + head.len() as u64,
            length: span.length - head.len() as u64,
        };
        let spans = contents.named.iter().map(|(name, _)| match *name {
            regions::SCRIPT => behind_head(file(self.script_path())),
            regions::SCRIPT_ROOT => behind_head(file(files::AUTOEXEC)),
            _ => disk.farmcfg.files[0].span,
        });
        let scripts = [
            Some(self.script_path()),
            self.efi.as_ref().map(|_| files::AUTOEXEC),
        ];
        let guid_texts = scripts.into_iter().flatten().filter_map(|path| {
            let at = guid_at(&head, disk_guid)?;
            Some(file(path).offset + at as u64)
        });
        let assembly = Assembly {
            spans: spans.collect(),
            guid_texts: guid_texts.collect(),
            gap,
            contents: &contents,
            isolinux_cfg: &isolinux_cfg,
            iso_files: &iso_files,
            esp_files: &esp_files,
            payload: &PayloadFacts {
                kind: self.payload,
                ..PayloadFacts::default()
            },
        };
        disk.assemble(&assembly)
    }

    /// Identity of the medium: everything but what belongs to one farm.
    fn disk_guid(&self) -> Guid {
        let mut hasher = Sha256::new();
        let mut part = |name: &str, digest: &[u8]| {
            for bytes in [name.as_bytes(), digest] {
                hasher.update((bytes.len() as u64).to_le_bytes());
                hasher.update(bytes);
            }
        };
        part("recipe", &RECIPE_REVISION.to_le_bytes());
        part("payload", self.payload.name().as_bytes());
        part("timestamp", &self.timestamp.0.to_le_bytes());
        part("serial", self.serial.to_string().as_bytes());
        for (name, digest) in self.loaders.identity() {
            part(name, &digest);
        }
        part("lkrn", self.lkrn.content.sha256());
        if let Some(efi) = &self.efi {
            part("efi", efi.content.sha256());
        }
        Guid::derive("thin medium", &hasher.finalize())
    }

    /// The script's regions and `farm.toml`; `before` bytes of the script's file are no farm's own.
    fn contents(&self, script: &str, before: usize) -> Result<RegionContents, PlanError> {
        let script = regions::encode_script(script, before)?;
        let mut named = vec![(regions::SCRIPT, script.clone())];
        if self.efi.is_some() {
            named.push((regions::SCRIPT_ROOT, script));
        }
        if self.payload == PayloadKind::FarmNode {
            let farm_toml = regions::encode_farm_toml(&self.farm_toml)?;
            named.push((regions::FARM_TOML, farm_toml));
        }
        Ok(RegionContents {
            named,
            flavour: Flavour::Thin,
        })
    }

    /// Where the script that both kinds of firmware use lies on the EFI partition.
    fn script_path(&self) -> &'static str {
        match self.efi {
            Some(_) => files::BESIDE_LOADER,
            None => SCRIPT_PATH,
        }
    }

    fn esp_files(&self, script: &Content) -> Vec<TreeFile> {
        let file = |path: &str, content: &Content| TreeFile {
            path: path.to_owned(),
            body: Body::Content(content.clone()),
        };
        let mut tree = Vec::new();
        if let Some(efi) = &self.efi {
            tree.push(file(files::LOADER, &efi.content));
            tree.push(file(files::AUTOEXEC, script));
        }
        tree.push(file(self.script_path(), script));
        tree.push(file(IPXE_PATH, &self.lkrn.content));
        let readme = match self.efi {
            Some(_) => include_str!("esp-readme.txt"),
            None => include_str!("esp-readme-bios.txt"),
        };
        let readme = readme.replace('\n', "\r\n");
        tree.push(file("README.TXT", &Content::bytes(readme.as_bytes())));
        tree
    }
}
