"""The shared vectors (tests/vectors), read by this decoder: each check is a function of what a case is given."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import crypto
import lines
from json_form import json_form
import merge
import packs
import persons
import rosters
import run
import snapshot
from decode import decode
from manifest import Manifest, ObjectRef, read_beacon, read_manifest
from parse import Reader, Refused, require, u32, u64
from replica import (
    Attached,
    PutWith,
    KINDS,
    LOG,
    Action,
    Collection,
    Context,
    Dot,
    Entry,
    Further,
    Point,
    Stamp,
    Vector,
    read_vector,
)
from run import Op, Run
from snapshot import RowKey, Standing
from vault import HEADER

FOLDER = Path(__file__).resolve().parent.parent / "vectors"
# What this decoder has no part in: where a store is, and how an archive is imported.
OTHERS = {"addresses", "archives"}
KIND_NUMBERS = {"beacon": 3, "manifest": 4, "segment": 5, "snapshot-index": 6, "snapshot-chunk": 7}
Json = Any


def cases() -> list[Any]:
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        subject = json.loads(file.read_text())
        if subject["subject"] not in OTHERS:
            found += [pytest.param(case, id=f"{subject['subject']}: {case['name']}") for case in subject["cases"]]
    return found


@pytest.mark.parametrize("case", cases())
def test_vector(case: dict[str, Any], tmp_path: Path) -> None:
    if case["check"] == "bucket":
        check_bucket(case, tmp_path)
        return
    try:
        value = CHECKS[case["check"]](case["given"])
    except Refused as refused:
        assert "refused" in case, f"refused: {refused}"
        assert (case["refused"] == "wrong-key") == refused.rule.startswith("wrong key"), refused
    else:
        assert "value" in case, f"taken, and should be refused as {case['refused']}"
        assert value == case["value"]


# From JSON


def h(given: dict[str, Any], field: str) -> bytes:
    return bytes.fromhex(given[field])


def epoch(text: str) -> crypto.Epoch:
    number, epoch_id = text.split("-")
    return crypto.Epoch(int(number, 16), bytes.fromhex(epoch_id))


def dot(value: Json) -> Dot:
    return Dot(h(value, "device"), int(value["n"]), h(value, "tag"))


def vector(value: Json) -> Vector:
    further = lambda v: tuple(Further(Point(int(f["n"]), h(f, "tag")), int(f["fork"])) for f in v.get("further", []))  # noqa: E731
    return {h(v, "device"): Entry(int(v["n"]), h(v, "tag"), further(v)) for v in value}


def dots(value: Json) -> set[Dot]:
    return {dot(v) for v in value}


def tags(value: Json) -> lines.Tags:
    return tuple(bytes.fromhex(tag) for tag in value)


def forks(g: Json) -> lines.Forks:
    """What a case knows of forked devices: nothing, where it does not say."""
    fork = lambda v: lines.Fork(int(v["trunk"]), h(v, "before"), tuple(tags(line) for line in v["lines"]))  # noqa: E731
    return {h(v, "device"): fork(v) for v in g.get("forks", [])}


def stamp(value: Json) -> Stamp:
    return Stamp(int(value["ms"]), value["counter"])


def action(value: Json) -> Action:
    if value == "delete":
        return None
    attached = tuple(Attached(a["name"], h(a, "id"), int(a["len"])) for a in value.get("attached", []))
    return PutWith(h(value, "put"), attached) if attached else h(value, "put")


def standing(value: Json) -> Standing:
    context = Context(vector(value["context"]["vector"]), frozenset(dot(d) for d in value["context"]["dots"]))
    return Standing(dot(value["dot"]), stamp(value["stamp"]), action(value["action"]), context)


def slot(value: Json) -> list[Standing]:
    return [standing(v) for v in value]


def row_key(value: Json) -> RowKey:
    kind = next(number for number, name in KINDS.items() if name == value["collection"]["kind"])
    return RowKey(Collection(kind, value["collection"]["name"]), value["key"])


# To JSON


def dot_value(d: Dot) -> Json:
    return {"device": d.device.hex(), "n": str(d.n), "tag": d.tag.hex()}


def vector_value(v: Vector) -> Json:
    entries = []
    for device, entry in sorted(v.items()):
        value = dot_value(Dot(device, entry.n, entry.tag))
        if entry.further:
            value["further"] = [
                {"n": str(f.point.n), "tag": f.point.tag.hex(), "fork": str(f.fork)} for f in entry.further
            ]
        entries.append(value)
    return entries


def stamp_value(s: Stamp) -> Json:
    return {"ms": str(s.ms), "counter": s.counter}


def collection_value(c: Collection) -> Json:
    return {"kind": KINDS[c.kind], "name": c.name}


def action_value(action: Action) -> Json:
    if action is None:
        return "delete"
    if isinstance(action, PutWith):
        attached = [{"name": a.name, "id": a.id.hex(), "len": str(a.length)} for a in action.attached]
        return {"put": action.value.hex(), "attached": attached}
    return {"put": action.hex()}


def context_value(c: Context) -> Json:
    return {"vector": vector_value(c.vector), "dots": [dot_value(d) for d in sorted(c.dots)]}


def slot_value(writes: list[Standing]) -> Json:
    return [
        {
            "dot": dot_value(s.dot),
            "stamp": stamp_value(s.stamp),
            "action": action_value(s.action),
            "context": context_value(s.context),
        }
        for s in writes
    ]


def run_value(r: Run) -> Json:
    ops = []
    for op in r.ops:
        value: Json = {"n": str(op.dot.n), "tag": op.dot.tag.hex(), "seen": vector_value(op.seen)}
        if isinstance(op, Op):
            value["stamp"] = stamp_value(op.stamp)
            value["collection"] = collection_value(op.collection)
            value["key"] = op.key
            value["action"] = action_value(op.action)
            value["context"] = context_value(op.context)
        else:
            value["void"] = str(op.by)
        ops.append(value)
    end = r.end()
    return {
        "from": str(r.start),
        "before": r.before.hex(),
        "base": vector_value(r.base),
        "ops": ops,
        "end": dot_value(Dot(r.device, end.n, end.tag)),
    }


def object_value(o: ObjectRef) -> Json:
    return {"id": o.id.hex(), "hash": o.hash.hex(), "len": str(o.length)}


def manifest_value(m: Manifest) -> Json:
    segments = [
        {"object": object_value(s.object), "from": str(s.start), "end": {"n": str(s.end.n), "tag": s.end.tag.hex()}}
        for s in m.segments
    ]
    named = m.snapshot and {
        "index": object_value(m.snapshot.index),
        "bytes": str(m.snapshot.bytes),
        "vector": vector_value(m.snapshot.vector),
        "beyond": [dot_value(d) for d in sorted(m.snapshot.beyond)],
    }
    return {
        "device": m.device.hex(),
        "public_key": m.public_key.hex(),
        "sequence": str(m.sequence),
        "previous": m.previous.hex(),
        "hash": m.hash.hex(),
        "vector": vector_value(m.vector),
        "segments": segments,
        "tail": run_value(m.tail),
        "snapshot": named,
        "damaged": [{"device": d.hex(), "from": str(a), "to": str(b)} for d, a, b in m.damaged],
        "revoked": [
            {"device": d.hex(), "mark": mark and {"n": str(mark.n), "tag": mark.tag.hex()}, "at_ms": str(at_ms)}
            for d, (mark, at_ms) in m.revoked.items()
        ],
    }


def ring_value(ring: crypto.KeyRing) -> Json:
    return [{"epoch": e.text(), "root_secret": s.hex()} for e, s in sorted(ring.secrets.items())]


# Checks


def derive(g: Json) -> Json:
    return crypto.derive(h(g, "secret"), g["label"], h(g, "context"), g["length"]).hex()


def keyed_hashes(g: Json) -> Json:
    first, secret, of = h(g, "first_root_secret"), h(g, "root_secret"), h(g, "of")
    ring = crypto.KeyRing(h(g, "vault"), {crypto.Epoch(1, b"\x11" * 8): first} | {epoch(g["epoch"]): secret})
    content = packs.Keys.of(first, ring.vault, ring.space)
    return {
        "private_space": ring.space.hex(),
        "piece_id": crypto.keyed(content.piece, of, 32).hex(),
        "blob_id": crypto.keyed(content.blob, of, 32).hex(),
        "cut": crypto.keyed(content.cut, of, 32).hex(),
        "digest": crypto.keyed(ring.digest_key, of, 32).hex(),
        "import": crypto.keyed(crypto.derive(first, "import", ring.vault), of, 32).hex(),
    }


def signing_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(crypto.derive(seed, "device signing", b""))


def device(g: Json) -> Json:
    public_key = signing_key(h(g, "seed")).public_key().public_bytes_raw()
    device_id = crypto.device_id(public_key)
    return {
        "public_key": public_key.hex(),
        "device": device_id.hex(),
        "first_tag": run.tag_zero(device_id).hex(),
    }


def verify(g: Json) -> Json:
    crypto.verify(h(g, "public_key"), g["domain"], h(g, "body"), h(g, "signature"))
    return True


def open_envelope(g: Json) -> Json:
    sealed = h(g, "sealed")
    clear = b"TDLK" + bytes([1, g["kind"], 1]) + epoch(g["epoch"]).encoded()
    require(sealed.startswith(clear), "the clear header is not the place's")
    place = crypto.Place(h(g, "vault"), g["path"], g["kind"])
    plaintext = crypto.open_sealed(h(g, "content_key"), place, sealed)
    return {"length": len(plaintext), "blake3": crypto.blake(plaintext).hex()}


def padding_kind(g: Json) -> int:
    return crypto.SEGMENT if g["rule"] == "padme" else crypto.MANIFEST


def open_object(g: Json) -> Json:
    secrets = {epoch(e["epoch"]): h(e, "root_secret") for e in g["ring"]}
    ring = crypto.KeyRing(h(g, "vault"), secrets)
    return ring.open(g["path"], KIND_NUMBERS[g["kind"]], h(g, "sealed")).hex()


def open_keys(g: Json) -> Json:
    newest = epoch(g["epoch"])
    return ring_value(crypto.open_keys(h(g, "vault"), newest, h(g, "root_secret"), h(g, "sealed")))


def show_code(g: Json) -> Json:
    code = h(g, "code")
    bits = int.from_bytes(code + crypto.blake(crypto.labelled("recovery checksum", code))[:3], "big") >> 4
    symbols = "".join(crypto.CROCKFORD[bits >> 5 * (35 - at) & 31] for at in range(36))
    return "-".join(symbols[at : at + 4] for at in range(0, 36, 4))


def opening_secret(g: Json) -> tuple[int, bytes]:
    """The opener's number, and its secret before a passphrase is stretched."""
    match g["opener"]:
        case "recovery":
            return 1, crypto.read_recovery_code(g["secret"])
        case "passphrase":
            return 2, g["secret"].encode()
        case _:
            return 3, bytes.fromhex(g["secret"])


