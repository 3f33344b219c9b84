//! The work on boot media, beside the loop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::event::Event;
use crate::media::{Cancel, Maker, Order};

/// How long work that is left unfinished gets to remove what it began.
const CLEAN_UP: Duration = Duration::from_secs(3);

/// Has media made, and tells what comes of it.
pub(super) struct Workshop {
    makers: Vec<Arc<dyn Maker>>,
    /// The place that is looked at.
    at: usize,
    sender: UnboundedSender<Event>,
    running: HashMap<u64, (Cancel, JoinHandle<()>)>,
}

impl Workshop {
    pub fn new(makers: Vec<Arc<dyn Maker>>, sender: UnboundedSender<Event>) -> Self {
        Self {
            makers,
            at: 0,
            sender,
            running: HashMap::new(),
        }
    }

    /// Works for another place from now on.
    pub fn switch(&mut self, place: usize) {
        self.at = place;
    }

    fn maker(&self) -> Option<&Arc<dyn Maker>> {
        self.makers.get(self.at)
    }

    pub fn survey(&self, place: usize) {
        let Some(maker) = self.makers.get(place) else {
            return;
        };
        let (answer, sender) = (maker.survey(), self.sender.clone());
        tokio::spawn(async move {
            let answer = answer.await;
            let _ = sender.send(Event::Surveyed { place, answer });
        });
    }

    pub fn check(&self, asked: u64, order: Order) {
        let Some(maker) = self.maker() else {
            return;
        };
        let (answer, sender) = (maker.check(order), self.sender.clone());
        tokio::spawn(async move {
            let answer = answer.await;
            let _ = sender.send(Event::Checked { asked, answer });
        });
    }

    pub fn make(&mut self, job: u64, order: Order) {
        let Some(maker) = self.maker().map(Arc::clone) else {
            return;
        };
        let cancel = Cancel::default();
        let teller = self.sender.clone();
        let tell = Arc::new(move |progress| {
            let _ = teller.send(Event::Working { job, progress });
        });
        let (work, sender) = (maker.make(order, tell, cancel.clone()), self.sender.clone());
        let task = tokio::spawn(async move {
            let answer = work.await;
            let _ = sender.send(Event::Made { job, answer });
        });
        self.running.retain(|_, (_, task)| !task.is_finished());
        self.running.insert(job, (cancel, task));
    }

    pub fn cancel(&self, job: u64) {
        if let Some((cancel, _)) = self.running.get(&job) {
            cancel.set();
        }
    }

    /// Stops all work, and gives it time to remove what it began.
    pub async fn close(self) {
        for (cancel, task) in self.running.into_values() {
            cancel.set();
            let _ = tokio::time::timeout(CLEAN_UP, task).await;
        }
    }
}
