//! A bad network and a bad day of the server, through the proxy; on a folder, by a loop that answers in its stead.

use std::ops::Range;
use std::time::Duration;
use tidelock::{Options, Secret};
use tidelock_conformance::device::records;
use tidelock_conformance::{Device, Fault, Looped, Open, Place};

on_every_store![
    ab5_server_errors_and_time_outs_are_ridden_out,
    server_errors,
    slow_down_is_obeyed,
    resets_before_the_effect,
    resets_after_the_effect,
    time_outs,
];

const ALL: &[&str] = &["GET", "PUT", "DELETE", "HEAD", "POST"];

/// A device that meets the place's faults.
#[allow(clippy::large_enum_variant, reason = "a test holds a handful")]
enum Tried {
    Open(Open),
    Looped(Looped),
}

impl Tried {
    fn create(place: &Place, name: &str) -> (Self, Secret) {
        if place.proxy().is_some() {
            let (device, secret) = Open::create(impatient(place, name));
            return (Self::Open(device), secret);
        }
        let (device, secret) = place.create_looped(name, 0);
        (Self::Looped(device), secret)
    }

    fn join(place: &Place, name: &str, secret: &Secret) -> Self {
        match place.proxy() {
            Some(_) => Self::Open(Open::join(impatient(place, name), secret)),
            None => Self::Looped(place.join_looped(name, 0, secret)),
        }
    }
}

/// With a short deadline: a second, and the time that the largest answer may take. Eight cases at once on two slow cores are
/// answered later than in a tenth of one.
fn impatient(place: &Place, name: &str) -> Options {
    let mut options = place.options(name);
    options.timeout = Duration::from_secs(1);
    options
}

impl std::ops::Deref for Tried {
    type Target = dyn Device;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Open(device) => device,
            Self::Looped(device) => device,
        }
    }
}

impl std::ops::DerefMut for Tried {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Open(device) => device,
            Self::Looped(device) => device,
        }
    }
}

/// Two devices through init, join, pushes and pulls; before each, faults are planned anew.
fn live(place: &Place, plan: impl Fn(Step)) {
    plan(Step::Init);
    let (mut one, secret) = Tried::create(place, "one");
    one.put("todo", "milk", "two litres");
    fill(&mut *one, 10..60);
    plan(Step::Push);
    one.sync();
    plan(Step::Join);
    let mut two = Tried::join(place, "two", &secret);
    two.put("todo", "bread", "one loaf");
    two.delete("long", "10");
    fill(&mut *two, 60..99);
    plan(Step::Push);
    two.sync();
    plan(Step::Pull);
    one.sync();
    place.faults().clear();

    two.sync();
    one.sync();
    let long: Vec<_> = (11..99).map(|number: u32| (number.to_string(), "in a segment ".repeat(40))).collect();
    for device in [&mut one, &mut two] {
        assert_eq!(device.map("todo"), records(&[("bread", "one loaf"), ("milk", "two litres")]));
        assert_eq!(device.map("long"), long);
        assert!(device.conflicts().unwrap().is_empty());
        assert_eq!((device.status().pending, device.status().debts), (0, 0));
        assert_eq!(device.status().devices.len(), 2);
    }
    assert!(place.faults().met() > 0);
}

/// More than a manifest's tail takes.
fn fill(device: &mut dyn Device, numbers: Range<u32>) {
    for number in numbers {
        device.put("long", &number.to_string(), &"in a segment ".repeat(40));
    }
}

#[derive(Clone, Copy)]
enum Step {
    Init,
    Join,
    Push,
    Pull,
}

/// Every request meets one of these at its first try.
fn live_with(place: &Place, faults: &[Fault]) {
    live(place, |_| place.faults().set_for_first_tries(ALL, faults));
    assert!(place.faults().met() > 20);
}

/// All requests are refused once, and a push and a pull are left without an answer too.
fn ab5_server_errors_and_time_outs_are_ridden_out(place: &Place) {
    let refusals = [Fault::Status(500), Fault::SlowDown { retry_after_s: 0 }, Fault::Status(503)];
    live(place, |step| match step {
        Step::Init | Step::Join => place.faults().set_for_first_tries(ALL, &refusals),
        Step::Push => place.faults().set_once("PUT", is_manifest, Fault::Silence { after_effect: true }),
        Step::Pull => place.faults().set_once("GET", is_segment, Fault::Silence { after_effect: false }),
    });
    assert!(place.faults().met() > 20);
}

fn is_manifest(path: &str) -> bool {
    path.contains("/manifests/")
}

fn is_segment(path: &str) -> bool {
    path.contains("/segments/")
}

fn is_beacon(path: &str) -> bool {
    path.ends_with("/beacon")
}

fn server_errors(place: &Place) {
    live_with(place, &[Fault::Status(500), Fault::Status(502), Fault::Status(503), Fault::Status(504)]);
}

fn resets_before_the_effect(place: &Place) {
    live_with(place, &[Fault::Reset { after_effect: false }]);
}

/// A request that took effect without an answer is asked again: the conditional ones are refused then, and settled by
/// reading back.
fn resets_after_the_effect(place: &Place) {
    live_with(place, &[Fault::Reset { after_effect: true }]);
}

/// As with resets, but the device is left waiting until its own deadline.
fn time_outs(place: &Place) {
    let silence = |after_effect| Fault::Silence { after_effect };
    live(place, |step| match step {
        Step::Init => place.faults().set_once("PUT", |path| path.ends_with("/tidelock"), silence(true)),
        Step::Join => place.faults().set_once("PUT", |path| path.contains("/slots/"), silence(false)),
        Step::Push => place.faults().set_once("PUT", is_beacon, silence(true)),
        Step::Pull => place.faults().set_once("GET", is_segment, silence(true)),
    });
    assert_eq!(place.faults().met(), 5);
}

/// Nothing is asked again before the time that the server named.
fn slow_down_is_obeyed(place: &Place) {
    let (mut one, _) = Tried::create(place, "one");
    one.put("todo", "milk", "two litres");
    place.faults().set_once("GET", is_beacon, Fault::SlowDown { retry_after_s: 2 });
    let before_ms = if let Tried::Looped(one) = &one { one.waited_ms() } else { 0 };
    one.sync();
    assert_eq!(one.status().pending, 0);
    assert_eq!(place.faults().met(), 1);
    match (&one, place.proxy()) {
        (Tried::Looped(one), _) => assert!(one.waited_ms() - before_ms >= 2_000),
        (Tried::Open(_), Some(proxy)) => {
            let seen = proxy.seen();
            let told = seen.requests.iter().position(|asked| asked.fault.is_some()).unwrap();
            let [told, next] = &seen.requests[told..=told + 1] else { panic!("no second try") };
            assert_eq!(told.target, next.target);
            assert!((next.at - told.at).as_millis() >= 2_000);
        }
        (Tried::Open(_), None) => unreachable!("a folder's devices are looped here"),
    }
}
