//! Asking disks themselves: who they are, how they feel, what lies on them.
//!
//! Every disk is asked in a thread of its own: a dying one answers after seconds or never, and must
//! not hold up the others. What it did answer before it fell silent is kept.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use super::identity::{AtaIdentity, form_factor_of_page, rotation_of_page};
use super::{nvme_admin, seek, sensor, sgio};
use crate::health;
use crate::inventory::{DiskHealth, Signature, Warning};
use crate::root::{Device, Root};
use crate::signature::{self, GptEntry};

/// Longer than an awake disk needs for one question. A sleeping one may run into it, with what it
/// said before kept: waking up takes some disks 20 seconds, and nobody waits that long for a report.
const ANSWER_DEADLINE: Duration = Duration::from_secs(6);
/// Longer than all questions to one disk take, seek test and all.
const DEADLINE: Duration = Duration::from_secs(30);

/// How to speak to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Language {
    pub ata: bool,
    pub scsi: bool,
    pub nvme: bool,
}

/// A disk to ask.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Number of the disk, returned with the answers.
    pub index: usize,
    /// Its device node.
    pub device: PathBuf,
    /// Its directory in sysfs.
    pub link: String,
    pub language: Language,
    pub size_bytes: u64,
    pub sector_bytes: u64,
    /// Start and length of the partitions, in their order.
    pub partitions: Vec<(u64, u64)>,
    /// Measure seek times if the disk does not say whether it rotates.
    pub seek_test: bool,
}

/// One thing a disk said.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Identity(AtaIdentity),
    /// Medium rotation rate of SCSI VPD page B1h, and form factor.
    Medium(u16, Option<&'static str>),
    Health(DiskHealth, Option<i32>),
    /// Degrees Celsius, from the kernel's sensor.
    Temperature(i32),
    /// What lies on the whole disk.
    Content(Vec<Signature>),
    Gpt(Vec<GptEntry>),
    /// What lies on the partition with this index.
    PartitionContent(usize, Vec<Signature>),
    SeekNanos(u64),
    /// The device node could not be opened.
    Closed(Closed),
    /// All was asked.
    Done,
}

/// Why a device node could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closed {
    Denied,
    Absent,
    Failed,
}

/// Asks every disk and hands over what it says, with the disk's number.
pub(super) fn all(
    root: &Root,
    questions: Vec<Question>,
    warnings: &mut Vec<Warning>,
    mut learn: impl FnMut(usize, Answer),
) {
    let (sender, receiver) = mpsc::channel();
    let begun = seek::nanos();
    let mut waiting = BTreeMap::new();
    let mut closed: BTreeMap<Closed, Vec<String>> = BTreeMap::new();
    let asked: Vec<PathBuf> = questions.iter().map(|q| q.device.clone()).collect();
    let mut silent = Vec::new();
    for question in questions {
        let (index, device) = (question.index, question.device.clone());
        let Some(root) = root.try_clone() else {
            let device = device.display().to_string();
            closed.entry(Closed::Failed).or_default().push(device);
            continue;
        };
        let answers = Answers {
            index,
            sender: sender.clone(),
        };
        let spawned = std::thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || {
                ask(&root, &question, &answers);
                answers.give(Answer::Done);
            });
        if spawned.is_ok() {
            waiting.insert(index, (device, Duration::ZERO));
        } else {
            let device = device.display().to_string();
            closed.entry(Closed::Failed).or_default().push(device);
        }
    }
    drop(sender);
    let passed = || Duration::from_nanos(seek::nanos().saturating_sub(begun));
    let ends = |last: Duration| (last + ANSWER_DEADLINE).min(DEADLINE);
    while let Some(last) = waiting.values().map(|(_, last)| *last).min() {
        match receiver.recv_timeout(ends(last).saturating_sub(passed())) {
            Ok((index, Answer::Done)) => {
                waiting.remove(&index);
            }
            Ok((index, Answer::Closed(why))) => {
                let device = waiting.get(&index);
                let device = device.map(|(path, _)| path.display().to_string());
                closed.entry(why).or_default().extend(device);
            }
            Ok((index, answer)) => {
                // Who was given up is not listened to any more.
                if let Some((_, last)) = waiting.get_mut(&index) {
                    *last = passed();
                    learn(index, answer);
                }
            }
            Err(_) => waiting.retain(|_, (device, last)| {
                let is_in_time = passed() < ends(*last);
                if !is_in_time {
                    silent.push(device.clone());
                }
                is_in_time
            }),
        }
    }
    for (why, mut devices) in closed {
        devices.sort();
        let why = match why {
            Closed::Denied => {
                "the disks themselves may not be asked (it takes root, outside of a container)"
            }
            Closed::Absent => "there is no device node",
            Closed::Failed => "the disks themselves could not be opened",
        };
        let text = format!("{}: {why}; weaker evidence is used", devices.join(", "));
        warnings.push(Warning::new("disks", text));
    }
    for device in asked {
        // A snapshot of a machine with a silent disk has the same warning.
        let subject = device.to_string_lossy();
        let is_silent = root.ask(&subject, "silent", || {
            silent.contains(&device).then(Vec::new)
        });
        if is_silent.is_some() {
            let text = format!("{subject}: the device does not answer in time");
            warnings.push(Warning::new("disks", text));
        }
    }
}

