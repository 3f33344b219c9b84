//! The JSON of TFExplorer's directory and phonebook (Grid v2), field for field.
//!
//! Keys, units and encodings are the original's: sizes are GiB as JSON numbers, dates unix seconds,
//! prefixes CIDR strings, unset addresses `""`, missing fields and `null` the zero value, unknown
//! fields ignored. Fields of our own are marked "extension": only a strict server writes them, and
//! other readers ignore them.
//!
//! Text that other people choose is [`Untrusted`]: harmless when shown, raw only to compare.

mod capacity;
mod enrolment;
mod farm;
mod gateway;
mod node;
mod reports;
mod scalar;
mod search;
mod user;

pub use capacity::{
    CapacityPost, DiskDevice, DiskProof, Dmi, DmiProperty, DmiSection, DmiSubsection, DmiTooling,
    Proof, legacy_hash,
};
pub use enrolment::{EnrolmentToken, EnrolmentTokenCreated, EnrolmentTokenInfo, NewEnrolmentToken};
pub use farm::{
    CloudUnitsPrice, Farm, FarmCreated, FarmPublicIp, FarmThreebotPrice, Location, ResourcePrice,
    WalletAddress, is_valid_farm_name,
};
pub use gateway::Gateway;
pub use hw_probe::text::Untrusted;
pub use node::{
    Iface, Node, NodeState, PublicIface, Registration, ResourceAmount, StatePost, Workloads,
};
pub use reports::{FreePost, PortsPost, UptimePost, UsagePost};
pub use scalar::{Cidr, Date, GIB, MacAddr, ParseError, bytes_to_gib, gib_to_bytes};
pub use search::{CapacityPage, Changes, Gone, GoneKind, Offer};
pub use user::{NewUser, User, UserUpdate, ValidatePost, Validity, is_valid_email};

use serde::{Deserialize, Serialize};

/// The body of every error answer: `{"error":"<text>"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong, in words.
    pub error: Untrusted,
    /// Extension, on 401: the signature's time minus the server's, in seconds, when the request was
    /// refused because the two clocks differ too much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_difference_seconds: Option<i64>,
}

impl ErrorBody {
    /// An error without more to say.
    #[must_use]
    pub fn new(error: impl Into<Untrusted>) -> Self {
        Self {
            error: error.into(),
            clock_difference_seconds: None,
        }
    }
}

/// The answer of `GET /health` (extension).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok` while the store answers.
    pub status: Untrusted,
    /// Name and version of the server program.
    pub server: Untrusted,
    /// `strict` or `compat`: which signatures this listener accepts.
    pub signatures: Untrusted,
}
