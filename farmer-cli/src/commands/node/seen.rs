//! What `node list` saw last, for when the directory is not asked.

use directory::cache::{Cache, CacheError, NodeQuery, Sort, Source};
use directory::clock::UnixTime;
use directory::wire::Node;

use crate::args::NodeListArgs;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::failure::{Classify, Failure, Outcome};

/// Nodes read from the cache at once.
const PAGE: u32 = 1000;

impl Classify for CacheError {
    fn advice(&self) -> Option<String> {
        self.is_damage()
            .then(|| "run the command without `--offline`; a new cache is begun then".to_owned())
    }
}

/// Keeps a whole list. Nobody waits for it or fails by it: the next one is as good.
pub async fn remember(
    context: &Context<'_>,
    address: &str,
    farm_id: Option<u64>,
    nodes: &[Node],
    now: UnixTime,
) {
    let keep = async {
        let cache = open(context).await?;
        let stored = match cache.source(address, farm_id).await {
            Ok(source) => source.store_nodes(nodes, now).await,
            Err(error) => Err(error),
        };
        match stored {
            Err(error) if error.is_damage() => {
                cache.set_aside().await?;
            }
            stored => {
                cache.close().await;
                stored?;
            }
        }
        Outcome::Ok(())
    };
    if let Err(failure) = keep.await {
        tracing::debug!(error = failure.chain().join(": "), "the list is not kept");
    }
}

/// The nodes that were seen last, and when.
pub async fn recall(
    context: &Context<'_>,
    address: &str,
    args: &NodeListArgs,
) -> Outcome<(Vec<Node>, UnixTime)> {
    let farm_id = args.farm.map(u64::from);
    let cache = open(context).await?;
    let mut query = NodeQuery {
        country: args.country.clone(),
        city: args.city.clone(),
        ..NodeQuery::default()
    };
    let mut seen = newest(&cache, address, farm_id).await?;
    if seen.is_none() && farm_id.is_some() {
        // The farm may have been seen among all the others.
        seen = newest(&cache, address, None).await?;
        query.farm_id = farm_id;
    }
    let Some((source, when)) = seen else {
        return Err(Failure::new(
            ExitStatus::NotFound,
            format!("these nodes of {address} have not been listed yet"),
        )
        .with_hint("run the command once without `--offline`"));
    };
    let mut nodes = Vec::new();
    loop {
        let page = source
            .page(&query, Sort::default(), nodes.len() as u64, PAGE)
            .await?;
        if page.nodes.is_empty() {
            break;
        }
        nodes.extend(page.nodes);
    }
    cache.close().await;
    Ok((nodes, when))
}

async fn newest(
    cache: &Cache,
    address: &str,
    farm_id: Option<u64>,
) -> Outcome<Option<(Source, UnixTime)>> {
    let source = cache.source(address, farm_id).await?;
    Ok(source.refreshed().await?.map(|when| (source, when)))
}

async fn open(context: &Context<'_>) -> Outcome<Cache> {
    let opened = Cache::open(&context.environment.cache_dir()?).await?;
    if let Some(path) = opened.set_aside {
        context.printer.warning(&format!(
            "the cache was damaged or of another version; it is now {}",
            path.display()
        ));
    }
    Ok(opened.cache)
}
