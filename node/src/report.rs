//! Staying registered: uptime every ten minutes, changes as they come, patience with outages.

use std::time::Duration;

use directory::client::{Backoff, Client, Error};
use directory::wire::{Iface, NodeState};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::net::NetState;
use crate::net::state::Network;
use crate::register::{Registrar, Trouble, interfaces};
use crate::stages::Stage;

/// Zero-OS of 2020 reports this often, and its directories expect it.
const UPTIME_EVERY: Duration = Duration::from_secs(600);
/// Half of it may be added or taken away: ten thousand nodes must not report in the same second.
const UPTIME_JITTER: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// Where a person has to act first, asking every second helps nobody.
const FIRST_PAUSE_FOR_PEOPLE: Duration = Duration::from_secs(8);

/// What has to be told to the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Due {
    interfaces: bool,
    capacity: bool,
    uptime: bool,
}

impl Registrar {
    /// Registers and reports for ever.
    pub async fn run(mut self) -> Error {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return error,
        };
        let mut pauses = Pauses::new();
        loop {
            self.wait_for_network().await;
            let trouble = match unless_cut_off(self.net.clone(), self.register(&client)).await {
                Ok(state) => {
                    pauses.reset();
                    // Comes back only when the node has to register again.
                    self.report(&client, state).await
                }
                Err(trouble) => trouble,
            };
            self.pause(Stage::Register, &trouble, &mut pauses).await;
        }
    }

    async fn wait_for_network(&mut self) {
        if self.net.borrow().is_online() {
            return;
        }
        self.console.say(Stage::Register, "waiting for the network");
        let _ = self.net.wait_for(|net| net.is_online()).await;
    }

    /// Reports until the directory does not know this node any more.
    async fn report(&mut self, client: &Client, mut state: NodeState) -> Trouble {
        let mut due = Due {
            uptime: true,
            ..Due::default()
        };
        let mut pauses = Pauses::new();
        let mut told = interfaces(&self.net.borrow());
        loop {
            let net = self.net.clone();
            let telling = self.tell(client, &mut due, &mut state);
            match unless_cut_off(net, telling).await {
                Ok(()) if pauses.is_pausing() => {
                    pauses.reset();
                    self.console.say(Stage::Report, "directory answers again");
                }
                Ok(()) => {}
                Err(trouble) if means_unregistered(&trouble) => return trouble,
                Err(trouble) => {
                    self.pause(Stage::Report, &trouble, &mut pauses).await;
                    continue;
                }
            }
            let next = Instant::now() + jittered();
            due = self.wait_for_news(next, &mut told).await;
        }
    }

    async fn tell(
        &mut self,
        client: &Client,
        due: &mut Due,
        state: &mut NodeState,
    ) -> Result<(), Trouble> {
        if due.interfaces {
            self.post_interfaces(client).await?;
            due.interfaces = false;
        }
        if due.capacity {
            self.post_capacity(client).await?;
            due.capacity = false;
        }
        if due.uptime {
            self.post_uptime(client).await?;
            due.uptime = false;
            let now = self.state(client).await?;
            if now != *state {
                *state = now;
                let text = format!("the farmer decided: this node is {now}");
                self.console.say(Stage::Report, text);
            }
        }
        Ok(())
    }

    /// Waits for what comes first: the time of the next report, another address, another disk.
    async fn wait_for_news(&mut self, next: Instant, told: &mut Vec<Iface>) -> Due {
        let mut due = Due::default();
        loop {
            tokio::select! {
                () = sleep_until(next) => due.uptime = true,
                Ok(()) = self.measured.changed() => due.capacity = true,
                Ok(()) = self.net.changed() => {
                    let now = interfaces(&self.net.borrow());
                    // A pulled cable cannot be reported, and words about it are not addresses.
                    if now == *told || !self.net.borrow().is_online() {
                        continue;
                    }
                    *told = now;
                    due.interfaces = true;
                }
            }
            return due;
        }
    }

    /// Says what is wrong and waits; a network that comes back ends the wait.
    async fn pause(&mut self, stage: Stage, trouble: &Trouble, pauses: &mut Pauses) {
        let pause = pauses.next(trouble);
        let words = trouble.words(self.config.directory.url.as_str());
        let seconds = pause.as_secs_f64().ceil();
        self.console
            .warn(stage, format_args!("{words}; trying again in {seconds} s"));
        let deadline = Instant::now() + pause;
        let before = interfaces(&self.net.borrow_and_update());
        while let Ok(Ok(())) = timeout(deadline - Instant::now(), self.net.changed()).await {
            let net = self.net.borrow_and_update();
            if net.is_online() && interfaces(&net) != before {
                return;
            }
        }
    }
}