def open_slot(g: Json) -> Json:
    opener, secret = opening_secret(g)
    opened, root = crypto.open_slot(h(g, "vault"), h(g, "header"), g["path"], h(g, "sealed"), secret, opener)
    return {"epoch": opened.text(), "root_secret": root.hex()}


def record_of_opener(g: Json) -> Json:
    opener, secret = opening_secret(g)
    stretching = h(g, "stretching")
    if opener == 2:
        secret, name, path = crypto.stretch(secret, stretching), stretching, "slots/passphrase"
    elif opener == 1:
        path = crypto.recovery_slot_path(secret)
        name = bytes.fromhex(path.removeprefix("slots/"))
    else:
        name = crypto.device_id(signing_key(secret).public_key().public_bytes_raw())
        path = f"slots/{name.hex()}"
    label = crypto.OPENERS[opener]
    key_pair = crypto.x25519_key_pair(crypto.derive(secret, f"{label} slot key", b""))
    psk = crypto.derive(secret, f"{label} slot psk", b"")
    record = bytes([opener]) + name + key_pair.public_key().public_bytes_raw() + psk
    return {"record": record.hex(), "path": path}


def header(g: Json) -> Json:
    match = HEADER.fullmatch(h(g, "bytes"))
    require(match is not None, "not the header of a vault")
    assert match is not None
    return match[1].decode()


