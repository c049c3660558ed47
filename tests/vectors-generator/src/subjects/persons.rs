//! Persons' keys, cards, successions and vouchers (docs/format/sharing.md).

use crate::bytes::{Id, join};
use crate::case::{File, hex};
use crate::persons::{Person, Vouch};
use crate::sealing::{CROCKFORD, derive, public_key};
use crate::world::{OTHER_VAULT, SEEDS, VAULT};
use serde_json::{Value, json};

/// A person's first, second and third keys, and another person's.
const PERSONS: [Person; 4] = [Person([0xe0; 32]), Person([0xe1; 32]), Person([0xe2; 32]), Person([0xef; 32])];
const MEMBER: Id = [0x3e; 16];
const TERM: Id = [0x7e; 16];

/// Points of small order on Curve25519, by their least encodings: 0, 1, the two of order 8, p − 1, p and p + 1.
fn small_order() -> Vec<[u8; 32]> {
    let near = |low: u8| {
        let mut point = [0xff; 32];
        (point[0], point[31]) = (low, 0x7f);
        point
    };
    let mut one = [0; 32];
    one[0] = 1;
    let unhex = |text: &str| {
        let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex digits");
        std::array::from_fn(byte)
    };
    vec![
        [0; 32],
        one,
        unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        unhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        near(0xec),
        near(0xed),
        near(0xee),
    ]
}

