//! Every constant that the format's bytes depend on, and the one key derivation: HKDF-SHA-512 by label.

use hkdf::Hkdf;
use sha2::Sha512;

/// The first bytes of every object.
pub(super) const MAGIC: [u8; 4] = *b"TDLK";
/// The format that this code reads and writes.
pub(super) const FORMAT: u8 = 1;
/// Chunked encryption with HKDF-Expand-SHA-512 and ChaCha20-Poly1305.
pub(super) const SUITE_CHACHA20_POLY1305: u8 = 1;
/// HPKE with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, `mode_psk`. 2 is reserved for a hybrid with ML-KEM.
pub(super) const HPKE_X25519: u8 = 1;

/// Opens each label, signed domain and hashed text of Tidelock's own, so that none equals another protocol's.
pub(super) const PREFIX: &[u8] = b"tidelock/v1/";

// Under a root secret, with vault ‖ space, or the vault alone.
pub(super) const CONTENT: &str = "content";
pub(super) const PIECE_ID: &str = "piece id";
pub(super) const BLOB_ID: &str = "blob id";
pub(super) const CUT: &str = "cut";
pub(super) const DIGEST: &str = "digest";
pub(super) const IMPORT: &str = "import";
pub(super) const KEYS: &str = "keys";
pub(super) const COMMIT: &str = "commit";
// From the vault id, which is no secret.
pub(super) const PRIVATE_SPACE: &str = "private space";
// Of a pack's path, which is no secret.
pub(super) const PACK_SALT: &str = "pack salt";
// Under the cut key.
pub(super) const GEAR: &str = "gear";
// Under a device's seed.
pub(super) const DEVICE_SEED: &str = "device seed";
pub(super) const DEVICE_SIGNING: &str = "device signing";
pub(super) const HEDGE_SALT: &str = "hedge salt";
pub(super) const HEDGE_FRESH: &str = "hedge fresh";
pub(super) const DEVICE_SLOT: SlotLabels = SlotLabels { key: "device slot key", psk: "device slot psk" };
// Under a recovery code.
pub(super) const RECOVERY_SLOT: SlotLabels = SlotLabels { key: "recovery slot key", psk: "recovery slot psk" };
pub(super) const RECOVERY_NAME: &str = "recovery slot name";
pub(super) const RECOVERY_CHECKSUM: &str = "recovery checksum";
// Under a stretched passphrase.
pub(super) const PASSPHRASE_SLOT: SlotLabels = SlotLabels { key: "passphrase slot key", psk: "passphrase slot psk" };
// Under a person's seed, for a shared vault and its members.
pub(super) const PERSON_SIGNING: &str = "person signing";
pub(super) const PERSON_SLOT_KEY: &str = "person slot key";
pub(super) const MEMBER_SECRET: &str = "member secret";
pub(super) const OWNER_SLOT_PSK: &str = "owner slot psk";
// Under a member's secret.
pub(super) const MEMBER_SLOT_PSK: &str = "member slot psk";
pub(super) const LETTER: &str = "letter";
pub(super) const NOTICE: &str = "notice";
// From a shared vault's id, which is no secret.
pub(super) const OWNER: &str = "owner";
pub(super) const SHARED_SPACE: &str = "shared space";
// What is hashed or signed of persons.
pub(super) const PERSON: &str = "person";
pub(super) const CARD: &str = "card";
pub(super) const SUCCESSION: &str = "succession";
pub(super) const VOUCHER: &str = "voucher";
// HPKE's own inputs.
pub(super) const SLOT_INFO: &str = "slot";
pub(super) const SLOT_PSK_ID: &[u8] = b"tidelock/v1/slot psk";
pub(super) const SLOT_EXPORT: &[u8] = b"tidelock/v1/slot content";
// What fresh bytes are for.
pub(super) const FRESH_ROOT: &str = "root secret";
pub(super) const FRESH_PERSON: &str = "person seed";
pub(super) const FRESH_CODE: &str = "recovery code";
pub(super) const FRESH_SLOT: &str = "slot ephemeral";

/// The labels of what one kind of opener derives.
pub(super) struct SlotLabels {
    pub(super) key: &'static str,
    pub(super) psk: &'static str,
}

/// HKDF-SHA-512 (RFC 5869) with an empty salt, `secret` as input key and info = [`labelled`].
///
/// At most 64 bytes of output: what each use needs.
pub(super) fn derive<const N: usize>(secret: &[u8], label: &str, context: &[&[u8]]) -> [u8; N] {
    const { assert!(N <= 64) }
    let mut out = [0; N];
    Hkdf::<Sha512>::new(None, secret)
        .expand(&labelled(label, context), &mut out)
        .expect("64 bytes are far below HKDF's limit of 255 blocks");
    out
}

/// [`PREFIX`] ‖ label ‖ 0x00 ‖ context. Labels hold no zero byte, and in each context only the last part varies in length,
/// so two different inputs never read the same.
pub(super) fn labelled(label: &str, context: &[&[u8]]) -> Vec<u8> {
    let mut out = [PREFIX, label.as_bytes(), &[0]].concat();
    context.iter().for_each(|part| out.extend_from_slice(part));
    out
}
