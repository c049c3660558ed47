//! What persons sign: that new keys are theirs (a succession), and that a device is theirs (a voucher).

use super::corrupt;
use super::device::{PublicKey, Signature, verify};
use super::labels;
use super::person::{Card, bad, check_name, read_name};
use crate::{Error, ErrorKind, MemberId, PersonId, SpaceId, TermId, VaultId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::io::{Read, Result as IoResult};

/// The most successions of one person.
pub const SUCCESSIONS_MAX: usize = 64;
/// The most bytes of a device's name in a voucher.
pub const VOUCHER_NAME_BYTES_MAX: usize = 256;
/// The most bytes of a voucher.
pub const VOUCHER_BYTES_MAX: usize = 32 << 10;

/// A person's next keys, signed by the keys before and by the new ones: made after one of their devices was revoked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Succession {
    /// Whose keys.
    pub person: PersonId,
    /// Of the new keys: one more than that of the keys before.
    pub number: u16,
    /// The new keys' card.
    pub card: Card,
    /// By the keys before.
    pub by_old: Signature,
    /// By the new keys.
    pub by_new: Signature,
}

impl Succession {
    pub(super) fn body(person: PersonId, number: u16, card: &Card) -> Vec<u8> {
        borsh::to_vec(&(person, number, card)).expect("writing to memory cannot fail")
    }

    /// Whether the keys of `old` handed over to these.
    fn verify(&self, old: &Card) -> Result<(), Error> {
        let body = Self::body(self.person, self.number, &self.card);
        verify(old.signing_key(), labels::SUCCESSION, &body, &self.by_old)?;
        verify(self.card.signing_key(), labels::SUCCESSION, &body, &self.by_new)
    }
}

/// A person as far as somebody knows them: a card that came by a trusted way, and what followed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPerson {
    person: PersonId,
    /// Number of the first of `cards`.
    pinned: u16,
    /// By number, never empty.
    cards: Vec<Card>,
}

impl KnownPerson {
    /// The person whose first card this is.
    pub fn first(card: Card) -> Self {
        Self { person: card.first_of(), pinned: 0, cards: vec![card] }
    }

    /// A person whose card of a later number came by a trusted way, such as a link.
    ///
    /// # Errors
    /// `corrupt` for a card of number 0 that is another person's.
    pub fn pinned(person: PersonId, number: u16, card: Card) -> Result<Self, Error> {
        if number == 0 && card.first_of() != person {
            return Err(corrupt("card"));
        }
        Ok(Self { person, pinned: number, cards: vec![card] })
    }

    /// Who it is.
    pub fn person(&self) -> PersonId {
        self.person
    }

    /// The number of the newest keys known.
    pub fn number(&self) -> u16 {
        // At most as many as there are numbers: `learn` takes each number once.
        self.pinned + (self.cards.len() - 1) as u16
    }

    /// The newest card known.
    pub fn card(&self) -> &Card {
        self.cards.last().expect("never empty")
    }

    /// The card of a number, if it is known.
    pub fn card_of(&self, number: u16) -> Option<&Card> {
        self.cards.get(usize::from(number.checked_sub(self.pinned)?))
    }

    /// The person with what a chain of successions adds. Entries before the pinned number say nothing.
    ///
    /// # Errors
    /// `corrupt`, for entries of another person, numbers that do not follow one another or what is known, more than
    /// [`SUCCESSIONS_MAX`] of them, or a signature that is not right. `forked` for other keys of a known number: somebody
    /// else has the keys before.
    pub fn learn(&self, chain: &[Succession]) -> Result<Self, Error> {
        check_chain(self.person, chain)?;
        let mut known = self.clone();
        for next in chain.iter().filter(|next| next.number >= self.pinned) {
            match known.card_of(next.number) {
                Some(card) if card.has_keys_of(&next.card) => {}
                Some(_) => return Err(forked(next.number)),
                None if known.number().checked_add(1) == Some(next.number) => {
                    next.verify(known.card())?;
                    known.cards.push(next.card.clone());
                }
                None => return Err(corrupt("succession")),
            }
        }
        Ok(known)
    }
}

/// One person's, each number one more than that before, from 1; not too many.
fn check_chain(person: PersonId, chain: &[Succession]) -> Result<(), Error> {
    let follows = chain.windows(2).all(|pair| pair[0].number.checked_add(1) == Some(pair[1].number));
    let fits = chain.iter().all(|next| next.person == person && next.number > 0);
    if chain.len() <= SUCCESSIONS_MAX && follows && fits { Ok(()) } else { Err(corrupt("succession")) }
}

