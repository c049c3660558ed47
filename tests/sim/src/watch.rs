//! Looks at everything that leaves a device and everything it holds, and says what must never be: two plaintexts under one
//! salt, an immutable name with two contents, a sequence that goes back, a value that comes back, a word in clear.

use crate::bucket::{header, split};
use crate::device::Disk;
use crate::fault::Fault;
use crate::witness::Witness;
use crate::world::World;
use bytes::Bytes;
use memchr::memmem::Finder;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_core::s3::Method;
use tidelock_core::{DeviceId, DeviceState, DeviceStatus, Hash, Request, Stamp, Status};

/// Where the salt stands in a sealed object: after magic (4), format, kind, suite, epoch (4 + 8).
const SALT_AT: usize = 19;
const SALT_BYTES: usize = 24;
/// The most requests of one operation: everything there is to read and write, and a full budget of retries.
pub const REQUESTS_MAX: u64 = 500;
/// A foreign stamp moves a clock this far ahead of itself at most.
const AHEAD_MS_MAX: u64 = 5 * 60_000;
/// A clock that was further ahead than this of what it is now moves its device's stamps no more.
const WAS_WRONG_MS: u64 = 24 * 3_600_000;

/// What was seen so far.
#[derive(Default)]
pub struct Watch {
    /// What is wrong, first of all.
    pub broken: Option<String>,
    words: Vec<Finder<'static>>,
    witness: Option<Witness>,
    /// Devices of which there are two copies: the sequences of their manifests say nothing.
    pub twins: BTreeSet<DeviceId>,
    /// Hash of what was PUT under a name that is written once.
    immutable: BTreeMap<String, Hash>,
    salts: BTreeMap<(String, Vec<u8>), Hash>,
    sequences: BTreeMap<String, (u64, Hash)>,
    /// Every sealed form in which a sequence was PUT, by device and sequence.
    sealed: BTreeMap<(DeviceId, u64), Vec<Bytes>>,
    /// Sequences that were found to have arrived; each is looked for once, for it may be PUT again.
    arrived: BTreeSet<(DeviceId, u64)>,
    /// Not before this time, said the server: by device, method and key.
    waits: BTreeMap<(usize, String, String), u64>,
    held: BTreeMap<usize, Held>,
    /// What the write of a device under a number replaced: a key, and the values that stood there.
    replaced: BTreeMap<(DeviceId, u64), (String, BTreeSet<String>)>,
    stamps: BTreeMap<usize, Stamp>,
    /// The key of the last entry that each appended.
    appended: BTreeMap<usize, String>,
    clocks: BTreeMap<usize, Clock>,
    requests: BTreeMap<usize, u64>,
    /// Requests, as a trace tells them; `None` when nobody asks.
    pub told: Option<Vec<String>>,
}

/// What one device was seen to hold.
#[derive(Default)]
struct Held {
    /// Values that stand, by key.
    standing: BTreeMap<String, BTreeSet<String>>,
    /// Values that stood and were replaced.
    gone: BTreeMap<String, BTreeSet<String>>,
    log: BTreeSet<String>,
    deleted: BTreeSet<String>,
    peers: BTreeMap<DeviceId, (u64, u64)>,
}

impl Watch {
    /// Watches for words that must not be readable in any request; `witness` opens manifests.
    pub fn new(words: Vec<Vec<u8>>, witness: Witness) -> Self {
        let words = words.iter().map(|word| Finder::new(word).into_owned()).collect();
        Self { words, witness: Some(witness), ..Self::default() }
    }

