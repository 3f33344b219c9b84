//! The kernel's temperature sensors of disks (nvme, drivetemp), for which nobody needs to be root.

use crate::root::Root;

/// A sensor of a disk that says more is broken.
pub(super) const CELSIUS: std::ops::RangeInclusive<i32> = -40..=150;

/// Degrees Celsius of the disk whose directory in sysfs is `link`.
pub(super) fn celsius(root: &Root, link: &str) -> Option<i32> {
    let device = format!("{link}/device");
    let sensor = root
        .names(&device)
        .into_iter()
        .filter(|name| name.starts_with("hwmon"))
        .find_map(|name| {
            if name == "hwmon" {
                let inner = root.names(format!("{device}/hwmon"));
                inner.first().map(|inner| format!("{device}/hwmon/{inner}"))
            } else {
                Some(format!("{device}/{name}"))
            }
        })?;
    let millidegrees: i32 = root.number(format!("{sensor}/temp1_input"))?;
    Some(millidegrees / 1000).filter(|celsius| CELSIUS.contains(celsius))
}
