//! Tests at the public edge, against the tools a user or a machine would use on the same bytes.

mod bootkit;
mod emit;
mod medium_plan;
mod medium_tools;
mod payload;
mod payload_fixtures;
mod support;
