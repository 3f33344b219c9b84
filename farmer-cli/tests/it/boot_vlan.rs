//! A node on a VLAN. The switch is this test: it passes the frames of one VLAN on without their tag, to
//! a second QEMU that is nothing but its user network. `FARMER_TEST_FULL=1` boots it.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use qemu_lab::{Bus, Firmware, Machine};

use crate::boot::{Lab, registered};
use crate::support::is_full;

const TAG: u16 = 10;
/// Destination and source address of a frame.
const ADDRESSES_BYTES: usize = 12;
/// IEEE 802.1Q: what stands before the tag.
const TPID: [u8; 2] = [0x81, 0];
const IPV4: [u8; 2] = [8, 0];

/// A link of QEMU: a datagram is a frame.
fn link(local: u16, remote: u16) -> String {
    format!(
        "dgram,id=wire,local.type=inet,local.host=127.0.0.1,local.port={local},\
         remote.type=inet,remote.host=127.0.0.1,remote.port={remote}"
    )
}

/// The user network of a QEMU without a machine, at the other end of a link.
struct UserNetwork(Child);

impl UserNetwork {
    fn start(wire: &str) -> Self {
        let child = Command::new("qemu-system-x86_64")
            .args(["-machine", "none", "-nodefaults", "-display", "none"])
            .args(["-netdev", "user,id=user", "-netdev", wire])
            .args(["-netdev", "hubport,id=a,hubid=1,netdev=user"])
            .args(["-netdev", "hubport,id=b,hubid=1,netdev=wire"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("QEMU starts");
        Self(child)
    }
}

impl Drop for UserNetwork {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn port_of(socket: &UdpSocket) -> u16 {
    socket.local_addr().expect("an address").port()
}

/// A port that is free now, for QEMU to take.
fn free_port() -> u16 {
    port_of(&UdpSocket::bind("127.0.0.1:0").expect("a socket"))
}

#[test]
fn a_node_registers_over_a_vlan_and_sends_nothing_beside_it() {
    if !is_full() {
        return;
    }
    let lab = Lab::with("vlan", |_| vec!["--vlan".to_owned(), TAG.to_string()]);
    let [trunk, access] =
        [(); 2].map(|()| Arc::new(UdpSocket::bind("127.0.0.1:0").expect("a socket")));
    let (guest_port, network_port) = (free_port(), free_port());
    let untagged = Arc::new(AtomicUsize::new(0));
    {
        let (trunk, access, untagged) = (trunk.clone(), access.clone(), untagged.clone());
        std::thread::spawn(move || {
            let mut frame = [0; 65536];
            while let Ok(length) = trunk.recv(&mut frame) {
                let (addresses, rest) = frame[..length].split_at(ADDRESSES_BYTES);
                if rest[..2] == TPID && u16::from_be_bytes([rest[2], rest[3]]) & 0xfff == TAG {
                    let frame = [addresses, &rest[4..]].concat();
                    let _ = access.send_to(&frame, ("127.0.0.1", network_port));
                } else if rest[..2] == IPV4 {
                    untagged.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }
    {
        let (trunk, access) = (trunk.clone(), access.clone());
        std::thread::spawn(move || {
            let mut frame = [0; 65536];
            while let Ok(length) = access.recv(&mut frame) {
                let (addresses, rest) = frame[..length].split_at(ADDRESSES_BYTES);
                let frame = [addresses, &TPID, &TAG.to_be_bytes(), rest].concat();
                let _ = trunk.send_to(&frame, ("127.0.0.1", guest_port));
            }
        });
    }
    let _network = UserNetwork::start(&link(network_port, port_of(&access)));

    let mut machine = Machine::new(Firmware::SeaBios);
    machine.medium = Some((lab.image.clone(), Bus::Usb));
    machine.extra = vec![
        "-netdev".into(),
        link(guest_port, port_of(&trunk)).into(),
        "-device".into(),
        "virtio-net-pci,netdev=wire,romfile=".into(),
    ];
    let mut guest = machine.boot("vlan").expect("QEMU starts");
    let line = guest
        .wait_for(") has 10.0.2.", crate::boot::BOOT_PATIENCE)
        .expect("an address");
    assert!(line.contains(&format!("eth0.{TAG} ")), "{line}");
    let node = lab.node(&registered(&mut guest));
    assert_eq!(node["farm_id"].as_u64(), Some(lab.farm_id), "{node:#}");
    assert_eq!(untagged.load(Ordering::SeqCst), 0, "frames without a tag");
}
