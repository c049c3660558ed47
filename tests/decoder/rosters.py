"""Signed rosters (docs/format/sharing.md)."""

import unicodedata
from dataclasses import dataclass

import crypto
import persons
from parse import Reader, require

MAX_BYTES, MAX_MEMBERS, MAX_TERMS, MAX_LABEL = 65_536, 64, 256, 256
READ, WRITE = 1, 2


@dataclass(frozen=True)
class Member:
    cards: list[persons.Card]
    seed: int
    chain: list[persons.Succession]
    label: str

    @classmethod
    def read(cls, r: Reader) -> "Member":
        # A set rises as its elements' fields do, in their order.
        cards, seed = r.list(persons.Card.read), r.u16()
        keys = [(c.signing, c.sealing, c.name, c.encoded[-64:]) for c in cards]
        require(keys == sorted(set(keys)) and cards != [], "a member's cards are none, or do not rise")
        chain = r.list(persons.Succession.read)
        numbers = [(s.person, s.number, s.card.encoded, s.by_old, s.by_new) for s in chain]
        require(numbers == sorted(set(numbers)), "a member's successions do not rise")
        require(len(chain) <= persons.MAX_SUCCESSIONS, "more than 64 successions")
        label = r.text()
        require(len(label.encode()) <= MAX_LABEL, "a label is longer than 256 bytes")
        require(all(unicodedata.category(c) != "Cc" for c in label), "a label has a control character")
        return cls(cards, seed, chain, label)


@dataclass(frozen=True)
class Term:
    member: bytes
    role: int
    seen: dict[bytes, int]
    at_ms: int

    @classmethod
    def read(cls, r: Reader) -> "Term":
        term = cls(r.fixed(16), r.u8(), read_counts(r), r.u64())
        require(term.role in (READ, WRITE), "a role is neither read nor write")
        return term


def read_id(r: Reader) -> bytes:
    return r.fixed(16)


def read_counts(r: Reader) -> dict[bytes, int]:
    return r.map(read_id, Reader.u32)


@dataclass(frozen=True)
class Roster:
    version: int
    members: dict[bytes, Member]
    terms: dict[bytes, Term]
    ended: dict[bytes, int]
    revoked: dict[bytes, dict[bytes, int]]
    gone: frozenset[bytes]
    epoch: bytes
    commit: bytes

    def live(self) -> list[bytes]:
        """The terms that hold, by the roster alone."""
        return [id for id, term in sorted(self.terms.items()) if self._is_live(id, term)]

    def _is_live(self, id: bytes, term: Term) -> bool:
        cards = self.members[term.member].cards
        if id in self.ended or len(cards) != 1:
            return False
        revoked = self.revoked.get(cards[0].person(), {})
        return all(term.seen.get(device, -1) >= count for device, count in revoked.items())

    def commits_to(self, vault: bytes, epoch: crypto.Epoch, root_secret: bytes) -> bool:
        commit = crypto.derive(root_secret, "commit", vault + epoch.encoded())
        return self.epoch == epoch.encoded() and self.commit == commit


def read_roster(vault: bytes, owner: persons.Known, signed: bytes) -> Roster:
    """A roster that one of the owner's devices states."""
    require(len(signed) <= MAX_BYTES, "a roster is longer than 65,536 bytes")
    r = Reader(signed)
    epoch, commit, version = r.fixed(12), r.fixed(32), r.u64()
    members, terms = r.map(read_id, Member.read), r.map(read_id, Term.read)
    ended, revoked, gone = r.map(read_id, Reader.u64), r.map(read_id, read_counts), r.set(read_id)
    public_key, voucher = r.fixed(32), persons.Voucher.read(r)
    body, signature = signed[: len(signed) - r.left()], r.fixed(64)
    r.end()
    require(len(members) <= MAX_MEMBERS, "more than 64 members")
    require(len(terms) <= MAX_TERMS, "more than 256 terms")
    require(all(t.member in members for t in terms.values()), "a term is of no member")
    require(ended.keys() <= terms.keys(), "the end of no term")
    of_manifest = epoch == bytes(12) and commit == bytes(32)
    require(of_manifest or epoch[:4] != bytes(4), "an epoch's number is 0")
    require(voucher.term == bytes(16), "the voucher is not an owner's")
    space = crypto.derive(vault, "shared space", b"", 16)
    voucher.verify(vault, space, crypto.derive(vault, "owner", b"", 16), public_key, owner)
    crypto.verify(public_key, "roster", vault + body, signature)
    return Roster(version, members, terms, ended, revoked, gone, epoch, commit)
