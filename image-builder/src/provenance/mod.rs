//! What goes with an image that is given away: digests, a signature, what it was made of, and where
//! the sources of its GPL parts are. Nothing here has a clock or a random number: the same image has
//! the same papers.

mod checksums;
mod licence;
mod manifest;
pub mod minisign;
mod sbom;
mod sources;

pub use checksums::sha256sums;
pub use licence::{NO_ASSERTION, Own, of_debian_copyright};
pub use manifest::{ImageManifest, Input, MANIFEST_SCHEMA, Output, RegionRecord, System};
pub use sbom::{Document, describe};
pub use sources::{SourcePackage, of_packages};
