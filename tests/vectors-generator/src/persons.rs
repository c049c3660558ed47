//! docs/format/sharing.md, the writer's side: persons' keys, cards, successions, vouchers.

use crate::bytes::{Id, blob, join, list};
use crate::sealing::{derive, hash, labelled};
use ed25519_dalek::{Signer, SigningKey};
use hpke::{Kem as _, Serializable};

/// The keys of one number of a person.
#[derive(Clone, Copy)]
pub(crate) struct Person(pub(crate) [u8; 32]);

impl Person {
    fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&derive(&self.0, "person signing", b""))
    }

    pub(crate) fn signing(&self) -> [u8; 32] {
        self.signing_key().verifying_key().to_bytes()
    }

    pub(crate) fn sealing(&self) -> [u8; 32] {
        let material: [u8; 32] = derive(&self.0, "person slot key", b"");
        hpke::kem::X25519HkdfSha256::derive_keypair(&material).1.to_bytes().into()
    }

    pub(crate) fn id(&self) -> Id {
        let hash = hash(&labelled("person", &join(&[&self.signing(), &self.sealing()])));
        hash[..16].try_into().expect("16 bytes")
    }

    pub(crate) fn sign(&self, domain: &str, body: &[u8]) -> Vec<u8> {
        self.signing_key().sign(&labelled(domain, body)).to_bytes().to_vec()
    }

    pub(crate) fn card(&self, name: &[u8]) -> Vec<u8> {
        self.card_with(&self.sealing(), name)
    }

    /// A card, well signed, with any sealing key.
    pub(crate) fn card_with(&self, sealing: &[u8; 32], name: &[u8]) -> Vec<u8> {
        let body = join(&[&self.signing(), sealing, &blob(name)]);
        join(&[&body, &self.sign("card", &body)])
    }

    /// Hands `person` on to `new`.
    pub(crate) fn succeed(&self, person: &Id, number: u16, new: &Self) -> Vec<u8> {
        let body = join(&[person, &number.to_le_bytes(), &new.card(b"Anna")]);
        join(&[&body, &self.sign("succession", &body), &new.sign("succession", &body)])
    }
}

/// A voucher in its parts, so that each can be wrong.
#[derive(Clone)]
pub(crate) struct Vouch {
    pub(crate) signer: Person,
    pub(crate) person: Id,
    pub(crate) number: u16,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) vault: Id,
    pub(crate) space: Id,
    pub(crate) member: Id,
    pub(crate) term: Id,
    pub(crate) public_key: [u8; 32],
    pub(crate) name: Vec<u8>,
    pub(crate) domain: &'static str,
}

impl Vouch {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let number = self.number.to_le_bytes();
        let place = join(&[&self.vault, &self.space, &self.member, &self.term, &self.public_key]);
        let signature = self.signer.sign(self.domain, &join(&[&place, &number, &self.name]));
        join(&[&self.person, &number, &list(&self.chain), &self.term, &blob(&self.name), &signature])
    }
}
