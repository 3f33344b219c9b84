//! The configuration texts of ISOLINUX and GRUB and the command line of a unified kernel image, with
//! the place of the kernel-argument region and of the disk GUID in them.

use super::serial::SerialConsole;
use crate::formats::guid::Guid;
use crate::regions::PayloadKind;

/// Seconds until the normal entry starts.
pub(super) const TIMEOUT_SECONDS: u32 = 3;

/// A configuration text and where its variable parts are, in bytes from its start.
#[derive(Debug)]
pub(super) struct LoaderConfig {
    pub text: Vec<u8>,
    pub arguments_at: usize,
    /// `None` where the system has no use for it.
    pub guid_at: Option<usize>,
}

/// What both loaders start.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    pub title: &'a str,
    pub payload: PayloadKind,
    pub serial: Option<SerialConsole>,
    pub has_isolinux_menu: bool,
    /// Path of the kernel on the medium, upper case, without a leading `/`.
    pub kernel: &'a str,
    /// Paths of the initramfs files in the order they are loaded.
    pub initramfs: &'a [String],
    pub disk_guid: Guid,
}

/// One line of the menu.
pub(super) struct Entry {
    /// What is typed or pressed to choose it; the first letter is the hot key.
    pub id: &'static str,
    /// Behind the title.
    pub remark: &'static str,
    /// What it adds to the arguments.
    pub arguments: &'static str,
}

/// The entries of every menu, the one that starts by itself first.
pub(super) fn menu(payload: PayloadKind) -> &'static [Entry] {
    const NODE: &[Entry] = &[
        Entry {
            id: "node",
            remark: "",
            arguments: "quiet",
        },
        Entry {
            id: "debug",
            remark: " (debug: every message)",
            arguments: "debug",
        },
        Entry {
            id: "rescue",
            remark: " (rescue: look, do not register)",
            arguments: "quiet farm.rescue=1",
        },
    ];
    const ZERO_OS: &[Entry] = &[
        Entry {
            id: "zos",
            remark: "",
            arguments: "",
        },
        Entry {
            id: "debug",
            remark: " (debug: every kernel message)",
            arguments: "debug ignore_loglevel",
        },
    ];
    match payload {
        PayloadKind::FarmNode => NODE,
        PayloadKind::ZeroOs => ZERO_OS,
    }
}

impl Entries<'_> {
    /// Consoles of the kernel; the last one is `/dev/console`. Zero-OS is started with exactly the
    /// arguments its bootstrap gives it unless a serial console is asked for.
    fn consoles(&self) -> String {
        match (self.serial, self.payload) {
            (None, PayloadKind::ZeroOs) => String::new(),
            (serial, _) => format!("console=tty0 console={}", serial.unwrap_or_default()),
        }
    }

    /// Whether the system wants to know which disk it was started from.
    fn names_medium(&self) -> bool {
        self.payload == PayloadKind::FarmNode
    }
}

