//! The loop: one channel of events in, effects out, a picture after each batch of events.

mod media;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, EventStream, KeyCode};
use directory::clock::Clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::event::{Effect, Event, NodeAnswer};
use crate::media::Maker;
use crate::prefs::Preferences;
use crate::record::{Head, Recorder, Replay, ReplayError};
use crate::source::Source;
use crate::state::{Settings, State};
use crate::terminal::Screen;
use crate::worker::{Task, Worker};

/// While nothing happens, ages follow in steps of this; the directory is asked in steps of it too.
const TICK: Duration = Duration::from_secs(2);
/// The steps while something is under way.
const BUSY_TICK: Duration = Duration::from_secs(1);
/// The first picture waits this long for the cache; then it is drawn without.
const FIRST_PICTURE: Duration = Duration::from_millis(40);
/// The others wait this long for a table to be put in order; most are by then, and one picture is
/// less to send than two.
const PICTURE: Duration = Duration::from_millis(4);
/// A replay does not wait longer than this for the next event.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// The UI could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The terminal refused to be taken or drawn on.
    #[error("cannot use the terminal")]
    Terminal(#[source] io::Error),
    /// The signals that end or suspend the program cannot be listened for.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// The session cannot be recorded.
    #[error("cannot record the session in {path}")]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system has no thread for the work that would hold up the loop.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// There is nothing to look at.
    #[error("no farm and no directory is named")]
    NoSource,
    /// The recording cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
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
            Self::Record { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("name a file that is not there yet".to_owned())
            }
            Self::Signals(_)
            | Self::Record { .. }
            | Self::Thread(_)
            | Self::NoSource
            | Self::Replay(_) => None,
        }
    }
}

/// What a session begins with.
#[derive(Debug, Clone)]
pub struct Session {
    /// What is shown, and how.
    pub settings: Settings,
    /// What was remembered.
    pub preferences: Preferences,
    /// Where it is remembered.
    pub preferences_file: Option<PathBuf>,
    /// Where to record the session.
    pub record: Option<PathBuf>,
    /// Who makes boot media, for each place.
    pub makers: Vec<Arc<dyn Maker>>,
}

/// Runs the UI on the places of the session, each with its source, until the user quits or the process
/// is asked to stop. A directory that does not answer never ends it.
///
/// # Errors
/// [`RunError`] when the terminal cannot be used.
pub async fn run(
    session: Session,
    sources: Vec<Arc<dyn Source>>,
    clock: Arc<dyn Clock>,
) -> Result<(), RunError> {
    let size = crossterm::terminal::size().map_err(RunError::Terminal)?;
    let recorder = session.record.as_deref().map(|path| {
        let head = Head::new(&session.settings, &session.preferences, size);
        Recorder::create(path, &head).map_err(|source| RunError::Record {
            path: path.to_owned(),
            source,
        })
    });
    let recorder = recorder.transpose()?;
    let (sender, mut receiver) = unbounded_channel();
    let has_mouse = session.preferences.mouse;
    let mut state = State::new(session.settings, &session.preferences, size);
    let begin = state.start();
    let worker = Worker::start(sender.clone()).map_err(RunError::Thread)?;
    let source = sources.first().map(Arc::clone).ok_or(RunError::NoSource)?;
    let mut runner = Runner {
        sources,
        source,
        worker,
        sender: sender.clone(),
        recorder,
        preferences_file: session.preferences_file,
        unsaved: None,
        keys: None,
        media: media::Workshop::new(session.makers, sender.clone()),
    };
    runner.ask(begin);
    listen_for_signals(&sender)?;
    let mut screen = Screen::take().map_err(RunError::Terminal)?;
    if has_mouse {
        screen.listen_to_mouse(true).map_err(RunError::Terminal)?;
    }
    runner.keys = Some(listen_to_terminal(&sender));
    let mut events = vec![tick(&*clock)];
    let mut patience = FIRST_PICTURE;
    loop {
        let until = Instant::now() + patience;
        loop {
            for event in std::mem::take(&mut events) {
                runner.record(&event);
                let is_tick = matches!(event, Event::Tick { .. });
                for effect in state.update(event) {
                    if runner.do_it(effect, &mut screen).await? {
                        runner.save();
                        runner.stop_listening().await;
                        drop(screen);
                        runner.media.close().await;
                        // The process ends: giving back a hundred thousand rows first would be felt.
                        std::mem::forget(state);
                        return Ok(());
                    }
                }
                if is_tick {
                    runner.save();
                }
            }
            if !state.changes_soon() {
                break;
            }
            match tokio::time::timeout_at(until, receiver.recv()).await {
                Ok(event) => events.push(event.unwrap_or(Event::Stop)),
                Err(_) => break,
            }
        }
        patience = PICTURE;
        screen.draw(&state).map_err(RunError::Terminal)?;
        let step = if state.is_busy() { BUSY_TICK } else { TICK };
        next_events(&mut receiver, &mut events, step, &*clock).await;
    }
}

