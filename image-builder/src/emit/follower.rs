//! SHA-256 of a file that is being written: a thread reads behind the writer what is already there, so
//! the writer may copy inside the kernel, and waits for the disk while the rest is read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use super::CHUNK_BYTES;
use crate::content::Sha256Digest;

/// A digest under way.
pub(super) struct Follower {
    limits: Sender<u64>,
    thread: Option<JoinHandle<io::Result<Sha256Digest>>>,
    file: File,
}

impl Follower {
    /// Starts behind a file whose bytes are written in order.
    ///
    /// # Errors
    /// No more files can be opened.
    pub(super) fn start(file: &File) -> io::Result<Self> {
        let (limits, incoming) = channel();
        let theirs = file.try_clone()?;
        // Where the system gives no thread, all is read at the end.
        let thread = std::thread::Builder::new()
            .name("sha256".to_owned())
            .spawn(move || digest(&theirs, incoming))
            .ok();
        Ok(Self {
            limits,
            thread,
            file: file.try_clone()?,
        })
    }

    /// Everything before byte `limit` is written.
    pub(super) fn written(&self, limit: u64) {
        // Nobody listens where there is no thread.
        let _ = self.limits.send(limit);
    }

    /// The digest of the first `total` bytes, all of which are written.
    ///
    /// # Errors
    /// They cannot be read back.
    pub(super) fn finish(self, total: u64) -> io::Result<Sha256Digest> {
        self.written(total);
        drop(self.limits);
        match self.thread {
            Some(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => digest(&self.file, [total]),
        }
    }
}

fn digest(file: &File, limits: impl IntoIterator<Item = u64>) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256::new();
    let mut buf = vec![0; CHUNK_BYTES];
    let mut at = 0;
    for limit in limits {
        while at < limit {
            let part = &mut buf[..(limit - at).min(CHUNK_BYTES as u64) as usize];
            file.read_exact_at(part, at)?;
            hasher.update(&part);
            at += part.len() as u64;
        }
    }
    Ok(hasher.finalize().into())
}
