//! Asking disks of the running machine what they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::sgio;
use crate::inventory::Warning;
use crate::root::Root;
use crate::smbios::meaningful;
use crate::text::Untrusted;

/// Longer than one question may take, so that only a hanging device runs into it.
const DEVICE_DEADLINE: Duration = Duration::from_secs(6);

/// A disk to ask, and what it understands.
pub(super) struct Question {
    /// Number of the disk, returned with the answers.
    pub index: usize,
    /// Its device node.
    pub device: PathBuf,
    /// Whether ATA commands may be sent.
    pub ata: bool,
    /// Whether SCSI commands may be sent.
    pub scsi: bool,
}

/// What a disk said about itself.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub identity: Option<AtaIdentity>,
    /// SCSI VPD page B1h.
    pub rate_page: Option<[u8; 64]>,
    problem: Option<String>,
}

/// Asks every disk in a thread of its own: a dying disk answers after seconds or never, and must
/// not hold up the others. A thread that hangs is left behind.
pub(super) fn all(
    root: &Root,
    questions: Vec<Question>,
    warnings: &mut Vec<Warning>,
) -> Vec<(usize, Answers)> {
    let (sender, receiver) = mpsc::channel();
    let mut waiting = BTreeMap::new();
    for question in questions {
        let Some(root) = root.try_clone() else {
            continue;
        };
        let (index, device) = (question.index, question.device.clone());
        let sender = sender.clone();
        let spawned = std::thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || {
                // Nobody listens any more once the deadline has passed.
                let _ = sender.send((question.index, ask(&root, &question)));
            });
        if spawned.is_ok() {
            waiting.insert(index, device);
        }
    }
    drop(sender);
    let mut answered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let Ok((index, answers)) = receiver.recv_timeout(DEVICE_DEADLINE) else {
            break;
        };
        waiting.remove(&index);
        answered.push((index, answers));
    }
    // Threads end in any order; the report does not change with it.
    answered.sort_by_key(|(index, _)| *index);
    for problem in answered.iter().filter_map(|(_, a)| a.problem.as_deref()) {
        warnings.push(Warning::new("disks", problem));
    }
    for device in waiting.into_values() {
        let text = format!("{}: the device does not answer", device.display());
        warnings.push(Warning::new("disks", text));
    }
    answered
}

fn ask(root: &Root, question: &Question) -> Answers {
    let path: &Path = &question.device;
    let device = match root.open_block_device(path) {
        Ok(device) => device,
        Err(error) => {
            let why = if error.is_denied() {
                "only root may ask the device"
            } else {
                "no device node"
            };
            let problem = format!("{}: {why}, weaker evidence is used", path.display());
            return Answers {
                problem: Some(problem),
                ..Answers::default()
            };
        }
    };
    let identify = if question.ata {
        device
            .ask("ata-identify", |fd| Some(sgio::ata_identify(fd)?.to_vec()))
            .and_then(|data| <[u8; 512]>::try_from(data).ok())
    } else {
        None
    };
    // A disk that answered IDENTIFY has said it all.
    let rate_page = if question.scsi && identify.is_none() {
        device
            .ask("scsi-vpd-b1", |fd| Some(sgio::scsi_vpd(fd, 0xb1)?.to_vec()))
            .and_then(|data| <[u8; 64]>::try_from(data).ok())
    } else {
        None
    };
    Answers {
        identity: identify.as_ref().map(AtaIdentity::parse),
        rate_page,
        problem: None,
    }
}

/// The fields of IDENTIFY DEVICE data (ACS-3, 7.12.7) that matter here.
#[derive(Debug)]
pub(super) struct AtaIdentity {
    /// Word 217.
    pub rotation_rate: u16,
    pub model: Option<Untrusted>,
    pub serial: Option<Untrusted>,
    pub firmware: Option<Untrusted>,
}

impl AtaIdentity {
    fn parse(data: &[u8; 512]) -> Self {
        let (words, _) = data.as_chunks::<2>();
        // ATA strings hold two characters per word, the first in the high byte.
        let text = |range: std::ops::Range<usize>| {
            let bytes: Vec<u8> = words
                .get(range)
                .into_iter()
                .flatten()
                .flat_map(|[low, high]| [*high, *low])
                .collect();
            meaningful(&String::from_utf8_lossy(&bytes))
        };
        Self {
            rotation_rate: words.get(217).map_or(0, |word| u16::from_le_bytes(*word)),
            model: text(27..47),
            serial: text(10..20),
            firmware: text(23..27),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identify_data() {
        let mut data = [0_u8; 512];
        let mut put = |word: usize, text: &str| {
            for (pair, at) in text.as_bytes().chunks(2).zip(word..) {
                data[at * 2 + 1] = pair[0];
                data[at * 2] = *pair.get(1).unwrap_or(&b' ');
            }
        };
        put(10, "QM00001             ");
        put(27, "QEMU HARDDISK                           ");
        put(23, "2.5+    ");
        data[434..436].copy_from_slice(&7200_u16.to_le_bytes());
        let identity = AtaIdentity::parse(&data);
        assert_eq!(identity.rotation_rate, 7200);
        assert_eq!(identity.model.unwrap().raw(), "QEMU HARDDISK");
        assert_eq!(identity.serial.unwrap().raw(), "QM00001");
        assert_eq!(identity.firmware.unwrap().raw(), "2.5+");
    }

    #[test]
    fn a_missing_device_is_a_warning_and_not_a_failure() {
        let mut warnings = Vec::new();
        let question = Question {
            index: 7,
            device: "/dev/does-not-exist".into(),
            ata: true,
            scsi: true,
        };
        let answers = all(&Root::live().unwrap(), vec![question], &mut warnings);
        assert_eq!(answers.len(), 1);
        assert!(answers[0].0 == 7 && answers[0].1.identity.is_none());
        assert!(warnings[0].message.raw().contains("no device node"));
    }
}
