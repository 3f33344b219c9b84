//! What happens to the UI, and what it wants done. Both are data: a session can be recorded and
//! replayed.

use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};
use directory::cache::{NodeEvent, Sample};
use directory::desired::DesiredFarm;
use directory::identity::NodeId;
use directory::wire::{Farm, Node, NodeState};
use serde::{Deserialize, Serialize};

use crate::arrange::{Arrange, Arranged, Find};
use crate::columns::Column;
use crate::export::Export;
use crate::media::{Checked, Made, Order, Progress, Survey};
use crate::prefs::Preferences;
use crate::rows::Rows;

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// Time has passed.
    Tick {
        /// Wall clock in Unix seconds, for ages of what the directory dates.
        wall: i64,
        /// Monotonic clock, for everything else.
        now: Duration,
    },
    /// A key.
    Key(KeyEvent),
    /// The mouse; comes only while it is listened to.
    Mouse(MouseEvent),
    /// Text pasted into the terminal.
    Paste(String),
    /// The terminal has another size.
    Resize {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// What the cache holds.
    Loaded {
        /// Of the request.
        generation: u64,
        /// The nodes, or a line about what went wrong.
        answer: Result<Snapshot, String>,
    },
    /// Tables are filtered and sorted.
    Arranged {
        /// Of the request.
        generation: u64,
        /// What came of it.
        arranged: Arranged,
    },
    /// A node was looked for by its name.
    Found {
        /// Of the request.
        generation: u64,
        /// Its place in the table, if anything fits.
        line: Option<usize>,
    },
    /// The cache was brought up to date, or could not be.
    Refreshed {
        /// Of the request.
        generation: u64,
        /// What came of it, or a line about what went wrong.
        answer: Result<Refreshed, String>,
    },
    /// How far a refresh has come.
    Progress {
        /// Of the request.
        generation: u64,
        /// Entries read.
        entries: u64,
        /// How many there will be, if known.
        of: Option<u64>,
    },
    /// The answer about one node.
    Node {
        /// Of the request.
        generation: u64,
        /// The node, or a line about what went wrong.
        answer: Result<NodeAnswer, String>,
    },
    /// Something that was to be done is done, or failed.
    Done {
        /// Number of the job.
        job: u64,
        /// A line about it.
        answer: Result<String, String>,
    },
    /// What passed, as far as somebody looked.
    History {
        /// The place that was asked about.
        place: usize,
        /// The samples, the oldest first.
        answer: Result<Vec<Sample>, String>,
    },
    /// What happened to a node, the newest first.
    NodeHistory {
        /// Of the request.
        generation: u64,
        /// The events, or a line about what went wrong.
        answer: Result<Vec<NodeEvent>, String>,
    },
    /// What there is to make boot media from.
    Surveyed {
        /// For which place.
        place: usize,
        /// The parts, or a line about what went wrong.
        answer: Result<Survey, String>,
    },
    /// Whether an order can be carried out.
    Checked {
        /// Of the question.
        asked: u64,
        /// What to know before, or a line about what stands in the way.
        answer: Result<Checked, String>,
    },
    /// The work on a medium goes on.
    Working {
        /// Number of the job.
        job: u64,
        /// How.
        progress: Progress,
    },
    /// A medium is made, or cannot be.
    Made {
        /// Number of the job.
        job: u64,
        /// What was made, or a line about what went wrong.
        answer: Result<Made, String>,
    },
    /// Asked from outside to suspend.
    Suspend,
    /// Asked from outside to stop.
    Stop,
    /// A panic, on purpose: only recordings hold it, to prove that the terminal is given back.
    Fault,
}

/// What the cache holds of the directory or of one farm.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The nodes.
    pub rows: Rows,
    /// How many there are; more than `rows` when only the first ones were read.
    pub total: u64,
    /// The farm, if the view is of one and it is known.
    pub farm: Option<Box<Farm>>,
    /// Farms of the directory, the first ones.
    pub farms: Vec<Farm>,
    /// Farms that have nodes but are not in the directory, in order.
    #[serde(default)]
    pub missing: Vec<u64>,
    /// When this was known to be true, Unix seconds; `None` if it never was.
    pub as_of: Option<i64>,
}

impl Snapshot {
    /// Whether all nodes are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.rows.len() as u64 >= self.total
    }
}

/// A refresh that came to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refreshed {
    /// Whether anything is new; else only the age is.
    pub changed: bool,
    /// When the directory answered, Unix seconds.
    pub as_of: i64,
    /// Why this session can change nothing; `None` if it can.
    pub no_changes: Option<String>,
}

/// One node with all that the viewer may see.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeAnswer {
    /// The node.
    pub node: Box<Node>,
    /// Whether the directory said so now; else it is from the cache.
    pub live: bool,
}

/// Something to do outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read the cache.
    Load {
        /// To be sent back with the answer.
        generation: u64,
        /// Only so many nodes, in this order; else all.
        first: Option<(u32, Column, bool)>,
    },
    /// Bring the cache up to date.
    Refresh {
        /// To be sent back with the answer.
        generation: u64,
    },
    /// From now on all that is asked for is asked of this place.
    Switch(usize),
    /// Bring the cache of a place up to date that is not looked at; answered by `Event::Refreshed`.
    RefreshOther {
        /// To be sent back with the answer.
        generation: u64,
        /// Which.
        place: usize,
    },
    /// Ask for one node: the cache first, then the directory.
    FetchNode {
        /// To be sent back with the answers.
        generation: u64,
        /// Which.
        id: NodeId,
    },
    /// Change something.
    Act {
        /// To be sent back with the outcome.
        job: u64,
        /// What.
        action: Action,
    },
    /// Look what passed.
    History {
        /// The place that is looked at.
        place: usize,
    },
    /// Keep what is true now.
    Record(Sample),
    /// Look what there is to make boot media from.
    Survey {
        /// For which place, to be sent back with the answer.
        place: usize,
    },
    /// Look whether an order can be carried out.
    Check {
        /// To be sent back with the answer.
        asked: u64,
        /// What.
        order: Order,
    },
    /// Make a boot medium.
    Make {
        /// To be sent back with what comes of it.
        job: u64,
        /// Which.
        order: Order,
    },
    /// Stop the work on a medium.
    Cancel {
        /// Number of its job.
        job: u64,
    },
    /// Filter and sort, away from the loop.
    Arrange(Box<Arrange>),
    /// Look for a node by its name, away from the loop.
    Find(Find),
    /// Let go of rows that are no longer shown: giving back a hundred thousand takes a while.
    Release(Rows),
    /// Write a table to a new file.
    Export {
        /// To be sent back with the outcome.
        job: u64,
        /// What, and where.
        export: Box<Export>,
    },
    /// Put a text on the clipboard of whoever looks at the terminal.
    Copy(String),
    /// Remember this for the next time.
    Remember(Box<Preferences>),
    /// Give the terminal back and stop this process until the shell continues it.
    Suspend,
    /// Listen to the mouse, or no longer.
    Mouse(bool),
    /// Draw everything anew.
    Repaint,
    /// Panic.
    Fault,
    /// End.
    Quit,
}

/// A change of the directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Approve, block, or put back as they were.
    Decide(Vec<(NodeId, NodeState)>),
    /// Remove nodes from their farms.
    Delete(Vec<(u64, NodeId)>),
    /// Say whether nodes may be used for FreeTFT.
    FreeToUse(Vec<(NodeId, bool)>),
    /// Make a farm what is wished.
    ChangeFarm(Box<DesiredFarm>),
    /// Prepare a node's move to another farm; what its medium has to say is the answer.
    Move(NodeId, u64),
}
