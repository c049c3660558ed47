//! Many clients want one thing at once: what a server makes of it is what the probe says of it, and devices get along
//! with either.

use bytes::Bytes;
use futures::executor::block_on;
use std::sync::Barrier;
use tidelock::ConditionalWrites;
use tidelock_conformance::device::records;
use tidelock_conformance::{Bucket, Device, Dialect, Place, Store};
use tidelock_core::s3::{Answer, Call, Condition, Enforcement, EtagQuoting, Failure, Probe, Retry};

on_every_store![thirty_two_clients_race];
on_dialect! { slow: Slow; thirty_two_clients_race }
on_dialect! { one_write_a_second: OneWriteASecond; thirty_two_clients_race }

const CLIENTS: usize = 32;
const KEY: &str = "races/for-one-key";

fn thirty_two_clients_race(place: &Place) {
    let bucket = place.bucket();
    let verdict = verdict(place);
    assert_eq!(probe(&bucket), as_the_probe_sees_it(verdict));
    let quoting = match verdict {
        ConditionalWrites::QuoteSensitive => EtagQuoting::Unquoted,
        _ => EtagQuoting::Quoted,
    };

    let created = winners(place, &Condition::IfAbsent, quoting, "created");
    let stands = match bucket.try_call(&Call::HeadObject { key: KEY.into() }).expect("an answer") {
        Answer::Head { etag, .. } => etag,
        Answer::Missing => None,
        other => panic!("{other:?}"),
    };
    // Where creating is refused, something must stand for the second race.
    let stands = stands.unwrap_or_else(|| match bucket.try_call(&put("by hand", Condition::Always)) {
        Ok(Answer::Stored { etag: Some(etag) }) => etag,
        other => panic!("{other:?}"),
    });
    let replaced = winners(place, &Condition::IfMatch(stands), quoting, "replaced");

    match verdict {
        // It looks, then writes, and another thread may write in between (put_object in its s3/responses.py).
        ConditionalWrites::Enforced
            if matches!(place.store(), Store::Moto | Store::Dialect(Dialect::RacyConditions)) =>
        {
            assert!(!created.is_empty() && !replaced.is_empty());
            assert!(replaced.iter().any(|body| bucket.get(KEY) == body));
        }
        ConditionalWrites::Enforced | ConditionalWrites::QuoteSensitive | ConditionalWrites::MatchesNone => {
            assert_eq!(created.len(), 1, "{created:?}");
            assert_eq!(replaced.len(), usize::from(verdict != ConditionalWrites::MatchesNone), "{replaced:?}");
            let stands = replaced.first().or(created.first()).expect("a winner");
            assert_eq!(bucket.get(KEY), stands, "another's content than the winner's");
        }
        ConditionalWrites::Racy | ConditionalWrites::Ignored => {
            assert_eq!((created.len(), replaced.len()), (CLIENTS, CLIENTS));
        }
        ConditionalWrites::Refused => assert_eq!((created.len(), replaced.len()), (0, 0)),
    }
    bucket.delete(KEY);

    two_devices_write_at_once(place);
}

/// What `doctor` says.
fn verdict(place: &Place) -> ConditionalWrites {
    let diagnosis = block_on(tidelock::doctor(&place.options("nobody"), None)).expect("a diagnosis");
    diagnosis.conditional_writes.expect("a verdict")
}

/// It never tries the right ETag, and takes a refusal of quotes for a reason to leave them out.
fn as_the_probe_sees_it(verdict: ConditionalWrites) -> Enforcement {
    match verdict {
        ConditionalWrites::Enforced | ConditionalWrites::QuoteSensitive | ConditionalWrites::MatchesNone => {
            Enforcement::Enforced
        }
        ConditionalWrites::Racy | ConditionalWrites::Ignored => Enforcement::Ignored,
        ConditionalWrites::Refused => Enforcement::Refused,
    }
}

/// What the protocol finds out when a vault is made or joined.
fn probe(bucket: &Bucket) -> Enforcement {
    let mut probe = Probe::new("races/probe");
    while let Some(call) = probe.next_call() {
        probe.handle(bucket.try_call(&call)).unwrap_or_else(|failure| panic!("{}", failure.error));
    }
    probe.enforcement().expect("done")
}

fn put(body: &str, condition: Condition) -> Call {
    Call::PutObject { key: KEY.into(), body: Bytes::from(body.to_owned()), condition }
}

/// What those wrote who were told that they had.
fn winners(place: &Place, condition: &Condition, quoting: EtagQuoting, what: &str) -> Vec<String> {
    let start = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let start = &start;
                scope.spawn(move || {
                    let bucket = place.bucket();
                    let body = format!("{what} by {client}");
                    start.wait();
                    match patiently(&bucket, &put(&body, condition.clone()), quoting) {
                        Ok(Answer::Stored { .. }) => Some(body),
                        Ok(Answer::Refused | Answer::Conflict) => None,
                        Err(failure) if failure.error.kind() == tidelock::ErrorKind::Unsupported => None,
                        other => panic!("{other:?}"),
                    }
                })
            })
            .collect();
        clients.into_iter().filter_map(|client| client.join().expect("a client")).collect()
    })
}

/// Again where the server asks for patience.
fn patiently(bucket: &Bucket, call: &Call, quoting: EtagQuoting) -> Result<Answer, Failure> {
    for _ in 0..40 {
        match bucket.try_once(call, quoting) {
            Err(Failure { retry: Retry::Backoff { retry_after_ms }, .. }) => {
                std::thread::sleep(std::time::Duration::from_millis(retry_after_ms.unwrap_or(100)));
            }
            outcome => return outcome,
        }
    }
    bucket.try_once(call, quoting)
}

fn two_devices_write_at_once(place: &Place) {
    let (one, secret) = place.create("one");
    let two = place.join("two", &secret);
    let mut devices = [one, two];
    std::thread::scope(|scope| {
        for (device, name) in devices.iter_mut().zip(["one", "two"]) {
            scope.spawn(move || {
                for round in ["a", "b", "c"] {
                    device.put("race", &format!("{round} of {name}"), name);
                    device.put("race", "of both", &format!("{round} of {name}"));
                    device.sync();
                }
            });
        }
    });
    for _ in 0..2 {
        devices.iter_mut().for_each(|device| drop(device.sync()));
    }
    let [one, two] = &mut devices;
    one.put("race", "of both", "settled");
    one.sync();
    two.sync();
    for device in [one, two] {
        assert_eq!(
            device.map("race"),
            records(&[
                ("a of one", "one"),
                ("a of two", "two"),
                ("b of one", "one"),
                ("b of two", "two"),
                ("c of one", "one"),
                ("c of two", "two"),
                ("of both", "settled"),
            ])
        );
        assert!(device.conflicts().unwrap().is_empty());
        assert_eq!(device.status().pending, 0);
    }
}