/// Joins words that may be empty.
fn words(words: &[&str]) -> String {
    let words: Vec<&str> = words.iter().copied().filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

/// `isolinux.cfg`. A global APPEND serves all labels, so the arguments exist once; what a label
/// adds goes behind its kernel.
pub(super) fn isolinux(entries: &Entries<'_>, arguments: &[u8]) -> LoaderConfig {
    let serial = entries.serial.unwrap_or_default();
    let title = entries.title;
    let first = menu(entries.payload)[0].id;
    let initramfs: Vec<String> = entries
        .initramfs
        .iter()
        .map(|path| format!("/{path}"))
        .collect();
    let initrd = if initramfs.is_empty() {
        String::new()
    } else {
        format!("  INITRD {}\n", initramfs.join(","))
    };
    let others: Vec<&str> = menu(entries.payload)[1..].iter().map(|e| e.id).collect();
    let head = if entries.has_isolinux_menu {
        format!("UI menu.c32\nMENU TITLE {title}\n")
    } else {
        format!(
            "PROMPT 1\nSAY {title}: starts by itself; or type {} and Enter\n",
            others.join(", ")
        )
    };
    let mut config = Assembly::new(&format!(
        "SERIAL {} {}\n{head}TIMEOUT {}\nDEFAULT {first}\nAPPEND ",
        serial.port,
        serial.baud,
        TIMEOUT_SECONDS * 10,
    ));
    let consoles = entries.consoles();
    if !consoles.is_empty() {
        config.push(&consoles);
        config.push(" ");
    }
    if entries.names_medium() {
        config.push("farm.medium=");
        config.push_guid(entries.disk_guid);
        config.push(" ");
    }
    config.push_arguments(arguments);
    config.push("\n");
    for entry in menu(entries.payload) {
        let linux = words(&[&format!("LINUX /{}", entries.kernel), entry.arguments]);
        config.push(&format!("LABEL {}\n", entry.id));
        if entries.has_isolinux_menu {
            // A caret makes the letter behind it the hot key.
            let remark = entry
                .remark
                .replacen(entry.id, &format!("^{}", entry.id), 1);
            config.push(&format!("  MENU LABEL {title}{remark}\n"));
        }
        config.push(&format!("  {linux}\n{initrd}"));
    }
    config.finish()
}

/// `isolinux.cfg` of a thin medium: one kernel, one file beside it, no menu.
pub(super) fn thin_isolinux(serial: SerialConsole, kernel: &str, script: &str) -> LoaderConfig {
    let mut config = Assembly::new("");
    config.push(&format!(
        "SERIAL {} {}\nPROMPT 0\nDEFAULT ipxe\n\
         LABEL ipxe\n  LINUX /{kernel}\n  INITRD /{script}\n",
        serial.port, serial.baud
    ));
    config.finish()
}

/// `grub.cfg`. Paths are absolute and nothing is searched for: on a stick the root is the FAT
/// partition, on a CD the ISO 9660 tree, and both hold the same files.
pub(super) fn grub(entries: &Entries<'_>, arguments: &[u8]) -> LoaderConfig {
    let serial = entries.serial.unwrap_or_default();
    let kernel = entries.kernel.to_lowercase();
    let initramfs: Vec<String> = entries
        .initramfs
        .iter()
        .map(|path| format!(" /{}", path.to_lowercase()))
        .collect();
    let initrd = if initramfs.is_empty() {
        String::new()
    } else {
        format!("  initrd{}\n", initramfs.concat())
    };
    let mut config = Assembly::new(&format!(
        "serial --unit={} --speed={}\n\
         terminal_input console serial\n\
         terminal_output console serial\n\
         set timeout={TIMEOUT_SECONDS}\n\
         set default={}\n",
        serial.port,
        serial.baud,
        menu(entries.payload)[0].id,
    ));
    let mut medium = "";
    if entries.names_medium() {
        medium = "farm.medium=$farm_medium";
        config.push("set farm_medium=");
        config.push_guid(entries.disk_guid);
        // A CD's blocks hide the partitions, so the node need not wait for them.
        config.push(
            "\n\
             for disk in cd0 cd1 cd2 cd3; do\n\
             \x20 if [ \"$root\" = \"$disk\" ]; then set farm_medium=cd; fi\n\
             done\n",
        );
    }
    config.push("set farm_arguments=");
    config.push_arguments(arguments);
    config.push("\n");
    let consoles = entries.consoles();
    for entry in menu(entries.payload) {
        let linux = words(&[
            &format!("linux /{kernel}"),
            &consoles,
            entry.arguments,
            medium,
            "$farm_arguments",
        ]);
        config.push(&format!(
            "menuentry \"{}{}\" --id {} --hotkey={} {{\n  {linux}\n{initrd}}}\n",
            entries.title,
            entry.remark,
            entry.id,
            &entry.id[..1],
        ));
    }
    config.finish()
}

/// A text under construction.
struct Assembly {
    text: Vec<u8>,
    arguments_at: usize,
    guid_at: Option<usize>,
}

/// The `.cmdline` section of a unified kernel image: the first entry's.
pub(super) fn command_line(entries: &Entries<'_>, arguments: &[u8]) -> LoaderConfig {
    let head = words(&[&entries.consoles(), menu(entries.payload)[0].arguments]);
    let mut config = Assembly::new(&head);
    if !head.is_empty() {
        config.push(" ");
    }
    if entries.names_medium() {
        config.push("farm.medium=");
        config.push_guid(entries.disk_guid);
        config.push(" ");
    }
    config.push_arguments(arguments);
    config.finish()
}

/// The `.cmdline` section of an image of farm-node that belongs to no medium.
pub(super) fn standalone_command_line(serial: Option<SerialConsole>, arguments: &str) -> Vec<u8> {
    let serial = serial.unwrap_or_default();
    let line = format!("console=tty0 console={serial} quiet {arguments}");
    line.trim_end().as_bytes().to_vec()
}

impl Assembly {
    fn new(head: &str) -> Self {
        Self {
            text: head.as_bytes().to_vec(),
            arguments_at: 0,
            guid_at: None,
        }
    }

    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn push_guid(&mut self, guid: Guid) {
        self.guid_at = Some(self.text.len());
        self.push(&guid.to_string());
    }

    fn push_arguments(&mut self, arguments: &[u8]) {
        self.arguments_at = self.text.len();
        self.text.extend_from_slice(arguments);
    }

    fn finish(self) -> LoaderConfig {
        LoaderConfig {
            text: self.text,
            arguments_at: self.arguments_at,
            guid_at: self.guid_at,
        }
    }
}
