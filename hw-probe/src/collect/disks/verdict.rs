//! Whether a disk is solid state or rotating, by the strongest evidence there is.
//!
//! `queue/rotational` alone is wrong for hypervisors' disks, RAID volumes and USB bridges, so it
//! comes after what the device says itself and only counts on honest transports.

use super::seek;
use crate::inventory::{Confidence, DiskKind, KindSource, Transport};

/// Evidence about one disk, from whatever could be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    pub transport: Option<Transport>,
    /// The model is a RAID controller's volume.
    pub raid_volume: bool,
    /// A hypervisor made it up.
    pub hypervisor: bool,
    /// ATA IDENTIFY DEVICE word 217.
    pub ata_rotation: Option<u16>,
    /// SCSI VPD page B1h, medium rotation rate.
    pub scsi_rotation: Option<u16>,
    /// udev's `ID_ATA_ROTATION_RATE_RPM`.
    pub udev_rpm: Option<u32>,
    /// `queue/rotational`.
    pub rotational: Option<bool>,
    /// `queue/discard_max_bytes` is not 0.
    pub discards: bool,
    /// Median time of a read far away, in nanoseconds; measured only when asked for.
    pub seek_nanos: Option<u64>,
}

/// The outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub kind: DiskKind,
    pub source: KindSource,
    pub confidence: Confidence,
    pub rpm: Option<u32>,
}

impl Verdict {
    pub(super) const fn certain(kind: DiskKind) -> Self {
        Self {
            kind,
            source: KindSource::DeviceClass,
            confidence: Confidence::Certain,
            rpm: None,
        }
    }
}

