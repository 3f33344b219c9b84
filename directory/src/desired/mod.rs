//! Farms as their owner wants them: a file of wishes, and the steps from what the directory has to
//! what the file says.
//!
//! What the file does not mention stays as it is; lists it does mention become exactly what it
//! says. [`plan`] asks the directory and compares, [`Plan::steps`] say what would change, and
//! [`Step::run`] does it. A plan of a file that was carried out is empty.

mod document;
mod plan;
mod steps;
mod text;
mod wire;

pub use document::{
    Currency, CustomPrices, DesiredFarm, DesiredFarms, DesiredLocation, DesiredNode, Invalid,
    NO_WALLET, Prices, PublicAddress, PublicConfig, Wallet,
};
pub use plan::{Plan, PlanError, plan};
pub use steps::{Change, Step, Subject};
pub use wire::of_farm;
