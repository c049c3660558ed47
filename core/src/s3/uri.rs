//! Where a vault lives: `s3://bucket/prefix?region=&endpoint=&path_style=` or `file:///folder`.

use super::endpoint::Endpoint;
use super::uri_keys::names_a_key;
use crate::{Error, ErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt;
use std::str::FromStr;

/// The longest store URI, in bytes.
pub const URI_BYTES_MAX: usize = 4096;
/// The longest prefix, in bytes: half of what S3 allows a key, so that every key of a vault fits behind it.
pub const PREFIX_BYTES_MAX: usize = 512;
/// The longest key with its prefix, in bytes (S3's own limit).
pub const KEY_BYTES_MAX: usize = 1024;

pub(super) const REGION_DEFAULT: &str = "us-east-1";

/// SigV4's unreserved characters: encoding all others, and only those, makes the sent form the signed one.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
pub(super) const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A store's address. It never holds a secret; what [`fmt::Display`] writes reads back as the same address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUri {
    /// A prefix of a bucket.
    S3(S3Store),
    /// A folder of this machine.
    Folder(FolderStore),
}

/// A prefix of a bucket on an S3 server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Store {
    bucket: String,
    prefix: String,
    region: String,
    endpoint: Option<Endpoint>,
    path_style: bool,
}

/// A folder, by absolute path. On Windows the path begins with a slash and the drive: `/C:/vault`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderStore {
    path: String,
}

impl S3Store {
    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What all keys begin with, without a slash at either end; empty for the whole bucket.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The region requests are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The server; `None` is AWS, by the region's host name.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// Whether requests go over TLS.
    pub fn uses_tls(&self) -> bool {
        self.endpoint.as_ref().is_none_or(|endpoint| endpoint.scheme() == "https")
    }

    /// Whether the bucket stands in the path rather than in the host name.
    pub fn path_style(&self) -> bool {
        self.path_style
    }

    /// Signs for another region from now on: the one a server named ([`super::Retry::Region`]).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is no region's name.
    pub fn set_region(&mut self, region: &str) -> Result<(), Error> {
        self.region = checked_region(region)?;
        Ok(())
    }
}

impl StoreUri {
    /// The same store, signed for the region that its server told. What is no region's name changes nothing: the server keeps
    /// refusing, and says so.
    #[must_use]
    pub fn in_region(&self, told: Option<&str>) -> Self {
        let mut store = self.clone();
        if let (Self::S3(s3), Some(region)) = (&mut store, told) {
            let _ = s3.set_region(region);
        }
        store
    }
}

impl FolderStore {
    /// The absolute path, without a slash at its end.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for StoreUri {
    type Err = Error;

    /// Reads a store URI.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with the rule and the next step. No value is repeated: it might be a secret in a wrong
    /// place.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > URI_BYTES_MAX {
            return Err(invalid("store URI is longer than 4096 bytes"));
        }
        if text.contains('#') {
            return Err(invalid("store URI has a `#`").next_step("write %23 for it"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(unknown_scheme());
        };
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let store = match scheme {
            "s3" => parse_s3(address, query).map(Self::S3),
            "file" => parse_folder(address, query).map(Self::Folder),
            _ => Err(unknown_scheme()),
        }?;
        // Escaped, it may be longer than it came; and it is written down to be read again.
        if store.to_string().len() > URI_BYTES_MAX {
            return Err(invalid("store URI is longer than 4096 bytes with its characters escaped"));
        }
        Ok(store)
    }
}

impl fmt::Display for StoreUri {
    /// The one form: no parameter that has its default value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = match self {
            Self::Folder(folder) => return write!(f, "file://{}", utf8_percent_encode(&folder.path, PATH)),
            Self::S3(store) => store,
        };
        write!(f, "s3://{}", store.bucket)?;
        if !store.prefix.is_empty() {
            write!(f, "/{}", utf8_percent_encode(&store.prefix, PATH))?;
        }
        let mut separator = '?';
        if store.region != REGION_DEFAULT {
            write!(f, "{separator}region={}", store.region)?;
            separator = '&';
        }
        if let Some(endpoint) = &store.endpoint {
            write!(f, "{separator}endpoint={endpoint}")?;
            separator = '&';
        }
        if store.path_style != default_path_style(&store.bucket, store.endpoint.as_ref()) {
            write!(f, "{separator}path_style={}", store.path_style)?;
        }
        Ok(())
    }
}

impl StoreUri {
    /// The URL of an object.
    pub(super) fn object_url(&self, key: &str) -> Result<String, Error> {
        let key = self.full_key(key)?;
        Ok(format!("{}{}", self.base_url(), utf8_percent_encode(&key, PATH)))
    }

