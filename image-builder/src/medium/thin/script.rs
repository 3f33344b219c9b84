//! The script of thin media.
//!
//! It walks over the network ports, asks each for an address (or gives it the fixed one), and fetches
//! from the first source that answers; three rounds, then it says what was wrong and starts anew. A
//! person can go to the local disk instead. The script is checked for every binary that will run it.

use std::net::Ipv4Addr;

use ipxe_rs_bindings::{Capabilities, Script, Severity, WordError, lint};

use crate::error::PlanError;
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;
use crate::medium::pxe::CALLER_ARGUMENTS;

/// Rounds over all ports before the machine starts anew.
const ROUNDS: u32 = 3;
/// Seconds between rounds.
const ROUND_PAUSE_SECONDS: u32 = 5;
/// Seconds before the machine starts anew.
const PAUSE_SECONDS: u32 = 20;
/// Milliseconds in which a key leads to the local disk.
const KEY_MILLISECONDS: u32 = 3000;

/// What is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Addresses of directories with a `pxe` bundle, in the order they are tried. Its script adds
    /// [`ThinBoot::arguments`] to the kernel's.
    Bundle(Vec<String>),
    /// Addresses of a Zero-OS kernel, in the order they are tried.
    ZeroOs(Vec<String>),
}

impl Source {
    /// The addresses.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        match self {
            Self::Bundle(addresses) | Self::ZeroOs(addresses) => addresses,
        }
    }
}

/// A fixed address instead of DHCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    /// The machine's address.
    pub address: Ipv4Addr,
    /// Its network's mask.
    pub netmask: Ipv4Addr,
    /// Where packets for elsewhere go.
    pub gateway: Option<Ipv4Addr>,
    /// Who knows names.
    pub dns: Option<Ipv4Addr>,
}

/// Everything a thin medium's script is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinBoot {
    /// First words on the screen: printable ASCII.
    pub title: String,
    /// What is fetched.
    pub source: Source,
    /// A fixed address; else DHCP.
    pub fixed: Option<Fixed>,
    /// Number of the VLAN that the network is on, 1 to 4094.
    pub vlan: Option<u16>,
    /// This farm's arguments for the kernel that is fetched.
    pub arguments: Vec<String>,
    /// When the parts of the medium were made, where that is known: a clock that shows less is wrong.
    pub made: Option<Timestamp>,
}

