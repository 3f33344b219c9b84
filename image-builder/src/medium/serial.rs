//! The serial console that boot loaders and kernel use.

use std::fmt;
use std::str::FromStr;

/// Speeds that ISOLINUX, GRUB and the kernel's 8250 driver all take.
const BAUDS: [u32; 8] = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200];

/// A port of a PC (`ttyS0` to `ttyS3`) and its speed; always 8 data bits, no parity, 1 stop bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialConsole {
    /// 0 for COM1.
    pub port: u8,
    /// Speed in bits per second.
    pub baud: u32,
}

/// Text that names no serial console.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SerialConsoleError {
    /// Not of the form `ttyS0,115200`.
    #[error("{0:?} is not of the form ttyS0,115200n8; ports are ttyS0 to ttyS3")]
    Form(String),
    /// A speed that some loader does not have.
    #[error("{0} baud is not 1200, 2400, 4800, 9600, 19200, 38400, 57600 or 115200")]
    Baud(u32),
    /// Parity or another word length, which the loaders are not told.
    #[error("mode {0:?} is not n8 (no parity, 8 data bits)")]
    Mode(String),
}

impl Default for SerialConsole {
    /// COM1 at 115200 baud.
    fn default() -> Self {
        Self {
            port: 0,
            baud: 115_200,
        }
    }
}

impl FromStr for SerialConsole {
    type Err = SerialConsoleError;

    /// `ttyS0`, `ttyS0,115200` or `ttyS0,115200n8`, as in the kernel's `console=`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || SerialConsoleError::Form(text.to_owned());
        let (port, speed) = match text.split_once(',') {
            Some((port, speed)) => (port, Some(speed)),
            None => (text, None),
        };
        let port = match port.strip_prefix("ttyS").ok_or_else(form)?.as_bytes() {
            [digit @ b'0'..=b'3'] => digit - b'0',
            _ => return Err(form()),
        };
        let Some(speed) = speed else {
            return Ok(Self {
                port,
                ..Self::default()
            });
        };
        let digits = speed.bytes().take_while(u8::is_ascii_digit).count();
        let (baud, mode) = speed.split_at(digits);
        let baud = baud.parse().map_err(|_| form())?;
        if !BAUDS.contains(&baud) {
            return Err(SerialConsoleError::Baud(baud));
        }
        if !matches!(mode, "" | "n" | "n8") {
            return Err(SerialConsoleError::Mode(mode.to_owned()));
        }
        Ok(Self { port, baud })
    }
}

impl fmt::Display for SerialConsole {
    /// As the kernel's `console=` takes it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ttyS{},{}n8", self.port, self.baud)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consoles_are_read_and_written_as_the_kernel_does() {
        for (text, canonical) in [
            ("ttyS0", "ttyS0,115200n8"),
            ("ttyS1,57600", "ttyS1,57600n8"),
            ("ttyS3,9600n8", "ttyS3,9600n8"),
            ("ttyS2,1200n", "ttyS2,1200n8"),
        ] {
            let console: SerialConsole = text.parse().expect(text);
            assert_eq!(console.to_string(), canonical);
        }
    }

    #[test]
    fn what_a_loader_cannot_do_is_refused() {
        let refused = |text: &str| text.parse::<SerialConsole>().expect_err(text);
        for text in [
            "",
            "ttyS",
            "ttyS4",
            "ttyS00",
            "ttyUSB0",
            "tty0,115200",
            "ttyS0,",
            "ttyS0,n8",
        ] {
            assert!(
                matches!(refused(text), SerialConsoleError::Form(_)),
                "{text}"
            );
        }
        assert_eq!(refused("ttyS0,14400"), SerialConsoleError::Baud(14_400));
        assert_eq!(
            refused("ttyS0,9600e7"),
            SerialConsoleError::Mode("e7".to_owned())
        );
        assert!(matches!(
            refused("ttyS0,99999999999"),
            SerialConsoleError::Form(_)
        ));
    }
}
