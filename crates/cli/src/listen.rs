//! Addresses to listen on, as an operator writes them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::settings::PORT;

/// What an address looks like.
pub(crate) const FORM: &str =
    "it takes ADDR, ADDR:PORT or :PORT, with numbers, and IPv6 in brackets";

/// Reads an address whose host or port may be left out.
pub(crate) fn parse(text: &str) -> Option<SocketAddr> {
    if let Ok(addr) = text.parse() {
        return Some(addr);
    }
    if let Some(bare) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return bare.parse().ok().map(|ip: Ipv6Addr| (ip, PORT).into());
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some((ip, PORT).into());
    }
    let port = text.strip_prefix(':').and_then(|port| port.parse().ok())?;
    Some((Ipv4Addr::UNSPECIFIED, port).into())
}

/// The place of an address that came before; any free port may be asked for twice.
pub(crate) fn twice(addrs: &[SocketAddr]) -> Option<usize> {
    let mut seen = BTreeSet::new();
    addrs.iter().position(|addr| addr.port() != 0 && !seen.insert(*addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_lack_its_port_or_its_host() {
        let read = |text| parse(text).map(|addr| addr.to_string());
        assert_eq!(read("127.0.0.1:0").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(read("10.0.0.1").as_deref(), Some("10.0.0.1:2049"));
        assert_eq!(read(":111").as_deref(), Some("0.0.0.0:111"));
        assert_eq!(read("[::1]").as_deref(), Some("[::1]:2049"));
        assert_eq!(read("[::1]:5").as_deref(), Some("[::1]:5"));
        assert_eq!(read("::1").as_deref(), Some("[::1]:2049"));
        for bad in ["", ":", "localhost", "1.2.3.4:", "1.2.3.4:70000", "[1.2.3.4]", "[::1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_that_comes_twice_is_found() {
        let find = |texts: &[&str]| {
            let addrs: Vec<_> = texts.iter().filter_map(|text| parse(text)).collect();
            twice(&addrs)
        };
        assert_eq!(find(&["10.0.0.1", "10.0.0.1:2049"]), Some(1));
        assert_eq!(find(&["10.0.0.1", "10.0.0.2", "[::1]"]), None);
        assert_eq!(find(&["10.0.0.1:0", "10.0.0.1:0"]), None);
    }
}
