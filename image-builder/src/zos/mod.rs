//! Zero-OS as a payload: one kernel file with its initramfs inside, and the command line that its
//! bootstrap service would give it.

mod kernel;

use std::fmt;
use std::str::FromStr;

use node_config::{FarmId, RunMode};

pub use kernel::{SecureBoot, ZosKernel, ZosKernelError};

/// Which generation of the grid a Zero-OS joins: what its `version` argument says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZosRelease {
    /// The grid of 2020, which knows no `version`.
    V2,
    /// The grid on the chain.
    #[default]
    V3,
    /// The same, light mode.
    V3Light,
    /// The grid with node registrars.
    V4,
}

impl ZosRelease {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::V2, Self::V3, Self::V3Light, Self::V4];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V3 => "v3",
            Self::V3Light => "v3light",
            Self::V4 => "v4",
        }
    }
}

impl fmt::Display for ZosRelease {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for ZosRelease {
    type Err = ZosArgumentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|release| release.name() == text)
            .ok_or_else(|| ZosArgumentError::Release(text.to_owned()))
    }
}

/// A setting of Zero-OS that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZosArgumentError {
    /// No such release.
    #[error("{0:?} is not a release of Zero-OS (v2, v3, v3light or v4)")]
    Release(String),
}

/// The command line as the bootstrap service of that release writes it, further arguments last.
#[must_use]
pub fn kernel_arguments(
    release: ZosRelease,
    network: RunMode,
    farm_id: FarmId,
    further: &[String],
) -> String {
    let mut words = match release {
        ZosRelease::V2 => vec![format!("runmode={network}")],
        _ => vec![
            "nomodeset".to_owned(),
            format!("version={release}"),
            // The short names only: the node takes a long one for production.
            format!("runmode={network}"),
            "panic=7200".to_owned(),
        ],
    };
    words.push(format!("farmer_id={farm_id}"));
    words.extend(further.iter().cloned());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn farm(id: &str) -> FarmId {
        id.parse().expect("a farm id")
    }

    #[test]
    fn the_command_line_is_the_bootstrap_services() {
        let line = |release, network| kernel_arguments(release, network, farm("1"), &[]);
        assert_eq!(
            line(ZosRelease::V3, RunMode::Prod),
            "nomodeset version=v3 runmode=prod panic=7200 farmer_id=1"
        );
        assert_eq!(
            line(ZosRelease::V2, RunMode::Test),
            "runmode=test farmer_id=1"
        );
        let further = ["disable-gpu".to_owned(), "vlan:pub=12".to_owned()];
        assert_eq!(
            kernel_arguments(ZosRelease::V4, RunMode::Qa, farm("4294967295"), &further),
            "nomodeset version=v4 runmode=qa panic=7200 farmer_id=4294967295 disable-gpu vlan:pub=12"
        );
    }

    #[test]
    fn names_are_checked() {
        for release in ZosRelease::ALL {
            assert_eq!(release.name().parse(), Ok(release));
        }
        let error = "v5".parse::<ZosRelease>().expect_err("no such release");
        assert!(error.to_string().contains("v2, v3, v3light or v4"));
    }
}
