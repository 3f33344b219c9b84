//! Which kernel modules an image carries: the selection (data), its closure over dependencies, and
//! the index files the node reads.

pub mod closure;
pub mod index;
pub mod modinfo;
pub mod selection;

pub use closure::{ModulePlan, plan};
pub use selection::{Group, Request, Selection, SelectionError};
