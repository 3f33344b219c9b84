//! An identity sealed by a passphrase, in the age format (age-encryption.org/v1, armored, scrypt
//! recipient): without this program, `age --decrypt` gives the identity file back.
//!
//! Written here because the `age` crate brings localisation and unreleased key types along, some
//! ninety crates, for these two functions. Only what sealing one small file needs is understood.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::file::{FileError, UserIdentity};

const ARMOR_BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const ARMOR_END: &str = "-----END AGE ENCRYPTED FILE-----";
const VERSION_LINE: &str = "age-encryption.org/v1";
const SCRYPT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";

/// Work factor written, as age's own: 2^18 rounds, 256 MiB, about a second.
const LOG_N: u8 = 18;
/// Largest work factor read: 1 GiB. A forged file must not take all memory.
const MAX_LOG_N: u8 = 20;
const SALT_LEN: usize = 16;
const FILE_KEY_LEN: usize = 16;
const TAG_LEN: usize = 16;
const PAYLOAD_NONCE_LEN: usize = 16;
/// Longest payload of a file with one chunk.
const CHUNK_LEN: usize = 64 * 1024;
/// Width of armor and of the header's base64, in characters.
const COLUMNS: usize = 64;

/// Fewest characters of a passphrase: whoever finds the file may guess for years.
pub const MIN_PASSPHRASE_CHARS: usize = 10;

/// A sealed identity that cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Too easily guessed.
    #[error("the passphrase has {0} characters; it needs at least {MIN_PASSPHRASE_CHARS}")]
    ShortPassphrase(usize),
    /// The kernel gave no random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
    /// Not a file of this form.
    #[error("not an identity sealed by a passphrase: {0}")]
    Format(&'static str),
    /// The file asks for more memory than any export of ours.
    #[error(
        "opening the export would take 2^{0} rounds of scrypt; at most 2^{MAX_LOG_N} are allowed"
    )]
    WorkFactor(u8),
    /// It does not open.
    #[error("the passphrase is wrong, or the export is damaged")]
    Passphrase,
    /// It opens, and holds something else.
    #[error("the export holds no identity")]
    Content(#[source] FileError),
}

/// Whether the bytes are an export, not an identity file or words.
#[must_use]
pub fn is_export(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    bytes.starts_with(ARMOR_BEGIN.as_bytes()) || bytes.starts_with(VERSION_LINE.as_bytes())
}

/// Seals an identity: the text of a file that may lie where the identity itself may not.
///
/// # Errors
/// A short passphrase, no random numbers.
pub fn seal(identity: &UserIdentity, passphrase: &str) -> Result<String, ExportError> {
    let length = passphrase.chars().count();
    if length < MIN_PASSPHRASE_CHARS {
        return Err(ExportError::ShortPassphrase(length));
    }
    let salt: [u8; SALT_LEN] = random()?;
    let file_key = Zeroizing::new(random::<FILE_KEY_LEN>()?);
    let payload_nonce: [u8; PAYLOAD_NONCE_LEN] = random()?;

    let wrap = wrapping_key(passphrase, &salt, LOG_N)?;
    let wrapped = encrypt(&wrap, &[0; 12], &*file_key)?;
    let mut header = format!(
        "{VERSION_LINE}\n-> scrypt {} {LOG_N}\n{}\n---",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(wrapped),
    );
    let mac = header_mac(&*file_key, header.as_bytes())?;
    header.push_str(&format!(
        " {}\n",
        STANDARD_NO_PAD.encode(mac.finalize().into_bytes())
    ));

    let mut file = header.into_bytes();
    file.extend_from_slice(&payload_nonce);
    let key = derive(&*file_key, &payload_nonce, b"payload")?;
    file.extend(encrypt(&key, &LAST_CHUNK, &identity.encode())?);
    Ok(armor(&file))
}

