//! NUMA nodes: which threads and how much memory are close to each other.

use super::{list, number};
use crate::collect::memory::mem_total;
use crate::inventory::{NumaNode, Warning};
use crate::root::Root;

const NODE_DIR: &str = "/sys/devices/system/node";
/// As many as kernels are built for.
const NODES_MAX: usize = 1024;

/// The nodes by number; `None` where the kernel has none.
pub(super) fn collect(root: &Root, warnings: &mut Vec<Warning>) -> Option<Vec<NumaNode>> {
    let mut ids: Vec<u32> = root
        .names(NODE_DIR)
        .iter()
        .filter_map(|name| number(name, "node"))
        .collect();
    ids.sort_unstable();
    ids.truncate(NODES_MAX);
    let mut nodes: Vec<NumaNode> = ids.into_iter().map(|id| node(root, id)).collect();
    let count = nodes.len();
    let told = |node: &&mut NumaNode| !node.distances.is_empty() && node.distances.len() != count;
    for node in nodes.iter_mut().filter(told) {
        let text = format!(
            "NUMA node {} has {} distances, but there are {count} nodes: distances unknown",
            node.id,
            node.distances.len()
        );
        warnings.push(Warning::new("cpu", text));
        node.distances.clear();
    }
    (!nodes.is_empty()).then_some(nodes)
}

fn node(root: &Root, id: u32) -> NumaNode {
    let dir = format!("{NODE_DIR}/node{id}");
    let cpus = if let Some(text) = root.text(format!("{dir}/cpulist")) {
        list::parse(&text)
    } else if let Some(text) = root.text(format!("{dir}/cpumap")) {
        list::parse_mask(&text)
    } else {
        // Links to the processors.
        let names = root.names(&dir);
        names
            .iter()
            .filter_map(|name| number(name, "cpu"))
            .collect()
    };
    let distances = root
        .text(format!("{dir}/distance"))
        .and_then(|text| {
            text.split_ascii_whitespace()
                .map(|word| word.parse().ok())
                .collect()
        })
        .unwrap_or_default();
    NumaNode {
        id,
        cpus: list::format(cpus),
        memory_bytes: mem_total(root, &format!("{dir}/meminfo"), "MemTotal:"),
        distances,
    }
}
