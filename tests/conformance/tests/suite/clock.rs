//! A device whose clock is wrong: the server's time corrects its signatures, and nothing else.

use tidelock::ErrorKind;
use tidelock_conformance::device::records;
use tidelock_conformance::{Device, Dialect, Place, Store};
use tidelock_core::s3::RequestKind;

on_every_store![clock_twenty_minutes_behind, clock_twenty_minutes_ahead];

const TWENTY_MINUTES_MS: i64 = 20 * 60 * 1000;

fn clock_twenty_minutes_behind(place: &Place) {
    wrong_clock(place, -TWENTY_MINUTES_MS);
}

fn clock_twenty_minutes_ahead(place: &Place) {
    wrong_clock(place, TWENTY_MINUTES_MS);
}

/// One with a right clock makes the vault; a wrong one joins it, and makes another.
fn wrong_clock(place: &Place, shift_ms: i64) {
    if place.store() == Store::Dialect(Dialect::HtmlErrors) {
        // A web page in place of the refusal says nothing of clocks: the cause is named as such, and nothing is tried.
        assert_eq!(place.try_create_looped("alone", shift_ms).err().unwrap().kind(), ErrorKind::Network);
        return;
    }
    let (mut right, secret) = place.create("right");
    right.put("todo", "milk", "two litres");
    right.sync();

    let mut wrong = place.join_looped("wrong", shift_ms, &secret);
    assert_eq!(wrong.map("todo"), records(&[("milk", "two litres")]));
    // Seen and replaced: no clock decides that.
    wrong.put("todo", "milk", "three litres");
    wrong.put("todo", "bread", "one loaf");
    wrong.sync();
    right.sync();
    right.put("todo", "bread", "two loaves");
    right.sync();
    wrong.sync();
    for device in [&mut right as &mut dyn Device, &mut wrong] {
        assert_eq!(device.map("todo"), records(&[("bread", "two loaves"), ("milk", "three litres")]));
        assert!(device.conflicts().unwrap().is_empty());
    }

    if let Some(proxy) = place.proxy() {
        // The first signature of the wrong clock was refused; the correction serves from then on. Refused reads are those:
        // conditional writes are refused with 400 too, by dialects.
        let seen = proxy.seen();
        let is_read = |kind| matches!(kind, RequestKind::Get | RequestKind::List);
        let refused =
            seen.requests.iter().filter(|asked| is_read(asked.kind) && matches!(asked.status, Some(400 | 403)));
        // moto looks at no signature; Garage takes clocks that are a day off.
        let minds =
            !matches!(place.store(), Store::Moto | Store::Garage | Store::Dialect(Dialect::Garage | Dialect::AnyKeys));
        assert_eq!(refused.count(), usize::from(minds));
    }

    let elsewhere = place.another();
    let (mut alone, _) = elsewhere.create_looped("alone", shift_ms);
    alone.put("todo", "milk", "two litres");
    alone.sync();
    assert_eq!(alone.status().pending, 0);
}
