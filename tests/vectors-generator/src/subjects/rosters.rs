//! Signed rosters (docs/format/sharing.md).

use crate::bytes::{Id, blob, join, list};
use crate::case::{File, hex};
use crate::persons::{Person, Vouch};
use crate::sealing::{derive, public_key, sign};
use crate::world::{OTHER_VAULT, ROOTS, SECOND, SEEDS, VAULT};
use serde_json::{Value, json};

const OWNER: Person = Person([0xe0; 32]);
const ANNA: Person = Person([0xe4; 32]);
const ANNA_NEXT: Person = Person([0xe5; 32]);
const BEN: Person = Person([0xe6; 32]);
const MEMBERS: [Id; 2] = [[0x31; 16], [0x32; 16]];
const TERMS: [Id; 3] = [[0x71; 16], [0x72; 16], [0x73; 16]];
const DEVICES: [Id; 2] = [[0xd1; 16], [0xd2; 16]];

/// A signed roster in its parts, so that each can be wrong.
#[derive(Clone)]
struct Parts {
    epoch: Vec<u8>,
    commit: Vec<u8>,
    members: Vec<Vec<u8>>,
    terms: Vec<Vec<u8>>,
    ended: Vec<Vec<u8>>,
    revoked: Vec<Vec<u8>>,
    gone: Vec<Vec<u8>>,
    voucher: Vouch,
    vault: Id,
    domain: &'static str,
}

fn member(id: Id, cards: &[Vec<u8>], chain: &[Vec<u8>], label: &str) -> Vec<u8> {
    join(&[&id, &list(cards), &0u16.to_le_bytes(), &list(chain), &blob(label.as_bytes())])
}

fn counts(of: &[(Id, u32)]) -> Vec<u8> {
    list(&of.iter().map(|(device, count)| join(&[device, &count.to_le_bytes()])).collect::<Vec<_>>())
}

fn term(id: Id, member: Id, role: u8, seen: &[(Id, u32)], at_ms: u64) -> Vec<u8> {
    join(&[&id, &member, &[role], &counts(seen), &at_ms.to_le_bytes()])
}