def tail(g: Json) -> Json:
    return run_value(Reader.whole(h(g, "tail"), run.read_tail(h(g, "device"))))


def segment(g: Json) -> Json:
    read = run.read_segment(h(g, "vault"), h(g, "space"), h(g, "device"))
    return run_value(Reader.whole(h(g, "plaintext"), read))


def manifest(g: Json) -> Json:
    return manifest_value(read_manifest(h(g, "vault"), h(g, "space"), h(g, "device"), h(g, "signed")))


def beacon_value(beacon: dict[bytes, tuple[int, bytes]]) -> Json:
    return [{"device": d.hex(), "sequence": str(n), "hash": p.hex()} for d, (n, p) in sorted(beacon.items())]


def beacon(g: Json) -> Json:
    return beacon_value(Reader.whole(h(g, "plaintext"), read_beacon(h(g, "vault"), h(g, "space"))))


def index(g: Json) -> Json:
    read = Reader.whole(h(g, "plaintext"), snapshot.read_index(h(g, "vault"), h(g, "space")))
    chunks = [
        {
            "object": object_value(c.object),
            "first": {"collection": collection_value(c.first.collection), "key": c.first.key},
            "content": c.content.hex(),
        }
        for c in read.chunks
    ]
    tags_value = lambda tags: [tag.hex() for tag in tags]  # noqa: E731
    islands = [
        {
            "device": d.hex(),
            "islands": [{"from": str(i.start), "before": i.before.hex(), "tags": tags_value(i.tags)} for i in islands],
        }
        for d, islands in read.islands.items()
    ]
    forks = [
        {
            "device": d.hex(),
            "trunk": str(f.trunk),
            "before": f.before.hex(),
            "lines": [tags_value(line) for line in f.lines],
        }
        for d, f in read.forks.items()
    ]
    return {
        "device": read.device.hex(),
        "vector": vector_value(read.vector),
        "islands": islands,
        "forks": forks,
        "tags": [{"device": d.hex(), "tags": tags_value(tags)} for d, tags in read.tags.items()],
        "chunks": chunks,
        "deletions": [{"object": object_value(d.object), "content": d.content.hex()} for d in read.deletions],
    }


