//! The loop: one channel of events in, effects out, a picture after each batch of events.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, EventStream};
use directory::clock::Clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::source::Source;
use crate::state::{Effect, Event, Settings, State};
use crate::terminal::Screen;

/// Ages are shown in seconds.
const TICK: Duration = Duration::from_secs(1);

/// The UI could not use the terminal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The terminal refused to be taken or drawn on.
    #[error("cannot use the terminal")]
    Terminal(#[source] io::Error),
    /// The signals that end or suspend the program cannot be listened for.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

impl RunError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Terminal(_) => Some(
                "the terminal UI needs a terminal; `farmer node list` says the same elsewhere"
                    .to_owned(),
            ),
            Self::Signals(_) => None,
        }
    }
}

/// Runs the UI until the user quits or the process is asked to stop. A directory that does not
/// answer never ends it.
///
/// # Errors
/// [`RunError`] when the terminal cannot be used.
pub async fn run(
    settings: Settings,
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
) -> Result<(), RunError> {
    let size = crossterm::terminal::size().map_err(RunError::Terminal)?;
    let (sender, mut receiver) = unbounded_channel();
    listen_for_signals(&sender)?;
    let mut screen = Screen::take().map_err(RunError::Terminal)?;
    let mut keys = listen_to_terminal(&sender);
    let mut state = State::new(settings, size);
    let mut events = vec![tick(&*clock)];
    loop {
        for event in std::mem::take(&mut events) {
            for effect in state.update(event) {
                match effect {
                    Effect::FetchNodes { generation } => {
                        fetch_nodes(&source, generation, sender.clone());
                    }
                    Effect::FetchNode { generation, id } => {
                        let answer = source.node(id);
                        let sender = sender.clone();
                        tokio::spawn(async move {
                            let answer = answer.await.map(Box::new);
                            let _ = sender.send(Event::Node { generation, answer });
                        });
                    }
                    Effect::Repaint => screen.clear().map_err(RunError::Terminal)?,
                    Effect::Suspend => {
                        // Two readers of one terminal would take each other's keys.
                        keys.abort();
                        suspend(&mut screen).map_err(RunError::Terminal)?;
                        keys = listen_to_terminal(&sender);
                        let (width, height) =
                            crossterm::terminal::size().map_err(RunError::Terminal)?;
                        let _ = sender.send(Event::Resize { width, height });
                    }
                    Effect::Quit => return Ok(()),
                }
            }
        }
        screen.draw(&state).map_err(RunError::Terminal)?;
        next_events(&mut receiver, &mut events, &*clock).await;
    }
}

/// Waits for an event or the next second, and takes along whatever else has come.
async fn next_events(
    receiver: &mut UnboundedReceiver<Event>,
    events: &mut Vec<Event>,
    clock: &dyn Clock,
) {
    match tokio::time::timeout(TICK, receiver.recv()).await {
        Ok(Some(event)) => {
            // Time first, so that the event is seen at the right time.
            events.push(tick(clock));
            events.push(event);
        }
        Ok(None) => events.push(Event::Stop),
        Err(_) => events.push(tick(clock)),
    }
    while let Ok(event) = receiver.try_recv() {
        events.push(event);
    }
}

fn tick(clock: &dyn Clock) -> Event {
    Event::Tick {
        wall: clock.now(),
        now: clock.monotonic(),
    }
}

fn fetch_nodes(source: &Arc<dyn Source>, generation: u64, sender: UnboundedSender<Event>) {
    let (farm, nodes) = (source.farm(), source.nodes());
    tokio::spawn(async move {
        let answer = tokio::try_join!(farm, nodes);
        // The UI may have ended meanwhile.
        let _ = sender.send(Event::Nodes { generation, answer });
    });
}

fn listen_to_terminal(sender: &UnboundedSender<Event>) -> tokio::task::JoinHandle<()> {
    let sender = sender.clone();
    tokio::spawn(async move {
        let mut terminal = EventStream::new();
        loop {
            let next = std::future::poll_fn(|context| {
                futures_core::Stream::poll_next(std::pin::Pin::new(&mut terminal), context)
            });
            let event = match next.await {
                Some(Ok(TerminalEvent::Key(key))) => Event::Key(key),
                Some(Ok(TerminalEvent::Resize(width, height))) => Event::Resize { width, height },
                Some(Ok(_)) => continue,
                // The terminal is gone; nobody is there to look.
                Some(Err(_)) | None => Event::Stop,
            };
            let is_last = matches!(event, Event::Stop);
            if sender.send(event).is_err() || is_last {
                return;
            }
        }
    })
}

fn listen_for_signals(sender: &UnboundedSender<Event>) -> Result<(), RunError> {
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind).map_err(RunError::Signals)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                let _ = sender.send(Event::Stop);
            }
        });
    }
    Ok(())
}

/// Raw mode swallows Ctrl-Z, so the shell's job control is asked for by hand.
fn suspend(screen: &mut Screen) -> io::Result<()> {
    screen.pause()?;
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
    screen.resume()
}