impl Parts {
    fn right() -> Self {
        let anna = member(MEMBERS[0], &[ANNA.card(b"Anna")], &[ANNA.succeed(&ANNA.id(), 1, &ANNA_NEXT)], "Anna");
        let ben = member(MEMBERS[1], &[BEN.card(b"Ben")], &[], "Grandpa");
        let commit: [u8; 32] = derive(&ROOTS[1], "commit", &join(&[&VAULT, &SECOND.bytes()]));
        let voucher = Vouch {
            signer: OWNER,
            person: OWNER.id(),
            number: 0,
            chain: Vec::new(),
            vault: VAULT,
            space: derive(&VAULT, "shared space", b""),
            member: derive(&VAULT, "owner", b""),
            term: [0; 16],
            public_key: public_key(&SEEDS[0]),
            name: b"laptop".to_vec(),
            domain: "voucher",
        };
        Self {
            epoch: SECOND.bytes(),
            commit: commit.to_vec(),
            members: vec![anna, ben],
            terms: vec![
                term(TERMS[0], MEMBERS[0], 2, &[], 1_000),
                term(TERMS[1], MEMBERS[0], 1, &[(DEVICES[0], 1)], 2_000),
                term(TERMS[2], MEMBERS[1], 2, &[], 3_000),
            ],
            ended: vec![join(&[&TERMS[0], &1_500u64.to_le_bytes()])],
            revoked: vec![join(&[&ANNA.id(), &counts(&[(DEVICES[0], 1)])])],
            gone: vec![DEVICES[1].to_vec()],
            voucher,
            vault: VAULT,
            domain: "roster",
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let body = join(&[
            &self.epoch,
            &self.commit,
            &7u64.to_le_bytes(),
            &list(&self.members),
            &list(&self.terms),
            &list(&self.ended),
            &list(&self.revoked),
            &list(&self.gone),
            &public_key(&SEEDS[0]),
            &self.voucher.bytes(),
        ]);
        join(&[&body, &sign(&SEEDS[0], self.domain, &join(&[&self.vault, &body]))])
    }
}

fn given(signed: &[u8]) -> Value {
    json!({
        "vault": hex(VAULT), "person": hex(OWNER.id()), "number": 0, "card": hex(OWNER.card(b"Olga")),
        "epoch": SECOND.text(), "root_secret": hex(ROOTS[1]), "signed": hex(signed),
    })
}

fn value(live: &[Id], gone: usize, commits: bool) -> Value {
    json!({"version": "7", "live": live.iter().map(hex).collect::<Vec<_>>(), "gone": gone, "commits": commits})
}

pub(crate) fn file() -> File {
    let mut file = File::new("rosters", "docs/format/sharing.md: Rosters. Nothing in a vault is of these yet");
    let right = Parts::right();
    let zeros = Parts { epoch: vec![0; 12], commit: vec![0; 32], ..right.clone() };
    let in_another = |root: &[u8; 32], vault: &Id, epoch: &[u8]| Parts {
        commit: derive::<32>(root, "commit", &join(&[vault, epoch])).to_vec(),
        ..right.clone()
    };
    let second = SECOND.bytes();
    let both = [TERMS[1], TERMS[2]];
    let mut take = |name: &str, parts: &Parts, value| file.value(name, "roster", given(&parts.bytes()), value);
    take("a roster", &right, value(&both, 1, true));
    take("a roster of a manifest", &zeros, value(&both, 1, false));
    take("a commitment to another secret", &in_another(&ROOTS[0], &VAULT, &second), value(&both, 1, false));
    take("a commitment of another vault", &in_another(&ROOTS[1], &OTHER_VAULT, &second), value(&both, 1, false));
    let empty = Parts { members: vec![], terms: vec![], ended: vec![], revoked: vec![], gone: vec![], ..right.clone() };
    take("an empty roster", &empty, value(&[], 0, true));
    let revoked = |counted: &[(Id, u32)]| vec![join(&[&ANNA.id(), &counts(counted)])];
    let twice = Parts { revoked: revoked(&[(DEVICES[0], 2)]), ..right.clone() };
    take("a grant that has seen one revocation of two", &twice, value(&[TERMS[2]], 1, true));
    let other = Parts { revoked: revoked(&[(DEVICES[0], 1), (DEVICES[1], 1)]), ..right.clone() };
    take("a grant that has seen one device's revocation of two", &other, value(&[TERMS[2]], 1, true));
    let mut cards = [ANNA.card(b"Anna"), BEN.card(b"Ben")];
    cards.sort_unstable();
    let two_cards = vec![member(MEMBERS[0], &cards, &[], "Anna"), right.members[1].clone()];
    take("a member with two cards", &Parts { members: two_cards, ..right.clone() }, value(&[TERMS[2]], 1, true));

    let mut wrong = |name: &str, parts: Parts| file.refused(name, "roster", given(&parts.bytes()), "corrupt");
    wrong("a roster for another vault", Parts { vault: OTHER_VAULT, ..right.clone() });
    wrong("a roster of another domain", Parts { domain: "manifest", ..right.clone() });
    let owners = |change: &dyn Fn(&mut Vouch)| {
        let mut voucher = right.voucher.clone();
        change(&mut voucher);
        Parts { voucher, ..right.clone() }
    };
    wrong("a roster by a member's device", owners(&|vouch| (vouch.signer, vouch.person) = (ANNA, ANNA.id())));
    wrong("a roster whose voucher is for a term", owners(&|vouch| vouch.term = TERMS[0]));
    wrong("a roster whose voucher is for another member", owners(&|vouch| vouch.member = MEMBERS[0]));
    wrong("a roster whose voucher is for another device", owners(&|vouch| vouch.public_key = public_key(&SEEDS[1])));
    wrong("an epoch of number 0 with a commitment", Parts { epoch: vec![0; 12], ..right.clone() });
    wrong("role 0", Parts { terms: vec![term(TERMS[2], MEMBERS[1], 0, &[], 1)], ended: vec![], ..right.clone() });
    wrong("role 3", Parts { terms: vec![term(TERMS[2], MEMBERS[1], 3, &[], 1)], ended: vec![], ..right.clone() });
    wrong("a term of no member", Parts { members: vec![right.members[0].clone()], ..right.clone() });
    wrong("the end of no term", Parts { terms: right.terms[1..].to_vec(), ..right.clone() });
    let no_card = vec![member(MEMBERS[0], &[], &[], "Anna"), right.members[1].clone()];
    wrong("a member without a card", Parts { members: no_card, ..right.clone() });
    let label = vec![member(MEMBERS[0], &[ANNA.card(b"Anna")], &[], "\u{1b}"), right.members[1].clone()];
    wrong("a label with an escape", Parts { members: label, ..right.clone() });
    let label = vec![member(MEMBERS[0], &[ANNA.card(b"Anna")], &[], &"l".repeat(257)), right.members[1].clone()];
    wrong("a label of 257 bytes", Parts { members: label, ..right.clone() });
    let backwards = |of: &[Vec<u8>]| of.iter().rev().cloned().collect::<Vec<_>>();
    wrong("members that do not rise", Parts { members: backwards(&right.members), ..right.clone() });
    wrong("terms that do not rise", Parts { terms: backwards(&right.terms), ..right.clone() });
    let gone = vec![DEVICES[1].to_vec(), DEVICES[1].to_vec()];
    wrong("a device gone twice", Parts { gone, ..right.clone() });
    let many = (0..257u16).map(|at| {
        let mut id = [0; 16];
        id[14..].copy_from_slice(&at.to_be_bytes());
        term(id, MEMBERS[1], 1, &[], 1)
    });
    wrong("257 terms", Parts { terms: many.collect(), ended: vec![], ..right.clone() });
    let many = (0..65u8).map(|at| member([at; 16], &[BEN.card(b"Ben")], &[], ""));
    wrong("65 members", Parts { members: many.collect(), terms: vec![], ended: vec![], ..right.clone() });
    let bytes = right.bytes();
    file.refused("a roster cut short", "roster", given(&bytes[..bytes.len() - 1]), "corrupt");
    file.refused("a byte after a roster", "roster", given(&join(&[&bytes, &[0]])), "corrupt");
    file
}
