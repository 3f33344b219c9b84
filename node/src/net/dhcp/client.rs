//! The life of a lease: ask, take, hold, renew, lose.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::lease::Lease;
use super::message::{ClientMessage, Kind, ServerMessage};
use super::wire::{Broadcast, Unicast, Wire};

/// First wait for an offer. RFC 2131 says 4 s; most networks answer in milliseconds, and a switch
/// that just saw the link come up loses the first question.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(32);
/// How often an offer is asked for again before looking for another.
const REQUESTS: u32 = 4;
/// RFC 2131 section 4.4.5: renewals are not repeated faster than this.
const SHORTEST_RENEWAL_WAIT: Duration = Duration::from_secs(60);
/// After a refusal, so that a broken server is not asked in a loop.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// The port the client works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Kernel index.
    pub index: u32,
    /// Kernel name.
    pub name: String,
    /// Hardware address.
    pub mac: [u8; 6],
}

/// What the client tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// This many questions are without an answer.
    Waiting(u32),
    /// The port cannot be used for DHCP; tried again.
    Trouble(String),
    /// An address was granted or prolonged.
    Bound(Lease),
    /// The address is gone.
    Lost,
}

/// Why a lease ended before its time.
enum End {
    Refused,
    Expired,
    Trouble(io::Error),
}

/// Runs for ever: gets an address whenever there is a link, keeps it while the link is there.
pub async fn run(
    port: Port,
    host_name: String,
    mut link: watch::Receiver<bool>,
    events: mpsc::Sender<(String, Event)>,
) {
    let client = Client {
        port,
        host_name,
        events,
    };
    loop {
        if link.wait_for(|up| *up).await.is_err() {
            return;
        }
        let mut down = link.clone();
        tokio::select! {
            () = client.live() => {}
            gone = async { down.wait_for(|up| !*up).await.is_err() } => {
                // A port without a cable must not hold the default route.
                client.tell(Event::Lost).await;
                if gone {
                    return;
                }
            }
        }
    }
}

struct Client {
    port: Port,
    host_name: String,
    events: mpsc::Sender<(String, Event)>,
}

impl Client {
    async fn tell(&self, event: Event) {
        let _ = self.events.send((self.port.name.clone(), event)).await;
    }

    async fn live(&self) {
        loop {
            let acquired = match Broadcast::open(self.port.index, self.port.mac) {
                Ok(mut wire) => self.acquire(&mut wire).await,
                Err(error) => Err(error),
            };
            let end = match acquired {
                Ok((lease, since)) => {
                    self.tell(Event::Bound(lease.clone())).await;
                    let end = self.hold(lease, since).await;
                    self.tell(Event::Lost).await;
                    end
                }
                Err(error) => End::Trouble(error),
            };
            match end {
                End::Expired => {}
                End::Refused => sleep(AFTER_REFUSAL).await,
                End::Trouble(error) => {
                    self.tell(Event::Trouble(error.to_string())).await;
                    sleep(AFTER_REFUSAL).await;
                }
            }
        }
    }

