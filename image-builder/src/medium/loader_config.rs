//! The configuration texts of ISOLINUX and GRUB and the command line of a unified kernel image, with the place of the kernel-argument region and
//! of the disk GUID in them.

use crate::formats::guid::Guid;

/// Speed of the serial console on the first port.
const SERIAL_SPEED: u32 = 115_200;
/// Seconds until the normal entry starts.
const TIMEOUT_SECONDS: u32 = 3;
/// Consoles of the kernel; the last one is `/dev/console`.
const CONSOLES: &str = "console=tty0 console=ttyS0,115200n8";
/// What the normal entry adds.
const NORMAL_ARGUMENTS: &str = "quiet";
/// What the debug entry adds.
const DEBUG_ARGUMENTS: &str = "debug";

/// A configuration text and where its variable parts are, in bytes from its start.
#[derive(Debug)]
pub(super) struct LoaderConfig {
    pub text: Vec<u8>,
    pub arguments_at: usize,
    pub guid_at: usize,
}

/// What both loaders start.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    pub title: &'a str,
    /// Path of the kernel on the medium, upper case, without a leading `/`.
    pub kernel: &'a str,
    /// Paths of the initramfs files in the order they are loaded.
    pub initramfs: &'a [String],
    pub disk_guid: Guid,
}

/// `isolinux.cfg`. A global APPEND serves both labels, so the arguments exist once; what a label
/// adds goes behind its kernel. Plain labels need no menu module.
pub(super) fn isolinux(entries: &Entries<'_>, arguments: &[u8]) -> LoaderConfig {
    let Entries {
        title,
        kernel,
        disk_guid,
        ..
    } = entries;
    let initramfs: Vec<String> = entries
        .initramfs
        .iter()
        .map(|path| format!("/{path}"))
        .collect();
    let initramfs = initramfs.join(",");
    let head = format!(
        "SERIAL 0 {SERIAL_SPEED}\n\
         PROMPT 1\n\
         TIMEOUT {}\n\
         DEFAULT node\n\
         SAY {title}: starts by itself; type debug and Enter to see every message\n\
         APPEND {CONSOLES} farm.medium=",
        TIMEOUT_SECONDS * 10,
    );
    let label = |name: &str, own: &str| {
        format!("LABEL {name}\n  LINUX /{kernel} {own}\n  INITRD {initramfs}\n")
    };
    let tail = format!(
        "\n{}{}",
        label("node", NORMAL_ARGUMENTS),
        label("debug", DEBUG_ARGUMENTS)
    );
    assemble(&head, *disk_guid, " ", arguments, &tail)
}

/// `grub.cfg`. Paths are absolute and nothing is searched for: on a stick the root is the FAT
/// partition, on a CD the ISO 9660 tree, and both hold the same files.
pub(super) fn grub(entries: &Entries<'_>, arguments: &[u8]) -> LoaderConfig {
    let Entries {
        title,
        kernel,
        disk_guid,
        ..
    } = entries;
    let kernel = kernel.to_lowercase();
    let initramfs: Vec<String> = entries
        .initramfs
        .iter()
        .map(|path| format!("/{}", path.to_lowercase()))
        .collect();
    let initramfs = initramfs.join(" ");
    let head = format!(
        "serial --unit=0 --speed={SERIAL_SPEED}\n\
         terminal_input console serial\n\
         terminal_output console serial\n\
         set timeout={TIMEOUT_SECONDS}\n\
         set default=node\n\
         set farm_medium="
    );
    // A CD's blocks hide the partitions, so the node need not wait for them.
    let middle = "\n\
         for disk in cd0 cd1 cd2 cd3; do\n\
         \x20 if [ \"$root\" = \"$disk\" ]; then set farm_medium=cd; fi\n\
         done\n\
         set farm_arguments=";
    let entry = |id: &str, name: &str, own: &str| {
        format!(
            "menuentry \"{name}\" --id {id} {{\n\
             \x20 linux /{kernel} {CONSOLES} {own} farm.medium=$farm_medium $farm_arguments\n\
             \x20 initrd {initramfs}\n\
             }}\n"
        )
    };
    let tail = format!(
        "\n{}{}",
        entry("node", title, NORMAL_ARGUMENTS),
        entry(
            "debug",
            &format!("{title} (debug: every message)"),
            DEBUG_ARGUMENTS
        ),
    );
    assemble(&head, *disk_guid, middle, arguments, &tail)
}

/// The `.cmdline` section of a unified kernel image.
pub(super) fn command_line(disk_guid: Guid, arguments: &[u8]) -> LoaderConfig {
    let head = format!("{CONSOLES} {NORMAL_ARGUMENTS} farm.medium=");
    assemble(&head, disk_guid, " ", arguments, "")
}

/// The `.cmdline` section of an image that belongs to no medium.
pub(super) fn standalone_command_line(arguments: &str) -> Vec<u8> {
    let line = format!("{CONSOLES} {NORMAL_ARGUMENTS} {arguments}");
    line.trim_end().as_bytes().to_vec()
}

fn assemble(head: &str, guid: Guid, middle: &str, arguments: &[u8], tail: &str) -> LoaderConfig {
    let mut text = head.as_bytes().to_vec();
    let guid_at = text.len();
    text.extend_from_slice(guid.to_string().as_bytes());
    text.extend_from_slice(middle.as_bytes());
    let arguments_at = text.len();
    text.extend_from_slice(arguments);
    text.extend_from_slice(tail.as_bytes());
    LoaderConfig {
        text,
        arguments_at,
        guid_at,
    }
}
