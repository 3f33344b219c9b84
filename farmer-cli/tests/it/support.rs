//! A user's home, the `farmer` command in it, and a real directory beside it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// A home directory of its own: settings, identity and data live and die with it. Only the bootkit
/// cache is the user's real one, so that packages are not fetched again for every test.
pub struct Home {
    dir: TempDir,
}

impl Home {
    /// An empty home.
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `farmer` with these arguments, in this home.
    pub fn farmer(&self, arguments: &[&str]) -> Farmer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farmer"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FARMER_") {
                command.env_remove(name);
            }
        }
        command.env("XDG_CONFIG_HOME", self.path().join("config"));
        command.env("XDG_STATE_HOME", self.path().join("state"));
        command.env("XDG_DATA_HOME", self.path().join("data"));
        command.env("NO_COLOR", "1");
        command.env_remove("SOURCE_DATE_EPOCH");
        command.args(arguments).stdin(Stdio::null());
        Farmer { command }
    }

    /// What `farmer -o json ARGUMENTS` prints, asked of this directory.
    pub fn json(&self, directory: &Directory, arguments: &[&str]) -> Value {
        let output = self
            .farmer(&["-o", "json"])
            .args(arguments)
            .at(directory)
            .run();
        serde_json::from_slice(&output.stdout).expect("JSON on standard output")
    }
}

/// One call of `farmer`.
pub struct Farmer {
    command: Command,
}

impl Farmer {
    /// One more argument.
    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// This file as standard input.
    pub fn reads(mut self, file: impl AsRef<Path>) -> Self {
        let file = std::fs::File::open(file).expect("the input");
        self.command.stdin(file);
        self
    }

    /// Asks this directory, trusting its pin.
    pub fn at(self, directory: &Directory) -> Self {
        self.env("FARMER_DIRECTORY", &directory.url)
            .env("FARMER_PIN", &directory.pin)
    }

    /// Runs it and returns whatever came of it.
    pub fn output(mut self) -> Output {
        self.command.output().expect("farmer starts")
    }

    /// Starts it with its output in a pipe.
    pub fn spawn(mut self) -> Child {
        let command = self.command.stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().expect("farmer starts")
    }

    /// Starts it with what it says on standard error in a pipe.
    pub fn spawn_heard(mut self) -> Child {
        let command = self.command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("farmer starts")
    }

    /// Runs it; it must succeed.
    pub fn run(mut self) -> Output {
        let output = self.command.output().expect("farmer starts");
        assert!(
            output.status.success(),
            "{:?} ended with {}\n{}{}",
            self.command,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        output
    }

    /// Runs it; it must fail with this exit code. Returns what it said on standard error.
    pub fn fails_with(mut self, code: i32) -> String {
        let output = self.command.output().expect("farmer starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{:?}\n{said}",
            self.command
        );
        said
    }
}

/// A running `farmer directory serve` with a self-signed certificate; killed when dropped.
pub struct Directory {
    child: Option<Child>,
    database_file: Option<PathBuf>,
    port: u16,
    /// Where it says its data lives.
    pub data: String,
    /// Its base URL, on 127.0.0.1.
    pub url: String,
    /// The pin of its certificate.
    pub pin: String,
}

impl Directory {
    /// Starts one with its data in this home.
    pub fn start(home: &Home) -> Self {
        Self::start_on(home, None)
    }

    /// Starts one on the PostgreSQL database that this file names.
    pub fn on_postgres(home: &Home, database_file: &Path) -> Self {
        Self::start_on(home, Some(database_file.to_owned()))
    }

    fn start_on(home: &Home, database_file: Option<PathBuf>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let mut directory = Self {
            child: None,
            database_file,
            port,
            data: String::new(),
            url: String::new(),
            pin: String::new(),
        };
        directory.start_again(home);
        directory
    }

    /// Starts it again after [`Self::stop`], with the same data on the same port.
    pub fn start_again(&mut self, home: &Home) {
        let listen = format!("127.0.0.1:{}", self.port);
        let mut farmer = home
            .farmer(&[
                "-o",
                "json",
                "directory",
                "serve",
                "--self-signed",
                "--listen",
                &listen,
            ])
            .arg("--data")
            .arg(home.path().join("directory"));
        if let Some(file) = &self.database_file {
            farmer = farmer.arg("--database-file").arg(file);
        }
        let mut child = farmer
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("farmer starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("its first line");
        let told: Value = serde_json::from_str(&line).expect("the directory says where it listens");
        let text = |key: &str| told[key].as_str().expect(key).to_owned();
        self.url = text("url");
        self.pin = text("pin");
        self.data = text("data");
        self.child = Some(child);
    }

    /// Kills it; its data stay.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it was running");
            child.wait().expect("it ends");
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Already gone is as good as killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// `farm-node` as it goes into images: the one `FARM_NODE` names, else built now (alone: with the
/// others it would get the server's features).
pub fn farm_node() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(path) = std::env::var_os("FARM_NODE") {
            return PathBuf::from(path);
        }
        let status = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--profile", "node", "-p", "farm-node"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .status()
            .expect("cargo starts");
        assert!(status.success(), "farm-node does not build");
        // …/<target>/debug/farmer beside …/<target>/node/farm-node
        let debug = Path::new(env!("CARGO_BIN_EXE_farmer"))
            .parent()
            .expect("a directory");
        debug.with_file_name("node").join("farm-node")
    })
}

/// Whether every case is wanted, not only the quick set; says so where it is not.
#[expect(
    clippy::disallowed_macros,
    clippy::print_stderr,
    reason = "a test tells what it leaves out"
)]
pub fn is_full() -> bool {
    let is_full = std::env::var_os("FARMER_TEST_FULL").is_some_and(|value| value == "1");
    if !is_full {
        eprintln!("the quick set; every case with FARMER_TEST_FULL=1 (scripts/test --full)");
    }
    is_full
}