/// Gives up a request when an address is lost that it may be coming from: nobody would answer to
/// it, and the time limit of a request is long.
async fn unless_cut_off<T>(
    mut net: watch::Receiver<NetState>,
    request: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let before = addresses(&net.borrow_and_update());
    let lost = net.wait_for(|now| {
        let now = addresses(now);
        before.iter().any(|address| !now.contains(address))
    });
    tokio::select! {
        result = request => result,
        Ok(_) = lost => Err(Trouble::NetworkChanged),
    }
}

fn addresses(net: &NetState) -> Vec<Network> {
    let ports = net.ports.iter().filter(|port| port.carrier);
    ports.flat_map(|port| port.addresses.clone()).collect()
}

/// The node has to register again: it was deleted, or the directory lost its data. A blocked node
/// asks again too, slowly, in case the farmer changes their mind.
fn means_unregistered(trouble: &Trouble) -> bool {
    matches!(
        trouble,
        Trouble::Directory(Error::NodeNotFound { .. } | Error::Status { status: 403, .. })
    )
}

fn jittered() -> Duration {
    let share = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    UPTIME_EVERY - UPTIME_JITTER / 2 + UPTIME_JITTER.mul_f64(share)
}

/// Two back-offs: one for outages, one for what only a person can repair.
struct Pauses {
    outage: Backoff,
    person: Backoff,
    is_pausing: bool,
}

impl Pauses {
    fn new() -> Self {
        Self {
            outage: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, 0.5),
            person: Backoff::new(FIRST_PAUSE_FOR_PEOPLE, LONGEST_PAUSE, 0.5),
            is_pausing: false,
        }
    }

    fn next(&mut self, trouble: &Trouble) -> Duration {
        self.is_pausing = true;
        if trouble.needs_a_person() {
            self.person.next_delay()
        } else {
            self.outage.next_delay()
        }
    }

    const fn is_pausing(&self) -> bool {
        self.is_pausing
    }

    fn reset(&mut self) {
        self.outage.reset();
        self.person.reset();
        self.is_pausing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::state::PortState;

    #[test]
    fn reports_are_ten_minutes_apart_and_not_all_at_once() {
        let waits: Vec<u64> = (0..200).map(|_| jittered().as_secs()).collect();
        assert!(waits.iter().all(|wait| (540..=660).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 580) && waits.iter().any(|wait| *wait > 620));
    }

    #[test]
    fn pauses_grow_to_two_minutes_and_begin_again() {
        let outage = Trouble::Directory(Error::Timeout {
            server: String::new(),
            request: String::new(),
        });
        let mut pauses = Pauses::new();
        assert!(pauses.next(&outage) <= FIRST_PAUSE);
        for _ in 0..20 {
            assert!(pauses.next(&outage) <= LONGEST_PAUSE);
        }
        assert!(pauses.next(&outage) >= LONGEST_PAUSE / 2);
        pauses.reset();
        assert!(pauses.next(&outage) <= FIRST_PAUSE);
    }

    #[tokio::test]
    async fn a_request_from_a_lost_address_is_given_up() {
        let with = |addresses: &[u8]| NetState {
            ports: vec![PortState {
                carrier: true,
                addresses: addresses
                    .iter()
                    .map(|a| ([10, 0, 0, *a].into(), 24))
                    .collect(),
                ..PortState::default()
            }],
            ..NetState::default()
        };
        let (sender, net) = watch::channel(with(&[1]));
        let request = std::future::pending::<Result<(), Trouble>>();
        let given_up = tokio::spawn(unless_cut_off(net.clone(), request));
        tokio::task::yield_now().await;
        sender.send_replace(with(&[1, 2]));
        tokio::task::yield_now().await;
        assert!(!given_up.is_finished(), "another address does no harm");
        sender.send_replace(with(&[2]));
        let result = given_up.await.unwrap();
        assert!(matches!(result, Err(Trouble::NetworkChanged)));
        let answered = unless_cut_off(net, async { Ok(7) }).await;
        assert!(matches!(answered, Ok(7)));
    }

    #[test]
    fn a_node_nobody_knows_registers_again() {
        let gone = Trouble::Directory(Error::NodeNotFound {
            server: String::new(),
            node_id: String::new(),
        });
        assert!(means_unregistered(&gone));
        let outage = Trouble::Directory(Error::Timeout {
            server: String::new(),
            request: String::new(),
        });
        assert!(!means_unregistered(&outage));
    }
}
