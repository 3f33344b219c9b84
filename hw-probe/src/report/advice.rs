//! What a farmer should know or do about a machine.

use serde::{Deserialize, Serialize};

use crate::capacity::CapacityViews;
use crate::chain::{AdmissionFailure, MIN_MRU_BYTES, MIN_SRU_BYTES, admission_failures};
use crate::cloud_units::{CloudUnits, CuLimit, Micro};
use crate::inventory::{DiskKind, Inventory};
use crate::text::Untrusted;

/// How much an advice matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The grid refuses the node or pays nothing.
    Problem,
    /// Capacity is lost.
    Warning,
    /// Good to know.
    #[default]
    #[serde(other)]
    Info,
}

/// One advice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Advice {
    /// Stable name for programs, such as `sru-below-minimum`.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence for people; may quote device names.
    pub message: Untrusted,
}

pub(super) fn advise(inventory: &Inventory, capacity: &CapacityViews) -> Vec<Advice> {
    let mut list = Vec::new();
    let mut say = |severity, code: &str, message: String| {
        list.push(Advice {
            code: code.to_owned(),
            severity,
            message: message.into(),
        });
    };

    for failure in admission_failures(&capacity.zero_os) {
        match failure {
            AdmissionFailure::Sru => say(
                Severity::Problem,
                "sru-below-minimum",
                format!(
                    "the grid wants at least {MIN_SRU_BYTES} of SSD, this machine has {}",
                    capacity.zero_os.sru_bytes
                ),
            ),
            AdmissionFailure::Mru => say(
                Severity::Problem,
                "mru-below-minimum",
                format!(
                    "the grid wants at least {MIN_MRU_BYTES} of memory, this machine has {}",
                    capacity.zero_os.mru_bytes
                ),
            ),
            AdmissionFailure::Cru => {
                say(
                    Severity::Problem,
                    "cru-unknown",
                    "no processor was found".to_owned(),
                );
            }
        }
    }
    if inventory.cpu.hardware_virtualisation == Some(false) {
        say(
            Severity::Problem,
            "no-hardware-virtualisation",
            "the processor offers no hardware virtualisation: switch on VT-x or SVM in the \
             firmware setup"
                .to_owned(),
        );
    }
    if inventory.virtualisation.is_virtual == Some(true) {
        say(
            Severity::Problem,
            "virtual-machine",
            "this is a virtual machine or container: the grid pays it nothing".to_owned(),
        );
    }

    let names = |wanted: &dyn Fn(&crate::inventory::Disk) -> bool| {
        let names: Vec<String> = inventory
            .counted_disks()
            .filter(|disk| wanted(disk))
            .map(|disk| disk.name.to_string())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(disks) = names(&|disk| disk.kind == DiskKind::Unknown) {
        say(
            Severity::Warning,
            "disk-kind-unknown",
            format!("not counted because it is not known whether SSD or HDD: {disks}"),
        );
    }
    if let Some(disks) = names(&|disk| disk.in_use == Some(true)) {
        say(
            Severity::Warning,
            "disks-in-use",
            format!("these disks hold data; Zero-OS takes only empty disks: {disks}"),
        );
    }

    let units = CloudUnits::v3(&capacity.zero_os);
    let (limit, more) = match CloudUnits::v3_limit(&capacity.zero_os) {
        CuLimit::Cpu => ("processor threads", "each further thread allows 2 CU"),
        CuLimit::Memory => ("memory", "each further 4 GiB allow 1 CU"),
        CuLimit::Ssd => ("SSD space", "each further 50 GiB allow 1 CU"),
    };
    say(
        Severity::Info,
        "cu-limit",
        format!("{} CU, limited by {limit}: {more}", Micro(units.cu_micro)),
    );
    list
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine;
    use super::*;
    use crate::units::Bytes;

    fn codes(inventory: &Inventory) -> Vec<String> {
        advise(inventory, &CapacityViews::of(inventory))
            .into_iter()
            .map(|a| a.code)
            .collect()
    }

    #[test]
    fn a_good_machine_has_only_information() {
        assert_eq!(codes(&machine(false)), ["cu-limit"]);
    }

    #[test]
    fn each_defect_is_named() {
        let mut bad = machine(true);
        bad.cpu.hardware_virtualisation = Some(false);
        bad.cpu.logical = None;
        bad.memory.usable_bytes = Some(Bytes::from_gib(1));
        bad.disks[0].kind = DiskKind::Unknown;
        bad.disks[1].in_use = Some(true);
        assert_eq!(
            codes(&bad),
            [
                "sru-below-minimum",
                "cru-unknown",
                "mru-below-minimum",
                "no-hardware-virtualisation",
                "virtual-machine",
                "disk-kind-unknown",
                "disks-in-use",
                "cu-limit"
            ]
        );
    }
}
