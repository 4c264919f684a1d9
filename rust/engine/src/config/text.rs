//! Checks of options that are text.

use std::net::{Ipv4Addr, Ipv6Addr};

type Checked = Result<(), &'static str>;

fn require(holds: bool, reason: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(reason) }
}

/// No check.
#[expect(clippy::unnecessary_wraps, reason = "it stands where checks stand that can fail")]
pub(super) fn any(_text: &[u8]) -> Checked {
    Ok(())
}

fn is_base_name(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b'/' | b'\\'))
}

pub(super) fn dbfilename(text: &[u8]) -> Checked {
    require(!text.is_empty(), "dbfilename can't be empty")?;
    require(is_base_name(text), "dbfilename can't be a path, just a filename")
}

pub(super) fn appendfilename(text: &[u8]) -> Checked {
    require(!text.is_empty(), "appendfilename can't be empty")?;
    require(is_base_name(text), "appendfilename can't be a path, just a filename")
}

pub(super) fn appenddirname(text: &[u8]) -> Checked {
    require(!text.is_empty(), "appenddirname can't be empty")?;
    require(is_base_name(text), "appenddirname can't be a path, just a dirname")
}

pub(super) fn hostname(text: &[u8]) -> Checked {
    require(text.len() < 256, "Hostnames must be less than 256 characters")?;
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    require(text.iter().all(allowed), "Hostnames may only contain alphanumeric characters, hyphens or dots")
}

/// `nodes.conf` separates fields by these bytes, so names in it may not contain them.
fn fits_nodes_file(text: &[u8]) -> bool {
    let separators = b" !#$%&()*+;<>?@[]^{|}~,=\"'\\\r\n\t";
    !text.iter().any(|byte| separators.contains(byte))
}

pub(super) fn nodename(text: &[u8]) -> Checked {
    require(fits_nodes_file(text), "Announced human node name contained invalid character")
}

pub(super) fn announced_ip(text: &[u8]) -> Checked {
    // The longest IPv6 address has 45 bytes.
    require(text.len() <= 45, "cluster-announce-ip is too long")?;
    require(fits_nodes_file(text), "cluster-announce-ip contains invalid character")
}

fn is_empty_or<A: std::str::FromStr>(text: &[u8]) -> bool {
    let parsed = std::str::from_utf8(text).map(str::parse::<A>);
    text.is_empty() || matches!(parsed, Ok(Ok(_)))
}

pub(super) fn ipv4(text: &[u8]) -> Checked {
    require(is_empty_or::<Ipv4Addr>(text), "Invalid IPv4 address")
}

pub(super) fn ipv6(text: &[u8]) -> Checked {
    require(is_empty_or::<Ipv6Addr>(text), "Invalid IPv6 address")
}

/// Words in braces, each one of those that a process title knows. The title proper is often empty, so it is not enough.
pub(super) fn title_template(text: &[u8]) -> Checked {
    const VARIABLES: [&[u8]; 7] =
        [b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"unixsocket", b"config-file"];
    let mut parts = text.split(|byte| *byte == b'{');
    // What stands before the first brace is plain text.
    let _plain = parts.next();
    let known = parts.all(|part| {
        let end = part.iter().position(|byte| *byte == b'}');
        let name = end.and_then(|end| part.get(..end));
        name.is_some_and(|name| VARIABLES.contains(&name))
    });
    let rest = String::from_utf8_lossy(text).replace("{title}", "");
    require(known && !rest.trim_ascii().is_empty(), "template format is invalid or contains unknown variables")
}