/// Shows a recorded session; `q` ends it.
///
/// # Errors
/// The recording cannot be read, or the terminal cannot be used.
pub async fn replay(path: &Path, settings: &Settings) -> Result<(), RunError> {
    let recording = Replay::open(path)?;
    let head = recording.head.clone();
    let mut state = State::new(head.settings(settings), &head.preferences, head.size);
    state.start();
    let (sender, mut receiver) = unbounded_channel();
    listen_for_signals(&sender)?;
    let mut screen = Screen::take().map_err(RunError::Terminal)?;
    let keys = listen_to_terminal(&sender);
    let mut shown = Duration::ZERO;
    let ends = |event: &Event| match event {
        Event::Key(key) => key.code == KeyCode::Char('q'),
        Event::Stop => true,
        _ => false,
    };
    for event in recording {
        let event = event?;
        if let Event::Tick { now, .. } = event {
            screen.draw(&state).map_err(RunError::Terminal)?;
            let pause = now.saturating_sub(shown).min(LONGEST_PAUSE);
            shown = now;
            match tokio::time::timeout(pause, receiver.recv()).await {
                Ok(None) => break,
                Ok(Some(event)) if ends(&event) => return Ok(()),
                Ok(Some(_)) | Err(_) => {}
            }
        }
        for effect in state.update(event) {
            if effect == Effect::Fault {
                fault();
            }
        }
    }
    screen.draw(&state).map_err(RunError::Terminal)?;
    while let Some(event) = receiver.recv().await {
        if ends(&event) {
            break;
        }
    }
    keys.abort();
    Ok(())
}

/// Only recordings ask for this: it proves that a panic gives the terminal back.
fn fault() {
    panic!("the recording asks for a panic");
}

struct Runner {
    sources: Vec<Arc<dyn Source>>,
    /// The one that is looked at.
    source: Arc<dyn Source>,
    worker: Worker,
    sender: UnboundedSender<Event>,
    recorder: Option<Recorder>,
    preferences_file: Option<PathBuf>,
    unsaved: Option<Box<Preferences>>,
    keys: Option<tokio::task::JoinHandle<()>>,
    media: media::Workshop,
}