def index_as_named(g: Json) -> Json:
    read = Reader.whole(h(g, "plaintext"), snapshot.read_index(h(g, "vault"), h(g, "space")))
    snapshot.require_as_named(read, vector(g["vector"]), frozenset(dots(g["beyond"])))
    return True


def chunk(g: Json) -> Json:
    parts: list[Json] = []
    for key, writes in Reader.whole(h(g, "plaintext"), snapshot.read_chunk):
        named = collection_value(key.collection)
        if not parts or parts[-1]["collection"] != named:
            parts.append({"collection": named, "rows": []})
        parts[-1]["rows"].append({"key": key.key, "slot": slot_value(writes)})
    return parts


def chunk_range(g: Json) -> Json:
    rows = Reader.whole(h(g, "plaintext"), snapshot.read_chunk)
    snapshot.require_range(rows, row_key(g["first"]), row_key(g["next"]) if g["next"] else None)
    return True


def deletions(g: Json) -> Json:
    return [d.hex() for d in Reader.whole(h(g, "plaintext"), snapshot.read_deletions)]


def device_record(g: Json) -> Json:
    record = snapshot.read_device_record(g["key"], h(g, "value"))
    return {"public_key": record.public_key.hex(), "name": record.name, "since_ms": str(record.since_ms)}


def slot_record(g: Json) -> Json:
    record = snapshot.read_slot_record(g["key"], h(g, "value"))
    return {
        "opener": crypto.OPENERS[record.opener],
        "name": record.name.hex(),
        "public_key": record.public_key.hex(),
        "psk": h(g, "value")[-32:].hex(),
    }


