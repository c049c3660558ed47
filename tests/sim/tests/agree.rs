//! The model of the lives of devices and the engines play the same schedules, and show the same after each event.

use tidelock_sim::lives::agree::{Counts, Plan, plan, plan_with_documents, run, shrink, trace};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// `SEED` and `SEEDS` say which; the first that differs is made small and told. Gives how many there were.
fn agree(plan: impl Fn(u64) -> Plan, default: u64) -> (u64, Counts) {
    let (from, many) = (number("SEED", 0), number("SEEDS", default));
    let (mut had, mut failed) = (Counts::default(), Vec::new());
    for seed in from..from + many {
        match run(&plan(seed)) {
            Ok(good) => had = had.plus(good),
            Err(why) => {
                println!("seed {seed}: {why}");
                failed.push(seed);
            }
        }
    }
    println!("{had:?}");
    if let Some(seed) = failed.first() {
        let short = shrink(plan(*seed));
        let (lines, result) = trace(&short);
        panic!("{failed:?} differ; the first: {short:?}\n{}\n{result:?}", lines.join("\n"));
    }
    (many, had)
}

#[test]
fn the_engines_agree_with_the_model() {
    let (many, had) = agree(plan, 500);
    if many < 500 {
        return;
    }
    let model = had.model;
    assert!(model.copies > 800 && model.left > 700 && model.closes > 150 && model.collected > 1_000, "{had:?}");
    let engines = [had.left / 1_000, had.revoked / 80, had.retired / 50, had.collected / 500, had.snapshots / 1_500];
    assert!(engines.iter().all(|&times| times > 0), "schedules have become empty: {had:?}");
    assert!(had.carried > 8 && had.adopted > 0 && had.oracle > 200, "{had:?}");
    assert!(had.same > 200 * had.later && had.open < 10, "too much is not compared: {had:?}");
}

/// The same with a document in place of the map: a call writes several registers at once.
#[test]
fn the_engines_agree_with_the_model_on_documents() {
    let (many, had) = agree(plan_with_documents, 150);
    let many = many as usize;
    assert!(had.calls > 5 * many && had.deleted > many / 2, "schedules have become empty: {had:?}");
    assert!(had.same > 200 * had.later, "too much is not compared: {had:?}");
}
