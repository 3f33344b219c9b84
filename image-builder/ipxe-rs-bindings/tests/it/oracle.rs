//! The corpus in real iPXE: what it prints and how it ends must be what the trace says.
//!
//! One boot runs all scripts: `ipxe.lkrn` of the Debian package `ipxe` chains them one by one from a
//! server on the host's loopback. `FARMER_IPXE_LKRN` names another binary to hold the trace to.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use ipxe_rs_bindings::{Capabilities, End, Settings, trace};
use qemu_lab::{Firmware, Machine, Nic};

use super::corpus::{self, Case};

#[test]
fn the_trace_is_what_real_ipxe_does() {
    let binary = std::env::var_os("FARMER_IPXE_LKRN")
        .map_or_else(|| PathBuf::from("/boot/ipxe.lkrn"), PathBuf::from);
    let bytes = std::fs::read(&binary)
        .unwrap_or_else(|e| panic!("{}: {e} (Debian: apt-get install ipxe)", binary.display()));
    let capabilities = Capabilities::of(&bytes).unwrap();
    let cases = corpus::all();
    let real = run(&binary, &cases);
    let mut wrong = String::new();
    for (case, real) in cases.iter().zip(&real) {
        let mut machine = Settings::new().on(&capabilities);
        for failing in &case.fails {
            machine = machine.failing(failing);
        }
        let ours = trace(&case.script, &machine);
        let status = match ours.end {
            End::Finished | End::Exit(0) => "ok".to_owned(),
            End::Exit(status) => format!("{status:#x}"),
            End::Failed(_) | End::Unfinished(_) => "failed".to_owned(),
            other => format!("{other:?}"),
        };
        let ours = format!("{}=> {status}", ours.console);
        if ours != *real {
            let Case { name, script, .. } = case;
            writeln!(
                wrong,
                "--- {name}\n{script}--- iPXE\n{real}\n--- ours\n{ours}"
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What iPXE shows for each script, in the words of the trace.
fn run(binary: &std::path::Path, cases: &[Case]) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut main = String::from("#!ipxe\ndhcp\n");
    for (index, case) in cases.iter().enumerate() {
        write!(
            main,
            "echo\necho @@BEGIN {index}\nchain -a http://10.0.2.2:{port}/{index} && \
             echo @@STATUS ok || echo @@STATUS ${{errno}}\n"
        )
        .unwrap();
        for name in names(&case.script) {
            writeln!(main, "clear {name} ||").unwrap();
        }
    }
    main.push_str("echo @@DONE\nsleep 5\n:hang\nsleep 100\ngoto hang\n");
    let scripts: Vec<String> = cases.iter().map(|case| case.script.clone()).collect();
    std::thread::spawn(move || serve(&listener, &scripts));

    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("main.ipxe");
    std::fs::write(&script, main).unwrap();
    let machine = Machine {
        // Without a screen SeaBIOS shows everything on the serial port.
        machine_type: "q35,graphics=off",
        memory_mib: 256,
        nics: vec![Nic::User],
        extra: vec![
            "-kernel".into(),
            binary.into(),
            "-initrd".into(),
            script.into(),
        ],
        ..Machine::new(Firmware::SeaBios)
    };
    let mut guest = machine.boot("the corpus").unwrap();
    guest.wait_for("@@DONE", Duration::from_secs(600)).unwrap();
    let console = guest.console();
    drop(guest);
    (0..cases.len())
        .map(|index| {
            let begin = format!("@@BEGIN {index}\n");
            let (_, rest) = console.split_once(&begin).unwrap_or_default();
            let (text, status) = rest.split_once("@@STATUS ").unwrap_or_default();
            let status = status.lines().next().unwrap_or_default();
            format!("{}=> {}", in_our_words(text), short(status))
        })
        .collect()
}

/// The settings a script sets, so that the next one does not see them.
fn names(script: &str) -> BTreeSet<String> {
    let words: Vec<&str> = script.split_whitespace().collect();
    let set = words
        .windows(2)
        .filter(|pair| ["set", "inc"].contains(&pair[0]));
    set.map(|pair| pair[1].split(':').next().unwrap_or_default())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphanumeric()))
        .filter(|name| {
            name.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
        })
        // Those whose names a script puts together.
        .chain(
            ["foo", "a-foo"]
                .into_iter()
                .filter(|_| script.contains("${n}")),
        )
        .map(str::to_owned)
        .collect()
}

/// Errors of iPXE itself are numbers above all that `exit` gives.
fn short(status: &str) -> String {
    match u32::from_str_radix(status.trim_start_matches("0x"), 16) {
        Ok(code) if code > 0xffff => "failed".to_owned(),
        _ => status.to_owned(),
    }
}

/// Takes progress and advice out.
fn in_our_words(text: &str) -> String {
    let mut out = String::new();
    let mut in_usage = false;
    // The first line is the fetch of the script.
    for line in text.lines().skip(1) {
        if in_usage {
            let Some((_, rest)) = line.split_once("ipxe.org/cmd/") else {
                continue;
            };
            let name = rest.split(' ').next().unwrap_or_default();
            writeln!(out, "Usage: {name}").unwrap();
            in_usage = false;
        } else if line == "Usage:" {
            in_usage = true;
        } else if line.starts_with("Could not boot:") || line.contains(":1/x...") {
            // What `chain` in the main script says, and a download that nobody answers.
        } else if line.starts_with("Could not ") {
            let end = line.find("\": ").map_or(line.len(), |at| at + 1);
            writeln!(out, "{}", &line[..end]).unwrap();
        } else {
            writeln!(out, "{line}").unwrap();
        }
    }
    out
}

fn serve(listener: &TcpListener, scripts: &[String]) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while reader.read_line(&mut head).is_ok_and(|length| length > 2) {}
        let path = head.split(' ').nth(1).unwrap_or_default();
        let index = path.trim_start_matches('/').parse();
        let body = index
            .ok()
            .and_then(|index: usize| scripts.get(index))
            .map(|s| &s[..]);
        let (status, body) = body.map_or(("404 Not Found", ""), |body| ("200 OK", body));
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    }
}
