//! One device's own doings: writing, freezing a manifest, putting it, noticing that it was overwritten.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::bucket::{Body, Bucket, Manifest, Named, SegmentRef};
use super::dots::{DEVICES, Dot, Dots, MAX_N, name};
use super::oracle::{History, Past};
use super::random::Random;
use super::replica::{KEYS, Kind, MAP_KEYS, Op, Replica};
use super::rules::{Rule, Rules};

/// The most ops of a schedule: the oracle's sets have so many bits.
const MAX_OPS: usize = 128;

/// More ops than this in the tail go into a segment.
const TAIL: usize = 2;

/// A segment that would be longer than this is left alone, a new one begins.
const SEGMENT: usize = 6;

/// A device, all of it durable: a crash only ends what it was doing.
#[derive(Debug)]
pub struct Device {
    /// Has joined.
    pub joined: bool,
    /// What it holds.
    pub replica: Replica,
    /// Its ops, trimmed ones too (the model asks only for those from `from` on).
    pub log: Vec<Op>,
    /// The first op not trimmed.
    pub from: u8,
    /// Its current segments.
    pub segments: Vec<SegmentRef>,
    /// A manifest that must be put before another is made.
    pub frozen: Option<Rc<Manifest>>,
    /// Its newest manifest that is known to be in the bucket.
    pub published: Option<Rc<Manifest>>,
    /// The greatest own n that a frozen manifest or a snapshot held.
    pub exposed: u8,
    /// The snapshot it names.
    pub snapshot: Option<Named>,
    /// A snapshot being written chunk by chunk, when the rules allow that to show.
    pub torn: Option<(Dots, Vec<(usize, u32)>)>,
    /// Snapshots it has merged whole or written.
    pub opened: BTreeSet<u32>,
    /// The newest manifest seen of each device.
    pub known: [Option<Rc<Manifest>>; DEVICES],
    /// Objects it misses, with the device whose manifest names them.
    pub damaged: BTreeSet<(usize, u32)>,
    /// Own objects that the manifest of this sequence no longer names, and when that was.
    pub retired: Vec<(u32, u32)>,
    skew: u64,
    last_stamp: u64,
}

/// A last stamp further ahead of its device's clock is of a clock that was set right since.
const AHEAD_MAX: u64 = 24;
/// When the clocks that are ahead are set right.
const SET_RIGHT: u32 = 100;

/// Everything there is in a schedule.
pub struct World {
    /// The bucket.
    pub bucket: Bucket,
    /// The devices.
    pub devices: Vec<Device>,
    /// The oracle's.
    pub history: History,
    /// The rules all obey.
    pub rules: Rules,
    /// What happened, in words, if somebody wants to read it.
    pub trace: Option<Vec<String>>,
    /// Tombstones collected.
    pub collected: usize,
    /// A clock that was set right still moves stamps.
    pub dragged: Option<String>,
}

