//! What is read from Debian's binaries.

use ipxe_rs_bindings::{
    BinaryError, Capabilities, Delivery, Evidence, Kind, dhcp, dhcp::ClientOptions,
    dhcp::ServerOptions,
};

fn of(path: &str) -> Capabilities {
    let bytes = std::fs::read(path);
    let bytes = bytes.unwrap_or_else(|e| panic!("{path}: {e} (Debian: apt-get install ipxe)"));
    Capabilities::of(&bytes).unwrap()
}

#[test]
fn words_and_version_tell_the_same() {
    let kernel = of("/boot/ipxe.lkrn");
    let efi = of("/boot/ipxe.efi");
    assert_eq!(
        (kernel.kind, kernel.evidence),
        (Kind::Lkrn, Evidence::Version)
    );
    assert_eq!((efi.kind, efi.evidence), (Kind::EfiX64, Evidence::Words));
    assert_eq!(kernel.version, efi.version);
    assert!(kernel.version.is_some());
    assert_eq!(kernel.generation, efi.generation);
    assert_eq!(kernel.https(), efi.https());
    // What the package has for both firmwares differs in nothing that is asked for here.
    let beside: Vec<_> = kernel
        .commands
        .symmetric_difference(&efi.commands)
        .collect();
    assert!(beside.is_empty(), "{beside:?}");
    assert_eq!(Delivery::on_medium(&kernel), Ok(Delivery::Initrd));
    assert_eq!(Delivery::on_medium(&efi).is_ok(), efi.autoexec);
}

#[test]
fn a_pxe_program_is_taken_for_the_oldest() {
    let pxe = of("/usr/lib/ipxe/undionly.kpxe");
    assert_eq!((pxe.kind, pxe.evidence), (Kind::Pxe, Evidence::Assumed));
    assert!(!pxe.https());
}

#[test]
fn other_files_are_refused() {
    assert!(matches!(Capabilities::of(b""), Err(BinaryError::Unknown)));
    assert!(matches!(Capabilities::of(b"MZ"), Err(BinaryError::Unknown)));
    let mut efi = vec![0; 4096];
    efi[..2].copy_from_slice(b"MZ");
    efi[0x3c] = 0x80;
    efi[0x80..0x84].copy_from_slice(b"PE\0\0");
    efi[0x84..0x86].copy_from_slice(&0xaa64_u16.to_le_bytes());
    assert!(matches!(
        Capabilities::of(&efi),
        Err(BinaryError::OtherMachine(0xaa64))
    ));
    efi[0x84..0x86].copy_from_slice(&0x8664_u16.to_le_bytes());
    assert!(matches!(Capabilities::of(&efi), Err(BinaryError::NotIpxe)));
}

#[test]
fn dhcp_options_come_back() {
    assert!(dhcp::is_ipxe_user_class(b"iPXE"));
    assert!(dhcp::is_ipxe_user_class(b"\x04iPXE"));
    assert!(dhcp::is_ipxe_user_class(b"\x01a\x04iPXE"));
    assert!(!dhcp::is_ipxe_user_class(b"\x05iPXE"));
    assert!(!dhcp::is_ipxe_user_class(b"PXE"));
    let client = ClientOptions {
        features: vec![19, 36],
        version: Some([1, 21, 1]),
        pci: Some((0x1af4, 0x1000)),
    };
    assert_eq!(ClientOptions::decode(&client.encode()), Ok(client.clone()));
    assert!(client.has("http") && client.has("efi") && !client.has("https"));
    let server = ServerOptions {
        no_pxedhcp: true,
        keep_san: false,
        priority: Some(-1),
    };
    assert_eq!(ServerOptions::decode(&server.encode()), Ok(server));
    assert!(ClientOptions::decode(&[19, 2, 1]).is_err());
    assert!(ClientOptions::decode(&[19]).is_err());
}