    /// The URL of a plain object, whatever its key.
    pub(super) fn any_object_url(&self, key: &str) -> Result<String, Error> {
        let key = self.any_full_key(key)?;
        Ok(format!("{}{}", self.base_url(), utf8_percent_encode(&key, PATH)))
    }

    /// The URL of a plain object, with parameters in SigV4's canonical order and encoding.
    pub(super) fn object_query_url(&self, key: &str, parameters: Vec<(&str, String)>) -> Result<String, Error> {
        Ok(with_parameters(self.any_object_url(key)?, parameters))
    }

    /// The URL of the bucket, with parameters in SigV4's canonical order and encoding.
    pub(super) fn bucket_url(&self, parameters: Vec<(&str, String)>) -> String {
        with_parameters(self.base_url(), parameters)
    }

    /// A vault's key with the store's prefix before it.
    pub(super) fn full_key(&self, key: &str) -> Result<String, Error> {
        let full = self.any_full_key(key)?;
        if !key.split('/').all(part_is_good) {
            return Err(invalid("key has an empty, `.` or `..` part or a control character"));
        }
        Ok(full)
    }

    /// Any key with the store's prefix before it. S3 takes every text as a key, so a plain object may have any.
    pub(super) fn any_full_key(&self, key: &str) -> Result<String, Error> {
        let full = self.full_prefix(key);
        if key.is_empty() {
            return Err(invalid("key is empty"));
        }
        if full.len() > KEY_BYTES_MAX {
            return Err(invalid("key is longer than 1024 bytes with its prefix"));
        }
        Ok(full)
    }

    /// The beginning of a key with the store's prefix before it.
    pub(super) fn full_prefix(&self, prefix: &str) -> String {
        match self {
            Self::S3(store) if !store.prefix.is_empty() => format!("{}/{prefix}", store.prefix),
            _ => prefix.to_owned(),
        }
    }

    /// What follows the store's prefix in a key that the server named; `None` for a foreign key.
    pub(super) fn relative_key<'a>(&self, full: &'a str) -> Option<&'a str> {
        match self {
            Self::S3(store) if !store.prefix.is_empty() => full.strip_prefix(&store.prefix)?.strip_prefix('/'),
            _ => Some(full),
        }
    }

    /// The whole key, in the bucket, of the object that a URL of this store is about; `None` if it is about the bucket.
    pub(crate) fn full_key_in(&self, url: &str) -> Option<String> {
        let place = url.split('?').next().unwrap_or_default();
        let key = place.strip_prefix(&self.base_url())?;
        let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
        Some(key).filter(|key| !key.is_empty())
    }

    /// How messages name the store: the bucket or the folder.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::S3(store) => &store.bucket,
            Self::Folder(folder) => &folder.path,
        }
    }

    /// The bucket's URL up to its keys, with a slash at the end.
    fn base_url(&self) -> String {
        let Self::S3(store) = self else {
            // The transport knows its folder: a URL relative to it can't reach beyond it.
            return "file:///".to_owned();
        };
        let (scheme, authority) = match &store.endpoint {
            Some(endpoint) => (endpoint.scheme(), endpoint.authority()),
            None => ("https", aws_host(&store.region)),
        };
        match store.path_style {
            true => format!("{scheme}://{authority}/{}/", store.bucket),
            false => format!("{scheme}://{}.{authority}/", store.bucket),
        }
    }
}

/// A URL with parameters after it, in SigV4's canonical order and encoding.
pub(super) fn with_parameters(mut url: String, mut parameters: Vec<(&str, String)>) -> String {
    parameters.sort();
    parameters.iter().for_each(|(name, value)| push_parameter(&mut url, name, value));
    url
}

/// One more parameter of a URL, encoded.
pub(super) fn push_parameter(url: &mut String, name: &str, value: &str) {
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(name);
    url.push('=');
    url.extend(utf8_percent_encode(value, QUERY));
}

/// <https://docs.aws.amazon.com/general/latest/gr/s3.html>; China is a partition with a domain of its own.
pub(super) fn aws_host(region: &str) -> String {
    let region = region.to_ascii_lowercase();
    let country = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("s3.{region}.amazonaws.com{country}")
}

/// A bucket with a dot in its name has no valid certificate as `bucket.host`.
fn default_path_style(bucket: &str, endpoint: Option<&Endpoint>) -> bool {
    bucket.contains('.') || endpoint.is_some_and(Endpoint::prefers_path_style)
}