/// Opens what [`seal`], or `age --passphrase` on an identity file, wrote.
///
/// # Errors
/// Another form, a wrong passphrase, something else inside.
pub fn open(export: &[u8], passphrase: &str) -> Result<UserIdentity, ExportError> {
    let dearmored;
    let export = export.trim_ascii_start();
    let file = if export.starts_with(ARMOR_BEGIN.as_bytes()) {
        dearmored = dearmor(export)?;
        &dearmored[..]
    } else {
        export
    };
    let sealed = Sealed::parse(file)?;
    let wrap = wrapping_key(passphrase, &sealed.salt, sealed.log_n)?;
    let file_key = decrypt(&wrap, &[0; 12], &sealed.wrapped)?;
    header_mac(&file_key, sealed.header)?
        .verify_slice(&sealed.mac)
        .map_err(|_| ExportError::Passphrase)?;
    let key = derive(&file_key, sealed.payload_nonce, b"payload")?;
    let bytes = decrypt(&key, &LAST_CHUNK, sealed.payload)?;
    UserIdentity::from_bytes(&bytes, Path::new("its content")).map_err(ExportError::Content)
}

/// STREAM's nonce of chunk 0 when it is the last one.
const LAST_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// The parts of a sealed file.
struct Sealed<'a> {
    /// What the MAC covers: up to and including `---`.
    header: &'a [u8],
    salt: [u8; SALT_LEN],
    log_n: u8,
    wrapped: Vec<u8>,
    mac: Vec<u8>,
    payload_nonce: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Sealed<'a> {
    fn parse(file: &'a [u8]) -> Result<Self, ExportError> {
        let bad = ExportError::Format;
        let mut rest = file;
        let mut line = || {
            let end = rest.iter().take(256).position(|&byte| byte == b'\n');
            let end = end.ok_or(bad("its header is cut off"))?;
            let (line, behind) = rest.split_at(end);
            rest = &behind[1..];
            std::str::from_utf8(line).map_err(|_| bad("its header is no text"))
        };
        if line()? != VERSION_LINE {
            return Err(bad("it does not begin as an age file"));
        }
        let stanza = line()?;
        let mut words = stanza
            .strip_prefix("-> scrypt ")
            .ok_or(bad("it is sealed with a key, not with a passphrase"))?
            .split(' ');
        let salt = words
            .next()
            .and_then(|word| STANDARD_NO_PAD.decode(word).ok())
            .and_then(|salt| salt.try_into().ok())
            .ok_or(bad("its salt is broken"))?;
        let log_n: u8 = words
            .next()
            .filter(|word| !word.starts_with(['0', '+']))
            .and_then(|word| word.parse().ok())
            .ok_or(bad("its work factor is broken"))?;
        if log_n > MAX_LOG_N {
            return Err(ExportError::WorkFactor(log_n));
        }
        let wrapped = STANDARD_NO_PAD
            .decode(line()?)
            .ok()
            .filter(|wrapped| wrapped.len() == FILE_KEY_LEN + TAG_LEN)
            .ok_or(bad("its key is broken"))?;
        let mac = line()?;
        let header_len = file.len() - rest.len() - mac.len() - 1 + 3;
        // The format wants a scrypt recipient to be the only one.
        let mac = mac
            .strip_prefix("--- ")
            .and_then(|mac| STANDARD_NO_PAD.decode(mac).ok())
            .ok_or(bad("it has more than one recipient, or a broken header"))?;
        if rest.len() < PAYLOAD_NONCE_LEN + TAG_LEN {
            return Err(bad("it is cut off"));
        }
        if rest.len() > PAYLOAD_NONCE_LEN + CHUNK_LEN + TAG_LEN {
            return Err(bad("it is far longer than an identity"));
        }
        let (payload_nonce, payload) = rest.split_at(PAYLOAD_NONCE_LEN);
        Ok(Self {
            header: &file[..header_len],
            salt,
            log_n,
            wrapped,
            mac,
            payload_nonce,
            payload,
        })
    }
}

fn random<const N: usize>() -> Result<[u8; N], ExportError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ExportError::Random(error.to_string()))?;
    Ok(bytes)
}

fn wrapping_key(
    passphrase: &str,
    salt: &[u8; SALT_LEN],
    log_n: u8,
) -> Result<Zeroizing<[u8; 32]>, ExportError> {
    let params =
        scrypt::Params::new(log_n, 8, 1).map_err(|_| ExportError::Format("its work factor"))?;
    let mut key = Zeroizing::new([0; 32]);
    let salt = [SCRYPT_LABEL, salt].concat();
    scrypt::scrypt(passphrase.as_bytes(), &salt, &params, &mut *key)
        .map_err(|_| ExportError::Format("its work factor"))?;
    Ok(key)
}

fn derive(file_key: &[u8], salt: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, ExportError> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), file_key)
        .expand(info, &mut *key)
        .map_err(|_| ExportError::Passphrase)?;
    Ok(key)
}

