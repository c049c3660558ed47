//! The address of an S3 server: scheme, host and port, and nothing else.

use crate::{Error, ErrorKind};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An S3 server's scheme, host and port in one form: host in lower case, no port that the scheme implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    https: bool,
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Endpoint {
    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The host, in lower case, without a port.
    pub(super) fn host(&self) -> String {
        self.host.to_string()
    }

    /// Host and, unless the scheme implies it, port: what the `Host` header holds.
    pub(super) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// Whether the host is an address, to which no bucket can be put in front.
    pub(super) fn is_address(&self) -> bool {
        !matches!(self.host, Host::Name(_))
    }

    /// Whether requests go to `host/bucket/key` unless the URI says otherwise: servers on addresses, on this machine or
    /// on ports of their own seldom have a DNS name for each bucket.
    pub(super) fn prefers_path_style(&self) -> bool {
        self.is_address() || self.host.is_loopback() || self.port.is_some()
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    /// Reads `[http://|https://]host[:port][/]`. Without a scheme it is `http` on this machine, `https` elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], without the text: it might hold a password.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (https, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Some(false), rest),
            Some(("https", rest)) => (Some(true), rest),
            Some(_) => return Err(refused("`endpoint` has a scheme other than http and https")),
            None => (None, text),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            return Err(refused("`endpoint` holds a user name or password"));
        }
        if authority.contains(['/', '?', '#']) {
            return Err(refused("`endpoint` has a path or parameters"));
        }
        let (host, port) = split_port(authority)?;
        let host = Host::from_str(host)?;
        let https = https.unwrap_or(!host.is_loopback());
        let implied = if https { 443 } else { 80 };
        Ok(Self { https, host, port: port.filter(|port| *port != implied) })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

impl Host {
    fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
        }
    }

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return match address.parse() {
                Ok(address) => Ok(Self::V6(address)),
                Err(_) => Err(refused("`endpoint` has a malformed IPv6 address")),
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::V4(address));
        }
        let name = text.to_ascii_lowercase();
        let label_is_good = |label: &str| {
            (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        // URL libraries read names that end in a number as IPv4 addresses of odd forms, so `127.1` would be signed as
        // one host and sent to another.
        let ends_in_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if name.len() > 253 || ends_in_number || !name.split('.').all(label_is_good) {
            return Err(refused("`endpoint` has a malformed host name"));
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Splits at the colon that follows the host; those inside `[…]` belong to an IPv6 address.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), Error> {
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[host_end..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(host_end + colon);
    let digits = &port[1..];
    match digits.parse::<u16>() {
        Ok(port) if port != 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok((host, Some(port))),
        _ => Err(refused("`endpoint` has a malformed port")),
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Invalid, message).next_step("write endpoint=https://HOST or endpoint=http://HOST:PORT")
}