struct Answers {
    index: usize,
    sender: Sender<(usize, Answer)>,
}

impl Answers {
    fn give(&self, answer: Answer) {
        // Nobody listens any more once the deadline has passed.
        let _ = self.sender.send((self.index, answer));
    }
}

fn ask(root: &Root, question: &Question, answers: &Answers) {
    // The sensor's file is a question to the disk too.
    if let Some(celsius) = sensor::celsius(root, &question.link) {
        answers.give(Answer::Temperature(celsius));
    }
    let device = match root.open_block_device(&question.device) {
        Ok(device) => device,
        Err(error) => {
            let why = if error.is_denied() {
                Closed::Denied
            } else if error.is_absent() {
                Closed::Absent
            } else {
                Closed::Failed
            };
            return answers.give(Answer::Closed(why));
        }
    };
    let identity = ata_identity(&device, question);
    let rotation = match &identity {
        Some(identity) => identity.rotation_rate,
        None => scsi_medium(&device, question, answers).unwrap_or_default(),
    };
    if let Some(identity) = identity.clone() {
        answers.give(Answer::Identity(identity));
    }
    // What lies on it decides money; how it feels does not, and takes more questions.
    content(&device, question, answers);
    if let Some((health, celsius)) = health_of(&device, question, identity.as_ref()) {
        answers.give(Answer::Health(health, celsius));
    }
    if question.seek_test
        && rotation == 0
        && let Some(nanos) = seek_nanos(root, question)
    {
        answers.give(Answer::SeekNanos(nanos));
    }
}

fn ata_identity(device: &Device, question: &Question) -> Option<AtaIdentity> {
    if !question.language.ata {
        return None;
    }
    let data = ask_block(device, "ata-identify", sgio::ata_identify)?;
    Some(AtaIdentity::parse(&data))
}

/// The rotation rate a SCSI disk tells; a disk that answered IDENTIFY has said it already.
fn scsi_medium(device: &Device, question: &Question, answers: &Answers) -> Option<u16> {
    if !question.language.scsi {
        return None;
    }
    let page = device.ask("scsi-vpd-b1", |fd| Some(sgio::scsi_vpd(fd, 0xb1)?.to_vec()))?;
    let rate = rotation_of_page(&page)?;
    answers.give(Answer::Medium(rate, form_factor_of_page(&page)));
    Some(rate)
}

fn ask_block(
    device: &Device,
    question: &str,
    ask: impl FnOnce(&OwnedFd) -> Option<[u8; 512]>,
) -> Option<[u8; 512]> {
    let answer = device.ask(question, |fd| Some(ask(fd)?.to_vec()))?;
    <[u8; 512]>::try_from(answer).ok()
}

fn health_of(
    device: &Device,
    question: &Question,
    identity: Option<&AtaIdentity>,
) -> Option<(DiskHealth, Option<i32>)> {
    if question.language.nvme {
        let log = ask_block(device, "nvme-smart", nvme_admin::smart_log)?;
        return health::nvme::parse(&log);
    }
    if let Some(identity) = identity {
        return ata_health(device, question, identity);
    }
    if question.language.scsi {
        let pages: Vec<Vec<u8>> = health::scsi::PAGES
            .iter()
            .filter_map(|&page| {
                device.ask(&format!("scsi-log-{page:02x}"), |fd| {
                    Some(sgio::scsi_log(fd, page)?.to_vec())
                })
            })
            .collect();
        return health::scsi::parse(&pages);
    }
    None
}

