//! What was seen over time, from the cache: the directory keeps the present only.

use directory::cache::{NodeEvent, SAMPLE_SECONDS, Sample};
use directory::clock::UnixTime;
use directory::identity::NodeId;

use crate::source::{Answer, DirectorySource, text};
use crate::summary::Summary;

/// Events of a node that are looked up.
const NODE_EVENTS: u32 = 50;

/// Keeps what passed.
pub trait History: Send + Sync {
    /// The samples that were kept, the oldest first.
    fn samples(&self) -> Answer<Vec<Sample>>;
    /// Keeps a sample.
    fn record(&self, sample: Sample) -> Answer<()>;
    /// What happened to a node while somebody looked, the newest first.
    fn events(&self, id: NodeId) -> Answer<Vec<NodeEvent>>;
}

impl History for DirectorySource {
    fn samples(&self) -> Answer<Vec<Sample>> {
        let cache = self.cache.clone();
        Box::pin(async move { cache.samples().await.map_err(text) })
    }

    fn record(&self, sample: Sample) -> Answer<()> {
        let cache = self.cache.clone();
        Box::pin(async move { cache.record_sample(&sample).await.map_err(text) })
    }

    fn events(&self, id: NodeId) -> Answer<Vec<NodeEvent>> {
        let cache = self.cache.clone();
        Box::pin(async move { cache.node_events(id, NODE_EVENTS).await.map_err(text) })
    }
}

/// The beginning of the time that a sample taken now stands for.
#[must_use]
pub fn sample_time(now: UnixTime) -> i64 {
    now.secs.div_euclid(SAMPLE_SECONDS) * SAMPLE_SECONDS
}

/// A sample of totals that are true now.
#[must_use]
pub fn sample(summary: &Summary, now: UnixTime) -> Sample {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Sample {
        at: sample_time(now),
        nodes: count(summary.up + summary.late + summary.down + summary.new),
        up: count(summary.up),
        cu_micro: summary.units.cu_micro,
        su_micro: summary.units.su_micro,
        reward: summary.reward_left,
    }
}

/// Adds a sample to those that are there, in the place of one of the same time.
pub(crate) fn add(samples: &mut Vec<Sample>, sample: Sample) {
    samples.retain(|other| other.at != sample.at);
    samples.push(sample);
}

/// Samples as a row of cells that stand for the same time each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cells {
    /// Seconds that a cell stands for.
    pub seconds: i64,
    /// The last sample in each; `None` where nobody looked.
    pub cells: Vec<Option<Sample>>,
}

/// At most `width` cells that end now and begin with the oldest sample.
pub(crate) fn cells(samples: &[Sample], now: UnixTime, width: usize) -> Cells {
    let end = sample_time(now) + SAMPLE_SECONDS;
    let begin = samples.first().map_or(end, |sample| sample.at.min(end));
    let most = i64::try_from(width.max(1)).unwrap_or(1);
    let steps = (end - begin) / SAMPLE_SECONDS;
    let seconds = SAMPLE_SECONDS * (steps + most - 1).div_euclid(most).max(1);
    let count = ((end - begin) + seconds - 1)
        .div_euclid(seconds)
        .clamp(0, most);
    let mut cells = vec![None; usize::try_from(count).unwrap_or(0)];
    for sample in samples {
        let back = (end - 1 - sample.at).div_euclid(seconds);
        let at = usize::try_from(count - 1 - back).ok();
        if let Some(cell) = at.and_then(|at| cells.get_mut(at)) {
            *cell = Some(*sample);
        }
    }
    Cells { seconds, cells }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at: i64) -> Sample {
        Sample {
            at,
            up: at.unsigned_abs(),
            ..Sample::default()
        }
    }

    #[test]
    fn cells_end_now_and_hold_the_last_sample_of_their_time() {
        let now = UnixTime::from_secs(6_100);
        let all: Vec<Sample> = (0..=10).map(|step| at(step * 600)).collect();
        let found = cells(&all, now, 100);
        assert_eq!(found.seconds, 600);
        assert_eq!(found.cells.iter().flatten().count(), 11);
        assert_eq!(found.cells.last(), Some(&Some(at(6_000))));
        let found = cells(&all, now, 4);
        assert_eq!(found.seconds, 1_800);
        assert_eq!(
            found.cells,
            [
                Some(at(600)),
                Some(at(2_400)),
                Some(at(4_200)),
                Some(at(6_000))
            ]
        );
        let gaps = cells(&[at(0), at(6_000)], now, 100);
        assert_eq!(gaps.cells.len(), 11);
        assert_eq!(gaps.cells.iter().flatten().count(), 2);
        assert!(cells(&[], now, 10).cells.is_empty());
        // A clock that was set back loses the future, and breaks nothing.
        assert!(cells(&[at(60_000)], now, 10).cells.len() <= 1);
    }
}
