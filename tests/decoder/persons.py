"""Persons' keys, cards, successions and vouchers (docs/format/sharing.md)."""

import unicodedata
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import crypto
from parse import Reader, counted, require

MAX_SUCCESSIONS = 64


def signing_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(crypto.derive(seed, "person signing", b""))


def make_card(seed: bytes, name: str) -> bytes:
    key = signing_key(seed)
    sealing = crypto.x25519_key_pair(crypto.derive(seed, "person slot key", b"")).public_key()
    body = key.public_key().public_bytes_raw() + sealing.public_bytes_raw() + counted(name.encode())
    return body + key.sign(crypto.labelled("card", body))


def is_usable_x25519(key: bytes) -> bool:
    """Not of small order: some multiple of 8 times the point is not zero."""
    try:
        # Any private key will do: it is a multiple of 8, and so takes just the points of small order to zero.
        crypto.x25519_key_pair(b"any").exchange(crypto.X25519PublicKey.from_public_bytes(key))
    except ValueError:
        return False
    return True


def read_name(r: Reader, most: int) -> str:
    name = r.text()
    require(1 <= len(name.encode()) <= most, f"a name has 1 to {most} bytes")
    require(all(unicodedata.category(c) != "Cc" for c in name), "a name has a control character")
    return name


@dataclass(frozen=True)
class Card:
    signing: bytes
    sealing: bytes
    name: str
    encoded: bytes

    @classmethod
    def read(cls, r: Reader) -> "Card":
        signing, sealing, name, signature = r.fixed(32), r.fixed(32), read_name(r, 64), r.fixed(64)
        require(is_usable_x25519(sealing), "a sealing key of small order")
        body = signing + sealing + counted(name.encode())
        crypto.verify(signing, "card", body, signature)
        return cls(signing, sealing, name, body + signature)

    def hash(self) -> bytes:
        return crypto.blake(crypto.labelled("person", self.signing + self.sealing))

    def person(self) -> bytes:
        """The person whose number 0 this is."""
        return self.hash()[:16]

    def code(self) -> str:
        bits = int.from_bytes(self.hash(), "big") >> 156
        symbols = "".join(crypto.CROCKFORD[bits >> 5 * (19 - at) & 31] for at in range(20))
        return "-".join(symbols[at : at + 4] for at in range(0, 20, 4))

    def keys(self) -> bytes:
        return self.signing + self.sealing


@dataclass(frozen=True)
class Succession:
    person: bytes
    number: int
    card: Card
    by_old: bytes
    by_new: bytes

    @classmethod
    def read(cls, r: Reader) -> "Succession":
        return cls(r.fixed(16), r.u16(), Card.read(r), r.fixed(64), r.fixed(64))

    def verify(self, old: Card) -> None:
        body = self.person + self.number.to_bytes(2, "little") + self.card.encoded
        crypto.verify(old.signing, "succession", body, self.by_old)
        crypto.verify(self.card.signing, "succession", body, self.by_new)


@dataclass(frozen=True)
class Known:
    """A person by a card that is trusted, and what followed it."""

    person: bytes
    cards: dict[int, Card]

    @classmethod
    def pinned(cls, person: bytes, number: int, card: Card) -> "Known":
        require(number > 0 or card.person() == person, "the first card is another person's")
        return cls(person, {number: card})

    def number(self) -> int:
        return max(self.cards)

    def learn(self, chain: list[Succession]) -> "Known":
        check_chain(self.person, chain)
        cards = dict(self.cards)
        for new in chain:
            if new.number < min(cards):
                continue
            if new.number in cards:
                require(cards[new.number].keys() == new.card.keys(), "two keys of one number")
                continue
            require(new.number - 1 in cards, "successions are missing")
            new.verify(cards[new.number - 1])
            cards[new.number] = new.card
        return Known(self.person, cards)


def check_chain(person: bytes, chain: list[Succession]) -> None:
    require(len(chain) <= MAX_SUCCESSIONS, "more than 64 successions")
    for at, new in enumerate(chain):
        require(new.person == person, "a succession is another person's")
        require(new.number == (chain[0].number or 1) + at, "successions do not follow one another from 1 or above")


@dataclass(frozen=True)
class Voucher:
    person: bytes
    number: int
    chain: list[Succession]
    term: bytes
    name: str
    signature: bytes

    @classmethod
    def read(cls, r: Reader) -> "Voucher":
        person, number, chain = r.fixed(16), r.u16(), r.list(Succession.read)
        check_chain(person, chain)
        require(not chain or chain[-1].number == number, "a chain does not lead to its voucher's keys")
        return cls(person, number, chain, r.fixed(16), read_name(r, 256), r.fixed(64))

    def verify(self, vault: bytes, space: bytes, member: bytes, public_key: bytes, known: Known) -> Known:
        require(self.person == known.person, "a voucher is another person's")
        known = known.learn(self.chain)
        require(self.number in known.cards, "nothing led to the keys of a voucher")
        number = self.number.to_bytes(2, "little")
        body = vault + space + member + self.term + public_key + number + self.name.encode()
        crypto.verify(known.cards[self.number].signing, "voucher", body, self.signature)
        return known