def append_key(g: Json) -> Json:
    s = stamp(g["stamp"])
    return f"{s.ms % 2**48:012x}{s.counter:08x}{g['random']}"


def place(g: Json) -> Json:
    return merge.place(g["key"], stamp(g["stamp"]))


def import_key(g: Json) -> Json:
    parts = [g["collection"].encode(), g["source"].encode(), h(g, "value")]
    hashed = b"".join(u64(len(p)) + p for p in parts) + u64(int(g["ms"])) + u32(g["repeat"])
    key = crypto.derive(h(g, "first_root_secret"), "import", h(g, "vault"))
    return f"i{int(g['ms']) % 2**48:012x}{crypto.keyed(key, hashed, 10).hex()}"


def deletion_digest(g: Json) -> Json:
    key = crypto.derive(h(g, "first_root_secret"), "digest", h(g, "vault"))
    return merge.deletion_digest(key, Collection(LOG, g["collection"]), g["key"]).hex()


def next_stamp(g: Json) -> Json:
    last, now_ms = stamp(g["last"]), int(g["now_ms"])
    if now_ms > last.ms or last.ms > now_ms + 86_400_000:
        return stamp_value(Stamp(now_ms, 0))
    full = last.counter == 2**32 - 1
    return stamp_value(Stamp(last.ms + 1, 0) if full else Stamp(last.ms, last.counter + 1))


def stamp_after_seeing(g: Json) -> Json:
    last, foreign = stamp(g["last"]), stamp(g["foreign"])
    return stamp_value(max(last, foreign) if foreign.ms <= int(g["now_ms"]) + 300_000 else last)


def apply(g: Json) -> Json:
    holder, write = vector(g["holder"]), standing(g["write"])
    return slot_value(merge.applied_write(slot(g["slot"]), write, vector(g["seen"]), holder, forks(g)))


def merged(g: Json) -> Json:
    known, mine, theirs = forks(g), vector(g["my_vector"]), vector(g["their_vector"])
    my_islands, their_islands = dots(g["my_islands"]), dots(g.get("their_islands", []))
    mine_has = lambda d: lines.covers(mine, d, known) or d in my_islands  # noqa: E731
    theirs_has = lambda d: lines.covers(theirs, d, known) or d in their_islands  # noqa: E731
    both = merge.merged(slot(g["mine"]), mine_has, slot(g["theirs"]), theirs_has, known)
    return slot_value(merge.settle(both, lines.join_vectors(mine, theirs, known), known))


def join_vectors(g: Json) -> Json:
    return vector_value(lines.join_vectors(vector(g["mine"]), vector(g["theirs"]), forks(g)))


def log_entry(g: Json) -> Json:
    return slot_value(merge.with_entry(slot(g["slot"]), standing(g["entry"])))


def versions(g: Json) -> Json:
    collection = Collection(next(n for n, name in KINDS.items() if name == g["kind"]), "c")
    shown = [dot_value(s.dot) for s in merge.versions(collection, slot(g["slot"]))]
    return {"counts": shown[0] if shown else None, "siblings": shown[1:]}


def held_value(held: packs.Held) -> Json:
    return {
        "kind": held.kind,
        "id": held.id.hex(),
        "at": held.at,
        "stored": held.stored,
        "inflated": held.inflated,
    }


def plaintext_value(plaintext: bytes) -> Json:
    return {"length": len(plaintext), "blake3": crypto.blake(plaintext).hex()}


def pack_at(g: Json) -> tuple[packs.PackAt, packs.Keys]:
    secrets = {epoch(e["epoch"]): h(e, "root_secret") for e in g["ring"]}
    ring, space = crypto.KeyRing(h(g, "vault"), secrets), h(g, "space")
    at = packs.PackAt.of(ring, space, g["class"], h(g, "device"), h(g, "pack"), epoch(g["epoch"]))
    return at, packs.Keys.of(secrets[min(secrets)], ring.vault, space)


