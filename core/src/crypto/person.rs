//! A person among others who share a space: the seed of their keys, and the card by which others know them.
//!
//! Nothing in the engine uses this yet. The bytes are specified in `docs/format/sharing.md`.

use super::device::{PublicKey, Signature, verify};
use super::hedge::Entropy;
use super::labels::{self, derive, labelled};
use super::secret::{ContentKey, secret};
use super::slots::is_of_small_order;
use super::voucher::{Succession, Vouched, Voucher};
use super::{DeviceSecret, corrupt};
use crate::{Error, ErrorKind, Hash, MemberId, PersonId, SpaceId, TermId, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signer, SigningKey};
use hpke::{Kem as _, Serializable};
use std::fmt;
use std::io::{Error as IoError, ErrorKind as IoErrorKind, Read, Result as IoResult};
use zeroize::Zeroizing;

/// The most bytes of the name on a card.
pub const CARD_NAME_BYTES_MAX: usize = 64;
/// The most bytes of a card.
pub const CARD_BYTES_MAX: usize = 32 + 32 + 4 + CARD_NAME_BYTES_MAX + 64;
const CODE_SYMBOLS: usize = 20;
const GROUP_SYMBOLS: usize = 4;

secret!(/// What all keys of one number of a person come from. It lies in the person's own vault.
    PersonSeed, 32);

/// The keys of one number of a person: they sign vouchers and open the person's slots.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonSecret {
    seed: PersonSeed,
    signing_key: SigningKey,
}

impl PersonSecret {
    /// New keys, hedged by the device; `context` is what is new about them, such as the vault, the person and the number.
    pub fn generate(device: &DeviceSecret, entropy: &mut dyn Entropy, context: &[u8]) -> Self {
        Self::from_bytes(device.fresh(labels::FRESH_PERSON, entropy, &[context]))
    }

    /// The seed as the own vault keeps it.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.seed.0)
    }

    /// The keys of a kept seed.
    pub fn from_bytes(seed: [u8; 32]) -> Self {
        let signing_key = SigningKey::from_bytes(&Zeroizing::new(derive(&seed, labels::PERSON_SIGNING, &[])));
        Self { seed: PersonSeed(seed), signing_key }
    }

    /// The card of these keys.
    ///
    /// # Errors
    /// `invalid` for a name that is empty, longer than [`CARD_NAME_BYTES_MAX`] bytes, or has control characters.
    pub fn card(&self, name: &str) -> Result<Card, Error> {
        check_name(name, CARD_NAME_BYTES_MAX)?;
        let material = Zeroizing::new(derive::<32>(&self.seed.0, labels::PERSON_SLOT_KEY, &[]));
        let sealing = hpke::kem::X25519HkdfSha256::derive_keypair(&*material).1.to_bytes().into();
        let mut card = Card {
            signing: self.signing_key.verifying_key().to_bytes(),
            sealing,
            name: name.to_owned(),
            signature: [0; 64],
        };
        card.signature = self.sign(labels::CARD, &card.body());
        Ok(card)
    }

    /// Hands `person` on to the keys of `new`, whose card has this name: these keys are those of the number before.
    ///
    /// # Errors
    /// `invalid` for a name that no card may have, and for number 0, which follows nothing.
    pub fn succeed(&self, person: PersonId, number: u16, new: &Self, name: &str) -> Result<Succession, Error> {
        if number == 0 {
            return Err(Error::new(ErrorKind::Invalid, "a person's first keys have number 0 and succeed nothing"));
        }
        let card = new.card(name)?;
        let body = Succession::body(person, number, &card);
        let (by_old, by_new) = (self.sign(labels::SUCCESSION, &body), new.sign(labels::SUCCESSION, &body));
        Ok(Succession { person, number, card, by_old, by_new })
    }

    /// Says that a device is the person's, in one space and for one term. `chain` is what led from the person's first
    /// keys to these.
    ///
    /// # Errors
    /// `invalid` for a device name that is empty, too long or has control characters, and for a chain that does not end
    /// with `number`.
    pub fn vouch(
        &self,
        person: PersonId,
        number: u16,
        chain: &[Succession],
        vouched: &Vouched,
        term: TermId,
        name: &str,
    ) -> Result<Voucher, Error> {
        let body = Voucher::body(vouched, term, number, name);
        let signature = self.sign(labels::VOUCHER, &body);
        Voucher { person, number, chain: chain.to_vec(), term, name: name.to_owned(), signature }.checked()
    }

    /// The secret that the owner, whose keys these are, shares with a member of a shared vault.
    pub fn member_secret(&self, vault: VaultId, member: MemberId) -> MemberSecret {
        MemberSecret(derive(&self.seed.0, labels::MEMBER_SECRET, &[&vault.0, &member.0]))
    }

    /// HPKE's pre-shared key of the owner's own slot in a shared vault.
    pub fn owner_slot_psk(&self, vault: VaultId) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(derive(&self.seed.0, labels::OWNER_SLOT_PSK, &[&vault.0]))
    }

    fn sign(&self, domain: &str, body: &[u8]) -> Signature {
        self.signing_key.sign(&labelled(domain, &[body])).to_bytes()
    }
}

