//! Length bombs and endless bodies: whatever is answered, an operation takes less than 64 MiB of memory.

use crate::Outcome;
use bytes::Bytes;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use tidelock_core::crypto::{ObjectKind, pad_padme, pad_to_power_of_two};
use tidelock_core::s3::Response;
use tidelock_core::{Hash, Operation, Request, TransportFailure};
use tidelock_sim::hostile::host::{answer, honest, is_list, run};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::hostile::stage::{Kind, Stage};
use tidelock_sim::world::World;

const MEMORY_MAX: usize = 64 << 20;
/// How many requests an engine has under way at once: `Config::concurrency`, as it is without a word.
const AT_ONCE: usize = 8;

/// Counts what this thread holds and the most that it held.
struct Meter;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends frees memory after its counters are gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: every call is the system allocator's own, with the same arguments.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static METER: Meter = Meter;

/// What it does, and the most memory that it took beyond what was held before.
fn most<R>(what: impl FnOnce() -> R) -> (R, usize) {
    let before = HELD.get();
    MOST.set(before);
    let result = what();
    (result, usize::try_from(MOST.get() - before).unwrap_or(0))
}

pub(crate) fn class() -> Outcome {
    for stage in &Stage::all(131) {
        long_bodies(stage)?;
    }
    listings_of_nothing()?;
    endless_listings()?;
    deep_documents()?;
    member_bombs()
}

/// As many bytes as were asked for, of several fillings, and one more: an endless body that the transport cuts off. As many
/// bodies stay in memory as may be on their way at once.
fn long_bodies(stage: &Stage) -> Outcome {
    let pattern = stage.others.iter().max_by_key(|other| other.len()).expect("objects").slice(1..);
    for (filling, more) in [(&b"\0"[..], 0), (b"<", 0), (b"<a>", 0), (&pattern, 0), (b"\0", 1)] {
        let (played, bytes) = most(|| {
            let mut at_once: VecDeque<Bytes> = VecDeque::new();
            stage.play(&mut |request, _| {
                let len = request.max_response_bytes as usize + more;
                assert!(len <= 17 << 20, "{} may be answered by {len} bytes", request.url);
                let body: Bytes = filling.iter().copied().cycle().take(len).collect();
                // The pages of a listing are asked for one after the other.
                if !is_list(request) {
                    at_once.push_front(body.clone());
                    at_once.truncate(AT_ONCE);
                }
                Ok(answer(if stage.kind == Kind::Error { 500 } else { 200 }, body))
            })
        });
        ensure!(bytes < MEMORY_MAX, "{:?}: {bytes} bytes were taken for a long answer", stage.kind);
        ensure!(played.holds == stage.without, "{:?}: a long answer counts", stage.kind);
    }
    let played = stage.play(&mut |_, _| Err(TransportFailure::TooLong));
    ensure!(played.holds == stage.without, "{:?}: an endless answer counts", stage.kind);
    Ok(())
}

/// Pages without end, as full as they may be, of keys as long as they may be.
fn endless_listings() -> Outcome {
    let mut world = World::with_devices(132, 2);
    let path = world.bucket.keys_with("/manifests/").remove(0);
    let prefix = path[..path.rfind('/').expect("a folder") + 1].to_owned();
    for name_bytes in [32, 900] {
        let mut page = 0u64;
        let list = |request: &Request, truth: &mut dyn FnMut() -> Response| {
            if !is_list(request) {
                return Ok(truth());
            }
            page += 1;
            let mut text = String::from("<ListBucketResult>");
            let mut number = page << 20;
            while text.len() + 2 * (name_bytes + 200) < request.max_response_bytes as usize
                && number < (page << 20) + 9_999
            {
                number += 1;
                let name = format!("{number:0name_bytes$x}");
                text += &format!("<Contents><Key>{prefix}{name}</Key><Size>1</Size></Contents>");
            }
            text += &format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{page}</NextContinuationToken></ListBucketResult>"
            );
            Ok(answer(200, text))
        };
        let (run, bytes) = most(|| run(&mut world, 0, Operation::Check, list));
        ensure!(bytes < MEMORY_MAX, "{bytes} bytes were taken for a listing without end");
        ensure!(run.result.is_err(), "a listing without end had one");
    }
    Ok(())
}

