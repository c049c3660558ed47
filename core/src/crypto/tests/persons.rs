//! Persons' keys, cards, successions and vouchers: the shared vectors, and what tells forks from forgeries.

use super::*;
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
