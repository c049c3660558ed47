//! Who is in a shared space: a join of what the owner's devices state. It only grows, so devices agree in whatever order they hear.
//!
//! Nothing in the engine uses this yet. The rules and the bytes are in `docs/format/sharing.md`; [`SignedRoster`] is a roster on its way.

use crate::crypto::{Card, KnownPerson, SUCCESSIONS_MAX, Succession};
use crate::{DeviceId, Error, ErrorKind, MemberId, PersonId, TermId};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most members of a shared space, the owner not counted.
pub const MEMBERS_MAX: usize = 64;
/// The most terms, ended ones counted.
pub const TERMS_MAX: usize = 256;
/// The most bytes of a member's label.
pub const LABEL_BYTES_MAX: usize = 256;

/// What a term allows. Ordered from the narrower to the wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Role {
    /// To read everything.
    Read = 1,
    /// And to write in the member's own lane.
    Write = 2,
}

/// One person's place in the space.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Member {
    /// The card of number 0 that the member offered. Two, if two of the owner's devices took different ones.
    pub cards: BTreeSet<Card>,
    /// The number of the owner's seed that the member's secret comes from.
    pub seed: u16,
    /// What followed the card, by rising number.
    pub chain: BTreeSet<Succession>,
    /// What the owner calls the member.
    pub label: String,
}

impl Member {
    /// The person, if there is one card.
    pub fn person(&self) -> Option<PersonId> {
        let mut cards = self.cards.iter();
        let card = cards.next().filter(|_| self.cards.len() == 1)?;
        Some(card.first_of())
    }

    /// The person with the keys that followed: to verify vouchers with.
    ///
    /// # Errors
    /// `forked` if there are two cards, or two successions of one number; `corrupt` for a chain that is not this person's.
    pub fn known(&self) -> Result<KnownPerson, Error> {
        let Some(card) = self.cards.first().filter(|_| self.cards.len() == 1) else {
            return Err(Error::new(ErrorKind::Forked, "a member of the space has not one card")
                .next_step("revoke the member and invite them anew"));
        };
        let mut known = KnownPerson::first(card.clone());
        for next in &self.chain {
            known = known.learn(std::slice::from_ref(next))?;
        }
        Ok(known)
    }

    fn join(&mut self, other: &Self) {
        self.cards.extend(other.cards.iter().cloned());
        self.chain.extend(other.chain.iter().cloned());
        // Both are set once, when the member is made. Whatever stands there, all take the same.
        self.seed = self.seed.min(other.seed);
        if other.label < self.label {
            self.label.clone_from(&other.label);
        }
    }
}

/// A member's role from its grant to its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Term {
    /// Whose.
    pub member: MemberId,
    /// What it allows.
    pub role: Role,
    /// The person's revocations that who granted it knew, by the owner's device that made them.
    pub seen: BTreeMap<DeviceId, u32>,
    /// When it was granted, in ms since 1970.
    pub at_ms: u64,
}

/// All members, terms, ends and revocations that somebody knows of.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Roster {
    /// By member.
    pub members: BTreeMap<MemberId, Member>,
    /// By term.
    pub terms: BTreeMap<TermId, Term>,
    /// When a term was ended, in ms since 1970.
    pub ended: BTreeMap<TermId, u64>,
    /// How often each of the owner's devices revoked a person.
    pub revoked: BTreeMap<PersonId, BTreeMap<DeviceId, u32>>,
    /// The owner's revoked devices.
    pub gone: BTreeSet<DeviceId>,
}

impl Roster {
    /// Takes what another roster knows. In any order, and as often as one likes, the same comes of it.
    pub fn join(&mut self, other: &Self) {
        for (id, member) in &other.members {
            self.members.entry(*id).and_modify(|known| known.join(member)).or_insert_with(|| member.clone());
        }
        for (id, term) in &other.terms {
            // A term is made once. Of two with one id, which only a stolen device makes, all take the same.
            let known = self.terms.entry(*id).or_insert_with(|| term.clone());
            if term < known {
                known.clone_from(term);
            }
        }
        for (id, at_ms) in &other.ended {
            self.ended.entry(*id).and_modify(|known| *known = (*known).min(*at_ms)).or_insert(*at_ms);
        }
        for (person, counts) in &other.revoked {
            let known = self.revoked.entry(*person).or_default();
            for (device, count) in counts {
                let most = known.entry(*device).or_default();
                *most = (*most).max(*count);
            }
        }
        self.gone.extend(&other.gone);
    }

    /// Whether a term holds: granted, not ended, of a member with one card, and by who knew of every revocation of the person.
    pub fn is_live(&self, id: TermId) -> bool {
        let Some((term, person)) = self.terms.get(&id).and_then(|term| Some((term, self.person_of(term)?))) else {
            return false;
        };
        let has_seen = |device: &DeviceId, count: &u32| term.seen.get(device).is_some_and(|seen| seen >= count);
        !self.ended.contains_key(&id)
            && self
                .revoked
                .get(&person)
                .is_none_or(|counts| counts.iter().all(|(device, count)| has_seen(device, count)))
    }

