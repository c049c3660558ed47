//! Whole buckets: what a device that joins by the recovery code must hold, and how it goes on.

use crate::bytes::{Entry, blob, join, one_line};
use crate::case::{File, hex};
use crate::lines::Island;
use crate::manifest::{Manifest, ObjectRef, SegmentRef};
use crate::ops::{Action, Attached, Op, Run, log, map, places, root};
use crate::sealing::{
    BEACON, CHUNK, Epoch, INDEX, KEYS, MANIFEST, Opener, Place, SEGMENT, SlotWords, code_text, derive, hash, keyed,
    pad, public_key, seal,
};
use crate::snapshot::{Index, Standing, chunk, deletions, row};
use crate::world::{CODE, FIRST, MS, OTHER_VAULT, ROOTS, SECOND, VAULT, content_key, devices, header, space};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Objects by key.
type Objects = BTreeMap<String, Vec<u8>>;

/// A vault's bucket while it is filled.
#[derive(Clone)]
pub(crate) struct Bucket {
    epoch: Epoch,
    root: [u8; 32],
    objects: Objects,
    sightings: BTreeMap<[u8; 16], (u64, [u8; 8])>,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        let mut bucket = Self { epoch: FIRST, root: ROOTS[0], objects: Objects::new(), sightings: BTreeMap::new() };
        bucket.objects.insert("tidelock".to_owned(), header());
        bucket.slot();
        bucket
    }

    /// The recovery code's slot, under the epoch of now.
    fn slot(&mut self) {
        let opener = Opener::recovery(&CODE);
        let words = SlotWords::new(&opener, VAULT, self.epoch, &self.root, &header());
        self.objects.insert(opener.path.clone(), words.seal(&opener).bytes());
    }

    /// From here on the second epoch is the newest.
    fn turn(&mut self) {
        (self.epoch, self.root) = (SECOND, ROOTS[1]);
        self.slot();
        let path = format!("keys/{}", SECOND.text());
        let place =
            Place { key: derive(&ROOTS[1], "keys", &VAULT), vault: VAULT, kind: KEYS, epoch: SECOND, path: &path };
        let earlier = join(&[&1u32.to_le_bytes(), &FIRST.bytes(), &ROOTS[0]]);
        self.objects.insert(path.clone(), seal(&place, &earlier).bytes());
    }

    fn put(&mut self, kind: u8, rest: &str, content: &[u8]) -> Vec<u8> {
        let path = format!("spaces/{}/{rest}", hex(space()));
        let key = content_key(&self.root, space());
        let place = Place { key, vault: VAULT, kind, epoch: self.epoch, path: &path };
        let sealed = seal(&place, &pad(kind, content)).bytes();
        self.objects.insert(path.clone(), sealed.clone());
        sealed
    }

    pub(crate) fn manifest(&mut self, manifest: &Manifest) {
        let device = manifest.home[2];
        self.put(MANIFEST, &format!("manifests/{}", hex(device)), &manifest.signed());
        let short = manifest.hash()[..8].try_into().expect("8 bytes");
        self.sightings.insert(device, (manifest.sequence, short));
        let entry =
            |(device, (sequence, hash)): (&[u8; 16], &(u64, [u8; 8]))| join(&[device, &sequence.to_le_bytes(), hash]);
        let entries: Vec<Vec<u8>> = self.sightings.iter().map(entry).collect();
        self.put(BEACON, "beacon", &join(&[&VAULT, &space(), &crate::bytes::list(&entries)]));
    }

    pub(crate) fn segment(&mut self, id: u8, run: &Run) -> SegmentRef {
        let segment = run.columns().segment([VAULT, space(), run.device]);
        let path = format!("segments/{}/{}", hex(run.device), hex([id; 16]));
        let sealed = self.put(SEGMENT, &path, &segment.bytes());
        SegmentRef { object: ObjectRef::of([id; 16], &sealed), from: run.from, end: run.end() }
    }

    pub(crate) fn snapshot(&mut self, kind: u8, id: u8, content: &[u8]) -> ObjectRef {
        let sealed = self.put(kind, &format!("snapshots/{}", hex([id; 16])), content);
        ObjectRef::of([id; 16], &sealed)
    }

    fn value(&self) -> Value {
        let objects = self.objects.iter().map(|(path, bytes)| (path.clone(), json!(STANDARD.encode(bytes))));
        Value::Object(objects.collect::<Map<_, _>>())
    }
}

