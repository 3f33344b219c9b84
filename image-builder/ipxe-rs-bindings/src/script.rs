//! Scripts that cannot be malformed: every word is checked when it is added.

use std::fmt::Write as _;

/// A script under construction.
///
/// ```
/// use ipxe_rs_bindings::Script;
/// # fn main() -> Result<(), ipxe_rs_bindings::WordError> {
/// let mut script = Script::new();
/// script.comment("boot from beside this script")?;
/// script.command(&["kernel", "vmlinuz", "quiet"])?.or_goto("failed")?;
/// script.command(&["boot"])?.or_goto("failed")?;
/// script.label("failed")?.say("The kernel could not be loaded.")?;
/// script.command(&["exit", "1"])?;
/// assert!(script.as_str().contains("kernel vmlinuz quiet || goto failed\n"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    text: String,
}

/// Why a word cannot be in a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// It would become several words, or none.
    #[error("{0:?} cannot be one word of an iPXE script: it is empty or has blanks")]
    Blank(String),
    /// It would be an operator, a comment or a label.
    #[error("{0:?} means something else to iPXE at this place")]
    Special(String),
    /// Characters that screens and lines do not take.
    #[error(
        "{0:?} has characters that an iPXE script cannot have: only printable ASCII is allowed"
    )]
    Character(String),
    /// A text that would be taken for an option.
    #[error("{0:?} begins with a dash and would be taken for an option")]
    Option(String),
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

fn printable(text: &str) -> Result<(), WordError> {
    if text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) && !text.ends_with('\\') {
        return Ok(());
    }
    Err(WordError::Character(text.to_owned()))
}

fn check_word(word: &str) -> Result<(), WordError> {
    if word.is_empty() || word.contains(char::is_whitespace) {
        return Err(WordError::Blank(word.to_owned()));
    }
    printable(word)?;
    if word.starts_with('#') || crate::core::operator(word).is_some() {
        return Err(WordError::Special(word.to_owned()));
    }
    Ok(())
}

impl Script {
    /// The first line.
    #[must_use]
    pub fn new() -> Self {
        Self {
            text: "#!ipxe\n".to_owned(),
        }
    }

    /// A comment.
    ///
    /// # Errors
    /// [`WordError`]
    pub fn comment(&mut self, text: &str) -> Result<&mut Self, WordError> {
        printable(text)?;
        let _ = writeln!(self.text, "# {text}");
        Ok(self)
    }

    /// A label on a line of its own.
    ///
    /// # Errors
    /// [`WordError`]
    pub fn label(&mut self, name: &str) -> Result<&mut Self, WordError> {
        check_word(name)?;
        let _ = writeln!(self.text, ":{name}");
        Ok(self)
    }

    /// A command and its arguments, a word each.
    ///
    /// # Errors
    /// [`WordError`]
    pub fn command<W: AsRef<str>>(&mut self, words: &[W]) -> Result<&mut Self, WordError> {
        for (index, word) in words.iter().enumerate() {
            check_word(word.as_ref())?;
            if index == 0 && word.as_ref().starts_with(':') {
                return Err(WordError::Special(word.as_ref().to_owned()));
            }
            self.text.push_str(if index == 0 { "" } else { " " });
            self.text.push_str(word.as_ref());
        }
        self.text.push('\n');
        Ok(self)
    }

    /// Prints a text, whose blanks are single.
    ///
    /// # Errors
    /// [`WordError`]
    pub fn say(&mut self, text: &str) -> Result<&mut Self, WordError> {
        if text.starts_with('-') {
            return Err(WordError::Option(text.to_owned()));
        }
        let words: Vec<&str> = ["echo"].into_iter().chain(text.split(' ')).collect();
        self.command(&words)
    }

    fn join(&mut self, operator: &str, words: &[&str]) -> Result<&mut Self, WordError> {
        // Behind the last command: its newline goes.
        self.text.pop();
        let _ = write!(self.text, " {operator} ");
        self.command(words)
    }

    /// Another command if the last one failed.
    ///
    /// # Errors
    /// [`WordError`]
    pub fn or(&mut self, words: &[&str]) -> Result<&mut Self, WordError> {
        self.join("||", words)
    }

    /// Another command if the last one succeeded.
    ///
    /// # Errors
    /// [`WordError`]
    pub fn and(&mut self, words: &[&str]) -> Result<&mut Self, WordError> {
        self.join("&&", words)
    }

    /// Goes to a label if the last command failed.
    ///
    /// # Errors
    /// [`WordError`]
    pub fn or_goto(&mut self, label: &str) -> Result<&mut Self, WordError> {
        self.or(&["goto", label])
    }

    /// Goes on if the last command failed.
    pub fn or_go_on(&mut self) -> &mut Self {
        self.text.pop();
        self.text.push_str(" ||\n");
        self
    }

    /// The script.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The script.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text
    }
}