fn ata_health(
    device: &Device,
    question: &Question,
    identity: &AtaIdentity,
) -> Option<(DiskHealth, Option<i32>)> {
    const STATISTICS_LOG: u8 = 0x04;
    let smart = |name, what| {
        identity
            .smart
            .then(|| ask_block(device, name, |fd| sgio::ata_smart(fd, what)))
            .flatten()
    };
    let attributes = smart("ata-smart-data", sgio::Smart::Data);
    let thresholds = smart("ata-smart-thresholds", sgio::Smart::Thresholds);
    let status = identity
        .smart
        .then(|| {
            device.ask("ata-smart-status", |fd| {
                sgio::ata_says_it_fails(fd).map(|fails| vec![u8::from(fails)])
            })
        })
        .flatten();
    // Page 0 of log 0 is the directory: how many pages each log has.
    let has_statistics = identity.logs
        && ask_block(device, "ata-log-directory", |fd| sgio::ata_log(fd, 0, 0))
            .is_some_and(|directory| directory[usize::from(STATISTICS_LOG) * 2] > 0);
    let statistics = |page: u8| {
        has_statistics
            .then(|| {
                let name = format!("ata-statistics-{page:02x}");
                ask_block(device, &name, |fd| sgio::ata_log(fd, STATISTICS_LOG, page))
            })
            .flatten()
    };
    let (general, temperature, solid_state) = (statistics(1), statistics(5), statistics(7));
    health::ata::parse(&health::ata::Answers {
        attributes: attributes.as_ref(),
        thresholds: thresholds.as_ref(),
        says_it_fails: status.and_then(|status| status.first().map(|&b| b != 0)),
        general: general.as_ref(),
        temperature: temperature.as_ref(),
        solid_state: solid_state.as_ref(),
        sector_bytes: question.sector_bytes,
    })
}

/// What lies on the disk and its partitions. The answers are findings, not contents: the start of
/// an encrypted disk is nothing for a snapshot.
fn content(device: &Device, question: &Question, answers: &Answers) {
    let size = question.size_bytes;
    let found = device.ask("content", |fd| Some(scan(fd, 0, size)?.into_bytes()));
    let Some(found) = found.map(|text| signature::decode(&String::from_utf8_lossy(&text))) else {
        return;
    };
    let has_gpt = found.iter().any(|signature| signature.kind == "gpt");
    answers.give(Answer::Content(found));
    if has_gpt {
        let entries = device.ask("gpt", |fd| {
            let entries = signature::gpt_entries(size, &mut |at, length| read(fd, at, length));
            Some(signature::encode_gpt(&entries).into_bytes())
        });
        if let Some(text) = entries {
            let entries = signature::decode_gpt(&String::from_utf8_lossy(&text));
            answers.give(Answer::Gpt(entries));
        }
    }
    for (index, &(start, length)) in question.partitions.iter().enumerate() {
        let name = format!("content@{start}+{length}");
        let found = device.ask(&name, |fd| Some(scan(fd, start, length)?.into_bytes()));
        if let Some(text) = found {
            let found = signature::decode(&String::from_utf8_lossy(&text));
            answers.give(Answer::PartitionContent(index, found));
        }
    }
}

/// `None` when nothing was recognised and something could not be read: a dying disk is not empty.
fn scan(fd: &OwnedFd, start: u64, size: u64) -> Option<String> {
    let mut is_whole = true;
    let found = signature::scan(size, &mut |offset, length| {
        let left = size.checked_sub(offset)?;
        let length = length.min(usize::try_from(left).unwrap_or(length));
        let data = read(fd, start.checked_add(offset)?, length);
        is_whole &= data.as_ref().is_some_and(|data| data.len() == length);
        data
    });
    (is_whole || !found.is_empty()).then(|| signature::encode(&found))
}

/// As much as can be read from there on; `None` for nothing at all.
fn read(fd: &OwnedFd, offset: u64, length: usize) -> Option<Vec<u8>> {
    let mut data = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = data.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.checked_add(u64::try_from(filled).ok()?)?;
        match rustix::io::pread(fd, rest, at) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            // The page with the bad sector is lost; what came before it is not.
            Err(_) => break,
        }
    }
    data.truncate(filled);
    (filled > 0 || length == 0).then_some(data)
}

fn seek_nanos(root: &Root, question: &Question) -> Option<u64> {
    let device = root.open_block_device_direct(&question.device).ok()?;
    let answer = device.ask("seek-nanos", |fd| {
        let nanos = seek::median_nanos(fd, question.size_bytes)?;
        Some(nanos.to_le_bytes().to_vec())
    })?;
    Some(u64::from_le_bytes(answer.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_is_a_warning_and_not_a_failure() {
        let question = |index, device: &str| Question {
            index,
            device: device.into(),
            link: String::new(),
            language: Language {
                ata: true,
                ..Language::default()
            },
            size_bytes: 1 << 30,
            sector_bytes: 512,
            partitions: Vec::new(),
            seek_test: false,
        };
        let questions = vec![question(7, "/dev/b-does-not-exist"), question(3, "/dev/a")];
        let mut warnings = Vec::new();
        let mut learnt = 0;
        all(&Root::live().unwrap(), questions, &mut warnings, |_, _| {
            learnt += 1
        });
        assert_eq!((warnings.len(), learnt), (1, 0));
        let text = warnings[0].message.raw();
        assert!(
            text.starts_with("/dev/a, /dev/b-does-not-exist: "),
            "{text}"
        );
        assert!(text.contains("no device node"), "{text}");
    }
}
