//! All that knows iPXE: its script language, what a binary can do, how a script reaches a binary.
//!
//! The crate binds to iPXE's interfaces, not to its objects, and has none of its code. The semantics
//! of scripts are a small C99 core of our own (`csrc/`, compiled by `cc`), written from what the
//! binaries do; a corpus of scripts that runs in real iPXE holds it to that.
//!
//! * [`Script`] builds scripts that cannot be malformed;
//! * [`lint`] says what a given binary would refuse or misunderstand, with line, column and advice;
//! * [`trace`] shows which commands would run, and what would be printed;
//! * [`Capabilities`] are read from a binary;
//! * [`Delivery`] is how a script reaches a binary without a rebuild of it;
//! * [`dhcp`] has the options between iPXE and DHCP servers.
//!
//! Known differences to iPXE, all of them its own slips: `${x:int32}` of -2147483648 is garbled
//! there, `${x:uristring}` of bytes above 127 too (Debian 12's), and `${errno}` is not modelled here.

mod capabilities;
mod core;
mod delivery;
pub mod dhcp;
mod lint;
mod place;
mod script;
mod trace;

pub use crate::capabilities::{BinaryError, Capabilities, Evidence, Generation, Kind};
pub use crate::core::{
    Arguments, Command, Effect, ExpandError, Line, Operator, Problem, Read, Reader, Setting, Type,
    ValueError, Word, expand, find_label, integer, operator, runs,
};
pub use crate::delivery::{Delivery, DeliveryError};
pub use crate::lint::{Finding, Severity, lint};
pub use crate::place::Place;
pub use crate::script::{Script, WordError};
pub use crate::trace::{End, Outcome, SettingError, Settings, Step, Trace, trace};
