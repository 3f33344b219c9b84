//! The directory on a machine whose power fails: what it has acknowledged is there again afterwards.
//!
//! The machine is a guest whose process is killed: everything its kernel had not brought to the disk is
//! gone, as with a real one. Its disk is an image without the host's cache.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use directory::client::{Client, ClientOptions, PageRequest, UserFilter};
use directory::identity::Seed;
use directory::wire::NewUser;
use qemu_lab::{Errand, Firmware, Guest, Machine, Toolbox};

use crate::support::Home;

const PATIENCE: Duration = Duration::from_secs(300);
const WRITERS: usize = 3;

/// Starts the guest, whose directory is reached at this port.
fn start(toolbox: &Toolbox, disk: &Path, port: u16) -> Guest {
    let mut machine = Machine::new(Firmware::SeaBios);
    machine.cpus = 1;
    let mut drive = std::ffi::OsString::from("if=none,id=data,format=raw,cache=none,file=");
    drive.push(disk);
    let network = format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:8080");
    machine.extra = vec!["-drive".into(), drive];
    for argument in [
        "-device",
        "virtio-blk-pci,drive=data",
        "-netdev",
        &network,
        "-device",
        "virtio-net-pci,netdev=net,romfile=",
    ] {
        machine.extra.push(argument.into());
    }
    let script = "modprobe -a virtio_net virtio_blk crc32c_generic ext4
        ip link set lo up
        ip addr add 10.0.2.15/24 dev eth0
        ip link set eth0 up
        mkdir -p /data
        mount -t ext4 /dev/vda /data || exit
        exec farmer directory serve --data /data/directory --listen 0.0.0.0:8080 --insecure-http";
    let errand = Errand {
        command_line: "",
        script,
        patience: PATIENCE,
    };
    toolbox
        .start("power loss", &machine, &errand)
        .expect("QEMU starts")
}

fn client(port: u16) -> Client {
    let options = ClientOptions {
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
        ..ClientOptions::new(format!("http://127.0.0.1:{port}"))
    };
    Client::new(&options).expect("a client")
}

/// Names of all users, once the directory answers.
async fn users(guest: &Guest, client: &Client) -> Vec<String> {
    let begun = Instant::now();
    let mut names = Vec::new();
    for page in 1.. {
        let request = PageRequest { page, size: 1000 };
        let answer = loop {
            match client.users(&UserFilter::default(), request).await {
                Ok(answer) => break answer,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}: {}", guest.console()),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let last = answer.pages.is_none_or(|pages| u64::from(page) >= pages);
        names.extend(answer.value.iter().map(|user| user.name.raw().to_owned()));
        if last {
            break;
        }
    }
    names
}

/// Registers users until the machine is gone; keeps the names that were acknowledged.
async fn write(
    port: u16,
    round: u8,
    writer: u8,
    done: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<String>>>,
) {
    let client = client(port);
    for number in 0_u16.. {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("user-{round}-{writer}-{number}");
        let mut seed = [round; 32];
        seed[1] = writer;
        seed[2..4].copy_from_slice(&number.to_le_bytes());
        let seed = Seed::from(seed);
        let user = NewUser::new(&name, &format!("{name}@example.org"), seed.public_key());
        if client.create_user(&user, &seed).await.is_ok() {
            acknowledged.lock().expect("not poisoned").push(name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_when_the_power_fails() {
    let rounds = if crate::support::is_full() { 12 } else { 1 };
    let home = Home::new();
    let disk = home.path().join("disk.img");
    std::fs::File::create(&disk)
        .and_then(|file| file.set_len(256 << 20))
        .expect("a disk");
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk));
    let toolbox = Toolbox::new(&[Path::new(env!("CARGO_BIN_EXE_farmer"))]).expect("a toolbox");
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for round in 0..=rounds {
        let guest = start(&toolbox, &disk, port);
        let there = users(&guest, &client(port)).await;
        for name in acknowledged.lock().expect("not poisoned").iter() {
            assert!(
                there.contains(name),
                "{name} was acknowledged before round {round}; {there:?} {}",
                guest.console()
            );
        }
        let before = acknowledged.lock().expect("not poisoned").len();
        if round == rounds {
            break;
        }
        let done = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS as u8)
            .map(|writer| {
                let (done, acknowledged) = (done.clone(), acknowledged.clone());
                tokio::spawn(write(port, round, writer, done, acknowledged))
            })
            .collect();
        // Another moment in every round, but always under load.
        let enough = before + 5 + usize::from(round) * 7 % 40;
        let begun = Instant::now();
        while acknowledged.lock().expect("not poisoned").len() < enough {
            assert!(
                begun.elapsed() < PATIENCE,
                "nothing is written: {}",
                guest.console()
            );
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        drop(guest);
        done.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.expect("a writer");
        }
    }
    // Killed once more, while idle. What SQLite finds in the file itself:
    let files = home.path().join("files");
    std::fs::create_dir(&files).expect("a directory");
    run(Command::new("e2fsck").args(["-fy"]).arg(&disk));
    let dump = format!("rdump /directory {}", files.display());
    run(Command::new("debugfs").args(["-R", &dump]).arg(&disk));
    let database = files.join("directory/directory.sqlite");
    let checked = Command::new("sqlite3")
        .arg(database)
        .arg("PRAGMA integrity_check")
        .output()
        .expect("sqlite3 (Debian: apt-get install sqlite3)");
    assert_eq!(
        String::from_utf8_lossy(&checked.stdout),
        "ok\n",
        "{checked:?}"
    );
}

/// Exit status 1 of `e2fsck` means that it replayed the journal.
fn run(command: &mut Command) {
    let output = command
        .output()
        .expect("e2fsprogs (Debian: apt-get install e2fsprogs)");
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{command:?}: {output:?}"
    );
}