impl World {
    /// Devices that have not joined yet, and an empty bucket.
    pub fn new(rules: Rules, traced: bool) -> Self {
        let device = |d: usize| Device {
            joined: false,
            replica: Replica::new(rules),
            log: Vec::new(),
            from: 1,
            segments: Vec::new(),
            frozen: None,
            published: None,
            exposed: 0,
            snapshot: None,
            torn: None,
            opened: BTreeSet::new(),
            known: Default::default(),
            damaged: BTreeSet::new(),
            retired: Vec::new(),
            skew: [0, 40, 3, 0, 90][d],
            last_stamp: 0,
        };
        Self {
            bucket: Bucket::new(),
            devices: (0..DEVICES).map(device).collect(),
            history: History::default(),
            rules,
            trace: traced.then(Vec::new),
            collected: 0,
            dragged: None,
        }
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// Join: an empty-vector manifest goes out before anything is read.
    pub fn join(&mut self, d: usize, random: &mut Random) {
        self.devices[d].joined = true;
        self.note(|| format!("{} joins", name(d)));
        if self.rules.has(Rule::JoinFirst) {
            self.freeze(d, random);
            self.put(d, false, random);
        }
    }

    /// A random write, where it makes sense: a map key is only deleted if something stands there.
    pub fn write(&mut self, d: usize, random: &mut Random) {
        let device = &mut self.devices[d];
        let n = device.log.len() as u8 + 1;
        if n > MAX_N || self.history.len() >= MAX_OPS {
            return;
        }
        let key = match random.below(8) {
            0 => MAP_KEYS + random.below(KEYS - MAP_KEYS),
            1..4 => 0,
            _ => random.below(MAP_KEYS),
        };
        let delete = random.once_in(3);
        let state = &device.replica.keys[key];
        let (kind, nothing) = match (key < MAP_KEYS, delete) {
            (true, true) => (Kind::Delete, state.entries.iter().all(|entry| !entry.put)),
            (true, false) => (Kind::Put, false),
            (false, true) => (Kind::LogDelete, state.line.is_none()),
            (false, false) => (Kind::Append, false),
        };
        if nothing {
            return;
        }
        let clock = u64::from(self.bucket.now) + if self.bucket.now < SET_RIGHT { device.skew } else { 0 };
        let falls = device.last_stamp > clock + AHEAD_MAX && self.rules.has(Rule::StampFalls);
        device.last_stamp = if falls { clock } else { clock.max(device.last_stamp + 1) };
        if device.last_stamp > clock + AHEAD_MAX + 1 {
            self.dragged = Some(format!("{} stamps {} at {clock}", name(d), device.last_stamp));
        }
        let dot = Dot { device: d, n };
        let mut vector = device.stated(self.rules);
        vector = vector | device.replica.applied.prefix();
        let id = self.history.len() as u8;
        let stamp = device.last_stamp;
        let own_line = state.line.filter(|line| kind == Kind::LogDelete && line.1.device == d).map(|line| line.1);
        let mut op = Op { id, dot, kind, key, stamp, vector, context: Dots::default(), ghost: 1 << id };
        let past = Past { kind, key, dot, stamp, seen: state.ghost };
        self.history.add(past);
        let mut replaced = device.replica.write(&mut op);
        replaced.extend(own_line);
        self.note(|| {
            let replaces = format!("sees {} | {}", op.vector, op.context);
            format!("{} writes {dot} {kind:?} key {key} at {stamp}, {replaces}", name(d))
        });
        let device = &mut self.devices[d];
        device.log.push(op);
        for dot in replaced.into_iter().filter(|dot| dot.n >= device.from) {
            if dot.n > device.exposed || !self.rules.has(Rule::VoidUnpublished) {
                device.log[dot.n as usize - 1].kind = Kind::Void;
                if let Some(trace) = &mut self.trace {
                    trace.push(format!("  {dot} turns into a void"));
                }
            }
        }
    }

    /// Freezes the next manifest: trims the log, moves an overflowing tail into a segment.
    pub fn freeze(&mut self, d: usize, random: &mut Random) {
        if self.devices[d].frozen.is_some() {
            return;
        }
        self.trim(d, random);
        let device = &mut self.devices[d];
        let last = device.log.len() as u8;
        let mut tail_from = device.segments.last().map_or(device.from, |segment| segment.to + 1);
        if usize::from(last + 1 - tail_from) > TAIL {
            let grows = |segment: &SegmentRef| usize::from(last + 1 - segment.from) <= SEGMENT;
            let from = match device.segments.last().filter(|segment| grows(segment)).cloned() {
                Some(old) => {
                    device.segments.pop();
                    device.retired.push((old.id, self.bucket.now));
                    old.from
                }
                None => tail_from,
            };
            let ops = device.log[from as usize - 1..].to_vec();
            let id = self.bucket.put(Body::Segment(ops), random);
            device.segments.push(SegmentRef { id, from, to: last });
            tail_from = last + 1;
        }
        let manifest = Manifest {
            sequence: device.published.as_ref().map_or(0, |published| published.sequence) + 1,
            vector: device.stated(self.rules),
            from: device.segments.first().map_or(device.from, |segment| segment.from),
            last,
            segments: device.segments.clone(),
            tail: device.log[tail_from as usize - 1..].to_vec(),
            snapshot: device.snapshot.clone(),
            damaged: device.damaged.iter().map(|entry| entry.1).collect(),
        };
        device.exposed = device.exposed.max(last);
        self.note(|| {
            let named =
                manifest.snapshot.as_ref().map_or("no snapshot".into(), |named| format!("snapshot {}", named.id));
            let segments: Vec<_> = manifest
                .segments
                .iter()
                .map(|segment| format!("{}:{}-{}", segment.id, segment.from, segment.to))
                .collect();
            let (from, sequence) = (manifest.from, manifest.sequence);
            format!(
                "{} freezes {sequence}: {from}-{last} segments {segments:?}, {named}, states {}",
                name(d),
                manifest.vector
            )
        });
        self.devices[d].frozen = Some(Rc::new(manifest));
    }

    /// Trims the log up to the V of the snapshot that the next manifest names, once every device known has seen it, or now
    /// and then because the size budget needs it.
    fn trim(&mut self, d: usize, random: &mut Random) {
        let device = &mut self.devices[d];
        let all_have = |v: &Dots| device.known.iter().flatten().all(|manifest| manifest.vector.includes(v));
        let upto = if self.rules.has(Rule::TrimNamed) {
            let named = device.snapshot.as_ref().filter(|named| all_have(&named.v) || random.once_in(3));
            named.map_or(0, |named| named.v.reach(d))
        } else {
            (0..=device.exposed).rev().find(|&n| n == 0 || all_have(&Dots::one(Dot { device: d, n }))).unwrap_or(0)
        };
        device.from = device.from.max(upto + 1);
        let now = self.bucket.now;
        let from = device.from;
        device.retired.extend(device.segments.iter().filter(|segment| segment.to < from).map(|old| (old.id, now)));
        device.segments.retain(|segment| segment.to >= from);
    }

    /// PUTs the frozen manifest. Ambiguous: it arrives, but the device does not learn that.
    pub fn put(&mut self, d: usize, ambiguous: bool, random: &mut Random) {
        let device = &mut self.devices[d];
        let Some(frozen) = device.frozen.clone() else { return };
        self.bucket.put_manifest(d, Rc::clone(&frozen), random);
        if !ambiguous {
            device.frozen = None;
            device.published = Some(frozen);
        }
        self.note(|| format!("{} puts its manifest{}", name(d), if ambiguous { ", and does not know" } else { "" }));
    }

    /// Looks for the own manifest and puts the newest again if an older one stands there.
    pub fn check_own(&mut self, d: usize, random: &mut Random) {
        let Some(published) = self.devices[d].published.clone() else { return };
        let stands = self.bucket.get_manifest(d, random).map_or(0, |manifest| manifest.sequence);
        if stands < published.sequence {
            self.bucket.put_manifest(d, published, random);
            self.note(|| format!("{} puts its manifest again", name(d)));
        }
    }
}

impl Device {
    /// The vector this device states.
    pub fn stated(&self, rules: Rules) -> Dots {
        let applied = &self.replica.applied;
        let mut vector = if rules.has(Rule::Prefix) { applied.prefix() } else { applied.filled() };
        if !rules.has(Rule::Applied) {
            vector = self.known.iter().flatten().fold(vector, |all, manifest| all | manifest.vector);
        }
        vector
    }
}