pub(super) fn decide(evidence: &Evidence) -> Verdict {
    let verdict = |kind, source, confidence, rpm| Verdict {
        kind,
        source,
        confidence,
        rpm,
    };
    if matches!(
        evidence.transport,
        Some(Transport::Nvme | Transport::NvmeFabrics)
    ) {
        // NVMe 2.0 knows rotating media; the kernel then says so, and it has no other reason to.
        let kind = if evidence.rotational == Some(true) {
            DiskKind::Hdd
        } else {
            DiskKind::Ssd
        };
        return verdict(kind, KindSource::Nvme, Confidence::Certain, None);
    }
    let by_rate = [
        (evidence.ata_rotation, KindSource::AtaIdentify),
        (evidence.scsi_rotation, KindSource::ScsiVpdB1),
    ];
    for (rate, source) in by_rate {
        // ACS-3 and SBC-3 agree: 0 not reported, 1 not rotating, 0401h to FFFEh revolutions per
        // minute, the rest reserved.
        match rate {
            Some(1) => return verdict(DiskKind::Ssd, source, Confidence::High, None),
            Some(rpm @ 0x0401..=0xfffe) => {
                return verdict(DiskKind::Hdd, source, Confidence::High, Some(rpm.into()));
            }
            _ => {}
        }
    }
    // udev prints the drive's word as it is, reserved values too.
    let plausible = |rpm: &u32| *rpm <= 1 || (0x0401..=0xfffe).contains(rpm);
    match evidence.udev_rpm.filter(plausible) {
        Some(0 | 1) => return verdict(DiskKind::Ssd, KindSource::UdevDb, Confidence::High, None),
        Some(rpm) => {
            return verdict(
                DiskKind::Hdd,
                KindSource::UdevDb,
                Confidence::High,
                Some(rpm),
            );
        }
        None => {}
    }
    let seek = || {
        let kind = seek::kind_of(evidence.seek_nanos?)?;
        Some(verdict(
            kind,
            KindSource::SeekTest,
            Confidence::Medium,
            None,
        ))
    };
    if evidence.hypervisor {
        if let Some(measured) = seek() {
            return measured;
        }
        // Its rotational and discard flags describe the hypervisor's mood, not a medium.
        return verdict(
            DiskKind::UnknownVm,
            KindSource::Hypervisor,
            Confidence::None,
            None,
        );
    }
    let confidence = match evidence.transport {
        Some(Transport::Ata | Transport::Sas) => Some(Confidence::Medium),
        Some(Transport::Scsi | Transport::Fc | Transport::Iscsi) => Some(Confidence::Low),
        _ => None,
    };
    if let (Some(rotational), Some(confidence), false) =
        (evidence.rotational, confidence, evidence.raid_volume)
    {
        let kind = if rotational {
            DiskKind::Hdd
        } else {
            DiskKind::Ssd
        };
        return verdict(kind, KindSource::Rotational, confidence, None);
    }
    if evidence.discards {
        return verdict(DiskKind::Ssd, KindSource::Discard, Confidence::Low, None);
    }
    seek().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(evidence: Evidence) -> (DiskKind, KindSource) {
        let verdict = decide(&evidence);
        (verdict.kind, verdict.source)
    }

    #[test]
    fn the_device_itself_goes_before_everything_else() {
        let hypervisor_says_rotating = Evidence {
            transport: Some(Transport::Ata),
            hypervisor: true,
            rotational: Some(true),
            ..Evidence::default()
        };
        let with = |rate| Evidence {
            ata_rotation: Some(rate),
            ..hypervisor_says_rotating.clone()
        };
        assert_eq!(outcome(with(1)), (DiskKind::Ssd, KindSource::AtaIdentify));
        assert_eq!(
            outcome(with(7200)),
            (DiskKind::Hdd, KindSource::AtaIdentify)
        );
        assert_eq!(decide(&with(7200)).rpm, Some(7200));
        for reserved in [0, 2, 0x0400, 0xffff] {
            assert_eq!(
                outcome(with(reserved)).0,
                DiskKind::UnknownVm,
                "{reserved:#x}"
            );
        }
    }

    #[test]
    fn nvme_is_solid_state_unless_it_says_it_rotates() {
        let nvme = |rotational| Evidence {
            transport: Some(Transport::Nvme),
            hypervisor: true,
            rotational,
            ..Evidence::default()
        };
        assert_eq!(outcome(nvme(None)).0, DiskKind::Ssd);
        assert_eq!(outcome(nvme(Some(false))).0, DiskKind::Ssd);
        assert_eq!(outcome(nvme(Some(true))).0, DiskKind::Hdd);
    }

    #[test]
    fn the_kernels_flag_counts_on_honest_transports_only() {
        let disk = |transport, raid_volume| Evidence {
            transport: Some(transport),
            raid_volume,
            rotational: Some(true),
            ..Evidence::default()
        };
        assert_eq!(outcome(disk(Transport::Ata, false)).0, DiskKind::Hdd);
        assert_eq!(outcome(disk(Transport::Sas, false)).0, DiskKind::Hdd);
        assert_eq!(outcome(disk(Transport::Scsi, true)).0, DiskKind::Unknown);
        assert_eq!(outcome(disk(Transport::Usb, false)).0, DiskKind::Unknown);
        let trims = Evidence {
            discards: true,
            ..disk(Transport::Scsi, true)
        };
        assert_eq!(outcome(trims), (DiskKind::Ssd, KindSource::Discard));
    }

    #[test]
    fn seek_times_decide_where_nothing_else_does() {
        let measured = |transport, hypervisor, nanos| Evidence {
            transport: Some(transport),
            raid_volume: true,
            hypervisor,
            rotational: Some(true),
            seek_nanos: Some(nanos),
            ..Evidence::default()
        };
        let volume = |nanos| outcome(measured(Transport::Scsi, false, nanos));
        assert_eq!(volume(100_000), (DiskKind::Ssd, KindSource::SeekTest));
        assert_eq!(volume(9_000_000), (DiskKind::Hdd, KindSource::SeekTest));
        assert_eq!(volume(2_000_000).0, DiskKind::Unknown);
        let virtio = |nanos| outcome(measured(Transport::Virtio, true, nanos));
        assert_eq!(virtio(9_000_000).0, DiskKind::Hdd);
        assert_eq!(virtio(2_000_000).0, DiskKind::UnknownVm);
        let says_itself = Evidence {
            ata_rotation: Some(7200),
            ..measured(Transport::Ata, false, 100_000)
        };
        assert_eq!(
            outcome(says_itself),
            (DiskKind::Hdd, KindSource::AtaIdentify)
        );
    }

    #[test]
    fn scsi_page_and_udev() {
        let scsi = |rate| Evidence {
            scsi_rotation: Some(rate),
            ..Evidence::default()
        };
        assert_eq!(outcome(scsi(1)), (DiskKind::Ssd, KindSource::ScsiVpdB1));
        assert_eq!(outcome(scsi(15000)), (DiskKind::Hdd, KindSource::ScsiVpdB1));
        assert_eq!(outcome(scsi(0)).0, DiskKind::Unknown);
        let udev = |rpm| Evidence {
            udev_rpm: Some(rpm),
            ..Evidence::default()
        };
        assert_eq!(outcome(udev(0)), (DiskKind::Ssd, KindSource::UdevDb));
        assert_eq!(outcome(udev(5400)), (DiskKind::Hdd, KindSource::UdevDb));
    }
}