    fn wrong(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// A device's process ended: what it had not stored may be gone again. `status` is what it says now.
    pub fn restarted(&mut self, at: usize, status: &Status) {
        if let Some(own) = own(status) {
            self.replaced.retain(|(id, n), _| *id != own.id || *n <= own.applied);
        }
        self.held.remove(&at);
        self.stamps.remove(&at);
        self.appended.remove(&at);
        self.requests.remove(&at);
        self.waits.retain(|(device, ..), _| *device != at);
    }

    /// A device's clock is read.
    pub fn clock(&mut self, at: usize, unix_ms: u64) {
        let read = self.clocks.entry(at).or_default();
        if unix_ms >= read.latest_ms {
            *read = Clock { latest_ms: unix_ms, lowest_since_ms: unix_ms };
        }
        read.lowest_since_ms = read.lowest_since_ms.min(unix_ms);
    }

    /// A server asked for a pause.
    pub fn told_to_wait(&mut self, at: usize, request: &Request, until_ms: u64) {
        let (key, _) = split(&request.url);
        self.waits.insert((at, format!("{:?}", request.method), key), until_ms);
    }

    /// An operation begins.
    pub fn operation(&mut self, at: usize) {
        self.requests.insert(at, 0);
        self.waits.retain(|(device, ..), _| *device != at);
    }

    /// A request leaves a device, which has this store.
    pub fn request(&mut self, at: usize, request: &Request, sent_ms: u64, disk: &Disk) {
        let requests = self.requests.entry(at).or_default();
        *requests += 1;
        if *requests == REQUESTS_MAX {
            self.wrong(format!("device {at} makes {REQUESTS_MAX} requests in one operation"));
        }
        let (key, _) = split(&request.url);
        let waits = self.waits.get(&(at, format!("{:?}", request.method), key.clone()));
        if waits.is_some_and(|until_ms| sent_ms < *until_ms) {
            self.wrong(format!("device {at} tries {key} again before the server's Retry-After"));
        }
        let clear = [&request.body[..], request.url.as_bytes()];
        let headers = request.headers.iter().map(|(_, value)| value.as_bytes());
        for bytes in clear.into_iter().chain(headers) {
            if let Some(word) = self.words.iter().find(|word| word.find(bytes).is_some()) {
                self.wrong(format!("device {at} sends {:?} in clear", String::from_utf8_lossy(word.needle())));
            }
        }
        if let Some(told) = &mut self.told {
            let short = key.rsplit('/').map(|part| part.get(..8).unwrap_or(part)).take(3).collect::<Vec<_>>();
            told.push(format!(
                "    device {at} {:?} {}",
                request.method,
                short.into_iter().rev().collect::<Vec<_>>().join("/")
            ));
        }
        if request.method == Method::Put {
            self.put(at, &key, request, disk);
        }
    }

    fn put(&mut self, at: usize, key: &str, request: &Request, disk: &Disk) {
        let body = &request.body;
        let hash = Hash::of(body);
        if let Some(salt) = body.get(SALT_AT..SALT_AT + SALT_BYTES).filter(|_| key.contains("spaces/")) {
            let first = *self.salts.entry((key.to_owned(), salt.to_vec())).or_insert(hash);
            if first != hash {
                self.wrong(format!("device {at} seals two contents of {key} under one salt"));
            }
        }
        if key.contains("/segments/") || key.contains("/snapshots/") {
            let first = *self.immutable.entry(key.to_owned()).or_insert(hash);
            if first != hash {
                self.wrong(format!("device {at} gives {key} another content"));
            }
        }
        let device = key.rsplit('/').next().and_then(DeviceId::from_hex);
        if key.contains("/manifests/") && !device.is_some_and(|device| self.twins.contains(&device)) {
            let opened = self.witness.as_mut().and_then(|witness| {
                witness.learn(body, disk);
                witness.manifest(key, body)
            });
            let Some(opened) = opened else {
                return self.wrong(format!("device {at} PUTs a manifest that does not open"));
            };
            let (sequence, hash) = (Witness::sequence(&opened), Hash::of(&opened));
            if let Some(device) = device {
                self.sealed.entry((device, sequence)).or_default().push(body.clone());
            }
            let last = self.sequences.entry(key.to_owned()).or_insert((sequence, hash));
            if let Some(line) = self.told.as_mut().and_then(|told| told.last_mut()) {
                *line += &format!(" sequence {sequence}");
            }
            let (known, body) = *last;
            *last = (sequence, hash);
            if sequence < known {
                self.wrong(format!("device {at} PUTs sequence {sequence} after {known}"));
            } else if sequence == known && body != hash {
                self.wrong(format!("device {at} PUTs sequence {sequence} with two bodies"));
            }
        }
        if header(request, "if-match").is_some_and(|value| value.contains(',') || value.starts_with("W/")) {
            self.wrong(format!("device {at} sends an If-Match that some servers take for none"));
        }
    }

    /// What a device holds, after a step that may have changed it.
    pub fn look(&mut self, world: &World, at: usize) {
        let Ok(status) = world.devices[at].engine.status() else { return };
        if world.devices[at].most_in_flight > 16 {
            self.wrong(format!("device {at} has {} requests in flight", world.devices[at].most_in_flight));
        }
        if let (Some(own), true) = (status.device, status.sequence > 0 && status.pending == 0) {
            let arrived = |sealed: &Bytes| world.bucket.manifests.iter().rev().any(|(_, bytes)| bytes == sealed);
            let published = (own, status.sequence);
            let stored = self.arrived.contains(&published)
                || self.sealed.get(&published).is_none_or(|sealed| sealed.iter().any(arrived));
            self.arrived.insert(published);
            // Where somebody else answers for the server, nobody can know.
            if !stored && world.hazards.faults.counts.of(Fault::HtmlPage) == 0 {
                self.wrong(format!(
                    "device {at} says that nothing is pending, but sequence {} never arrived",
                    status.sequence
                ));
            }
        }
        let (map, log) = (world.map_of(at), world.log_of(at));
        let held = self.held.entry(at).or_default();
        let mut wrong = None;
        for device in &status.devices {
            let peer = held.peers.entry(device.id).or_default();
            if device.sequence < peer.0 || device.applied < peer.1 {
                wrong = Some(format!("device {at} goes back from {peer:?} of {} to {device:?}", device.id));
            }
            *peer = (device.sequence, device.applied);
        }
        for (key, values) in std::mem::take(&mut held.standing) {
            let now = map.get(&key).cloned().unwrap_or_default();
            held.gone.entry(key).or_default().extend(values.difference(&now).cloned());
        }
        for (key, values) in &map {
            if let Some(back) = held.gone.get(key).and_then(|gone| values.intersection(gone).next()) {
                wrong = Some(format!("on device {at} {back:.40} is back at {key}"));
            }
        }
        for device in &status.devices {
            if device.state == DeviceState::Revoked {
                continue; // what it wrote later is applied and doesn't count
            }
            let applied = self.replaced.range((device.id, 0)..=(device.id, device.applied));
            for ((_, n), (key, values)) in applied {
                if let Some(value) = map.get(key).and_then(|standing| values.intersection(standing).next()) {
                    let id = device.id;
                    wrong = Some(format!(
                        "device {at} holds {value:.40} at {key}, and has op {n} of {id} that replaced it"
                    ));
                }
            }
        }
        held.standing = map;
        let keys: BTreeSet<String> = log.into_keys().collect();
        held.deleted.extend(std::mem::take(&mut held.log).difference(&keys).cloned());
        if let Some(back) = keys.intersection(&held.deleted).next() {
            wrong = Some(format!("on device {at} the deleted entry {back} is back"));
        }
        held.log = keys;
        if let Some(what) = wrong {
            self.wrong(what);
        }
    }

    /// A write of a device at a key where `values` stood, right after it was made.
    pub fn replaced(&mut self, world: &World, at: usize, key: &str, mut values: BTreeSet<String>) {
        let Ok(status) = world.devices[at].engine.status() else { return };
        let Some(own) = own(&status) else { return };
        // What it had written there before may go out as a void, that replaces nothing: this one does.
        let before = self.replaced.extract_if((own.id, 0)..=(own.id, u64::MAX), |_, (there, _)| there == key);
        before.for_each(|(_, (_, older))| values.extend(older));
        self.replaced.insert((own.id, own.applied), (key.to_owned(), values));
    }

    /// A put of a device, right after it was made.
    pub fn wrote(&mut self, world: &World, at: usize, key: &str, value: &str) {
        let Ok(Some(record)) = world.devices[at].engine.get(&World::map(), key) else {
            return self.wrong(format!("device {at} does not hold what it has put at {key}"));
        };
        if record.value != value.as_bytes() || record.siblings > 0 {
            return self.wrong(format!("device {at} holds something else than it has put at {key}"));
        }
        let latest_ms = self.clocks.get(&at).map_or(0, |read| read.latest_ms);
        if record.stamp.ms > latest_ms + AHEAD_MS_MAX {
            self.wrong(format!("a foreign stamp moved the clock of device {at} too far: {:?}", record.stamp));
        }
        let now_ms = world.devices[at].now(world.now_ms).unix_ms;
        if record.stamp.ms > now_ms.saturating_add(WAS_WRONG_MS).saturating_add(1) {
            self.wrong(format!("a clock that device {at} has no more moves its stamps: {:?}", record.stamp));
        }
        let last = self.stamps.insert(at, record.stamp);
        if last.is_some_and(|last| last >= record.stamp) && self.stamps_rise(at, now_ms) {
            self.wrong(format!("the stamps of device {at} do not rise"));
        }
    }

    /// An entry of a device, right after it was appended: it is listed behind those that it appended before.
    pub fn appended(&mut self, world: &World, at: usize, key: &str) {
        let now_ms = world.devices[at].now(world.now_ms).unix_ms;
        let last = self.appended.insert(at, key.to_owned());
        if last.is_some_and(|last| last.as_str() >= key) && self.stamps_rise(at, now_ms) {
            self.wrong(format!("device {at} lists an entry before those that it appended earlier"));
        }
    }

    /// Whether the clock of a device never went back so far that its stamps may have fallen, be it at an earlier write.
    fn stamps_rise(&self, at: usize, now_ms: u64) -> bool {
        let read = self.clocks.get(&at).copied().unwrap_or_default();
        read.latest_ms + AHEAD_MS_MAX <= read.lowest_since_ms.min(now_ms).saturating_add(WAS_WRONG_MS)
    }
}

/// What a device's clock read.
#[derive(Clone, Copy, Default)]
struct Clock {
    latest_ms: u64,
    /// The lowest reading since the latest one.
    lowest_since_ms: u64,
}

fn own(status: &Status) -> Option<&DeviceStatus> {
    status.devices.iter().find(|device| Some(device.id) == status.device)
}