    /// A person's live terms: one, or two if the owner's devices granted at once.
    pub fn live_terms(&self, person: PersonId) -> impl Iterator<Item = (TermId, &Term)> {
        let of_person = move |(id, term): &(&TermId, &Term)| self.person_of(term) == Some(person) && self.is_live(**id);
        self.terms.iter().filter(of_person).map(|(id, term)| (*id, term))
    }

    /// The live terms that an owner's device ends, because their person has a narrower one, or one of the same role and a
    /// lower id.
    pub fn superfluous_terms(&self) -> Vec<TermId> {
        let mut kept: BTreeMap<PersonId, (Role, TermId)> = BTreeMap::new();
        let mut out = Vec::new();
        for (id, term) in self.terms.iter().filter(|(id, _)| self.is_live(**id)) {
            let Some(person) = self.person_of(term) else { continue };
            let this = (term.role, *id);
            match kept.insert(person, this) {
                Some(before) if before < this => {
                    kept.insert(person, before);
                    out.push(*id);
                }
                Some(before) => out.push(before.1),
                None => {}
            }
        }
        out
    }

    /// Grants a role to a member whose person is known. It ends the person's other terms: a change of role is an end and a grant.
    ///
    /// # Errors
    /// `not-found` for a member that is not here or has not one card, `already-exists` for a term that is here, `unsupported`
    /// past [`TERMS_MAX`].
    pub fn grant(&mut self, id: TermId, member: MemberId, role: Role, at_ms: u64) -> Result<(), Error> {
        let person = self.members.get(&member).and_then(Member::person).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "there is no such member, or it has two cards")
                .next_step("invite the person anew")
        })?;
        if self.terms.contains_key(&id) {
            return Err(Error::new(ErrorKind::AlreadyExists, "a term of this id was granted before"));
        }
        if self.terms.len() >= TERMS_MAX {
            return Err(Error::new(ErrorKind::Unsupported, format!("a space has at most {TERMS_MAX} terms"))
                .next_step("make another space"));
        }
        self.end_all(person, at_ms);
        let seen = self.revoked.get(&person).cloned().unwrap_or_default();
        self.terms.insert(id, Term { member, role, seen, at_ms });
        Ok(())
    }

    /// Ends a term.
    pub fn end(&mut self, id: TermId, at_ms: u64) {
        self.ended.entry(id).or_insert(at_ms);
    }

    /// Revokes a person by one of the owner's devices: ends their terms, and every grant that has not seen this.
    pub fn revoke(&mut self, person: PersonId, device: DeviceId, at_ms: u64) {
        self.end_all(person, at_ms);
        let count = self.revoked.entry(person).or_default().entry(device).or_default();
        *count = count.saturating_add(1);
    }

    fn end_all(&mut self, person: PersonId, at_ms: u64) {
        let live: Vec<TermId> = self.live_terms(person).map(|(id, _)| id).collect();
        live.into_iter().for_each(|id| self.end(id, at_ms));
    }

    fn person_of(&self, term: &Term) -> Option<PersonId> {
        self.members.get(&term.member)?.person()
    }

    /// What a signed one must be besides: within its bounds, and of nothing that is not in it.
    pub(super) fn has_possible_form(&self) -> bool {
        self.members.len() <= MEMBERS_MAX
            && self.terms.len() <= TERMS_MAX
            && self.members.values().all(|member| {
                !member.cards.is_empty()
                    && member.chain.len() <= SUCCESSIONS_MAX
                    && member.label.len() <= LABEL_BYTES_MAX
                    && !member.label.chars().any(char::is_control)
            })
            && self.terms.values().all(|term| self.members.contains_key(&term.member))
            && self.ended.keys().all(|term| self.terms.contains_key(term))
    }
}

/// What each of the owner's devices stated, as one device heard it: a statement only grows, and those of revoked devices do
/// not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    by: BTreeMap<DeviceId, Roster>,
    gone: BTreeSet<DeviceId>,
}

impl Statements {
    /// Takes all statements of one poll at once, and no more of devices that are known as revoked. What a revoked device alone
    /// had stated is dropped.
    pub fn take(&mut self, heard: impl IntoIterator<Item = (DeviceId, Roster)>) {
        for (device, roster) in heard {
            if !self.gone.contains(&device) {
                self.by.entry(device).or_default().join(&roster);
            }
        }
        self.gone.extend(self.by.values().flat_map(|roster| &roster.gone));
        self.by.retain(|device, _| !self.gone.contains(device));
    }

    /// What they say together.
    pub fn joined(&self) -> Roster {
        let mut all = Roster { gone: self.gone.clone(), ..Roster::default() };
        self.by.values().for_each(|roster| all.join(roster));
        all
    }
}
