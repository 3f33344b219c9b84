//! `farmer identity`

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use directory::identity::export::{self, ExportError};
use directory::identity::{FileError, UserIdentity};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Context;
use crate::args::{
    IdentityBackupCheckArgs, IdentityExportArgs, IdentityImportArgs, IdentityNewArgs,
    IdentityShowArgs, PassphraseArgs,
};
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::page::Page;
use crate::printer::Show;
use crate::terminal::Terminal;

/// Longest input read: an export has less than 2 KiB.
const MAX_SOURCE_BYTES: u64 = 64 * 1024;
/// Words asked back.
const QUIZ_WORDS: usize = 3;
/// How often they are asked before we give up.
const QUIZ_ATTEMPTS: usize = 3;
const VARIABLE: &str = "FARMER_PASSPHRASE";

impl Classify for ExportError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::ShortPassphrase(_) => ExitStatus::Usage,
            Self::Passphrase => ExitStatus::Mismatch,
            _ => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        matches!(self, Self::ShortPassphrase(_))
            .then(|| "five random words are easy to keep and hard to guess".to_owned())
    }
}

/// An identity, without its secret.
#[derive(Serialize)]
struct Shown {
    file: PathBuf,
    public_key: String,
    /// The id of the directory it was first registered in.
    user_id: Option<u64>,
    /// Whether others on this machine may read the file.
    is_private: bool,
}

impl Shown {
    fn new(identity: &UserIdentity, file: &Path) -> Outcome<Self> {
        let metadata =
            fs::metadata(file).map_err(|error| Failure::io("looking at", file, error))?;
        Ok(Self {
            file: file.to_owned(),
            public_key: identity.seed.public_key().to_hex(),
            user_id: identity.threebot_id,
            is_private: metadata.permissions().mode() & 0o077 == 0,
        })
    }
}

impl Show for Shown {
    fn show(&self, page: &mut Page) {
        page.field("file", self.file.display())
            .field("public key", &self.public_key);
        match self.user_id {
            Some(id) => page.field("user", id),
            None => page.field("user", "not registered yet"),
        };
    }
}

/// `farmer identity new`
pub fn new(context: &Context<'_>, args: &IdentityNewArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.file.connection())?;
    let path = settings.identity();
    refuse_existing(path)?;
    let identity = UserIdentity::generate()?;
    if !args.no_backup_check {
        let mut terminal = Terminal::open().ok_or_else(|| {
            Failure::new(
                ExitStatus::Usage,
                "nobody is there to write the identity's words down",
            )
            .with_hint(
                "run it on a terminal; in a script add `--no-backup-check`, then keep what \
                 `farmer identity export` writes",
            )
        })?;
        hand_over(&mut terminal, &identity)?;
    }
    make_directory(path)?;
    identity.create(path)?;
    if args.no_backup_check {
        context.printer.warning(
            "the identity has no backup; `farmer identity export` writes one sealed by a passphrase",
        );
    }
    context.printer.data(&Shown::new(&identity, path)?)?;
    Ok(ExitStatus::Ok)
}

/// Shows the words once and asks some of them back.
fn hand_over(terminal: &mut Terminal, identity: &UserIdentity) -> Outcome<()> {
    let text = identity.seed.mnemonic();
    let words: Vec<&str> = text.split(' ').collect();
    terminal.say(
        "These 24 words are your identity. Write them down on paper, in this order; they are shown\n\
         only now. Whoever has them owns your farms.\n\n",
    )?;
    let rows = words.len() / 4;
    for row in 0..rows {
        let mut line = Zeroizing::new(String::with_capacity(80));
        for index in (row..words.len()).step_by(rows) {
            line.push_str(&format!("{:4}. {:10}", index + 1, words[index]));
        }
        line.push('\n');
        terminal.say(&line)?;
    }
    terminal.line("\nPress Enter when you have them; the screen is cleared then. ")?;
    terminal.clear()?;
    // The key is as random as the words, so which ones are asked cannot be foreseen.
    let mut places: Vec<usize> = Vec::new();
    for byte in identity.seed.public_key().as_bytes() {
        let place = usize::from(*byte) % words.len();
        if !places.contains(&place) {
            places.push(place);
        }
    }
    for attempt in places.chunks_exact(QUIZ_WORDS).take(QUIZ_ATTEMPTS) {
        let mut is_right = true;
        for &place in attempt {
            let answer = terminal.line(&format!("Word {}: ", place + 1))?;
            is_right &= answer.trim().eq_ignore_ascii_case(words[place]);
        }
        // So that nobody reads them over the shoulder of whoever comes next.
        terminal.clear()?;
        if is_right {
            return Ok(());
        }
        terminal.say("That is not what was shown. Look at your paper again.\n")?;
    }
    Err(Failure::new(
        ExitStatus::Mismatch,
        "the words were not written down as they were shown; no identity was made",
    )
    .with_hint("destroy the paper and begin again with `farmer identity new`"))
}

/// `farmer identity show`
pub fn show(context: &Context<'_>, args: &IdentityShowArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.file.connection())?;
    let path = settings.identity();
    let shown = Shown::new(&own(path)?, path)?;
    if !shown.is_private {
        context.printer.warning(&format!(
            "others on this machine may read {path}: `chmod 600 {path}`",
            path = path.display()
        ));
    }
    context.printer.data(&shown)?;
    Ok(ExitStatus::Ok)
}

