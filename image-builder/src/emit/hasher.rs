//! SHA-256 beside the writing: the digest costs no time of its own as long as a core is free, and it
//! still covers the very bytes that were written.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use crate::content::Sha256Digest;

/// Buffers on their way to the thread and back: enough to ride out a slow write.
const BUFFERS: usize = 8;

/// A running digest.
pub(super) struct Hasher(Place);

enum Place {
    /// On its own thread.
    Beside(Beside),
    /// In line, when the system gives no thread.
    Here(Sha256),
}

struct Beside {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Sha256Digest>,
}

impl Hasher {
    pub(super) fn start() -> Self {
        let (full, incoming) = sync_channel::<Vec<u8>>(BUFFERS);
        let (outgoing, empty) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            // The channel has room for exactly these.
            let _ = outgoing.send(Vec::new());
        }
        let work = move || {
            let mut hasher = Sha256::new();
            for buf in incoming {
                hasher.update(&buf);
                // Nobody takes buffers back any more once the last one is on its way.
                let _ = outgoing.send(buf);
            }
            hasher.finalize().into()
        };
        let spawned = std::thread::Builder::new()
            .name("sha256".to_owned())
            .spawn(work);
        Self(match spawned {
            Ok(thread) => Place::Beside(Beside {
                full,
                empty,
                thread,
            }),
            Err(_) => Place::Here(Sha256::new()),
        })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Place::Here(hasher) => hasher.update(bytes),
            Place::Beside(beside) => {
                // Fails only if the thread is gone, which `finish` reports.
                if let Ok(mut buf) = beside.empty.recv() {
                    buf.clear();
                    buf.extend_from_slice(bytes);
                    let _ = beside.full.send(buf);
                }
            }
        }
    }

    /// The digest of everything given so far.
    pub(super) fn finish(self) -> Sha256Digest {
        match self.0 {
            Place::Here(hasher) => hasher.finalize().into(),
            Place::Beside(Beside {
                full,
                empty,
                thread,
            }) => {
                drop((full, empty));
                match thread.join() {
                    Ok(digest) => digest,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::sha256;

    #[test]
    fn any_split_gives_the_digest_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        for part in [1_000, 4_096, 262_144, 400_000] {
            let mut hasher = Hasher::start();
            bytes.chunks(part).for_each(|chunk| hasher.update(chunk));
            assert_eq!(hasher.finish(), sha256(&bytes), "{part}");
        }
        assert_eq!(Hasher::start().finish(), sha256(b""));
    }
}