fn forked(number: u16) -> Error {
    Error::new(ErrorKind::Forked, format!("a person has two different keys of number {number}"))
        .next_step("ask them which is right, by another way")
}

/// What a voucher is about, as its reader found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The shared vault.
    pub vault: VaultId,
    /// Its space.
    pub space: SpaceId,
    /// The member whose lane the device writes in.
    pub member: MemberId,
    /// The device.
    pub device: PublicKey,
}

/// A person's word that a device is theirs, for one space and one term. Not yet verified: see [`Voucher::verify`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Voucher {
    pub(super) person: PersonId,
    pub(super) number: u16,
    pub(super) chain: Vec<Succession>,
    pub(super) term: TermId,
    pub(super) name: String,
    pub(super) signature: Signature,
}

impl Voucher {
    /// Reads a voucher. What it says holds only after [`Voucher::verify`].
    ///
    /// # Errors
    /// `corrupt` for other bytes than a voucher's, or what no writer makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > VOUCHER_BYTES_MAX {
            return Err(corrupt("voucher"));
        }
        borsh::from_slice(bytes).map_err(|_| corrupt("voucher"))
    }

    /// Its one encoding.
    pub fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory cannot fail")
    }

    /// Whose device it is.
    pub fn person(&self) -> PersonId {
        self.person
    }

    /// The number of the keys that signed.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The term that the device writes under; zeros for the owner.
    pub fn term(&self) -> TermId {
        self.term
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Verifies it for a device found at a place, and gives the person with what the voucher's chain adds. If its number is
    /// below the one that is then known, it counts only for a device that was known before: its reader decides.
    ///
    /// # Errors
    /// `corrupt` if it is another person's, about something else, or not signed by keys that are known; `forked` as
    /// [`KnownPerson::learn`] says.
    pub fn verify(&self, vouched: &Vouched, known: &KnownPerson) -> Result<KnownPerson, Error> {
        if self.person != known.person() {
            return Err(corrupt("voucher"));
        }
        let known = known.learn(&self.chain)?;
        let card = known.card_of(self.number).ok_or_else(|| corrupt("voucher"))?;
        let body = Self::body(vouched, self.term, self.number, &self.name);
        verify(card.signing_key(), labels::VOUCHER, &body, &self.signature)?;
        Ok(known)
    }

    /// What is signed: only the name varies in length, and it is last.
    pub(super) fn body(vouched: &Vouched, term: TermId, number: u16, name: &str) -> Vec<u8> {
        let Vouched { vault, space, member, device } = vouched;
        let number = number.to_le_bytes();
        [&vault.0[..], &space.0, &member.0, &term.0, device, &number, name.as_bytes()].concat()
    }

    /// What holds of each without knowing the person.
    pub(super) fn checked(self) -> Result<Self, Error> {
        check_name(&self.name, VOUCHER_NAME_BYTES_MAX)?;
        check_chain(self.person, &self.chain).map_err(|_| unchained())?;
        if self.chain.last().is_some_and(|last| last.number != self.number) {
            return Err(unchained());
        }
        Ok(self)
    }
}

fn unchained() -> Error {
    Error::new(ErrorKind::Invalid, "a voucher's chain does not lead to the keys that sign it")
}

impl BorshDeserialize for Voucher {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        let (person, number) = BorshDeserialize::deserialize_reader(reader)?;
        let chain = read_chain(reader)?;
        let term = BorshDeserialize::deserialize_reader(reader)?;
        let name = read_name(reader, VOUCHER_NAME_BYTES_MAX)?;
        let signature = BorshDeserialize::deserialize_reader(reader)?;
        let voucher = Self { person, number, chain, term, name, signature };
        voucher.checked().map_err(|_| bad("a voucher fails its checks"))
    }
}

/// Reads successions, and none past [`SUCCESSIONS_MAX`]: each costs a signature's check.
fn read_chain(reader: &mut impl Read) -> IoResult<Vec<Succession>> {
    let count = usize::try_from(u32::deserialize_reader(reader)?).map_err(|_| bad("too many successions"))?;
    if count > SUCCESSIONS_MAX {
        return Err(bad("too many successions"));
    }
    (0..count).map(|_| Succession::deserialize_reader(reader)).collect()
}
