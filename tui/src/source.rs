//! Where the data comes from. The state machine never sees this; the runner asks it.

use std::future::Future;
use std::pin::Pin;

use directory::client::{Client, Error, NodeFilter};
use directory::identity::NodeId;
use directory::sign::Signer;
use directory::wire::{Farm, Node};

/// An answer that is on its way. The error is one line for the status bar.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// A directory as the terminal UI needs it.
pub trait Source: Send + Sync {
    /// The farm, if the view is of one.
    fn farm(&self) -> Answer<Option<Box<Farm>>>;
    /// All nodes of the view.
    fn nodes(&self) -> Answer<Vec<Node>>;
    /// One node with all that the viewer may see.
    fn node(&self, id: NodeId) -> Answer<Node>;
}

/// A directory reached by a client.
#[derive(Debug, Clone)]
pub struct DirectorySource {
    client: Client,
    farm_id: Option<u64>,
    signer: Option<Signer>,
}

impl DirectorySource {
    /// The nodes of one farm, or of the whole directory. With a signer, the owner's view.
    #[must_use]
    pub fn new(client: Client, farm_id: Option<u64>, signer: Option<Signer>) -> Self {
        Self {
            client,
            farm_id,
            signer,
        }
    }
}

impl Source for DirectorySource {
    fn farm(&self) -> Answer<Option<Box<Farm>>> {
        let this = self.clone();
        Box::pin(async move {
            let Some(id) = this.farm_id else {
                return Ok(None);
            };
            let answer = this
                .client
                .farm(id, this.signer.as_ref())
                .await
                .map_err(text)?;
            Ok(Some(Box::new(answer.value)))
        })
    }

    fn nodes(&self) -> Answer<Vec<Node>> {
        let this = self.clone();
        Box::pin(async move {
            let filter = NodeFilter {
                farm_id: this.farm_id,
                ..NodeFilter::default()
            };
            this.client
                .all_nodes(&filter, this.signer.as_ref())
                .await
                .map_err(text)
        })
    }

    fn node(&self, id: NodeId) -> Answer<Node> {
        let this = self.clone();
        Box::pin(async move {
            let answer = this
                .client
                .node(id, false, this.signer.as_ref())
                .await
                .map_err(text)?;
            Ok(answer.value)
        })
    }
}

/// The error and its root cause in one line.
fn text(error: Error) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        line = format!("{line}: {inner}");
        cause = inner.source();
    }
    line
}