fn header_mac(file_key: &[u8], header: &[u8]) -> Result<Hmac<Sha256>, ExportError> {
    let key = derive(file_key, b"", b"header")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&*key).map_err(|_| ExportError::Passphrase)?;
    mac.update(header);
    Ok(mac)
}

fn encrypt(key: &[u8; 32], nonce: &[u8; 12], plain: &[u8]) -> Result<Vec<u8>, ExportError> {
    ChaCha20Poly1305::new(key.into())
        .encrypt(&Nonce::from(*nonce), plain)
        .map_err(|_| ExportError::Format("it is too long"))
}

fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; 12],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, ExportError> {
    ChaCha20Poly1305::new(key.into())
        .decrypt(&Nonce::from(*nonce), sealed)
        .map(Zeroizing::new)
        .map_err(|_| ExportError::Passphrase)
}

fn armor(file: &[u8]) -> String {
    let base64 = STANDARD.encode(file);
    let mut text = format!("{ARMOR_BEGIN}\n");
    for line in base64.as_bytes().chunks(COLUMNS) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text.push_str(ARMOR_END);
    text.push('\n');
    text
}

fn dearmor(text: &[u8]) -> Result<Vec<u8>, ExportError> {
    let bad = ExportError::Format;
    let text = std::str::from_utf8(text).map_err(|_| bad("its armor is no text"))?;
    let (body, _) = text
        .trim_start()
        .strip_prefix(ARMOR_BEGIN)
        .and_then(|rest| rest.split_once(ARMOR_END))
        .ok_or(bad("its last line is missing"))?;
    let base64: String = body.split_ascii_whitespace().collect();
    STANDARD
        .decode(base64)
        .map_err(|_| bad("its base64 is broken"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Seed;

    const PASSPHRASE: &str = "correct horse battery";

    #[test]
    fn what_is_sealed_opens_with_its_passphrase_only() {
        let identity = UserIdentity {
            seed: Seed::from([5; 32]),
            threebot_id: Some(7),
        };
        let text = seal(&identity, PASSPHRASE).unwrap();
        assert!(is_export(text.as_bytes()) && text.lines().all(|line| line.len() <= 64));
        let back = open(text.as_bytes(), PASSPHRASE).unwrap();
        assert_eq!((back.seed.expose(), back.threebot_id), (&[5; 32], Some(7)));
        // As mail programs leave it.
        let windows = format!("\r\n{}", text.replace('\n', "\r\n"));
        assert!(open(windows.as_bytes(), PASSPHRASE).is_ok());
        let wrong = open(text.as_bytes(), "correct horse batteri").unwrap_err();
        assert!(matches!(wrong, ExportError::Passphrase), "{wrong}");
    }

    #[test]
    fn what_is_no_export_is_refused_before_any_work() {
        let stanza = |log_n: &str| {
            let salt = STANDARD_NO_PAD.encode([1; SALT_LEN]);
            let key = STANDARD_NO_PAD.encode([2; 32]);
            format!("{VERSION_LINE}\n-> scrypt {salt} {log_n}\n{key}\n--- AAAA\n")
        };
        for (bad, reason) in [
            (String::new(), "header is cut off"),
            ("x\n".to_owned(), "does not begin"),
            (
                format!("{VERSION_LINE}\n-> X25519 abc\nabc\n--- abc\n"),
                "with a key",
            ),
            (format!("{VERSION_LINE}\n-> scrypt"), "header is cut off"),
            (stanza("60"), "2^60 rounds"),
            (stanza("018"), "work factor is broken"),
            (stanza("10"), "it is cut off"),
            (format!("{ARMOR_BEGIN}\nAAAA"), "last line"),
            (format!("{ARMOR_BEGIN}\n!!\n{ARMOR_END}"), "base64"),
            (
                format!("{}{}", stanza("10"), "x".repeat(CHUNK_LEN + 33)),
                "far longer",
            ),
        ] {
            let error = open(bad.as_bytes(), PASSPHRASE).err().unwrap().to_string();
            assert!(error.contains(reason), "{error}, not {reason}");
        }
        let identity = UserIdentity {
            seed: Seed::from([5; 32]),
            threebot_id: None,
        };
        let short = seal(&identity, "короткий").unwrap_err().to_string();
        assert!(short.contains("has 8 characters"), "{short}");
    }
}