    /// Asks until an address is granted. Gives the moment of the request that was granted too.
    async fn acquire(&self, wire: &mut impl Wire) -> io::Result<(Lease, Instant)> {
        let begin = Instant::now();
        let mut wait = FIRST_WAIT;
        let mut unanswered = 0;
        loop {
            let transaction = random()?;
            let mut message = self.message(Kind::Discover, transaction, begin);
            // Some networks lose answers to a machine that has no address yet.
            message.broadcast = unanswered % 3 == 2;
            send(wire, &message).await?;
            let until = Instant::now() + jittered(wait)?;
            if let Some(offer) = self.answer(wire, transaction, Kind::Offer, until).await? {
                if let Some(granted) = self.request(wire, &offer, begin).await? {
                    return Ok(granted);
                }
                // The offer did not hold: not at once again.
                sleep(FIRST_WAIT).await;
            }
            unanswered += 1;
            self.tell(Event::Waiting(unanswered)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Takes an offer; `None` if the server refuses or falls silent.
    async fn request(
        &self,
        wire: &mut impl Wire,
        offer: &ServerMessage,
        begin: Instant,
    ) -> io::Result<Option<(Lease, Instant)>> {
        let mut wait = FIRST_WAIT;
        for _ in 0..REQUESTS {
            let mut message = self.message(Kind::Request, offer.transaction, begin);
            message.requested = Some(offer.address);
            message.server = offer.server;
            let asked = Instant::now();
            send(wire, &message).await?;
            let until = asked + jittered(wait)?;
            match self
                .answer(wire, offer.transaction, Kind::Ack, until)
                .await?
            {
                Some(answer) if answer.kind == Kind::Ack => {
                    return Ok(Lease::of(&answer).map(|lease| (lease, asked)));
                }
                Some(_) => return Ok(None),
                None => wait *= 2,
            }
        }
        Ok(None)
    }

    /// Keeps a lease alive until it ends.
    async fn hold(&self, mut lease: Lease, mut since: Instant) -> End {
        loop {
            let Some(times) = lease.times else {
                return std::future::pending().await;
            };
            sleep_until(since + times.renew).await;
            let renewed = match self.renew(&lease, lease.server, since + times.rebind).await {
                Ok(None) => {
                    self.renew(&lease, Ipv4Addr::BROADCAST, since + times.expire)
                        .await
                }
                other => other,
            };
            match renewed {
                Ok(Some((message, asked))) if message.kind == Kind::Ack => {
                    let Some(new) = Lease::of(&message) else {
                        return End::Refused;
                    };
                    if new.address != lease.address {
                        return End::Refused;
                    }
                    (lease, since) = (new, asked);
                    self.tell(Event::Bound(lease.clone())).await;
                }
                Ok(Some(_)) => return End::Refused,
                Ok(None) => return End::Expired,
                Err(error) => return End::Trouble(error),
            }
        }
    }

    /// Asks one server, or all, to prolong a lease, until `deadline`.
    async fn renew(
        &self,
        lease: &Lease,
        server: Ipv4Addr,
        deadline: Instant,
    ) -> io::Result<Option<(ServerMessage, Instant)>> {
        let mut wire = Unicast::open(&self.port.name, server)?;
        self.renew_over(&mut wire, lease, deadline).await
    }

    async fn renew_over(
        &self,
        wire: &mut impl Wire,
        lease: &Lease,
        deadline: Instant,
    ) -> io::Result<Option<(ServerMessage, Instant)>> {
        let begin = Instant::now();
        loop {
            let asked = Instant::now();
            if asked >= deadline {
                return Ok(None);
            }
            let transaction = random()?;
            let mut message = self.message(Kind::Request, transaction, begin);
            message.client = lease.address;
            // A network that is unreachable for a moment is no reason to give the lease up.
            let _ = wire.send(&message.encode()).await;
            // Half of what is left, as the RFC says.
            let wait = ((deadline - asked) / 2).max(SHORTEST_RENEWAL_WAIT);
            let until = (asked + wait).min(deadline);
            if let Some(mut answer) = self.answer(wire, transaction, Kind::Ack, until).await? {
                // A renewal's answer may leave out who speaks.
                answer.server = answer.server.or(Some(lease.server));
                return Ok(Some((answer, asked)));
            }
        }
    }

    /// Waits for an answer of the wanted kind, or a refusal where an acknowledgement is wanted.
    async fn answer(
        &self,
        wire: &mut impl Wire,
        transaction: u32,
        wanted: Kind,
        until: Instant,
    ) -> io::Result<Option<ServerMessage>> {
        loop {
            let Ok(received) = timeout_at(until, wire.receive()).await else {
                return Ok(None);
            };
            let message = received?;
            let is_ours = message.transaction == transaction && message.mac == self.port.mac;
            let is_wanted = match wanted {
                Kind::Offer => message.kind == Kind::Offer && message.server.is_some(),
                _ => matches!(message.kind, Kind::Ack | Kind::Nak),
            };
            if is_ours && is_wanted {
                return Ok(Some(message));
            }
        }
    }

    fn message(&self, kind: Kind, transaction: u32, begin: Instant) -> ClientMessage<'_> {
        ClientMessage {
            kind,
            transaction,
            seconds: u16::try_from(begin.elapsed().as_secs()).unwrap_or(u16::MAX),
            broadcast: false,
            mac: self.port.mac,
            client: Ipv4Addr::UNSPECIFIED,
            requested: None,
            server: None,
            host_name: &self.host_name,
        }
    }
}

async fn send(wire: &mut impl Wire, message: &ClientMessage<'_>) -> io::Result<()> {
    wire.send(&message.encode()).await
}

fn random() -> io::Result<u32> {
    getrandom::u32().map_err(io::Error::other)
}

/// Between three and five quarters of a wait: a hall of machines that got power together must not
/// ask together.
fn jittered(wait: Duration) -> io::Result<Duration> {
    let half = wait / 2;
    Ok(wait - half / 2 + half.mul_f64(f64::from(random()?) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::{MAC, answer};
    use super::*;
    use std::collections::VecDeque;

    /// A server made of a function from questions to answers.
    struct Fake<F> {
        server: F,
        waiting: VecDeque<Vec<u8>>,
        asked: Vec<Vec<u8>>,
    }

    impl<F: FnMut(&[u8]) -> Vec<Vec<u8>> + Send> Wire for Fake<F> {
        async fn send(&mut self, message: &[u8]) -> io::Result<()> {
            self.asked.push(message.to_vec());
            self.waiting.extend((self.server)(message));
            Ok(())
        }

        async fn receive(&mut self) -> io::Result<ServerMessage> {
            while let Some(bytes) = self.waiting.pop_front() {
                if let Ok(message) = ServerMessage::decode(&bytes) {
                    return Ok(message);
                }
            }
            std::future::pending().await
        }
    }

    fn fake<F: FnMut(&[u8]) -> Vec<Vec<u8>> + Send>(server: F) -> Fake<F> {
        Fake {
            server,
            waiting: VecDeque::new(),
            asked: Vec::new(),
        }
    }

    fn client() -> (Client, mpsc::Receiver<(String, Event)>) {
        let (events, told) = mpsc::channel(100);
        let port = Port {
            index: 2,
            name: "eth0".to_owned(),
            mac: MAC,
        };
        let host_name = "node-123456".to_owned();
        (
            Client {
                port,
                host_name,
                events,
            },
            told,
        )
    }

    fn transaction(message: &[u8]) -> u32 {
        u32::from_be_bytes(message[4..8].try_into().unwrap())
    }

    fn is_discover(message: &[u8]) -> bool {
        message[240..243] == [53, 1, 1]
    }

    const SERVER: [u8; 4] = [10, 0, 0, 1];
    const OURS: [u8; 4] = [10, 0, 0, 9];

    fn reply(message: &[u8], kind: u8) -> Vec<u8> {
        let options: &[(u8, &[u8])] = &[(53, &[kind]), (54, &SERVER), (51, &[0, 0, 0x0e, 0x10])];
        answer(transaction(message), OURS, options)
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_server_gives_a_lease() {
        let mut wire = fake(|m| vec![reply(m, if is_discover(m) { 2 } else { 5 })]);
        let (client, _told) = client();
        let (lease, _) = client.acquire(&mut wire).await.unwrap();
        assert_eq!(lease.address, Ipv4Addr::from(OURS));
        assert_eq!(lease.server, Ipv4Addr::from(SERVER));
        assert_eq!(wire.asked.len(), 2);
        let request = &wire.asked[1];
        assert!(request.windows(6).any(|w| w == [50, 4, 10, 0, 0, 9]));
        assert!(request.windows(6).any(|w| w == [54, 4, 10, 0, 0, 1]));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_and_asked_into_ever_more_slowly() {
        let mut questions = 0;
        let mut wire = fake(move |m| {
            questions += 1;
            match questions {
                0..=6 => vec![],
                _ => vec![reply(m, if is_discover(m) { 2 } else { 5 })],
            }
        });
        let (client, mut told) = client();
        let begin = Instant::now();
        client.acquire(&mut wire).await.unwrap();
        for number in 1..=6 {
            assert_eq!(told.try_recv().unwrap().1, Event::Waiting(number));
        }
        // 1 + 2 + 4 + 8 + 16 + 32 seconds, a quarter more or less.
        let seconds = begin.elapsed().as_secs_f64();
        assert!((47.0..79.0).contains(&seconds), "{seconds}");
        let broadcasts: Vec<bool> = wire.asked[..6].iter().map(|m| m[10] != 0).collect();
        assert_eq!(broadcasts, [false, false, true, false, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_to_others_are_not_taken() {
        let mut first = true;
        let mut wire = fake(move |m| {
            let mut strange = reply(m, 2);
            strange[4] ^= 1;
            let mut other_mac = reply(m, 2);
            other_mac[28] ^= 1;
            let no_server = answer(transaction(m), OURS, &[(53, &[2])]);
            let mut answers = vec![strange, other_mac, no_server, vec![0; 10]];
            if !std::mem::take(&mut first) {
                answers.push(reply(m, if is_discover(m) { 2 } else { 5 }));
            }
            answers
        });
        let (client, mut told) = client();
        client.acquire(&mut wire).await.unwrap();
        assert_eq!(told.try_recv().unwrap().1, Event::Waiting(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_over() {
        let mut refusals = 2;
        let mut wire = fake(move |m| {
            if is_discover(m) {
                return vec![reply(m, 2)];
            }
            let kind = if refusals > 0 { 6 } else { 5 };
            refusals -= i32::from(refusals > 0);
            vec![reply(m, kind)]
        });
        let (client, _told) = client();
        client.acquire(&mut wire).await.unwrap();
        let discovers = wire.asked.iter().filter(|m| is_discover(m)).count();
        assert_eq!(discovers, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_is_asked_for_until_the_deadline() {
        let (client, _told) = client();
        let mut good = fake(|m| vec![reply(m, if is_discover(m) { 2 } else { 5 })]);
        let (lease, since) = client.acquire(&mut good).await.unwrap();

        let mut silent = fake(|_| vec![]);
        let deadline = since + Duration::from_secs(1000);
        let renewed = client.renew_over(&mut silent, &lease, deadline).await;
        assert!(renewed.unwrap().is_none());
        assert_eq!(Instant::now(), deadline);
        assert!(
            (4..20).contains(&silent.asked.len()),
            "{}",
            silent.asked.len()
        );
        // The client speaks from its address and names no server (RFC 2131 section 4.3.2).
        let message = &silent.asked[0];
        assert_eq!(message[12..16], OURS);
        assert!(
            !message[240..]
                .windows(2)
                .any(|w| w == [54, 4] || w == [50, 4])
        );

        let mut brief = fake(|m| vec![answer(transaction(m), OURS, &[(53, &[5])])]);
        let deadline = Instant::now() + Duration::from_secs(100);
        let renewed = client.renew_over(&mut brief, &lease, deadline).await;
        let (message, _) = renewed.unwrap().unwrap();
        assert_eq!(Lease::of(&message).unwrap().server, lease.server);
    }
}
