//! The thread that looks at every node, so that the loop need not. It answers the newest request of
//! each kind only: what was asked before that nobody wants any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use tokio::sync::mpsc::UnboundedSender;

use crate::arrange::{Arrange, Find};
use crate::event::Event;
use crate::rows::Rows;

/// What it is asked for.
pub(crate) enum Task {
    Arrange(Box<Arrange>),
    Find(Find),
    /// Giving back a hundred thousand rows takes a while.
    Release(Rows),
}

/// The thread; it ends when this is dropped.
pub(crate) struct Worker {
    tasks: Sender<Task>,
    newest: Arc<AtomicU64>,
}

impl Worker {
    /// Starts it.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(events: UnboundedSender<Event>) -> io::Result<Self> {
        let (tasks, receiver) = channel();
        let newest = Arc::new(AtomicU64::new(0));
        let wanted = Arc::clone(&newest);
        thread::Builder::new()
            .name("arrange".to_owned())
            .spawn(move || {
                let ended = Ended(events);
                serve(&receiver, &ended.0, &wanted);
            })?;
        Ok(Self { tasks, newest })
    }

    /// Asks for something.
    pub fn ask(&self, task: Task) {
        if let Task::Arrange(arrange) = &task {
            self.newest.store(arrange.generation, Ordering::Relaxed);
        }
        // It listens until it ends, and then so does the loop.
        let _ = self.tasks.send(task);
    }
}

/// Without the thread no table can be trusted: the loop ends with it.
struct Ended(UnboundedSender<Event>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Stop);
    }
}

fn serve(tasks: &Receiver<Task>, events: &UnboundedSender<Event>, newest: &AtomicU64) {
    while let Ok(task) = tasks.recv() {
        let (mut arrange, mut find) = (None, None);
        let mut released = Vec::new();
        for task in std::iter::once(task).chain(tasks.try_iter()) {
            match task {
                Task::Arrange(task) => arrange = Some(task),
                Task::Find(task) => find = Some(task),
                Task::Release(rows) => released.push(rows),
            }
        }
        if let Some(task) = arrange {
            let generation = task.generation;
            let is_wanted = || newest.load(Ordering::Relaxed) == generation;
            if let Some(arranged) = task.answer(&is_wanted) {
                let _ = events.send(Event::Arranged {
                    generation,
                    arranged,
                });
            }
        }
        if let Some(task) = find {
            let _ = events.send(Event::Found {
                generation: task.generation,
                line: task.answer(),
            });
        }
        drop(released);
    }
}

#[cfg(test)]
mod tests {
    use directory::clock::UnixTime;

    use super::*;
    use crate::rows::Marks;
    use crate::testing;

    #[test]
    fn the_newest_question_is_answered_and_none_after_it() {
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let worker = Worker::start(sender).unwrap();
        let rows: Rows = (1..=200).map(|n| (&testing::node(n)).into()).collect();
        for generation in 1..=50 {
            worker.ask(Task::Arrange(Box::new(Arrange {
                generation,
                rows: rows.clone(),
                wall: UnixTime::from_secs(1_000_000),
                marks: Marks::default(),
                missing: Vec::new(),
                tables: Vec::new(),
                sums_up: true,
            })));
        }
        worker.ask(Task::Find(Find {
            generation: 1,
            rows: rows.clone(),
            order: Arc::new(vec![0, 1]),
            letters: "node".to_owned(),
        }));
        worker.ask(Task::Release(rows));
        drop(worker);
        let mut answered = Vec::new();
        let mut found = 0;
        while let Some(event) = events.blocking_recv() {
            match event {
                Event::Arranged {
                    generation,
                    arranged,
                } => {
                    assert_eq!(arranged.summary.unwrap().nodes, 200);
                    answered.push(generation);
                }
                Event::Found { line, .. } => {
                    assert!(line.is_some());
                    found += 1;
                }
                // It ends when nobody can ask any more.
                other => assert!(matches!(other, Event::Stop), "{other:?}"),
            }
        }
        assert!(
            answered.is_sorted() && answered.last() == Some(&50),
            "{answered:?}"
        );
        assert_eq!(found, 1);
    }
}
