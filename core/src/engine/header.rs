//! The header: what stands at its place, and how members put it right.

use super::head::{Identity, Stopped};
use super::look;
use super::objects::{Found, HEADER};
use super::shared::Shared;
use crate::{Error, ErrorKind, Hash, SpaceId, VaultId};
use bytes::Bytes;

/// The header is small; anything longer is not one.
const HEADER_BYTES_MAX: u64 = 4096;
/// Keys of a listing that are looked at for objects of a vault.
const KEYS_LOOKED_AT: u32 = 10;

/// What stands at the header's place.
pub(super) enum Header {
    /// A header of this format.
    Of { vault: VaultId, hash: Hash },
    /// No object.
    Missing,
    /// An object that is no header, neither of this format nor of another one.
    Damaged,
}

/// Reads the header.
///
/// # Errors
/// `unsupported` for a header of another format, and what the store answers.
pub(super) async fn read(cx: &Shared) -> Result<Header, Error> {
    match cx.get(HEADER, None, HEADER_BYTES_MAX).await {
        Ok(Found::Bytes { bytes, .. }) => match vault_in_header(&bytes) {
            Ok(vault) => Ok(Header::Of { vault, hash: Hash::of(&bytes) }),
            Err(error) if is_of_another_format(&bytes) => Err(error),
            Err(_) => Ok(Header::Damaged),
        },
        Ok(Found::Unchanged | Found::Nothing) => Ok(Header::Missing),
        Err(failure) if failure.error.kind() == ErrorKind::Corrupt => Ok(Header::Damaged), // longer than any header
        Err(failure) => Err(failure.error),
    }
}

/// Checks the header at the store. Another vault's is refused. Header and manifests both gone: the vault was wiped, and nothing is
/// PUT any more. The header alone missing or damaged: it is PUT again.
pub(super) async fn check(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    if stands(cx, identity).await? {
        return Ok(());
    }
    if look::list(cx, identity).await?.is_empty() && !weakened!(WipedTakenForLost) {
        cx.step(|tx| {
            tx.head.bucket.stopped = Some(Stopped::Wiped);
            Ok(())
        })?;
        return Err(cx.read(|state| Stopped::Wiped.error(state)));
    }
    put(cx, identity).await
}

/// PUTs a header that is missing or damaged, also into a bucket that was wiped.
pub(super) async fn put_right(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    if stands(cx, identity).await? { Ok(()) } else { put(cx, identity).await }
}

/// Whether the header of this vault stands as it was written.
///
/// # Errors
/// `already-exists` for another vault's.
pub(super) async fn stands(cx: &Shared, identity: &Identity) -> Result<bool, Error> {
    match read(cx).await? {
        Header::Of { hash, .. } if hash == identity.header => Ok(true),
        Header::Of { .. } => Err(Error::new(ErrorKind::AlreadyExists, "another vault stands at this store")
            .on(HEADER)
            .next_step("check the store's address; `export` keeps this device's data, `reset` forgets its vault")),
        Header::Missing | Header::Damaged => Ok(false),
    }
}

async fn put(cx: &Shared, identity: &Identity) -> Result<(), Error> {
    cx.put_new(HEADER, header_bytes(identity.vault)).await
}

/// Whether slots or spaces of a vault stand at the store.
pub(super) async fn has_remains(cx: &Shared) -> Result<bool, Error> {
    let is_slot = |key: &str| key.strip_prefix("slots/").is_some_and(|name| name == "passphrase" || is_id(name));
    let is_in_space = |key: &str| {
        let space = key.strip_prefix("spaces/").and_then(|rest| rest.split_once('/'));
        space.is_some_and(|(space, _)| is_id(space))
    };
    let slots = cx.list_first("slots/", KEYS_LOOKED_AT).await?;
    if slots.iter().any(|entry| is_slot(&entry.key)) {
        return Ok(true);
    }
    let spaces = cx.list_first("spaces/", KEYS_LOOKED_AT).await?;
    Ok(spaces.iter().any(|entry| is_in_space(&entry.key)))
}

fn is_id(name: &str) -> bool {
    SpaceId::from_hex(name).is_some()
}

/// For `create`: a vault stands, and its header does not.
pub(super) fn remains() -> Error {
    Error::new(ErrorKind::AlreadyExists, "objects of a vault stand at this store, but its header is missing or damaged")
        .on(HEADER)
        .next_step(
            "run `tidelock republish` on a device that has the vault; for a new vault choose another prefix, or delete \
             everything below this one",
        )
}

/// For `join`: the vault can't be told from what stands there.
pub(super) fn damaged() -> Error {
    Error::new(ErrorKind::Corrupt, "the vault's header is missing or damaged")
        .on(HEADER)
        .next_step("check the store's address; if it is right, run `tidelock republish` on a device that has the vault")
}

/// The header: what this is, its format, and which vault.
pub(super) fn header_bytes(vault: VaultId) -> Bytes {
    Bytes::from(format!("tidelock 1\nvault {vault}\n"))
}

/// The vault in a header, if it is one that this version reads.
pub(super) fn vault_in_header(header: &[u8]) -> Result<VaultId, Error> {
    let text = std::str::from_utf8(header).ok();
    let vault = text
        .and_then(|text| text.strip_prefix("tidelock 1\nvault ")?.strip_suffix('\n'))
        .and_then(VaultId::from_hex)
        .filter(|vault| header_bytes(*vault) == header);
    vault.ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "this is no vault, or one of a newer format")
            .on(HEADER)
            .next_step("check the store's address, or update this program")
    })
}

/// The first line is whole, and names another version of the format.
fn is_of_another_format(header: &[u8]) -> bool {
    let text = std::str::from_utf8(header).ok();
    let version = text.and_then(|text| text.strip_prefix("tidelock ")?.split_once('\n')).map(|(version, _)| version);
    version.and_then(|version| version.parse::<u32>().ok()).is_some_and(|version| version != 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_header_is_told_from_one_of_another_format() {
        let whole = header_bytes(VaultId([7; 16]));
        for len in 0..whole.len() {
            assert!(!is_of_another_format(&whole[..len]), "{len} bytes");
            assert!(vault_in_header(&whole[..len]).is_err(), "{len} bytes");
        }
        assert!(is_of_another_format(b"tidelock 2\n"));
        assert!(is_of_another_format(b"tidelock 12\nvault of another kind\n"));
        assert!(!is_of_another_format(b"tidelock 2"), "the line may have been longer");
        assert!(!is_of_another_format(b"tidelock two\n"));
    }
}