/// `farmer identity import`
pub fn import(context: &Context<'_>, args: &IdentityImportArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.file.connection())?;
    let path = settings.identity();
    refuse_existing(path)?;
    let mut identity = backup(context, args.source.as_deref(), &args.passphrase)?;
    identity.threebot_id = args.user_id.or(identity.threebot_id);
    make_directory(path)?;
    identity.create(path)?;
    context.printer.data(&Shown::new(&identity, path)?)?;
    Ok(ExitStatus::Ok)
}

/// `farmer identity export`
pub fn export(context: &Context<'_>, args: &IdentityExportArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.file.connection())?;
    let identity = own(settings.identity())?;
    if let Some(out) = context.global.out.as_deref().filter(|out| out.is_file()) {
        return Err(Failure::new(
            ExitStatus::Refused,
            format!(
                "{} is there already, and may be another backup",
                out.display()
            ),
        )
        .with_hint("name a new file with `--out`, or move that one away"));
    }
    let passphrase = passphrase(context, &args.passphrase, true)?;
    let sealed = export::seal(&identity, &passphrase)?;
    context.printer.raw(sealed.as_bytes())?;
    Ok(ExitStatus::Ok)
}

/// What a check of a backup found.
#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    public_key: String,
    is_same: bool,
}

impl Show for Checked {
    fn show(&self, page: &mut Page) {
        page.line(format!(
            "the backup is the identity in {}",
            self.file.display()
        ));
    }
}

/// `farmer identity backup-check`
pub fn backup_check(context: &Context<'_>, args: &IdentityBackupCheckArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.file.connection())?;
    let path = settings.identity();
    let key = own(path)?.seed.public_key();
    let other = backup(context, args.source.as_deref(), &args.passphrase)?;
    if other.seed.public_key() != key {
        return Err(Failure::new(
            ExitStatus::Mismatch,
            format!(
                "the backup is another identity's: its key is {}, that of {} is {}",
                other.seed.public_key().to_hex(),
                path.display(),
                key.to_hex()
            ),
        )
        .with_hint("make a new backup with `farmer identity export`, and keep the old one too"));
    }
    context.printer.data(&Checked {
        file: path.to_owned(),
        public_key: key.to_hex(),
        is_same: true,
    })?;
    Ok(ExitStatus::Ok)
}

/// The identity in use, which must be there.
fn own(path: &Path) -> Outcome<UserIdentity> {
    UserIdentity::read(path).map_err(|error| {
        let is_missing = matches!(&error, FileError::Io { source, .. }
            if source.kind() == std::io::ErrorKind::NotFound);
        let mut failure = Failure::from(error);
        if is_missing {
            failure.status = ExitStatus::NotFound;
            failure = failure.with_hint(
                "`farmer identity new` makes one, `farmer identity import` restores one",
            );
        }
        failure
    })
}

/// Also for a link that leads nowhere: the file is somebody's.
fn refuse_existing(path: &Path) -> Outcome<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(FileError::Exists {
            path: path.to_owned(),
        }
        .into()),
        Err(_) => Ok(()),
    }
}

/// Makes the directory of an identity file, for its owner only.
pub fn make_directory(path: &Path) -> Outcome<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let Some(parent) = parent else { return Ok(()) };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(|error| Failure::io("creating", parent, error))
}

/// An identity from wherever its owner kept it.
fn backup(
    context: &Context<'_>,
    source: Option<&Path>,
    passphrase_args: &PassphraseArgs,
) -> Outcome<UserIdentity> {
    let (bytes, name) = match source {
        None => {
            let mut terminal = Terminal::open().ok_or_else(|| {
                Failure::new(ExitStatus::Usage, "nobody is there to type the words")
                    .with_hint("name a file, or `-` for standard input")
            })?;
            let words = terminal.line("The 24 words, in one line: ")?;
            terminal.clear()?;
            (
                Zeroizing::new(words.as_bytes().to_vec()),
                Path::new("what was typed"),
            )
        }
        Some(path) if path == Path::new("-") => {
            let name = Path::new("standard input");
            (read(std::io::stdin(), name)?, name)
        }
        Some(path) => {
            let file = fs::File::open(path).map_err(|error| Failure::io("opening", path, error))?;
            (read(file, path)?, path)
        }
    };
    if export::is_export(&bytes) {
        let passphrase = passphrase(context, passphrase_args, false)?;
        let opened = export::open(&bytes, &passphrase);
        return opened.doing(format!("opening {}", name.display()));
    }
    Ok(UserIdentity::from_bytes(&bytes, name)?)
}

fn read(source: impl std::io::Read, name: &Path) -> Outcome<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    source
        .take(MAX_SOURCE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io("reading", name, error))?;
    Ok(bytes)
}

/// The passphrase; a new one is asked twice.
fn passphrase(
    context: &Context<'_>,
    args: &PassphraseArgs,
    is_new: bool,
) -> Outcome<Zeroizing<String>> {
    if let Some(path) = &args.passphrase_file {
        let text = fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|error| Failure::io("reading the passphrase in", path, error))?;
        return Ok(Zeroizing::new(
            text.lines().next().unwrap_or_default().to_owned(),
        ));
    }
    if let Some(text) = context.environment.get(VARIABLE) {
        return Ok(Zeroizing::new(text.to_owned()));
    }
    let mut terminal = Terminal::open().ok_or_else(|| {
        Failure::new(ExitStatus::Usage, "nobody is there to type the passphrase").with_hint(
            format!("give it with `--passphrase-file FILE` or {VARIABLE}"),
        )
    })?;
    let first = terminal.secret("Passphrase: ")?;
    if is_new && *first != *terminal.secret("The same again: ")? {
        return Err(Failure::new(
            ExitStatus::Mismatch,
            "the two passphrases differ; nothing was written",
        ));
    }
    Ok(first)
}