def pack(g: Json) -> Json:
    at, keys = pack_at(g)
    body, held = at.read(h(g, "sealed"))
    pieces = []
    for piece in held:
        plaintext = packs.plaintext(body[piece.at : piece.at + piece.stored], piece.inflated)
        require(keys.piece_id(plaintext) == piece.id, "a piece's hash is not its id")
        pieces.append(held_value(piece) | {"plaintext": plaintext_value(plaintext)})
    return {"path": at.path, "pieces": pieces}


def piece(g: Json) -> Json:
    at, keys = pack_at(g)
    spot = packs.Spot(g["kind"], g["no"], g["at"], g["stored"], g["inflated"])
    first, last = spot.sealed_range()
    plaintext = spot.open_range(at, h(g, "answer"))
    name = g["name"]
    if "piece" in name:
        require(keys.piece_id(plaintext) == h(name, "piece"), "a piece's hash is not its id")
    else:
        packs.require_list(keys, plaintext, h(name, "blob"), int(name["len"]))
    return {"first": first, "last": last, "plaintext": plaintext_value(plaintext)}


def pack_id(g: Json) -> Json:
    told = epoch(g["epoch"]).encoded() + bytes([packs.CLASSES[g["class"]], g["codec"]]) + crypto.blake(h(g, "directory"))
    key = crypto.derive(h(g, "seed"), "hedge fresh", b"")
    return crypto.keyed(key, crypto.labelled("pack", h(g, "drawn") + told), 16).hex()


def content_keys(g: Json) -> packs.Keys:
    return packs.Keys.of(h(g, "first_root_secret"), h(g, "vault"), h(g, "space"))


def content(g: Json) -> bytes:
    """Parts in a row: the first bytes of BLAKE3's stream of a text, or one byte again and again."""
    part = lambda p: (  # noqa: E731
        blake3(p["stream_of"].encode()).digest(length=p["length"])
        if "stream_of" in p
        else bytes([p["byte"]]) * p["length"]
    )
    return b"".join(part(p) for p in g["content"])


def gear(g: Json) -> Json:
    read = packs.Gear.of(content_keys(g).cut)
    numbers = {"first": read.table[0], "last": read.table[255], "early": read.early, "late": read.late}
    return {name: f"{number:016x}" for name, number in numbers.items()}


def blob_id(g: Json) -> Json:
    blob, pieces = content_keys(g).blob_id(content(g))
    return {"id": blob.hex(), "pieces": pieces}


def person(g: Json) -> Json:
    seed, vault = h(g, "seed"), h(g, "vault")
    secret = crypto.derive(seed, "member secret", vault + h(g, "member"))
    return {
        "card": persons.make_card(seed, g["name"]).hex(),
        "member_secret": secret.hex(),
        "slot_psk": crypto.derive(secret, "member slot psk", b"").hex(),
        "letter_key": crypto.derive(secret, "letter", b"").hex(),
        "notice_key": crypto.derive(secret, "notice", b"").hex(),
        "owner_slot_psk": crypto.derive(seed, "owner slot psk", vault).hex(),
        "owner_member": crypto.derive(vault, "owner", b"", 16).hex(),
        "space": crypto.derive(vault, "shared space", b"", 16).hex(),
    }


def card(g: Json) -> Json:
    read = Reader.whole(h(g, "bytes"), persons.Card.read)
    return {
        "signing": read.signing.hex(),
        "sealing": read.sealing.hex(),
        "name": read.name,
        "person": read.person().hex(),
        "code": read.code(),
    }


def known_person(g: Json) -> persons.Known:
    card = Reader.whole(h(g, "card"), persons.Card.read)
    return persons.Known.pinned(h(g, "person"), g["number"], card)


def known_value(known: persons.Known) -> Json:
    return {"number": known.number(), "card": known.cards[known.number()].encoded.hex()}


def successions(g: Json) -> Json:
    chain = [Reader.whole(bytes.fromhex(one), persons.Succession.read) for one in g["chain"]]
    return known_value(known_person(g).learn(chain))