/// Pages without end that hold nothing or next to nothing, each with a new token, bare or as long as a page may be: they cost
/// some requests, and a vault of a million records is listed with less.
fn listings_of_nothing() -> Outcome {
    const REQUESTS_MAX: usize = 64;
    const BYTES_MAX: usize = 64 << 20;
    let mut world = World::with_devices(135, 2);
    let path = world.bucket.keys_with("/manifests/").remove(0);
    let prefix = path[..path.rfind('/').expect("a folder") + 1].to_owned();
    for keys_a_page in [0, 1, 100] {
        for filling in [0, 7 << 20] {
            let (mut pages, mut sent) = (0, 0);
            let run = run(&mut world, 0, Operation::Check, |request, truth| {
                if !is_list(request) {
                    return Ok(truth());
                }
                pages += 1;
                let mut text = format!("<ListBucketResult><Name>{}</Name>", "x".repeat(filling));
                for number in 0..keys_a_page {
                    text += &format!("<Contents><Key>{prefix}{pages:08x}{number:024x}</Key><Size>1</Size></Contents>");
                }
                text += &format!(
                    "<IsTruncated>true</IsTruncated><NextContinuationToken>{pages}</NextContinuationToken></ListBucketResult>"
                );
                sent += text.len();
                Ok(answer(200, text))
            });
            ensure!(run.result.is_err(), "a listing of {keys_a_page} keys a page had an end");
            ensure!(sent <= BYTES_MAX, "a listing of {keys_a_page} keys a page took {sent} bytes");
            let is_bounded = pages <= REQUESTS_MAX || keys_a_page == 100;
            ensure!(is_bounded, "a listing of {keys_a_page} keys a page took {pages} requests");
        }
    }
    Ok(())
}

/// XML as deep, as long-winded and as self-referring as it can be.
fn deep_documents() -> Outcome {
    let deep = "<a>".repeat(1 << 20);
    let names = format!("<{}/>", "n".repeat(1 << 20));
    let entities = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><ListBucketResult>&b;</ListBucketResult>";
    let text = format!("<ListBucketResult><Name>{}</Name></ListBucketResult>", "x".repeat(4 << 20));
    let attributes = format!("<ListBucketResult {}/>", "a=\"b\" ".repeat(1 << 18));
    for document in [deep.as_str(), &names, entities, &text, &attributes] {
        let mut world = World::with_devices(133, 2);
        let (run, bytes) = most(|| {
            run(&mut world, 0, Operation::Check, |request, truth| {
                Ok(if is_list(request) { answer(200, document.to_owned()) } else { truth() })
            })
        });
        ensure!(bytes < MEMORY_MAX, "{bytes} bytes were taken for a document");
        ensure!(run.errors().iter().all(|error| error.message().len() < 4096), "a document made an error long");
    }
    Ok(())
}

