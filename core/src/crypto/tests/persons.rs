//! Persons' keys, cards, successions and vouchers: the shared vectors, and what tells forks from forgeries.

use super::*;
use crate::replica::{MEMBERS_MAX, Member, Role, Roster, SignedRoster};
use crate::vectors::{Given, hex, run, vectors};
use crate::{ErrorKind, MemberId, PersonId, TermId};
use serde_json::{Value, json};

fn known(given: &Given<'_>) -> Result<KnownPerson, crate::Error> {
    let number = u16::try_from(given.small("number")).unwrap();
    KnownPerson::pinned(PersonId(given.fixed("person")), number, Card::decode(&given.hex("card"))?)
}

fn known_value(known: &KnownPerson) -> Value {
    json!({"number": known.number(), "card": hex(known.card().encode())})
}

#[test]
fn persons() {
    run(vectors!("persons"), |check, given| {
        Ok(match check {
            "person" => {
                let person = PersonSecret::from_bytes(given.fixed("seed"));
                let (vault, member) = (given.vault(), MemberId(given.fixed("member")));
                let secret = person.member_secret(vault, member);
                json!({
                    "card": hex(person.card(given.text("name"))?.encode()),
                    "member_secret": hex(*secret.to_bytes()),
                    "slot_psk": hex(*secret.slot_psk()),
                    "letter_key": hex(secret.letter_key().0),
                    "notice_key": hex(secret.notice_key().0),
                    "owner_slot_psk": hex(*person.owner_slot_psk(vault)),
                    "owner_member": hex(owner_member_id(vault).0),
                    "space": hex(shared_space_id(vault).0),
                })
            }
            "card" => {
                let card = Card::decode(&given.hex("bytes"))?;
                assert_eq!(card.encode(), given.hex("bytes"));
                json!({
                    "signing": hex(card.signing_key()),
                    "sealing": hex(card.sealing_key()),
                    "name": card.name(),
                    "person": hex(card.first_of().0),
                    "code": card.first_of().code(),
                })
            }
            "successions" => {
                let chain = given.0["chain"].as_array().unwrap().iter();
                let decode = |one: &Value| borsh::from_slice(&crate::vectors::unhex(one.as_str().unwrap()));
                let chain: Result<Vec<Succession>, _> = chain.map(decode).collect();
                known_value(&known(given)?.learn(&chain.map_err(|_| corrupt("succession"))?)?)
            }
            "voucher" => {
                let voucher = Voucher::decode(&given.hex("voucher"))?;
                assert_eq!(voucher.encode(), given.hex("voucher"));
                let vouched = Vouched {
                    vault: given.vault(),
                    space: given.space(),
                    member: MemberId(given.fixed("member")),
                    device: given.fixed("public_key"),
                };
                let known = voucher.verify(&vouched, &known(given)?)?;
                json!({
                    "number": voucher.number(),
                    "term": hex(voucher.term().0),
                    "name": voucher.name(),
                    "known": known_value(&known),
                })
            }
            other => panic!("{other}"),
        })
    });
}

#[test]
fn rosters() {
    run(vectors!("rosters"), |check, given| {
        assert_eq!(check, "roster");
        let signed = SignedRoster::decode(&given.hex("signed"))?;
        assert_eq!(signed.encode(), given.hex("signed"));
        signed.verify(given.vault(), &known(given)?)?;
        let secret = RootSecret(given.fixed("root_secret"));
        let live = signed.roster.terms.keys().filter(|term| signed.roster.is_live(**term));
        Ok(json!({
            "version": signed.version.to_string(),
            "live": live.map(|term| hex(term.0)).collect::<Vec<_>>(),
            "gone": signed.roster.gone.len(),
            "commits": signed.commits_to(given.vault(), given.epoch("epoch"), &secret),
        }))
    });
}

