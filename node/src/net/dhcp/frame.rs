//! Ethernet, IPv4 and UDP around a DHCP message, for a client without an address.

const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const UDP_LEN: usize = 8;
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// A broadcast frame from 0.0.0.0 port 68 to 255.255.255.255 port 67.
pub fn broadcast(mac: [u8; 6], payload: &[u8]) -> Vec<u8> {
    let udp_len = u16::try_from(UDP_LEN + payload.len()).unwrap_or(u16::MAX);
    let ip_len = udp_len.saturating_add(20);
    let mut frame = Vec::with_capacity(ETHERNET_LEN + IPV4_LEN + UDP_LEN + payload.len());
    frame.extend_from_slice(&[0xff; 6]);
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&[8, 0]);

    let mut ip = [0; IPV4_LEN];
    ip[0] = 0x45;
    ip[1] = 0x10; // low delay, as DHCP clients mark it
    ip[2..4].copy_from_slice(&ip_len.to_be_bytes());
    ip[8] = 64;
    ip[9] = 17;
    ip[16..20].copy_from_slice(&[0xff; 4]);
    let checksum = !sum(0, &ip);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    frame.extend_from_slice(&ip);

    let mut udp = [0; UDP_LEN];
    udp[..2].copy_from_slice(&CLIENT_PORT.to_be_bytes());
    udp[2..4].copy_from_slice(&SERVER_PORT.to_be_bytes());
    udp[4..6].copy_from_slice(&udp_len.to_be_bytes());
    let pseudo_header = sum(17, &ip[12..20]);
    let start = sum(pseudo_header, &udp_len.to_be_bytes());
    let checksum = match !sum(sum(start, &udp), payload) {
        // Zero would mean that there is no checksum.
        0 => 0xffff,
        checksum => checksum,
    };
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    frame.extend_from_slice(&udp);
    frame.extend_from_slice(payload);
    frame
}

/// The content of a UDP datagram to port 68; `None` for all other frames.
///
/// The UDP checksum is not looked at: a hypervisor on the same host leaves it unfinished.
pub fn payload(frame: &[u8]) -> Option<&[u8]> {
    let ip = frame.get(ETHERNET_LEN..)?;
    if frame[12..14] != [8, 0] || ip.first()? >> 4 != 4 {
        return None;
    }
    let header_len = usize::from(ip[0] & 15) * 4;
    let header = ip.get(..header_len).filter(|h| h.len() >= IPV4_LEN)?;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    if header[9] != 17 || is_fragment {
        return None;
    }
    // Short frames are padded: the length in the header counts, not the frame's.
    let udp = ip.get(header_len..total_len)?;
    let header = udp.get(..UDP_LEN)?;
    let udp_len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[2..4] != CLIENT_PORT.to_be_bytes() {
        return None;
    }
    udp.get(UDP_LEN..udp_len)
}

/// Ones' complement sum of RFC 1071, going on from `start`. Pieces must have even lengths but for
/// the last.
fn sum(start: u16, bytes: &[u8]) -> u16 {
    let mut total = u32::from(start);
    let (pairs, rest) = bytes.as_chunks::<2>();
    for pair in pairs {
        total += u32::from(u16::from_be_bytes(*pair));
        total = (total & 0xffff) + (total >> 16);
    }
    if let [last] = rest {
        total += u32::from(*last) << 8;
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    /// The same frame with the ports swapped: what a server would send.
    fn answer(payload: &[u8]) -> Vec<u8> {
        let mut frame = broadcast(MAC, payload);
        frame[34..38].copy_from_slice(&[0, 67, 0, 68]);
        frame
    }

    #[test]
    fn checksums_are_right() {
        let frame = broadcast(MAC, b"odd");
        assert_eq!(sum(0, &frame[14..34]), 0xffff);
        let udp = &frame[34..];
        let pseudo = sum(17 + u16::try_from(udp.len()).unwrap(), &frame[26..34]);
        assert_eq!(sum(pseudo, udp), 0xffff);
    }

    #[test]
    fn answers_are_read_and_padding_is_not() {
        let mut frame = answer(b"hello");
        frame.extend_from_slice(&[0; 20]);
        assert_eq!(payload(&frame), Some(&b"hello"[..]));
        assert_eq!(payload(&broadcast(MAC, b"hello")), None, "to the server");
    }

    #[test]
    fn fragments_and_wrong_lengths_are_not_answers() {
        let good = answer(b"hello");
        for (at, value) in [
            (20, 0x20),
            (21, 1),
            (23, 6),
            (14, 0x55),
            (14, 0x44),
            (14, 0x4f),
            (39, 255),
            (39, 3),
        ] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(payload(&bad), None, "byte {at} = {value}");
        }
        for length in 0..good.len() {
            assert_eq!(payload(&good[..length]), None, "cut to {length}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            payload(&bytes);
        }

        #[test]
        fn damaged_answers_never_panic(at in 0_usize..50, value in any::<u8>()) {
            let mut frame = answer(b"12345678");
            frame[at] = value;
            payload(&frame);
        }
    }
}
