//! `/etc/resolv.conf`, read again by the resolver whenever it changes.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

/// Resolvers use no more than this many (resolv.conf(5)).
const MOST_SERVERS: usize = 3;

/// The file's text.
pub fn text(servers: &[IpAddr], domain: Option<&str>) -> String {
    let mut out = String::new();
    if let Some(domain) = domain {
        let _ = writeln!(out, "search {domain}");
    }
    let mut seen = Vec::new();
    for server in servers {
        if seen.len() < MOST_SERVERS && !seen.contains(server) {
            let _ = writeln!(out, "nameserver {server}");
            seen.push(*server);
        }
    }
    out.push_str("options timeout:2 attempts:2\n");
    out
}

/// Replaces the file in one step.
pub fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, text)?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_listed_once_and_at_most_three() {
        let ip = |last| IpAddr::from([192, 0, 2, last]);
        let servers = [ip(1), ip(2), ip(1), ip(3), ip(4)];
        assert_eq!(
            text(&servers, Some("farm.example")),
            "search farm.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n\
             nameserver 192.0.2.3\noptions timeout:2 attempts:2\n"
        );
    }
}