#[test]
fn a_roster_that_is_written_is_read_and_bound_to_its_epoch() {
    let [owner, guest, next, _] = seeds();
    let known = KnownPerson::first(owner.card("Olga").unwrap());
    let device = device();
    let (space, member) = (shared_space_id(VAULT), owner_member_id(VAULT));
    let vouched = Vouched { vault: VAULT, space, member, device: device.public_key() };
    let voucher = owner.vouch(known.person(), 0, &[], &vouched, TermId::default(), "laptop").unwrap();
    let card = guest.card("Gustav").unwrap();
    let chain = [guest.succeed(card.first_of(), 1, &next, "Gustav").unwrap()].into();
    let member = Member { cards: [card].into(), seed: 0, chain, label: "Dad".into() };
    assert_eq!(member.known().unwrap().number(), 1);
    let mut roster = Roster { members: [(MemberId([3; 16]), member)].into(), ..Roster::default() };
    roster.grant(TermId([4; 16]), MemberId([3; 16]), Role::Write, 5).unwrap();

    let (secret, other) = (RootSecret([6; 32]), RootSecret([7; 32]));
    let made_for = Some((NEWEST, &secret));
    let signed = SignedRoster::sign(&device, voucher.clone(), VAULT, made_for, 1, roster.clone()).unwrap();
    let read = SignedRoster::decode(&signed.encode()).unwrap();
    assert_eq!(read, signed);
    assert_eq!(read.device(), device.device_id());
    read.verify(VAULT, &known).unwrap();
    assert!(read.commits_to(VAULT, NEWEST, &secret));
    assert!(!read.commits_to(VAULT, EPOCHS[1], &secret) && !read.commits_to(VAULT, NEWEST, &other));
    let stated = SignedRoster::sign(&device, voucher.clone(), VAULT, None, 2, roster.clone()).unwrap();
    assert!(!stated.commits_to(VAULT, EpochId::default(), &secret));

    let mut bytes = signed.encode();
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        let came = SignedRoster::decode(&bytes).and_then(|read| read.verify(VAULT, &known));
        assert!(came.is_err(), "byte {at} altered");
        bytes[at] ^= 1;
    }
    let members = (0..=MEMBERS_MAX).map(|at| (MemberId([at as u8; 16]), roster.members[&MemberId([3; 16])].clone()));
    let many = Roster { members: members.collect(), ..roster };
    let refused = SignedRoster::sign(&device, voucher, VAULT, None, 3, many).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

fn seeds() -> [PersonSecret; 4] {
    [0xe0, 0xe1, 0xe2, 0xe3].map(|byte| PersonSecret::from_bytes([byte; 32]))
}

#[test]
fn what_is_written_is_read() {
    let [first, second, third, _] = seeds();
    let known = KnownPerson::first(first.card("Anna").unwrap());
    let person = known.person();
    let chain =
        [first.succeed(person, 1, &second, "Anna").unwrap(), second.succeed(person, 2, &third, "Anna Müller").unwrap()];
    let vouched = Vouched { vault: VAULT, space: shared_space_id(VAULT), member: MemberId([7; 16]), device: [9; 32] };
    let voucher = third.vouch(person, 2, &chain, &vouched, TermId([5; 16]), "phone").unwrap();
    let read = Voucher::decode(&voucher.encode()).unwrap();
    let known = read.verify(&vouched, &known).unwrap();
    assert_eq!((known.number(), known.card().name()), (2, "Anna Müller"));
    assert_eq!(read, voucher);
    let elsewhere = Vouched { member: MemberId([8; 16]), ..vouched };
    assert_eq!(read.verify(&elsewhere, &known).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn two_successions_of_one_number_are_a_fork_and_the_first_heard_stays() {
    let [first, second, third, _] = seeds();
    let known = KnownPerson::first(first.card("Anna").unwrap());
    let person = known.person();
    let heard = known.learn(&[first.succeed(person, 1, &second, "Anna").unwrap()]).unwrap();
    let other = [first.succeed(person, 1, &third, "Anna").unwrap()];
    assert_eq!(heard.learn(&other).unwrap_err().kind(), ErrorKind::Forked);
    let renamed = [first.succeed(person, 1, &second, "Anna M.").unwrap()];
    assert_eq!(heard.learn(&renamed).unwrap(), heard, "another name is no other key");
}

#[test]
fn names_that_no_card_may_have() {
    let [person, ..] = seeds();
    for name in ["", "\u{1b}[2J", "a\nb", &"x".repeat(CARD_NAME_BYTES_MAX + 1)] {
        assert_eq!(person.card(name).unwrap_err().kind(), ErrorKind::Invalid, "{name:?}");
    }
    assert!(person.card(&"x".repeat(CARD_NAME_BYTES_MAX)).is_ok());
}

#[test]
fn a_chain_of_one_more_than_the_most_is_refused_unread() {
    let voucher = [&[0; 18][..], &u32::MAX.to_le_bytes(), &[0; 100]].concat();
    assert_eq!(Voucher::decode(&voucher).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn persons_secrets_print_redacted() {
    let [person, ..] = seeds();
    assert_eq!(format!("{person:?}"), "PersonSecret(PersonSeed(redacted))");
    assert_eq!(format!("{:?}", person.member_secret(VAULT, MemberId([1; 16]))), "MemberSecret(redacted)");
    let new = PersonSecret::generate(&device(), &mut Frozen, b"context");
    assert_ne!(new, PersonSecret::generate(&device(), &mut Frozen, b"another context"));
}