impl ThinBoot {
    /// What is fetched, in the order it is tried.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        match &self.source {
            Source::Bundle(addresses) => addresses
                .iter()
                .map(|address| format!("{}/boot.ipxe", address.trim_end_matches('/')))
                .collect(),
            Source::ZeroOs(kernels) => kernels.clone(),
        }
    }

    /// The script, for these binaries.
    ///
    /// # Errors
    /// [`PlanError::Script`] with the reason if one of them would refuse it, [`PlanError::ScriptWord`]
    /// and [`PlanError::Text`] for words that cannot be in a script.
    pub fn script(&self, binaries: &[&Capabilities]) -> Result<String, PlanError> {
        self.build(None, binaries)
    }

    /// The script of a medium that the node is to find again, as what all farms' media begin with and
    /// what is this farm's own.
    pub(super) fn script_on(
        &self,
        disk: Guid,
        binaries: &[&Capabilities],
    ) -> Result<(String, String), PlanError> {
        let head = medium_lines(disk)?;
        let script = self.build(Some(&head), binaries)?;
        let own = script.strip_prefix(&head).unwrap_or_default().to_owned();
        Ok((head, own))
    }

    fn build(&self, medium: Option<&str>, binaries: &[&Capabilities]) -> Result<String, PlanError> {
        self.check()?;
        let mut script = Script::new();
        self.write(&mut script, medium.is_some())?;
        let text = match medium {
            Some(head) => head.to_owned() + script.as_str().trim_start_matches(SHEBANG),
            None => script.into_string(),
        };
        let finding = binaries
            .iter()
            .flat_map(|binary| lint(&text, binary))
            // What is guarded is guarded for the network's sake: no command may be missing.
            .find(|f| f.severity == Severity::Error || f.rule == "command-missing");
        match finding {
            Some(finding) => Err(PlanError::Script { finding }),
            None => Ok(text),
        }
    }

    /// Text from outside must not be what iPXE puts its own settings into.
    fn check(&self) -> Result<(), PlanError> {
        let refuse = |what, value: &str| {
            Err(PlanError::Text {
                what,
                value: value.to_owned(),
            })
        };
        if self.source.addresses().is_empty() {
            return refuse("list of addresses", "");
        }
        for address in self.source.addresses() {
            if !address.contains("://") || address.contains("${") {
                return refuse("address", address);
            }
        }
        if let Some(word) = self.arguments.iter().find(|word| word.contains("${")) {
            return refuse("kernel argument", word);
        }
        if let Some(vlan) = self.vlan.filter(|vlan| !(1..=4094).contains(vlan)) {
            return refuse("VLAN number", &vlan.to_string());
        }
        if self.title.contains("${") {
            return refuse("title", &self.title);
        }
        Ok(())
    }

    fn write(&self, script: &mut Script, on_medium: bool) -> Result<(), WordError> {
        script.comment(&self.title)?;
        script.say(&self.title)?;
        if let Source::Bundle(_) = self.source {
            let medium = on_medium.then_some("farm.medium=${medium}");
            let words = ["set", CALLER_ARGUMENTS].into_iter().chain(medium);
            let own = self.arguments.iter().map(String::as_str);
            let words: Vec<&str> = words.chain(own).collect();
            if words.len() > 2 {
                script.command(&words)?;
            }
        }
        let timeout = KEY_MILLISECONDS.to_string();
        let key = ["prompt", "--key", "0x6c", "--timeout", timeout.as_str()];
        let text = "Press l to start from the local disk".split(' ');
        let words: Vec<&str> = key.into_iter().chain(text).collect();
        script.command(&words)?.and(&["goto", "local"])?.or_go_on();
        script.command(&["set", "round:int32", "0"])?;
        script.label("round")?.command(&["inc", "round"])?;
        let end = (ROUNDS + 1).to_string();
        script.command(&["iseq", "${round}", &end])?;
        script.and(&["goto", "over"])?.or_go_on();
        script.command(&["set", "nic:int32", "0"])?;

        script.label("port")?;
        script
            .command(&["isset", "${net${nic}/mac}"])?
            .or_goto("ports-over")?;
        script.command(&["set", "port", "net${nic}"])?;
        if let Some(vlan) = self.vlan {
            let vlan = vlan.to_string();
            script.command(&["vcreate", "--tag", &vlan, "net${nic}"])?;
            script.or_goto("no-vlan")?;
            script.command(&["set", "port", &format!("net${{nic}}-{vlan}")])?;
        }
        self.address(script)?;
        self.fetch(script)?;
        script.command(&["goto", "next"])?;
        if let Some(vlan) = self.vlan {
            script.label("no-vlan")?;
            script.say(&format!(
                "Port ${{nic}} (${{net${{nic}}/mac}}): VLAN {vlan} cannot be used on it."
            ))?;
            script.command(&["goto", "next"])?;
        }
        script.label("no-address")?;
        script.say(match self.fixed {
            None => {
                "Port ${nic} (${net${nic}/mac}): no address. Is the cable in, and does DHCP answer?"
            }
            Some(_) => "Port ${nic} (${net${nic}/mac}): no connection. Is the cable in?",
        })?;
        script.label("next")?;
        script.command(&["ifclose", "${port}"])?.or_go_on();
        if self.vlan.is_some() {
            script.command(&["vdestroy", "${port}"])?.or_go_on();
        }
        script
            .command(&["inc", "nic"])?
            .command(&["goto", "port"])?;

        script.label("ports-over")?;
        script
            .command(&["isset", "${net0/mac}"])?
            .or_goto("no-port")?;
        script.say(&format!("Round ${{round}} of {ROUNDS} failed."))?;
        script
            .command(&["sleep", &ROUND_PAUSE_SECONDS.to_string()])?
            .command(&["goto", "round"])?;

        script.label("no-port")?;
        script.say(
            "There is no network port that iPXE knows. Try the image for the other firmware.",
        )?;
        script.command(&["goto", "restart"])?;
        script.label("over")?;
        script.say("Not booted: nothing could be fetched from any port.")?;
        script.label("restart")?;
        script.say(&format!("Starting anew in {PAUSE_SECONDS} seconds."))?;
        script
            .command(&["sleep", &PAUSE_SECONDS.to_string()])?
            .command(&["reboot"])?
            .or_go_on();

        script.label("local")?;
        script.say("Starting from the local disk.")?;
        // UEFI goes on with its next entry, but only after an error.
        script.command(&["iseq", "${platform}", "efi"])?;
        script.or(&["sanboot", "--no-describe", "--drive", "0x80"])?;
        script.or_go_on().command(&["exit", "1"])?;
        Ok(())
    }

    fn address(&self, script: &mut Script) -> Result<(), WordError> {
        let Some(fixed) = &self.fixed else {
            script.command(&["ifconf", "--configurator", "dhcp", "${port}"])?;
            script.or_goto("no-address")?;
            return Ok(());
        };
        script
            .command(&["ifopen", "${port}"])?
            .or_goto("no-address")?;
        let mut set = |name: &str, value: Ipv4Addr| -> Result<(), WordError> {
            let name = format!("${{port}}/{name}");
            script
                .command(&["set", &name, &value.to_string()])
                .map(|_| ())
        };
        set("ip", fixed.address)?;
        set("netmask", fixed.netmask)?;
        if let Some(gateway) = fixed.gateway {
            set("gateway", gateway)?;
        }
        if let Some(dns) = fixed.dns {
            set("dns", dns)?;
        }
        Ok(())
    }

    fn fetch(&self, script: &mut Script) -> Result<(), WordError> {
        let is_bundle = matches!(self.source, Source::Bundle(_));
        for (index, url) in self.urls().iter().enumerate() {
            script.say(&format!("Port ${{nic}}: fetching {url}"))?;
            if is_bundle {
                script.command(&["chain", url])?.or_go_on();
            } else {
                let next = format!("source-{}", index + 1);
                let words = ["kernel", "--name", "zos", url].into_iter();
                let own = self.arguments.iter().map(String::as_str);
                let words: Vec<&str> = words.chain(own).collect();
                script.command(&words)?.or_goto(&next)?;
                script.command(&["boot"])?.or_go_on();
                script.label(&next)?;
            }
            script.say(&format!("Could not be fetched or started: {url}"))?;
            if url.starts_with("https:") {
                script.say(
                    "If the certificate was refused (Permission denied, Operation not permitted): \
                     this iPXE does not know its authority, or the clock is wrong.",
                )?;
                let least = self.made.map_or(String::new(), |made| {
                    format!("; right is more than {} s", made.0)
                });
                script.say(&format!(
                    "The clock says ${{unixtime:int32}} s since 1970{least}."
                ))?;
            }
            // What was fetched of it must not go with the next one.
            script.command(&["imgfree"])?.or_go_on();
        }
        Ok(())
    }
}

/// First line of every script.
const SHEBANG: &str = "#!ipxe\n";

/// The beginning of a script that names the medium it is on: as long for every medium.
fn medium_lines(disk: Guid) -> Result<String, WordError> {
    let mut script = Script::new();
    script.command(&["set", "medium", &disk.to_string()])?;
    Ok(script.into_string())
}

/// Where the disk GUID stands in [`medium_lines`].
pub(super) fn guid_at(head: &str, disk: Guid) -> Option<usize> {
    head.find(&disk.to_string())
}