fn code(id: &Id) -> String {
    let bits: String = id.iter().map(|byte| format!("{byte:08b}")).collect();
    let symbol = |at: usize| usize::from_str_radix(&bits[at..at + 5], 2).expect("binary digits");
    let symbols: Vec<char> = (0..100).step_by(5).map(|at| char::from(CROCKFORD[symbol(at)])).collect();
    symbols.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

pub(crate) fn file() -> File {
    let mut file = File::new("persons", "docs/format/sharing.md. Nothing in a vault is of these yet");
    keys(&mut file);
    cards(&mut file);
    successions(&mut file);
    vouchers(&mut file);
    file
}

fn keys(file: &mut File) {
    for (name, person) in [("a person", PERSONS[0]), ("another person", PERSONS[3])] {
        let secret: [u8; 32] = derive(&person.0, "member secret", &join(&[&VAULT, &MEMBER]));
        let of_secret = |label| hex(derive::<32>(&secret, label, b""));
        let value = json!({
            "card": hex(person.card("Anna Müller".as_bytes())),
            "member_secret": hex(secret),
            "slot_psk": of_secret("member slot psk"),
            "letter_key": of_secret("letter"),
            "notice_key": of_secret("notice"),
            "owner_slot_psk": hex(derive::<32>(&person.0, "owner slot psk", &VAULT)),
            "owner_member": hex(derive::<16>(&VAULT, "owner", b"")),
            "space": hex(derive::<16>(&VAULT, "shared space", b"")),
        });
        let given = json!({"seed": hex(person.0), "name": "Anna Müller", "vault": hex(VAULT), "member": hex(MEMBER)});
        file.value(name, "person", given, value);
    }
}

fn cards(file: &mut File) {
    let given = |bytes: &[u8]| json!({"bytes": hex(bytes)});
    let person = PERSONS[0];
    for (name, text) in [("a card", "Anna"), ("a name of 64 bytes", &*"ä".repeat(32)), ("a name of one byte", "A")] {
        let value = json!({
            "signing": hex(person.signing()),
            "sealing": hex(person.sealing()),
            "name": text,
            "person": hex(person.id()),
            "code": code(&person.id()),
        });
        file.value(name, "card", given(&person.card(text.as_bytes())), value);
    }
    let card = person.card(b"Anna");
    let mut refuse = |name: &str, bytes: &[u8]| file.refused(name, "card", given(bytes), "corrupt");
    refuse("a card without a name", &person.card(b""));
    refuse("a name of 65 bytes", &person.card(&[b'x'; 65]));
    refuse("a name that is not UTF-8", &person.card(&[0xff]));
    refuse("a name with an escape", &person.card(b"\x1b[2J"));
    refuse("a name with a C1 control", &person.card("a\u{9b}b".as_bytes()));
    refuse("a card cut short", &card[..card.len() - 1]);
    refuse("a byte after a card", &join(&[&card, &[0]]));
    for (name, at) in [("signing key", 0), ("sealing key", 32), ("name", 68), ("signature", card.len() - 1)] {
        let mut altered = card.clone();
        altered[at] ^= 1;
        refuse(&format!("a card's {name} altered"), &altered);
    }
    let body = &card[..card.len() - 64];
    refuse("a card signed for another domain", &join(&[body, &person.sign("voucher", body)]));
    refuse("a card signed by another person", &join(&[body, &PERSONS[3].sign("card", body)]));
    for point in small_order() {
        refuse(&format!("sealing key {}", hex(point)), &person.card_with(&point, b"Anna"));
    }
    let mut high = [0; 32];
    high[31] = 0x80;
    refuse("a sealing key of small order with the highest bit", &person.card_with(&high, b"Anna"));
    // Under A = R = the neutral element and S = 0 the equation holds for every body.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let zero_s = join(&[&neutral, &[0; 32]]);
    refuse("a signing key of small order", &join(&[&neutral, &person.sealing(), &[1, 0, 0, 0], b"A", &zero_s]));
}

fn known(number: u16, keys: &Person) -> Value {
    json!({"number": number, "card": hex(keys.card(b"Anna"))})
}

fn successions(file: &mut File) {
    let [first, second, third, other] = PERSONS;
    let id = first.id();
    let chain = [first.succeed(&id, 1, &second), second.succeed(&id, 2, &third)];
    let from = |number: u16, keys: &Person, chain: &[Vec<u8>]| {
        let chain: Vec<_> = chain.iter().map(hex).collect();
        json!({"person": hex(id), "number": number, "card": hex(keys.card(b"Anna")), "chain": chain})
    };
    file.value("no succession", "successions", from(0, &first, &[]), known(0, &first));
    file.value("one succession", "successions", from(0, &first, &chain[..1]), known(1, &second));
    file.value("two successions", "successions", from(0, &first, &chain), known(2, &third));
    file.value("what came before a pinned card says nothing", "successions", from(2, &third, &chain), known(2, &third));
    file.value("on from a pinned card", "successions", from(1, &second, &chain[1..]), known(2, &third));
    let mut refuse = |name: &str, given: Value, kind| file.refused(name, "successions", given, kind);
    refuse("a succession left out", from(0, &first, &chain[1..]), "corrupt");
    refuse("successions in the wrong order", from(0, &first, &[chain[1].clone(), chain[0].clone()]), "corrupt");
    refuse("a succession twice", from(0, &first, &[chain[0].clone(), chain[0].clone()]), "corrupt");
    refuse("a succession of number 0", from(0, &first, &[first.succeed(&id, 0, &second)]), "corrupt");
    refuse("a succession of another person", from(0, &first, &[first.succeed(&other.id(), 1, &second)]), "corrupt");
    refuse("a succession by other keys", from(0, &first, &[other.succeed(&id, 1, &second)]), "corrupt");
    refuse("a first card of another person", from(0, &other, &[]), "corrupt");
    let at_one = from(1, &second, &[first.succeed(&id, 1, &third)]);
    refuse("other keys of a pinned number", at_one, "forked");
    let mut unsigned = chain[0].clone();
    let last = unsigned.len() - 1;
    unsigned[last] ^= 1;
    refuse("a succession that the new keys did not sign", from(0, &first, &[unsigned]), "corrupt");
}

fn vouchers(file: &mut File) {
    let [first, second, third, other] = PERSONS;
    let id = first.id();
    let space = derive(&VAULT, "shared space", b"");
    let public_key = public_key(&SEEDS[0]);
    let right = Vouch {
        signer: first,
        person: id,
        number: 0,
        chain: Vec::new(),
        vault: VAULT,
        space,
        member: MEMBER,
        term: TERM,
        public_key,
        name: b"phone".to_vec(),
        domain: "voucher",
    };
    let chain = vec![first.succeed(&id, 1, &second), second.succeed(&id, 2, &third)];
    let later = Vouch { signer: third, number: 2, chain: chain.clone(), ..right.clone() };
    let given = |voucher: &[u8]| {
        json!({
            "person": hex(id), "number": 0, "card": hex(first.card(b"Anna")), "vault": hex(VAULT), "space": hex(space),
            "member": hex(MEMBER), "public_key": hex(public_key), "voucher": hex(voucher),
        })
    };
    let value = |vouch: &Vouch, known: Value| {
        let name = String::from_utf8(vouch.name.clone()).expect("a name that is right");
        json!({"number": vouch.number, "term": hex(vouch.term), "name": name, "known": known})
    };
    let owners = Vouch { term: [0; 16], name: vec![b'n'; 256], ..right.clone() };
    file.value("a voucher", "voucher", given(&right.bytes()), value(&right, known(0, &first)));
    file.value("an owner's voucher", "voucher", given(&owners.bytes()), value(&owners, known(0, &first)));
    file.value("a voucher with a chain", "voucher", given(&later.bytes()), value(&later, known(2, &third)));

    let mut refuse = |name: &str, bytes: &[u8]| file.refused(name, "voucher", given(bytes), "corrupt");
    let mut wrong = |name: &str, vouch: Vouch| refuse(name, &vouch.bytes());
    wrong("a voucher for another vault", Vouch { vault: OTHER_VAULT, ..right.clone() });
    wrong("a voucher for another space", Vouch { space: [1; 16], ..right.clone() });
    wrong("a voucher for another member", Vouch { member: [1; 16], ..right.clone() });
    wrong("a voucher for another device", Vouch { public_key: [1; 32], ..right.clone() });
    wrong("a voucher of another domain", Vouch { domain: "card", ..right.clone() });
    wrong("a voucher by another person", Vouch { signer: other, ..right.clone() });
    wrong("a voucher that names another person", Vouch { person: other.id(), ..right.clone() });
    wrong("a voucher of a number that nothing led to", Vouch { signer: second, number: 1, ..right.clone() });
    wrong("a chain that goes past its voucher's number", Vouch { signer: second, number: 1, ..later.clone() });
    wrong("a chain of which one is missing", Vouch { chain: chain[1..].to_vec(), ..later.clone() });
    wrong("a voucher by the keys before", Vouch { signer: second, ..later.clone() });
    wrong("a voucher without a name", Vouch { name: Vec::new(), ..right.clone() });
    wrong("a device's name of 257 bytes", Vouch { name: vec![b'n'; 257], ..right.clone() });
    wrong("a device's name with a line feed", Vouch { name: b"a\nb".to_vec(), ..right.clone() });
    let bytes = right.bytes();
    refuse("a voucher cut short", &bytes[..bytes.len() - 1]);
    refuse("a byte after a voucher", &join(&[&bytes, &[0]]));
    let mut other_term = bytes.clone();
    other_term[16 + 2 + 4] ^= 1;
    refuse("a voucher's term altered", &other_term);
}