/// What a device lists itself by.
fn record(seed: &[u8; 32]) -> Op {
    let value = join(&[&public_key(seed), &blob(b"laptop"), &MS.to_le_bytes()]);
    Op::new(root(), &format!("devices/{}", hex(crate::sealing::device_id(seed))), Action::Put(value))
}

/// A device's ops from its record on, and its seed.
pub(crate) fn run(device: usize, ops: Vec<Op>) -> (Run, [u8; 32]) {
    let (id, seed) = devices()[device];
    (Run::first(id, [vec![record(&seed)], ops].concat()), seed)
}

fn first(device: usize, ops: Vec<Op>, others: &[Entry]) -> Manifest {
    let (run, seed) = run(device, ops);
    Manifest::first(seed, run, others)
}

/// What is held: `maps` has the values at each key, the one that counts first, `applied` how far each device's ops are.
pub(crate) struct Held {
    applied: Vec<Entry>,
    maps: Value,
    logs: Value,
    /// Devices of which a second line turned up.
    forked: Vec<usize>,
}

impl Held {
    pub(crate) fn new(applied: &[Entry], maps: Value, logs: Value) -> Self {
        Self { applied: applied.to_vec(), maps, logs, forked: Vec::new() }
    }

    pub(crate) fn with_fork(mut self, device: usize) -> Self {
        self.forked.push(device);
        self
    }

    fn value(&self) -> Value {
        let forked: Value = self.forked.iter().map(|at| hex(devices()[*at].0)).collect();
        let applied = |(device, n, _): &Entry| json!({"device": hex(device), "n": n.to_string()});
        let applied: Value = self.applied.iter().map(applied).collect();
        json!({"applied": applied, "maps": self.maps, "logs": self.logs, "forked": forked})
    }
}

const ENTRY: &str = "018bcfe568000000000000000000000a";

pub(crate) fn file() -> File {
    let mut file = File::new(
        "buckets",
        "docs/FORMAT.md and both pages behind it. Each of `stages` puts objects over those before; the value has what is \
         held after each. `bad` names objects of which one at least is refused; they hold up nobody",
    );
    single(&mut file);
    epochs(&mut file);
    revoked(&mut file);
    waiting_and_bad(&mut file);
    chains(&mut file);
    super::copies::add(&mut file);
    unopenable(&mut file);
    file
}

pub(crate) fn case(file: &mut File, name: &str, stages: &[&Bucket], bad: &[String], held: &[Held]) {
    let stages: Value = stages.iter().map(|bucket| bucket.value()).collect();
    let given = json!({"recovery_code": code_text(&CODE), "stages": stages, "bad": bad});
    file.value(name, "bucket", given, held.iter().map(Held::value).collect());
}

