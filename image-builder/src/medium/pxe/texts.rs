//! Configurations of the network loaders, and settings for the DHCP servers in front of them.

use super::super::loader_config::{Entry, TIMEOUT_SECONDS, menu};
use super::super::serial::SerialConsole;
use super::{CONFIG, KERNEL};
use crate::error::PlanError;
use crate::regions::PayloadKind;

use ipxe_rs_bindings::{Capabilities, Kind, Script, Severity};

/// Name of iPXE's setting with the kernel arguments of the thin medium that fetched `boot.ipxe`.
pub const CALLER_ARGUMENTS: &str = "farmer-args";
/// Name of the whole payload as one EFI program.
pub(super) const UKI: &str = "node.efi";

/// What the texts are about.
pub(super) struct Texts<'a> {
    pub title: &'a str,
    /// Names of the initramfs files in order, without the config.
    pub initramfs: &'a [String],
    /// The farm's own kernel arguments.
    pub arguments: &'a str,
    pub serial: SerialConsole,
    pub pxelinux: bool,
    /// Whether the config holds an enrolment token.
    pub has_token: bool,
    pub uki: bool,
}

impl Texts<'_> {
    /// `farm.medium=net` tells the node not to wait for a stick.
    fn kernel_arguments(&self, own: &str) -> String {
        // The last console is `/dev/console`.
        let serial = self.serial;
        let mut all = format!("console=tty0 console={serial} {own} farm.medium=net");
        if !self.arguments.is_empty() {
            all.push(' ');
            all.push_str(self.arguments);
        }
        all
    }

    /// The same entries as on a medium.
    fn menu(&self) -> &'static [Entry] {
        menu(PayloadKind::FarmNode)
    }

    fn archives(&self) -> impl Iterator<Item = &str> {
        self.initramfs.iter().map(String::as_str).chain([CONFIG])
    }

    fn archives_joined(&self, prefix: &str, separator: &str) -> String {
        let all: Vec<String> = self
            .archives()
            .map(|name| format!("{prefix}{name}"))
            .collect();
        all.join(separator)
    }

    /// `grub/grub.cfg`; GRUB's root is the server it was loaded from.
    pub fn grub(&self) -> String {
        let initramfs = self.archives_joined("/", " ");
        let entries: String = self
            .menu()
            .iter()
            .map(|entry| {
                format!(
                    "menuentry \"{}{}\" --id {} --hotkey={} {{\n\
                 \x20 linux /{KERNEL} {}\n\
                 \x20 initrd {initramfs}\n\
                 }}\n",
                    self.title,
                    entry.remark,
                    entry.id,
                    &entry.id[..1],
                    self.kernel_arguments(entry.arguments)
                )
            })
            .collect();
        let SerialConsole { port, baud } = self.serial;
        format!(
            "serial --unit={port} --speed={baud}\n\
             terminal_input console serial\n\
             terminal_output console serial\n\
             set timeout={TIMEOUT_SECONDS}\n\
             set default={}\n{entries}",
            self.menu()[0].id,
        )
    }

    /// `boot.ipxe`. Names are relative to the script's own address. `initrd=` is what an EFI kernel
    /// finds its files by; a BIOS kernel gets them all and ignores the words. A thin medium that
    /// fetches it has put arguments of its own into [`CALLER_ARGUMENTS`].
    ///
    /// Any iPXE may fetch it, so it must be what the oldest in use understands.
    pub fn ipxe(&self) -> Result<String, PlanError> {
        let arguments = self.kernel_arguments(self.menu()[0].arguments);
        if let Some(word) = arguments.split(' ').find(|word| word.contains("${")) {
            // iPXE would put a setting of its own there.
            return Err(PlanError::Text {
                what: "kernel argument",
                value: word.to_owned(),
            });
        }
        let named = self.archives_joined("initrd=", " ");
        let mut script = Script::new();
        let title = self.title;
        script.comment(&format!(
            "{title}: kernel and initramfs from beside this script."
        ))?;
        // The first of two values holds, so what a thin medium wants goes before what is ours.
        let caller = format!("${{{CALLER_ARGUMENTS}}}");
        let words = ["kernel", KERNEL].into_iter().chain(named.split(' '));
        let words = words.chain([caller.as_str()]).chain(arguments.split(' '));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        script.command(&words)?.or_goto("failed")?;
        for name in self.archives() {
            script.command(&["initrd", name])?.or_goto("failed")?;
        }
        script.command(&["boot"])?.or_goto("failed")?;
        script.label("failed")?;
        script.say("Not booted: a file above could not be loaded.")?;
        // A thin medium has other servers and ports to try.
        script.command(&["imgfree"])?.or_go_on();
        script
            .command(&["isset", &caller])?
            .and(&["exit", "1"])?
            .or_go_on();
        script.say("Trying again in 10 seconds.")?;
        script.command(&["sleep", "10"])?;
        script.command(&["chain", "boot.ipxe"])?.or_goto("failed")?;
        let finding = [Kind::Lkrn, Kind::Pxe, Kind::EfiX64]
            .map(Capabilities::oldest)
            .iter()
            .flat_map(|oldest| ipxe_rs_bindings::lint(script.as_str(), oldest))
            .find(|finding| finding.severity == Severity::Error);
        match finding {
            Some(finding) => Err(PlanError::Script { finding }),
            None => Ok(script.into_string()),
        }
    }

    /// `pxelinux.cfg/default`.
    pub fn pxelinux_cfg(&self) -> String {
        let initramfs = self.archives_joined("", ",");
        let labels: String = self
            .menu()
            .iter()
            .map(|entry| {
                format!(
                    "LABEL {}\n  LINUX {KERNEL}\n  INITRD {initramfs}\n  APPEND {}\n",
                    entry.id,
                    self.kernel_arguments(entry.arguments)
                )
            })
            .collect();
        let others: Vec<&str> = self.menu()[1..].iter().map(|entry| entry.id).collect();
        let SerialConsole { port, baud } = self.serial;
        format!(
            "SERIAL {port} {baud}\nPROMPT 1\nTIMEOUT {}\nDEFAULT {}\n\
             SAY {}: starts by itself; or type {} and Enter\n{labels}",
            TIMEOUT_SECONDS * 10,
            self.menu()[0].id,
            self.title,
            others.join(", "),
        )
    }

    /// The file a BIOS machine without iPXE is given.
    fn bios_file(&self) -> &'static str {
        if self.pxelinux {
            "lpxelinux.0"
        } else {
            "undionly.kpxe"
        }
    }

    /// The file firmware loads over HTTP.
    fn http_file(&self) -> &'static str {
        if self.uki { UKI } else { "shimx64.efi" }
    }

    /// `dhcp/dnsmasq.conf`.
    pub fn dnsmasq(&self) -> String {
        let (bios, http) = (self.bios_file(), self.http_file());
        format!(
            "# Network boot of farm nodes with dnsmasq. Change 192.0.2.1 to this server's address and\n\
             # the two directories; then: dnsmasq --test -C FILE\n\
             \n\
             # dnsmasq gives out addresses:\n\
             dhcp-range=192.0.2.100,192.0.2.200,12h\n\
             # Instead, beside another DHCP server (ProxyDHCP):\n\
             #dhcp-range=192.0.2.0,proxy\n\
             #pxe-service=tag:!ipxe,x86PC,\"farm node\",{bios}\n\
             #pxe-service=tag:!ipxe,x86-64_EFI,\"farm node\",shimx64.efi\n\
             \n\
             # This directory is the root: GRUB looks for /grub/grub.cfg.\n\
             enable-tftp\n\
             tftp-root=/srv/farm-boot\n\
             \n\
             # Who asks: iPXE (user class, or its own option 175), BIOS, UEFI, UEFI over HTTP.\n\
             dhcp-userclass=set:ipxe,iPXE\n\
             dhcp-match=set:ipxe,175\n\
             dhcp-match=set:bios,option:client-arch,0\n\
             dhcp-match=set:efi,option:client-arch,7\n\
             dhcp-match=set:efi,option:client-arch,9\n\
             dhcp-match=set:efihttp,option:client-arch,16\n\
             \n\
             # iPXE needs no wait for a ProxyDHCP server.\n\
             dhcp-option=tag:ipxe,encap:175,176,1b\n\
             dhcp-boot=tag:ipxe,boot.ipxe\n\
             dhcp-boot=tag:!ipxe,tag:bios,{bios}\n\
             dhcp-boot=tag:!ipxe,tag:efi,shimx64.efi\n\
             # Firmware that boots over HTTP wants its own word back. Serve this directory there.\n\
             dhcp-option-force=tag:!ipxe,tag:efihttp,option:vendor-class,HTTPClient\n\
             dhcp-boot=tag:!ipxe,tag:efihttp,http://192.0.2.1/{http}\n"
        )
    }

    /// `dhcp/kea-dhcp4.conf`.
    pub fn kea(&self) -> String {
        let (bios, http) = (self.bios_file(), self.http_file());
        format!(
            r#"// Network boot of farm nodes with Kea. Change the addresses and the interface;
// then: kea-dhcp4 -t FILE
// Option 77 is the user class, option 93 the client's architecture.
{{
  "Dhcp4": {{
    "interfaces-config": {{ "interfaces": [ "*" ] }},
    "lease-database": {{ "type": "memfile", "persist": false }},
    "client-classes": [
      {{
        "name": "ipxe",
        "test": "substring(option[77].hex,0,4) == 'iPXE' or substring(option[77].hex,1,4) == 'iPXE'",
        "next-server": "192.0.2.1",
        "boot-file-name": "boot.ipxe"
      }},
      {{
        "name": "bios",
        "test": "not member('ipxe') and option[93].hex == 0x0000",
        "next-server": "192.0.2.1",
        "boot-file-name": "{bios}"
      }},
      {{
        "name": "efi",
        "test": "not member('ipxe') and (option[93].hex == 0x0007 or option[93].hex == 0x0009)",
        "next-server": "192.0.2.1",
        "boot-file-name": "shimx64.efi"
      }},
      {{
        "name": "efi-http",
        "test": "not member('ipxe') and option[93].hex == 0x0010",
        "option-data": [
          {{ "name": "vendor-class-identifier", "data": "HTTPClient", "always-send": true }},
          {{ "name": "boot-file-name", "data": "http://192.0.2.1/{http}", "always-send": true }}
        ]
      }}
    ],
    "subnet4": [
      {{
        "id": 1,
        "subnet": "192.0.2.0/24",
        "pools": [ {{ "pool": "192.0.2.100 - 192.0.2.200" }} ]
      }}
    ]
  }}
}}
"#
        )
    }

    /// `README.txt`.
    pub fn readme(&self) -> String {
        let secret = if self.has_token {
            ",\nand config.cpio holds the farm's enrolment token: let only the machines of the\n\
             farm reach it, or give them none and approve the nodes by hand"
        } else {
            ""
        };
        let archives = self.archives_joined("", ", ");
        let last = self.archives_joined("", " ");
        let bios = if self.pxelinux {
            "BIOS without iPXE: lpxelinux.0, which reads pxelinux.cfg/default."
        } else {
            "BIOS without iPXE: put undionly.kpxe of the Debian package ipxe into this\n\
             directory; it then fetches boot.ipxe."
        };
        let uki = if self.uki {
            "node.efi             the same as one EFI program, for UEFI HTTP boot\n"
        } else {
            ""
        };
        format!(
            "{}: boot over the network\n\
             \n\
             Serve this directory as the ROOT of a TFTP server (and of an HTTP server, for\n\
             iPXE and UEFI HTTP boot). Whoever reaches it can read every file{secret}.\n\
             \n\
             vmlinuz              kernel\n\
             {archives}\n\
             \x20                    initramfs, to be loaded in this order\n\
             {uki}\
             shimx64.efi          UEFI, Secure Boot on or off: loads grubx64.efi, which\n\
             \x20                    reads /grub/grub.cfg\n\
             boot.ipxe            iPXE script\n\
             dhcp/dnsmasq.conf    settings for dnsmasq to start from\n\
             dhcp/kea-dhcp4.conf  settings for Kea to start from\n\
             manifest.json        what this was made of; sbom.spdx.json in SPDX\n\
             SHA256SUMS           check with: sha256sum -c SHA256SUMS\n\
             \n\
             {bios}\n\
             \n\
             Another loader: kernel arguments are those in boot.ipxe (farm.medium=net tells\n\
             the node that there is no stick to wait for). One file instead of several:\n\
             \x20 cat {last} > initramfs.img\n",
            self.title
        )
    }
}