impl Runner {
    fn ask(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.request(effect);
        }
    }

    /// Does what an effect says; whether it is the end.
    async fn do_it(&mut self, effect: Effect, screen: &mut Screen) -> Result<bool, RunError> {
        match effect {
            Effect::Quit => return Ok(true),
            Effect::Repaint => screen.clear().map_err(RunError::Terminal)?,
            Effect::Mouse(on) => screen.listen_to_mouse(on).map_err(RunError::Terminal)?,
            Effect::Copy(text) => screen.copy(&text).map_err(RunError::Terminal)?,
            Effect::Suspend => {
                self.stop_listening().await;
                suspend(screen).map_err(RunError::Terminal)?;
                self.keys = Some(listen_to_terminal(&self.sender));
                let (width, height) = crossterm::terminal::size().map_err(RunError::Terminal)?;
                let _ = self.sender.send(Event::Resize { width, height });
            }
            Effect::Fault => fault(),
            effect => self.request(effect),
        }
        Ok(false)
    }

    /// Two readers of one terminal would take each other's keys: the shell is the next.
    async fn stop_listening(&mut self) {
        if let Some(keys) = self.keys.take() {
            keys.abort();
            let _ = keys.await;
        }
    }

    /// Does what needs no terminal. The UI may have ended before an answer comes.
    fn request(&mut self, effect: Effect) {
        let sender = self.sender.clone();
        let source = Arc::clone(&self.source);
        match effect {
            Effect::Load { generation, first } => {
                tokio::spawn(async move {
                    let answer = match first {
                        Some((limit, sort, descending)) => source.first(limit, sort, descending),
                        None => source.all(),
                    };
                    let answer = answer.await;
                    let _ = sender.send(Event::Loaded { generation, answer });
                });
            }
            Effect::Switch(place) => {
                if let Some(source) = self.sources.get(place) {
                    self.source = Arc::clone(source);
                }
                self.media.switch(place);
            }
            Effect::Refresh { generation } => refresh(source, sender, generation),
            Effect::RefreshOther { generation, place } => {
                if let Some(source) = self.sources.get(place) {
                    refresh(Arc::clone(source), sender, generation);
                }
            }
            Effect::FetchNode { generation, id } => {
                tokio::spawn(async move {
                    if let Ok(Some(node)) = source.cached_node(id).await {
                        let answer = Ok(NodeAnswer {
                            node: Box::new(node),
                            live: false,
                        });
                        let _ = sender.send(Event::Node { generation, answer });
                    }
                    let answer = source.events(id).await;
                    let _ = sender.send(Event::NodeHistory { generation, answer });
                    let answer = source.node(id).await.map(|node| NodeAnswer {
                        node: Box::new(node),
                        live: true,
                    });
                    let _ = sender.send(Event::Node { generation, answer });
                });
            }
            Effect::Act { job, action } => {
                tokio::spawn(async move {
                    let answer = source.act(action).await;
                    let _ = sender.send(Event::Done { job, answer });
                });
            }
            Effect::Arrange(task) => self.worker.ask(Task::Arrange(task)),
            Effect::Find(task) => self.worker.ask(Task::Find(task)),
            Effect::Release(rows) => self.worker.ask(Task::Release(rows)),
            Effect::Export { job, export } => {
                tokio::task::spawn_blocking(move || {
                    let answer = write_new(&export.path, export.contents().as_bytes());
                    let _ = sender.send(Event::Done { job, answer });
                });
            }
            Effect::History { place } => {
                tokio::spawn(async move {
                    let answer = source.samples().await;
                    let _ = sender.send(Event::History { place, answer });
                });
            }
            Effect::Record(sample) => {
                // A cache that cannot be written says so when it is refreshed.
                tokio::spawn(async move { drop(source.record(sample).await) });
            }
            Effect::Survey { place } => self.media.survey(place),
            Effect::Check { asked, order } => self.media.check(asked, order),
            Effect::Make { job, order } => self.media.make(job, order),
            Effect::Cancel { job } => self.media.cancel(job),
            Effect::Remember(preferences) => self.unsaved = Some(preferences),
            Effect::Mouse(_)
            | Effect::Copy(_)
            | Effect::Suspend
            | Effect::Repaint
            | Effect::Fault
            | Effect::Quit => {}
        }
    }

    fn record(&mut self, event: &Event) {
        // A full disk ends the recording, not the session.
        if let Some(recorder) = &mut self.recorder
            && recorder.event(event).is_err()
        {
            self.recorder = None;
        }
    }

    /// Remembers what was changed; a disk that refuses is not worth a word.
    fn save(&mut self) {
        if let (Some(preferences), Some(path)) = (self.unsaved.take(), &self.preferences_file) {
            let _ = replace(path, preferences.to_json().as_bytes());
        }
    }
}

fn refresh(source: Arc<dyn Source>, sender: UnboundedSender<Event>, generation: u64) {
    tokio::spawn(async move {
        let teller = sender.clone();
        let progress = Box::new(move |entries, of| {
            let _ = teller.send(Event::Progress {
                generation,
                entries,
                of,
            });
        });
        let answer = source.refresh(progress).await;
        let _ = sender.send(Event::Refreshed { generation, answer });
    });
}

fn write_new(path: &Path, contents: &[u8]) -> Result<String, String> {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    match file.and_then(|mut file| file.write_all(contents)) {
        Ok(()) => Ok(format!("wrote {}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err("it is there already; choose another name".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Puts a file in the place of another, whole or not at all.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let new = path.with_extension("new");
    std::fs::write(&new, contents)?;
    std::fs::rename(&new, path)
}

/// Waits for an event or the next step of time, and takes along whatever else has come.
async fn next_events(
    receiver: &mut UnboundedReceiver<Event>,
    events: &mut Vec<Event>,
    step: Duration,
    clock: &dyn Clock,
) {
    match tokio::time::timeout(step, receiver.recv()).await {
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
        wall: clock.now().secs,
        now: clock.monotonic(),
    }
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
                Some(Ok(TerminalEvent::Mouse(mouse))) => Event::Mouse(mouse),
                Some(Ok(TerminalEvent::Paste(text))) => Event::Paste(text),
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
    for (kind, event) in [
        (SignalKind::interrupt(), Event::Stop),
        (SignalKind::terminate(), Event::Stop),
        (SignalKind::hangup(), Event::Stop),
        // SIGTSTP; Ctrl-Z comes as a key.
        (SignalKind::from_raw(20), Event::Suspend),
    ] {
        let mut signals = signal(kind).map_err(RunError::Signals)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if sender.send(event.clone()).is_err() {
                    break;
                }
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