fn single(file: &mut File) {
    let nothing = || (json!({}), json!({}));
    let mut bucket = Bucket::new();
    let one = first(0, vec![Op::put(map("todo"), "milk", "two litres"), Op::put(log("shell"), ENTRY, "ls")], &[]);
    bucket.manifest(&one);
    let maps = json!({"todo": {"milk": ["two litres"]}});
    case(file, "one device", &[&bucket], &[], &[Held::new(&[one.tail.end()], maps, json!({"shell": {ENTRY: "ls"}}))]);

    let mut bucket = Bucket::new();
    let one = first(0, vec![], &[]);
    bucket.manifest(&one);
    let (maps, logs) = nothing();
    case(file, "a device that wrote nothing", &[&bucket], &[], &[Held::new(&[one.tail.end()], maps, logs)]);

    let mut bucket = Bucket::new();
    let one = first(0, vec![Op::put(map("m"), "k", "a")], &[]);
    let two = first(1, vec![Op::put(map("m"), "k", "b").at(MS + 1, 0)], &[]);
    bucket.manifest(&one);
    bucket.manifest(&two);
    let maps = json!({"m": {"k": ["b", "a"]}});
    case(file, "two puts at once", &[&bucket], &[], &[Held::new(&[one.tail.end(), two.tail.end()], maps, json!({}))]);

    let mut bucket = Bucket::new();
    let end = one.tail.end();
    let two = first(
        1,
        vec![
            Op::put(map("m"), "k", "b").seeing(&[end]).at(MS - 1, 0),
            Op::put(map("m"), "gone", "x"),
            Op::new(map("m"), "gone", Action::Delete),
        ],
        &[end],
    );
    bucket.manifest(&one);
    bucket.manifest(&two);
    let maps = json!({"m": {"k": ["b"]}});
    case(
        file,
        "a put after the other, by an earlier clock; a delete",
        &[&bucket],
        &[],
        &[Held::new(&[end, two.tail.end()], maps, json!({}))],
    );

    let mut bucket = Bucket::new();
    let scan = |id| Action::PutWith(b"a".to_vec(), vec![Attached::new("scan.pdf", id, 5)]);
    let laid = |device: usize| {
        let spot = [0u8, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        let place = join(&[&[1], &devices()[device].0, &[0xb1; 16], &[1; 12], &spot]);
        Op::new(places(), &"01".repeat(32), Action::Put(place))
    };
    let one = first(0, vec![Op::new(map("m"), "k", scan(1)), laid(0)], &[]);
    let two = first(1, vec![Op::new(map("m"), "k", scan(1)).at(MS + 1, 0), laid(1)], &[]);
    bucket.manifest(&one);
    bucket.manifest(&two);
    let held = Held::new(&[one.tail.end(), two.tail.end()], json!({"m": {"k": ["a"]}}), json!({}));
    case(file, "one attachment twice, and two places of it", &[&bucket], &[], &[held]);

    let mut bucket = Bucket::new();
    let other = ENTRY.replace('a', "b");
    let one = first(0, vec![Op::put(log("l"), ENTRY, "x"), Op::put(log("l"), &other, "y")], &[]);
    let two = first(1, vec![Op::new(log("l"), ENTRY, Action::Delete)], &[]);
    bucket.manifest(&one);
    bucket.manifest(&two);
    case(
        file,
        "an entry's delete wins over what it has not seen",
        &[&bucket],
        &[],
        &[Held::new(&[one.tail.end(), two.tail.end()], json!({}), json!({"l": {other.as_str(): "y"}}))],
    );

    let mut bucket = Bucket::new();
    let (head, seed) =
        run(0, vec![Op::put(map("m"), "k", "a"), Op { void: Some(2), ..Op::put(map("m"), "v", "gone") }]);
    let middle = head.then(vec![], vec![Op::put(map("m"), "k2", "b")]);
    let tail = middle.then(vec![], vec![Op::put(map("m"), "k", "c")]);
    let segments = vec![bucket.segment(1, &head), bucket.segment(2, &middle)];
    bucket.manifest(&Manifest { segments, ..Manifest::first(seed, tail.clone(), &[]) });
    let maps = json!({"m": {"k": ["c"], "k2": ["b"]}});
    case(file, "two segments, a void, a tail", &[&bucket], &[], &[Held::new(&[tail.end()], maps, json!({}))]);

    let (bucket, end) = trimmed(|_| {});
    let held = || Held::new(&[end], json!({"m": {"k": ["a"]}}), json!({"l": {ENTRY: "x"}}));
    case(file, "a snapshot and nothing before it", &[&bucket], &[], &[held()]);
}

/// A device that has trimmed its log: the snapshot alone has its record, a map's row, a log's row and a deletion.
fn trimmed(spoil: impl Fn(&mut Index)) -> (Bucket, Entry) {
    let mut bucket = Bucket::new();
    let gone = ENTRY.replace('a', "c");
    let (before, seed) = run(
        0,
        vec![
            Op::put(map("m"), "k", "a"),
            Op::put(log("l"), ENTRY, "x"),
            Op::put(log("l"), &gone, "y"),
            Op::new(log("l"), &gone, Action::Delete),
        ],
    );
    let own = &before.ops[0];
    let parts = [
        (
            root(),
            vec![(own.key.clone(), vec![Standing { action: own.action.clone(), ..Standing::put(before.dot(0), "") }])],
        ),
        (map("m"), vec![row("k", &[Standing::put(before.dot(1), "a")])]),
        (log("l"), vec![row(ENTRY, &[Standing::put(before.dot(2), "x")])]),
    ];
    let digest_key: [u8; 32] = derive(&ROOTS[0], "digest", &VAULT);
    let counted = join(&[&1u64.to_le_bytes(), b"l", gone.as_bytes()]);
    let digest = keyed(&digest_key, &counted)[..16].try_into().expect("16 bytes");
    let (one, two, gone) = (chunk(&parts[..1]), chunk(&parts[1..]), deletions(&[digest]));
    let mut index = Index {
        chunks: vec![
            (bucket.snapshot(CHUNK, 1, &one), (root(), own.key.clone()), hash(&one)),
            (bucket.snapshot(CHUNK, 2, &two), (map("m"), b"k".to_vec()), hash(&two)),
        ],
        deletions: vec![(bucket.snapshot(CHUNK, 3, &gone), hash(&gone))],
        ..Index::new(before.device, one_line(&[before.end()]))
    };
    spoil(&mut index);
    let bytes =
        index.chunks.iter().map(|(object, _, _)| object.2).chain(index.deletions.iter().map(|(object, _)| object.2));
    let bytes = bytes.sum();
    let named = bucket.snapshot(INDEX, 4, &index.bytes());
    let tail = before.then(vec![], vec![]);
    let manifest =
        Manifest { snapshot: Some((named, bytes, one_line(&[before.end()]))), ..Manifest::first(seed, tail, &[]) };
    bucket.manifest(&manifest);
    (bucket, before.end())
}

/// What is under older keys than the newest counts if its device is listed: by itself under the newest, or by another.
fn epochs(file: &mut File) {
    let (head, seed) = run(0, vec![Op::put(map("m"), "k", "a")]);
    let end = head.end();
    let old = Manifest::first(seed, head.clone(), &[]);
    let two = first(1, vec![Op::put(map("m"), "k", "b").seeing(&[end])], &[end]);
    let both = || Held::new(&[end, two.tail.end()], json!({"m": {"k": ["b"]}}), json!({}));

    let mut bucket = Bucket::new();
    let segments = vec![bucket.segment(1, &head)];
    bucket.turn();
    let tail = head.then(vec![], vec![]);
    let again = Manifest { segments, sequence: 2, previous: old.hash(), ..Manifest::first(seed, tail, &[]) };
    bucket.manifest(&again);
    bucket.manifest(&two);
    case(file, "two epochs: a segment under the older keys", &[&bucket], &[], &[both()]);

    let mut bucket = Bucket::new();
    bucket.manifest(&old);
    bucket.turn();
    let alone = first(1, vec![Op::put(map("n"), "k", "b")], &[]);
    bucket.manifest(&alone);
    let held = Held::new(&[alone.tail.end()], json!({"n": {"k": ["b"]}}), json!({}));
    case(file, "two epochs: under the older keys a device that nobody lists", &[&bucket], &[], &[held]);

    let mut bucket = Bucket::new();
    bucket.manifest(&old);
    bucket.turn();
    let record = |run: &Run| {
        let own = &run.ops[0];
        let standing = Standing { action: own.action.clone(), ..Standing::put(run.dot(0), "") };
        (own.key.clone(), vec![standing])
    };
    let mut rows = vec![record(&head), record(&two.tail)];
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    let place = (root(), rows[0].0.clone());
    let content = chunk(&[(root(), rows), (map("m"), vec![row("k", &[Standing::put(two.tail.end(), "b")])])]);
    let mut vector = one_line(&[end, two.tail.end()]);
    vector.sort_unstable();
    let object = bucket.snapshot(CHUNK, 1, &content);
    let bytes = object.2;
    let index = Index { chunks: vec![(object, place, hash(&content))], ..Index::new(two.home[2], vector.clone()) };
    let named = bucket.snapshot(INDEX, 2, &index.bytes());
    bucket.manifest(&Manifest { snapshot: Some((named, bytes, vector)), ..two.clone() });
    case(file, "two epochs: under the older keys a device that another's snapshot lists", &[&bucket], &[], &[both()]);
}

/// Device 0 turned the keys and revoked device 1, whose manifest stays under the older ones.
fn revoked(file: &mut File) {
    let op = |key: &str, value: &str| Op::put(map("m"), key, value);
    let (record, seed) = run(1, vec![]);
    let before = run(1, vec![op("before", "b")]).0;
    let (all, _) = run(1, vec![op("before", "b"), op("later", "x")]);
    let mark = before.end();
    let one = |run: &Run| Manifest::first(seed, run.clone(), &[]);
    let zero = first(0, vec![], &[mark]);
    let end = zero.tail.end();
    let held = |applied: &[Entry], maps: Value| Held::new(applied, maps, json!({}));
    let maps = || json!({"m": {"before": ["b"]}});

    let bucket = revoking(&one(&all), &zero, mark, &before);
    case(file, "revoked: what is beyond the mark does not count", &[&bucket], &[], &[held(&[end, mark], maps())]);
    let bucket = revoking(&one(&all), &zero, mark, &record);
    case(file, "revoked: up to the mark its log counts", &[&bucket], &[], &[held(&[end, mark], maps())]);
    let forged = one(&run(1, vec![op("before", "forged"), op("later", "x")]).0);
    let bucket = revoking(&forged, &zero, mark, &record);
    let only = || held(&[end, record.end()], json!({}));
    case(file, "revoked: another history below the mark", &[&bucket], &[], &[only()]);
    let void = |by: u64| Op { void: Some(by), ..op("before", "b") };
    let replaced = one(&run(1, vec![void(1), op("before", "x")]).0);
    let bucket = revoking(&replaced, &zero, mark, &record);
    case(file, "revoked: a void up to the mark, what replaced it beyond", &[&bucket], &[], &[only()]);
    let bucket = revoking(&replaced, &zero, mark, &before);
    case(file, "revoked: such a void, and a snapshot with its op", &[&bucket], &[], &[held(&[end, mark], maps())]);
    let twice = one(&run(1, vec![void(1), Op { void: Some(1), ..op("before", "c") }, op("before", "x")]).0);
    let bucket = revoking(&twice, &zero, mark, &record);
    case(file, "revoked: a void that a void replaced", &[&bucket], &[], &[only()]);

    let mut bucket = revoking(&one(&all), &zero, mark, &before);
    let two = first(2, vec![op("on it", "y").seeing(&[all.end()])], &[all.end()]);
    bucket.manifest(&two);
    let maps = json!({"m": {"before": ["b"], "later": ["x"], "on it": ["y"]}});
    let taken = held(&[end, all.end(), two.tail.end()], maps);
    case(file, "revoked: what another had taken counts", &[&bucket], &[], &[taken]);
}

/// A bucket where `zero` says that `one` is revoked. Its snapshot has device 1's ops as far as `state` goes: its record, and
/// perhaps one more.
fn revoking(one: &Manifest, zero: &Manifest, mark: Entry, state: &Run) -> Bucket {
    let mut bucket = Bucket::new();
    bucket.manifest(one);
    bucket.turn();
    let record = |run: &Run| {
        let standing = Standing { action: run.ops[0].action.clone(), ..Standing::put(run.dot(0), "") };
        (run.ops[0].key.clone(), vec![standing])
    };
    let mut rows = vec![record(&zero.tail), record(state)];
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    let place = (root(), rows[0].0.clone());
    let mut parts = vec![(root(), rows)];
    if state.ops.len() > 1 {
        parts.push((map("m"), vec![row("before", &[Standing::put(state.dot(1), "b")])]));
    }
    let content = chunk(&parts);
    let mut vector = one_line(&[zero.tail.end(), state.end()]);
    vector.sort_unstable();
    let object = bucket.snapshot(CHUNK, 1, &content);
    let bytes = object.2;
    let index = Index { chunks: vec![(object, place, hash(&content))], ..Index::new(zero.home[2], vector.clone()) };
    let named = bucket.snapshot(INDEX, 2, &index.bytes());
    let revoked = vec![(mark.0, Some((mark.1, mark.2)), MS)];
    bucket.manifest(&Manifest { revoked, snapshot: Some((named, bytes, vector)), ..zero.clone() });
    bucket
}

fn manifest_path(device: usize) -> String {
    format!("spaces/{}/manifests/{}", hex(space()), hex(devices()[device].0))
}

fn waiting_and_bad(file: &mut File) {
    let one = first(0, vec![Op::put(map("m"), "k", "a")], &[]);
    let (id, n, tag) = one.tail.end();
    let mut bucket = Bucket::new();
    let ahead = (id, n + 1, tag);
    let (second, seed) = devices()[1];
    let ops = vec![record(&seed).seeing(&[ahead]), Op::put(map("m"), "k", "b")];
    bucket.manifest(&one);
    bucket.manifest(&Manifest::first(seed, Run::first(second, ops), &[ahead]));
    case(
        file,
        "what has seen more than is published waits",
        &[&bucket],
        &[],
        &[Held::new(&[one.tail.end()], json!({"m": {"k": ["a"]}}), json!({}))],
    );

    let held = || Held::new(&[one.tail.end()], json!({"m": {"k": ["a"]}}), json!({}));
    let two = || first(1, vec![Op::put(map("m"), "k", "b")], &[]);
    let mut bad = |name: &str, two: Manifest| {
        let mut bucket = Bucket::new();
        bucket.manifest(&one);
        bucket.manifest(&two);
        case(file, name, &[&bucket], &[manifest_path(1)], &[held()]);
    };
    bad("a manifest signed by another device", Manifest { seed: devices()[2].1, ..two() });
    bad("a manifest that does not end where its tail ends", Manifest { vector: vec![], ..two() });

    for (name, spoil) in [
        ("a manifest of one flipped bit", (|bytes: &mut Vec<u8>| bytes[200] ^= 1) as fn(&mut Vec<u8>)),
        ("a manifest cut short", |bytes| bytes.truncate(1_000)),
        ("an empty manifest", Vec::clear),
    ] {
        let mut bucket = Bucket::new();
        bucket.manifest(&one);
        bucket.manifest(&two());
        bucket.objects.get_mut(&manifest_path(1)).map(spoil).expect("just put");
        case(file, name, &[&bucket], &[manifest_path(1)], &[held()]);
    }
    let mut bucket = Bucket::new();
    bucket.manifest(&one);
    let sealed = bucket.objects[&manifest_path(0)].clone();
    bucket.objects.insert(manifest_path(1), sealed);
    case(file, "a manifest at another device's place", &[&bucket], &[manifest_path(1)], &[held()]);

    let mut bucket = Bucket::new();
    bucket.manifest(&one);
    bucket.objects.insert(format!("spaces/{}/beacon", hex(space())), b"TDLK".to_vec());
    case(file, "a beacon that does not open", &[&bucket], &[format!("spaces/{}/beacon", hex(space()))], &[held()]);

    let mut segment = |name: &str, change: &dyn Fn(&mut SegmentRef, &mut Objects)| {
        let mut bucket = Bucket::new();
        bucket.manifest(&one);
        let (head, seed) = run(1, vec![Op::put(map("m"), "k", "b")]);
        let mut named = bucket.segment(1, &head);
        change(&mut named, &mut bucket.objects);
        let path = format!("spaces/{}/segments/{}/{}", hex(space()), hex(head.device), hex([1; 16]));
        bucket.manifest(&Manifest { segments: vec![named], ..Manifest::first(seed, head.then(vec![], vec![]), &[]) });
        case(file, name, &[&bucket], &[path], &[held()]);
    };
    segment("a segment of another hash", &|named, _| named.object.1 = [9; 32]);
    segment("a segment of another length", &|named, _| named.object.2 -= 1);
    segment("a segment that is not there", &|_, objects| objects.retain(|path, _| !path.contains("segments")));

    let path = |id: u8| format!("spaces/{}/snapshots/{}", hex(space()), hex([id; 16]));
    let mut spoilt = |name: &str, ids: &[u8], spoil: &dyn Fn(&mut Index)| {
        let (mut bucket, _) = trimmed(spoil);
        let (second, seed) = devices()[1];
        let other = Manifest::first(seed, Run::first(second, vec![record(&seed), Op::put(map("n"), "k", "b")]), &[]);
        bucket.manifest(&other);
        let held = Held::new(&[other.tail.end()], json!({"n": {"k": ["b"]}}), json!({}));
        case(file, name, &[&bucket], &ids.iter().map(|id| path(*id)).collect::<Vec<_>>(), &[held]);
    };
    spoilt("a snapshot of another vault", &[4], &|index| index.home[0] = OTHER_VAULT);
    spoilt("a snapshot whose vector is not its manifest's", &[4], &|index| index.vector[0].first.1 -= 1);
    spoilt("a snapshot whose islands are not its manifest's", &[4], &|index| {
        let island = Island { from: 9, before: [8; 8], tags: vec![[9; 8]] };
        index.islands = vec![(index.home[2], vec![island])];
    });
    spoilt("a chunk of another content's hash", &[1], &|index| index.chunks[0].2 = [9; 32]);
    spoilt("a chunk of another hash", &[1], &|index| index.chunks[0].0.1 = [9; 32]);
    spoilt("a chunk that begins elsewhere", &[1, 4], &|index| index.chunks[0].1.1 = b"devices/".to_vec());
    spoilt("deletions of another content's hash", &[3], &|index| index.deletions[0].1 = [9; 32]);
}

fn chains(file: &mut File) {
    let one = first(0, vec![Op::put(map("m"), "k", "a")], &[]);
    let before = || Held::new(&[one.tail.end()], json!({"m": {"k": ["a"]}}), json!({}));
    let more = |value: &str| first(0, vec![Op::put(map("m"), "k", "a"), Op::put(map("m"), "k", value)], &[]);
    let mut chain = |name: &str, next: Manifest, held: Held| {
        let mut start = Bucket::new();
        start.manifest(&one);
        let mut then = start.clone();
        then.manifest(&next);
        case(file, name, &[&start, &then], &[], &[before(), held]);
    };
    let next = Manifest { sequence: 2, previous: one.hash(), ..more("b") };
    let after = || Held::new(&[more("b").tail.end()], json!({"m": {"k": ["b"]}}), json!({}));
    chain("chain: the next manifest", next.clone(), after());
    chain("chain: the same manifest", one.clone(), before());
    chain(
        "chain: two sequences on, what is between was never seen",
        Manifest { sequence: 3, previous: next.hash(), ..more("b") },
        after(),
    );
    chain("chain: the next one over another hash", Manifest { previous: [1; 32], ..next.clone() }, after());
    let of_one_sequence = |lesser: bool| {
        let mut values = (1..).map(|number: u32| number.to_string());
        values.find(|value| (more(value).hash() < one.hash()) == lesser).expect("no end of values")
    };
    for (name, lesser) in [("a greater hash", false), ("a lesser hash", true)] {
        let value = of_one_sequence(lesser);
        let held = Held::new(&[more(&value).tail.end()], json!({"m": {"k": [value]}}), json!({}));
        chain(&format!("chain: another one of the same sequence and {name}"), more(&value), held);
    }
    chain(
        "chain: the next one that has lost an op is no news",
        Manifest { sequence: 2, previous: one.hash(), ..first(0, vec![], &[]) },
        before(),
    );

    let mut newer = Bucket::new();
    newer.manifest(&next);
    let mut older = newer.clone();
    older.manifest(&one);
    case(file, "chain: an older one changes nothing", &[&newer, &older], &[], &[after(), after()]);
    let mut gone = Bucket::new();
    gone.manifest(&next);
    let without = Bucket { objects: Objects::new(), ..gone.clone() };
    case(file, "chain: nothing new", &[&gone, &without], &[], &[after(), after()]);
}

fn unopenable(file: &mut File) {
    let mut refuse = |name: &str, kind, change: &dyn Fn(&mut Bucket)| {
        let mut bucket = Bucket::new();
        bucket.manifest(&first(0, vec![], &[]));
        change(&mut bucket);
        let given = json!({"recovery_code": code_text(&CODE), "stages": [bucket.value()], "bad": []});
        file.refused(name, "bucket", given, kind);
    };
    let slot = Opener::recovery(&CODE).path;
    refuse("no header", "corrupt", &|b| {
        b.objects.remove("tidelock");
    });
    refuse("a header of a newer format", "unsupported", &|b| {
        b.objects.insert("tidelock".to_owned(), b"tidelock 2\n".to_vec());
    });
    refuse("another vault's header", "corrupt", &|b| {
        b.objects.insert("tidelock".to_owned(), format!("tidelock 1\nvault {}\n", hex(OTHER_VAULT)).into_bytes());
    });
    refuse("no slot of this code", "corrupt", &|b| {
        b.objects.remove(&slot);
    });
    refuse("a slot of one flipped bit", "corrupt", &|b| {
        *b.objects.get_mut(&slot).and_then(|slot| slot.last_mut()).expect("bytes") ^= 1;
    });
    refuse("the newest epoch's keys are gone", "corrupt", &|b| {
        b.turn();
        b.objects.retain(|path, _| !path.starts_with("keys/"));
    });
    refuse("the newest epoch's keys are damaged", "corrupt", &|b| {
        b.turn();
        b.objects.iter_mut().filter(|(path, _)| path.starts_with("keys/")).for_each(|(_, keys)| keys[100] ^= 1);
    });
}
