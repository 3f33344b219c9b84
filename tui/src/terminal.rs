//! Taking the terminal and giving it back, whatever happens.

use std::io::{self, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste};
use crossterm::style::Print;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use crossterm::{cursor, execute, queue, terminal};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};

use crate::state::State;
use crate::view;

/// Buttons and wheel, in SGR's coordinates. crossterm's own command asks for every movement too, and
/// each would wake us.
const BUTTONS_AND_WHEEL: &str = "\u{1b}[?1000h\u{1b}[?1006h";
/// Whether the terminal is taken. Leaving the alternate screen twice would put the cursor back to
/// where it was, over whatever was printed since: the report of a panic.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, in raw mode on its alternate screen. Dropping it gives it back.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    has_mouse: bool,
}

impl Screen {
    /// Takes the terminal, and makes panics give it back before they are reported.
    ///
    /// # Errors
    /// The terminal refused.
    pub fn take() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Best effort: the report of the panic matters more.
            let _ = give_back();
            before(panic);
        }));
        enter()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))
            .inspect_err(|_| drop(give_back()))?;
        Ok(Self {
            terminal,
            has_mouse: false,
        })
    }

    /// Draws the state; the terminal shows the new picture at once, not line by line.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, state: &State) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let drawn = self
            .terminal
            .draw(|frame| view::draw(state, frame))
            .map(drop);
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        drawn
    }

    /// Puts a text on the clipboard of whoever looks at the terminal (OSC 52).
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        let sequence = format!("\u{1b}]52;c;{text}\u{7}");
        execute!(self.terminal.backend_mut(), Print(sequence))
    }

    /// Listens to the mouse, or no longer; the terminal then selects text with it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn listen_to_mouse(&mut self, on: bool) -> io::Result<()> {
        self.has_mouse = on;
        let out = self.terminal.backend_mut();
        if on {
            execute!(out, Print(BUTTONS_AND_WHEEL))
        } else {
            execute!(out, DisableMouseCapture)
        }
    }

    /// Draws everything anew the next time.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn clear(&mut self) -> io::Result<()> {
        // `Terminal::clear` asks the terminal where its cursor is, and whoever reads the keys would
        // get the answer.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Gives the terminal back for a while; [`Screen::resume`] takes it again.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn pause(&mut self) -> io::Result<()> {
        give_back()
    }

    /// Takes the terminal again.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        enter()?;
        if self.has_mouse {
            self.listen_to_mouse(true)?;
        }
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = give_back();
    }
}

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    IS_TAKEN.store(true, Ordering::SeqCst);
    execute!(
        io::stdout(),
        terminal::EnterAlternateScreen,
        EnableBracketedPaste,
        cursor::Hide
    )
}

fn give_back() -> io::Result<()> {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let mut out = io::stdout();
    let left = execute!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        terminal::LeaveAlternateScreen,
        cursor::Show
    );
    let cooked = terminal::disable_raw_mode();
    left.and(out.flush()).and(cooked)
}
