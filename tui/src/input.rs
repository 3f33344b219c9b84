//! A line of text being typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A line of text with a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Input {
    text: String,
    /// In bytes, on a character boundary.
    cursor: usize,
}

impl Input {
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            cursor: text.len(),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text before and after the cursor.
    pub fn parts(&self) -> (&str, &str) {
        self.text
            .split_at_checked(self.cursor)
            .unwrap_or((&self.text, ""))
    }

    /// Takes a key; whether it was one for editing.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('w') if control => {
                let (before, _) = self.parts();
                let kept = before.trim_end().rfind(' ').map_or(0, |at| at + 1);
                self.text.drain(kept..self.cursor);
                self.cursor = kept;
            }
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char(c) if !control => self.insert(c),
            KeyCode::Backspace => {
                if let Some(c) = self.parts().0.chars().next_back() {
                    self.cursor -= c.len_utf8();
                    self.text.remove(self.cursor);
                }
            }
            KeyCode::Delete => {
                if self.cursor < self.text.len() {
                    self.text.remove(self.cursor);
                }
            }
            KeyCode::Left => {
                let (before, _) = self.parts();
                self.cursor -= before.chars().next_back().map_or(0, char::len_utf8);
            }
            KeyCode::Right => {
                let (_, after) = self.parts();
                self.cursor += after.chars().next().map_or(0, char::len_utf8);
            }
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    /// Takes a pasted text: one line of it.
    pub fn paste(&mut self, text: &str) {
        for c in text.lines().next().unwrap_or_default().chars() {
            self.insert(c);
        }
    }

    fn insert(&mut self, c: char) {
        if !c.is_control() {
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_characters_not_bytes() {
        let mut input = Input::new("Gänt");
        let press = |input: &mut Input, code| input.key(KeyEvent::new(code, KeyModifiers::NONE));
        press(&mut input, KeyCode::Left);
        press(&mut input, KeyCode::Left);
        press(&mut input, KeyCode::Backspace);
        press(&mut input, KeyCode::Char('é'));
        assert_eq!(input.parts(), ("Gé", "nt"));
        press(&mut input, KeyCode::Delete);
        input.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(input.text(), "t");
        input.paste("x\ny");
        assert_eq!(input.text(), "xt");
        assert!(!press(&mut input, KeyCode::Enter));
    }
}
