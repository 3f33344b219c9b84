//! Nodes for tests; also part of the integration tests.

#![allow(missing_docs)]

use directory::identity::Seed;
use directory::wire::{Location, Node, NodeState, ResourceAmount};

/// Number `n` of a farm, up and approved, without hardware details.
pub fn node(n: u8) -> Node {
    let node_id = Seed::from([n; 32]).node_id();
    let mut node: Node =
        serde_json::from_value(serde_json::json!({ "node_id": node_id.to_string() })).unwrap();
    node.id = n.into();
    node.farm_id = 1;
    node.hostname = format!("node-{n}").into();
    node.os_version = "farm-node/0.1.0".into();
    node.location = Location {
        country: "BE".into(),
        city: "Ghent".into(),
        ..Location::default()
    };
    node.total_resources = ResourceAmount {
        cru: 8,
        mru: 31.5,
        sru: 931.5,
        hru: 0.0,
    };
    node.uptime = 3_600;
    node.state = Some(NodeState::Approved);
    node
}

/// An inventory as nodes post it.
pub fn hardware(is_virtual: bool) -> serde_json::Value {
    serde_json::json!({
        "schema_version": 1,
        "cpu": { "logical": 8, "cores": 4, "sockets": 1, "model": "Example CPU 3.0 GHz" },
        "memory": { "usable_bytes": 33_575_518_208_u64, "installed_bytes": 34_359_738_368_u64 },
        "disks": [
            { "name": "nvme0n1", "model": "Fast \u{1b}[31mDisk", "kind": "ssd",
              "kind_source": "nvme", "size_bytes": 1_000_204_886_016_u64, "counted": true },
            { "name": "sda", "model": "Big Disk", "kind": "hdd", "rotation_rpm": 7200,
              "kind_source": "ata-identify", "size_bytes": 8_001_563_222_016_u64, "counted": true },
            { "name": "sdb", "kind": "unknown", "size_bytes": 31_000_000_000_u64,
              "counted": false, "reason": "usb" }
        ],
        "virtualisation": { "is_virtual": is_virtual, "kind": if is_virtual { "kvm" } else { "none" } },
        "system": { "vendor": "Example", "product": "Server 1" },
        "warnings": [{ "section": "disks", "message": "sdb: kind not known" }]
    })
}