def voucher(g: Json) -> Json:
    read = Reader.whole(h(g, "voucher"), persons.Voucher.read)
    known = read.verify(h(g, "vault"), h(g, "space"), h(g, "member"), h(g, "public_key"), known_person(g))
    return {"number": read.number, "term": read.term.hex(), "name": read.name, "known": known_value(known)}


def roster(g: Json) -> Json:
    read = rosters.read_roster(h(g, "vault"), known_person(g), h(g, "signed"))
    return {
        "version": str(read.version),
        "live": [id.hex() for id in read.live()],
        "gone": len(read.gone),
        "commits": read.commits_to(h(g, "vault"), epoch(g["epoch"]), h(g, "root_secret")),
    }


CHECKS: dict[str, Callable[[Json], Json]] = {
    "derive": derive,
    "keyed-hashes": keyed_hashes,
    "device": device,
    "device-id": lambda g: crypto.device_id(h(g, "public_key")).hex(),
    "sign": lambda g: signing_key(h(g, "seed")).sign(crypto.labelled(g["domain"], h(g, "body"))).hex(),
    "verify": verify,
    "open": open_envelope,
    "unpad": lambda g: crypto.unpad(h(g, "padded"), padding_kind(g)).hex(),
    "padded-length": lambda g: crypto.padded_length(g["length"], padding_kind(g)),
    "object": open_object,
    "open-keys": open_keys,
    "show-code": show_code,
    "read-code": lambda g: crypto.read_recovery_code(g["text"]).hex(),
    "open-slot": open_slot,
    "record-of-opener": record_of_opener,
    "header": header,
    "json-form": lambda g: json_form(h(g, "text")).hex(),
    "tail": tail,
    "segment": segment,
    "manifest": manifest,
    "beacon": beacon,
    "index": index,
    "index-as-named": index_as_named,
    "vector": lambda g: vector_value(Reader.whole(h(g, "bytes"), read_vector)),
    "covers": lambda g: [lines.covers(vector(g["vector"]), dot(d), forks(g)) for d in g["dots"]],
    "join-vectors": join_vectors,
    "chunk": chunk,
    "chunk-range": chunk_range,
    "deletions": deletions,
    "device-record": device_record,
    "slot-record": slot_record,
    "append-key": append_key,
    "place": place,
    "import-key": import_key,
    "deletion-digest": deletion_digest,
    "next-stamp": next_stamp,
    "stamp-after-seeing": stamp_after_seeing,
    "apply": apply,
    "merge": merged,
    "log-entry": log_entry,
    "versions": versions,
    "directory": lambda g: [held_value(piece) for piece in packs.read_directory(h(g, "body"))],
    "pack": pack,
    "piece": piece,
    "pack-id": pack_id,
    "gear": gear,
    "cuts": lambda g: packs.Gear.of(content_keys(g).cut).cuts(content(g)),
    "blob-id": blob_id,
    "person": person,
    "card": card,
    "successions": successions,
    "voucher": voucher,
    "roster": roster,
}


def check_bucket(case: dict[str, Any], folder: Path) -> None:
    """The first stage: this decoder reads one moment, and remembers none."""
    given = case["given"]
    for path, data in given["stages"][0].items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(data))
    try:
        state = decode(folder, given["recovery_code"])
    except Refused as refused:
        assert "refused" in case or refused.object_path in given["bad"], f"refused: {refused}"
    else:
        assert "value" in case and not given["bad"], "taken, and something in it is bad"
        text = lambda version: base64.b64decode(version["value"]).decode()  # noqa: E731
        held = {
            "applied": [{"device": d, "n": str(p["n"])} for d, p in state["vector"].items()],
            "maps": shelf(state["maps"], lambda versions: [text(v) for v in versions]),
            "logs": shelf(state["logs"], lambda versions: text(versions[0])),
            "forked": [],
        }
        assert held == case["value"][0]


def shelf(collections: Json, shown: Callable[[Json], Json]) -> Json:
    """Each collection's records that hold a value."""
    found = {
        name: {key: shown(slot["versions"]) for key, slot in rows.items() if slot["versions"]}
        for name, rows in collections.items()
    }
    return {name: rows for name, rows in found.items() if rows}