impl fmt::Debug for PersonSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PersonSecret").field(&self.seed).finish()
    }
}

/// A person's public keys and name, signed by these keys. Every value is whole: a card that fails its checks is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub struct Card {
    signing: PublicKey,
    sealing: [u8; 32],
    name: String,
    signature: Signature,
}

impl Card {
    /// Reads a card.
    ///
    /// # Errors
    /// `corrupt` for other bytes than a card's, a name that none may have, a key of small order, or a signature that is not
    /// its own.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > CARD_BYTES_MAX {
            return Err(corrupt("card"));
        }
        borsh::from_slice(bytes).map_err(|_| corrupt("card"))
    }

    /// Its one encoding.
    pub fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory cannot fail")
    }

    /// Ed25519: verifies what the person signs.
    pub fn signing_key(&self) -> &PublicKey {
        &self.signing
    }

    /// X25519: what the person's slots are sealed to.
    pub fn sealing_key(&self) -> &[u8; 32] {
        &self.sealing
    }

    /// What the person calls themself. Proves nothing.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The person whose first keys, those of number 0, these are.
    pub fn first_of(&self) -> PersonId {
        let hash = Hash::of(&labelled(labels::PERSON, &[&self.signing, &self.sealing]));
        let mut id = PersonId::default();
        id.0.copy_from_slice(&hash.0[..PersonId::BYTES]);
        id
    }

    /// Whether both cards are of the same keys; names may differ.
    pub fn has_keys_of(&self, other: &Self) -> bool {
        (self.signing, self.sealing) == (other.signing, other.sealing)
    }

    fn body(&self) -> Vec<u8> {
        borsh::to_vec(&(self.signing, self.sealing, &self.name)).expect("writing to memory cannot fail")
    }
}

impl BorshDeserialize for Card {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        let (signing, sealing) = BorshDeserialize::deserialize_reader(reader)?;
        let name = read_name(reader, CARD_NAME_BYTES_MAX)?;
        let card = Self { signing, sealing, name, signature: BorshDeserialize::deserialize_reader(reader)? };
        let is_whole = !is_of_small_order(&card.sealing)
            && verify(&card.signing, labels::CARD, &card.body(), &card.signature).is_ok();
        if is_whole { Ok(card) } else { Err(bad("a card fails its checks")) }
    }
}

impl PersonId {
    /// The code that people compare: 100 bits in five groups of four symbols of Crockford's base32.
    pub fn code(&self) -> String {
        let bits = u128::from_be_bytes(self.0);
        let mut out = String::with_capacity(CODE_SYMBOLS + CODE_SYMBOLS / GROUP_SYMBOLS);
        for at in 0..CODE_SYMBOLS {
            if at > 0 && at % GROUP_SYMBOLS == 0 {
                out.push('-');
            }
            let symbol = (bits >> (123 - 5 * at)) as usize & 31;
            out.push(char::from(super::code::ALPHABET[symbol]));
        }
        out
    }
}

secret!(/// What the owner and one member share: it keeps others from making the member's slots, letters and notices.
    pub MemberSecret, 32);

impl MemberSecret {
    /// The secret as an invitation carries it.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// The secret that an invitation carried.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HPKE's pre-shared key of the member's slots.
    pub fn slot_psk(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(derive(&self.0, labels::MEMBER_SLOT_PSK, &[]))
    }

    /// Seals what the member tells the owner.
    pub fn letter_key(&self) -> ContentKey {
        ContentKey(derive(&self.0, labels::LETTER, &[]))
    }

    /// Seals what the owner tells the member.
    pub fn notice_key(&self) -> ContentKey {
        ContentKey(derive(&self.0, labels::NOTICE, &[]))
    }
}

/// The member that the owner of a shared vault is.
pub fn owner_member_id(vault: VaultId) -> MemberId {
    MemberId(derive(&vault.0, labels::OWNER, &[]))
}

/// The space of a shared vault. Never a private vault's: readers of one open nothing of the other.
pub fn shared_space_id(vault: VaultId) -> SpaceId {
    SpaceId(derive(&vault.0, labels::SHARED_SPACE, &[]))
}

/// Whether a name may stand on a card or in a voucher: people see it.
pub(super) fn check_name(name: &str, most: usize) -> Result<(), Error> {
    if (1..=most).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, format!("a name has 1 to {most} bytes and no control characters"))
        .next_step("choose another name"))
}

/// Reads a name, and takes no memory for a longer one.
pub(super) fn read_name(reader: &mut impl Read, most: usize) -> IoResult<String> {
    let len = usize::try_from(u32::deserialize_reader(reader)?).map_err(|_| bad("a name is too long"))?;
    if len > most {
        return Err(bad("a name is too long"));
    }
    let mut bytes = vec![0; len];
    reader.read_exact(&mut bytes)?;
    let name = String::from_utf8(bytes).map_err(|_| bad("a name is not UTF-8"))?;
    check_name(&name, most).map_err(|_| bad("a name is empty or has control characters"))?;
    Ok(name)
}

pub(super) fn bad(what: &'static str) -> IoError {
    IoError::new(IoErrorKind::InvalidData, what)
}
