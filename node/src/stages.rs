//! The stages of a node's life, and which words belong to which.

use std::fmt;

/// What the node is busy with. Stages run side by side where they can: the machine is measured
/// while the network comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Pseudo file systems, console, signals.
    Start,
    /// Kernel modules for what is plugged in.
    Modules,
    /// Finding the boot medium and its FARMCFG partition.
    Medium,
    /// Putting the settings together.
    Config,
    /// Ports, links and addresses.
    Network,
    /// The wall clock.
    Clock,
    /// The node's key.
    Identity,
    /// Measuring the machine.
    Probe,
    /// Telling the directory that this node exists.
    Register,
    /// Telling the directory that this node is still up.
    Report,
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Start => "start",
            Self::Modules => "modules",
            Self::Medium => "medium",
            Self::Config => "config",
            Self::Network => "network",
            Self::Clock => "clock",
            Self::Identity => "identity",
            Self::Probe => "probe",
            Self::Register => "register",
            Self::Report => "report",
        })
    }
}
