//! Boot media of the node OS. A finished image is a [`rope`]: an ordered list of extents that the
//! [`formats`] place, a [`medium`] plans and [`emit`] writes in one pass.

pub mod bootkit;
pub mod content;
pub mod emit;
pub mod error;
pub mod formats;
pub mod medium;
pub mod payload;
pub mod regions;
pub mod rope;
pub mod secureboot;
pub mod show;
