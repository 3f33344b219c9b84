//! Both programs run on any Linux: no interpreter, and not one library of the host is opened, not
//! even for a name look-up, where a static glibc would load the host's name service modules.

use std::path::Path;
use std::process::Command;

/// `ET_DYN` in `e_type` (ELF specification, figure 1-3): position independent.
const ET_DYN: u16 = 3;
/// `PT_INTERP` in `p_type` (figure 2-2): asks for a dynamic loader.
const PT_INTERP: u32 = 3;

fn farmer() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_farmer"))
}

fn assert_static_pie(program: &Path) {
    let elf = std::fs::read(program).expect("a program");
    let u16_at = |at: usize| u16::from_le_bytes([elf[at], elf[at + 1]]);
    assert_eq!(&elf[..5], b"\x7fELF\x02", "64-bit ELF");
    assert_eq!(
        u16_at(16),
        ET_DYN,
        "{} is not position independent",
        program.display()
    );
    let headers = u64::from_le_bytes(elf[32..40].try_into().expect("8 bytes")) as usize;
    let (size, count) = (usize::from(u16_at(54)), usize::from(u16_at(56)));
    for index in 0..count {
        let at = headers + index * size;
        let kind = u32::from_le_bytes(elf[at..at + 4].try_into().expect("4 bytes"));
        assert_ne!(
            kind,
            PT_INTERP,
            "{} wants a dynamic loader",
            program.display()
        );
    }
}

#[test]
fn farmer_is_static_pie() {
    assert_static_pie(farmer());
}

#[test]
fn farm_node_is_static_pie_and_small() {
    let node = crate::support::farm_node();
    assert_static_pie(node);
    let size_bytes = std::fs::metadata(node).expect("farm-node").len();
    assert!(
        size_bytes <= 6_000_000,
        "farm-node has grown to {size_bytes} bytes"
    );
}

/// Runs a program under strace in a root whose `nsswitch.conf` names modules, and returns what it
/// opened.
fn opened(program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let root = tempfile::tempdir().expect("a directory");
    let at = |name: &str| root.path().join(name);
    for directory in ["etc", "tmp"] {
        std::fs::create_dir(at(directory)).expect("a directory");
    }
    std::fs::write(
        at("etc/nsswitch.conf"),
        "hosts: files myhostname resolve dns\npasswd: files systemd\n",
    )
    .expect("file");
    // Nobody answers on port 53 there, and at once.
    std::fs::write(
        at("etc/resolv.conf"),
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    )
    .expect("file");
    let settings = "farm_id = 1\n[directory]\nurl = \"https://directory.invalid\"\n";
    std::fs::write(at("etc/node.toml"), settings).expect("file");
    std::fs::copy(program, at("program")).expect("a copy");
    let log = root.path().join("strace.log");
    let output = Command::new("strace")
        .args(["-f", "-e", "trace=open,openat,openat2,execve", "-o"])
        .arg(&log)
        .args(["unshare", "--map-root-user", "--net", "--root"])
        .arg(root.path())
        .arg("/program")
        .args(arguments)
        .env("XDG_CONFIG_HOME", "/tmp")
        .env_remove("PGUSER")
        .envs(variables.iter().copied())
        .output()
        .expect("strace (Debian: apt-get install strace)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let log = std::fs::read_to_string(&log).expect("strace's log");
    let (_, of_program) = log.split_once("execve(\"/program\"").unwrap_or_else(|| {
        panic!("the program never started: {said}\n{log}");
    });
    assert!(!said.is_empty(), "it fails, and says so: {of_program}");
    of_program.to_owned()
}

fn assert_no_host_library(opened: &str, is_told_by: &str) {
    assert!(opened.contains(is_told_by), "it ended early: {opened}");
    for library in ["libnss_", "libc.so", "ld-linux", "nsswitch.conf"] {
        assert!(
            !opened.contains(library),
            "{library} was looked for:\n{opened}"
        );
    }
}

#[test]
fn farmer_looks_names_up_without_the_hosts_libraries() {
    let arguments = ["farm", "list", "--directory", "https://directory.invalid"];
    assert_no_host_library(&opened(farmer(), &arguments, &[]), "resolv.conf");
}

/// PostgreSQL's client asks for the user's name unless it is told one.
#[test]
fn a_directory_on_postgresql_asks_no_name_service() {
    let arguments = ["directory", "serve", "--listen", "127.0.0.1:0"];
    let database = ("FARMER_DATABASE_URL", "postgres://me@127.0.0.1:1/farms");
    assert_no_host_library(&opened(farmer(), &arguments, &[database]), "/program");
}

#[test]
fn farm_node_looks_names_up_without_the_hosts_libraries() {
    let arguments = ["--check-directory", "/etc/node.toml"];
    let opened = opened(crate::support::farm_node(), &arguments, &[]);
    assert_no_host_library(&opened, "resolv.conf");
}

/// Workspace feature unification must not bring the server or the documentation tools into PID 1.
#[test]
fn farm_node_carries_no_server() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "-p",
            "farm-node",
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("cargo starts");
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(
        tree.contains("hw-probe"),
        "no tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in tree.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        assert!(
            !["sqlx", "sqlx-core", "axum", "clap_mangen", "clap"].contains(&name),
            "farm-node depends on {line}"
        );
    }
}
