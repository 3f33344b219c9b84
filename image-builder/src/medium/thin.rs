//! The script of thin media: iPXE with a few lines that fetch the system over the network.
//!
//! It walks over the network ports, asks each for an address (or gives it the fixed one), and fetches
//! from the first source that answers; three rounds, then it says what was wrong and starts anew. A
//! person can go to the local disk instead. The script is checked for the binary that will run it.

use std::net::Ipv4Addr;

use ipxe_rs_bindings::{Capabilities, Kind, Script, Severity, WordError, lint};

use crate::error::PlanError;

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
    /// Addresses of directories with a `pxe` bundle, in the order they are tried.
    Bundle(Vec<String>),
    /// Addresses of a Zero-OS kernel, and the arguments it is started with.
    ZeroOs {
        /// The addresses, in the order they are tried.
        kernels: Vec<String>,
        /// The arguments.
        arguments: String,
    },
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
}

impl ThinBoot {
    /// The script, for this binary.
    ///
    /// # Errors
    /// [`PlanError::Script`] with the reason if the binary would refuse it, [`PlanError::ScriptWord`]
    /// and [`PlanError::Text`] for words that cannot be in a script.
    pub fn script(&self, capabilities: &Capabilities) -> Result<String, PlanError> {
        self.check()?;
        let mut script = Script::new();
        self.write(&mut script, capabilities)?;
        let finding = lint(script.as_str(), capabilities)
            .into_iter()
            .find(|finding| finding.severity == Severity::Error);
        match finding {
            Some(finding) => Err(PlanError::Script { finding }),
            None => Ok(script.into_string()),
        }
    }

    /// Text from outside must not be what iPXE puts its own settings into.
    fn check(&self) -> Result<(), PlanError> {
        let (addresses, arguments) = match &self.source {
            Source::Bundle(addresses) => (addresses, ""),
            Source::ZeroOs { kernels, arguments } => (kernels, arguments.as_str()),
        };
        let refuse = |what, value: &str| {
            Err(PlanError::Text {
                what,
                value: value.to_owned(),
            })
        };
        if addresses.is_empty() {
            return refuse("list of addresses", "");
        }
        for address in addresses {
            if !address.contains("://") || address.contains("${") {
                return refuse("address", address);
            }
        }
        if arguments.contains("${") {
            return refuse("kernel argument", arguments);
        }
        if self.title.contains("${") {
            return refuse("title", &self.title);
        }
        Ok(())
    }

    fn write(&self, script: &mut Script, capabilities: &Capabilities) -> Result<(), WordError> {
        script.comment(&self.title)?;
        script.say(&self.title)?;
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
        self.address(script)?;
        self.fetch(script)?;
        script.command(&["goto", "next"])?;
        script.label("no-address")?;
        script.say(
            "Port ${nic} (${net${nic}/mac}): no address. Is the cable in, and does DHCP answer?",
        )?;
        script.label("next")?;
        script.command(&["ifclose", "net${nic}"])?.or_go_on();
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
        if capabilities.kind == Kind::EfiX64 {
            // The firmware goes on with its next entry only after an error.
            script.command(&["exit", "1"])?;
        } else {
            script.command(&["sanboot", "--no-describe", "--drive", "0x80"])?;
            script.or(&["exit", "1"])?;
        }
        Ok(())
    }

    fn address(&self, script: &mut Script) -> Result<(), WordError> {
        let Some(fixed) = &self.fixed else {
            script.command(&["ifconf", "--configurator", "dhcp", "net${nic}"])?;
            script.or_goto("no-address")?;
            return Ok(());
        };
        script
            .command(&["ifopen", "net${nic}"])?
            .or_goto("no-address")?;
        let mut set = |name: &str, value: Ipv4Addr| -> Result<(), WordError> {
            let name = format!("net${{nic}}/{name}");
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
        match &self.source {
            Source::Bundle(addresses) => {
                for address in addresses {
                    let url = format!("{}/boot.ipxe", address.trim_end_matches('/'));
                    script.say(&format!("Port ${{nic}}: fetching {url}"))?;
                    script.command(&["chain", &url])?.or_go_on();
                    script.say(&format!("Could not be fetched: {url}"))?;
                }
            }
            Source::ZeroOs { kernels, arguments } => {
                for (index, url) in kernels.iter().enumerate() {
                    let next = format!("source-{}", index + 1);
                    script.say(&format!("Port ${{nic}}: fetching {url}"))?;
                    let words = ["kernel", "--name", "zos", url.as_str()].into_iter();
                    let words: Vec<&str> = words.chain(arguments.split_whitespace()).collect();
                    script.command(&words)?.or_goto(&next)?;
                    script.command(&["boot"])?.or_go_on();
                    script.label(&next)?;
                    script.say(&format!("Could not be fetched or started: {url}"))?;
                    script.command(&["imgfree"])?.or_go_on();
                }
            }
        }
        Ok(())
    }
}