/// A hostile member's segments: they open, and declare more than they may.
fn member_bombs() -> Outcome {
    for bomb in [Bomb::OneHugeFrame, Bomb::LyingLength, Bomb::ManyFrames, Bomb::ManyPayloads] {
        let mut world = World::with_devices(134, 2);
        world.put(1, "milk");
        world.sync(1).map_err(|error| error.to_string())?;
        plant(&mut world, bomb);
        let (run, bytes) = most(|| run(&mut world, 0, Operation::Check, honest));
        run.result.as_ref().map_err(|error| format!("{bomb:?}: it stops the sync: {error}"))?;
        let read = run.asked.iter().any(|asked| asked.contains("/segments/") && asked.contains("0b0b0b"));
        ensure!(read, "{bomb:?}: nobody read it: {:?} {:?}", run.asked, run.result);
        ensure!(bytes < bomb.memory_max(), "{bomb:?}: {bytes} bytes were taken for a member's segment");
        ensure!(!world.standing(0, "milk").is_empty(), "{bomb:?}: it keeps the good out");
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bomb {
    OneHugeFrame,
    LyingLength,
    ManyFrames,
    ManyPayloads,
}

impl Bomb {
    /// A member's object opens, and 16 MiB of the shortest ops are decoded: more than what the provider can cause.
    fn memory_max(self) -> usize {
        if self == Self::ManyPayloads { 6 * MEMORY_MAX } else { MEMORY_MAX }
    }
}

/// Lists the insider as a device and lets its manifest name a segment that is a bomb.
fn plant(world: &mut World, bomb: Bomb) {
    let mut insider = Insider::new(&world.bucket, world.code.as_ref().expect("a vault"));
    let (device, public_key) = (insider.secret.device_id(), insider.secret.public_key());
    let zeros = |len: usize| zrip::compress(&vec![0; len], 1).expect("zeros compress");
    let frame = |inflated: u32, packed: &[u8]| {
        [&[1], &inflated.to_le_bytes()[..], &(packed.len() as u32).to_le_bytes(), packed].concat()
    };
    let empty = [&[0u8][..], &16u32.to_le_bytes(), &[0; 16]].concat(); // heads of no ops
    let (heads, payloads) = match bomb {
        Bomb::OneHugeFrame => (frame(200 << 20, &zeros(200 << 20)), Vec::new()),
        Bomb::LyingLength => (frame(1000, &zeros(200 << 20)), Vec::new()),
        Bomb::ManyFrames => (empty, vec![frame(8 << 20, &zeros(8 << 20)); 500]),
        Bomb::ManyPayloads => {
            let count = (8u32 << 20) / 6 - 1;
            let one = [1, 0, 0, 0, b'k', 2];
            let plain = [&count.to_le_bytes()[..], &one.repeat(count as usize)].concat();
            let packed = zrip::compress(&plain, 1).expect("it compresses");
            (empty, vec![frame(plain.len() as u32, &packed); 500])
        }
    };
    let mut segment =
        [&insider.vault.0[..], &insider.space.0, &device.0, &1u64.to_le_bytes(), &[0; 8], &heads].concat();
    segment.extend_from_slice(&(payloads.len() as u32).to_le_bytes());
    payloads.iter().for_each(|frame| segment.extend_from_slice(frame));
    let path = format!("spaces/{}/segments/{device}/{}", insider.space, "0b".repeat(16));
    let sealed = insider.seal(&path, ObjectKind::Segment, &pad_padme(&segment));
    world.bucket.put(&path, sealed.clone());

    let mut body =
        [&insider.vault.0[..], &insider.space.0, &device.0, &public_key, &1u64.to_le_bytes(), &[0; 32]].concat();
    body.extend_from_slice(&1u32.to_le_bytes()); // its vector: its own op 1
    body.extend_from_slice(&device.0);
    body.extend_from_slice(&1u64.to_le_bytes());
    body.extend_from_slice(&[0; 9]); // its tag, and no further lines
    body.extend_from_slice(&1u32.to_le_bytes()); // one segment, of op 1
    body.extend_from_slice(&[0x0b; 16]);
    body.extend_from_slice(&Hash::of(&sealed).0);
    body.extend_from_slice(&(sealed.len() as u64).to_le_bytes());
    body.extend_from_slice(&1u64.to_le_bytes());
    body.extend_from_slice(&1u64.to_le_bytes());
    body.extend_from_slice(&[0; 8]); // its last op's tag
    let tail = [&2u64.to_le_bytes()[..], &[0; 8], &[0; 4 * 5]].concat();
    body.extend_from_slice(&(tail.len() as u32).to_le_bytes());
    body.extend_from_slice(&tail);
    body.extend_from_slice(&[0; 9]); // no snapshot, no damage, nobody revoked
    let signature = insider.secret.sign("manifest", &body);
    let signed = pad_to_power_of_two(&[&body[..], &signature].concat());
    let path = format!("spaces/{}/manifests/{device}", insider.space);
    let manifest: Bytes = insider.seal(&path, ObjectKind::Manifest, &signed);
    world.bucket.put(&path, manifest);
}
