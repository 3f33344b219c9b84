//! Errors in one line.

use std::error::Error;

/// An error with all its causes, each said once: `cannot send: connection refused`.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some libraries repeat the cause in their own message.
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Layered {
        words: &'static str,
        #[source]
        cause: Option<Box<Layered>>,
    }

    #[test]
    fn causes_are_said_once() {
        let layered = |words, cause: Option<Layered>| Layered {
            words,
            cause: cause.map(Box::new),
        };
        let refused = layered("refused", None);
        let connect = layered("connect: refused", Some(refused));
        let send = layered("cannot send", Some(connect));
        assert_eq!(chain(&send), "cannot send: connect: refused");
    }
}