fn parse_s3(address: &str, query: &str) -> Result<S3Store, Error> {
    let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
    if bucket.contains(['@', ':']) {
        return Err(invalid("store URI holds a key or a port where the bucket's name should stand")
            .next_step(format!("write the server as endpoint=…; {KEYS_STEP}")));
    }
    let bucket = checked_bucket(bucket)?;
    let prefix = checked_path(without_last_slash(prefix), "prefix")?;
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err(invalid("prefix is longer than 512 bytes"));
    }

    let (mut region, mut endpoint, mut path_style) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "region" => set(&mut region, "region", checked_region(&value)?)?,
            "endpoint" => set(&mut endpoint, "endpoint", value.parse::<Endpoint>()?)?,
            "path_style" => match value.as_ref() {
                "true" => set(&mut path_style, "path_style", true)?,
                "false" => set(&mut path_style, "path_style", false)?,
                _ => return Err(invalid("`path_style` is neither `true` nor `false`")),
            },
            name if names_a_key(name) => {
                return Err(invalid("store URI holds a key or token").next_step(KEYS_STEP));
            }
            name => return Err(unknown_parameter(name)),
        }
    }
    let path_style = path_style.unwrap_or_else(|| default_path_style(&bucket, endpoint.as_ref()));
    if !path_style && endpoint.as_ref().is_some_and(Endpoint::is_address) {
        return Err(invalid("`path_style=false` needs an endpoint with a host name, not an address"));
    }
    let region = region.unwrap_or_else(|| REGION_DEFAULT.to_owned());
    Ok(S3Store { bucket, prefix, region, endpoint, path_style })
}

fn parse_folder(address: &str, query: &str) -> Result<FolderStore, Error> {
    if let Some((name, _)) = form_urlencoded::parse(query.as_bytes()).next() {
        return Err(unknown_parameter(&name));
    }
    let Some(path) = address.strip_prefix('/') else {
        return Err(invalid("`file://` is not followed by an absolute path")
            .next_step("write three slashes and the whole path: file:///home/me/vault"));
    };
    let path = checked_path(without_last_slash(path), "folder")?;
    if path.is_empty() {
        return Err(invalid("`file:///` names no folder").next_step("write file:///FOLDER"));
    }
    Ok(FolderStore { path: format!("/{path}") })
}

/// AWS's rules for general purpose buckets; other servers' are as strict or wider.
fn checked_bucket(bucket: &str) -> Result<String, Error> {
    let bytes = bucket.as_bytes();
    let letter_or_digit = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| letter_or_digit(byte) || b".-".contains(byte))
        && bytes.first().is_some_and(letter_or_digit)
        && bytes.last().is_some_and(letter_or_digit)
        && !bucket.contains("..")
        && bucket.parse::<std::net::Ipv4Addr>().is_err();
    match good {
        true => Ok(bucket.to_owned()),
        false => Err(invalid(
            "bucket name is not 3 to 63 lower-case letters, digits, dots and hyphens between letters or digits",
        )),
    }
}

/// A slash alone stays: it is an empty part, not the end of one.
fn without_last_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path)
}

/// Decodes `%XX` and checks every part between slashes.
fn checked_path(encoded: &str, what: &str) -> Result<String, Error> {
    let escapes_are_whole = encoded
        .split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
    if !escapes_are_whole {
        return Err(invalid(format!("{what} has a `%` without two hex digits")).next_step("write %25 for a `%`"));
    }
    let Ok(path) = percent_decode_str(encoded).decode_utf8() else {
        return Err(invalid(format!("{what} is not UTF-8")));
    };
    if !path.is_empty() && !path.split('/').all(part_is_good) {
        return Err(invalid(format!("{what} has an empty, `.` or `..` part or a control character")));
    }
    Ok(path.into_owned())
}

pub(super) fn checked_region(region: &str) -> Result<String, Error> {
    let good = (1..=64).contains(&region.len())
        && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match good {
        true => Ok(region.to_owned()),
        false => Err(invalid("region is not 1 to 64 letters, digits, hyphens and underscores")),
    }
}

/// Servers drop, merge or refuse all others.
fn part_is_good(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control)
}

const KEYS_STEP: &str = "give keys in the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if there is one, AWS_SESSION_TOKEN; \
     or save them: `tidelock credentials set`";

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid(format!("parameter `{name}` is given twice"))),
    }
}

fn unknown_parameter(name: &str) -> Error {
    // A long or odd name may be a pasted secret.
    let plain = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let message = match plain {
        true => format!("unknown parameter `{name}` in the store URI"),
        false => "unknown parameter in the store URI".to_owned(),
    };
    invalid(message).next_step("an s3:// URI takes region, endpoint and path_style; a file:// URI takes none")
}

fn unknown_scheme() -> Error {
    invalid("store URI begins with neither `s3://` nor `file://`")
        .next_step("write s3://BUCKET/PREFIX?endpoint=…&region=… or file:///FOLDER")
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
