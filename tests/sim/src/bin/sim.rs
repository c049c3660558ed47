//! Runs many seeds of the simulator: `sim --seeds N [--seed S] [--faults LIST] [--planted NAME]`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tidelock_sim::fault::{Counts, Fault};
use tidelock_sim::schedule::plan::plan;
use tidelock_sim::schedule::run::{run, trace};
use tidelock_sim::schedule::shrink::shrink;

/// Engines make and drop small things all the time: a tenth of a schedule with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// In so many schedules every kind of fault happens.
const MANY: u64 = 2_000;

/// What the command line asks for.
struct Asked {
    seeds: u64,
    first: u64,
    faults: Vec<Fault>,
    planted: Option<String>,
    threads: usize,
    /// Print each seed's trace hash.
    hashes: bool,
    /// So many seeds are run twice, and must give the same trace.
    twice: u64,
    /// Stop at the first failure and make it small.
    stop: bool,
}

fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("sim: {why}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|_| {})); // a panic is a failure that is told of below
    match asked.planted.as_deref() {
        Some("all") => return find_all(&asked),
        Some("table") => return replay_table(),
        _ => {}
    }
    if let Err(why) = plant(asked.planted.as_deref()) {
        eprintln!("sim: {why}");
        return ExitCode::from(2);
    }
    let (next, start) = (AtomicU64::new(asked.first), Instant::now());
    let (counts, failed) = (Mutex::new(Counts::default()), Mutex::new(Vec::new()));
    let end = asked.first + asked.seeds;
    std::thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(|| {
                plant(asked.planted.as_deref()).expect("it was planted before");
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || (asked.stop && !failed.lock().expect("no panic").is_empty()) {
                        return;
                    }
                    let plan = plan(seed, &asked.faults);
                    let why = match run(&plan) {
                        Ok(good) if seed - asked.first < asked.twice && run(&plan).as_ref() != Ok(&good) => {
                            "another trace the second time".to_owned()
                        }
                        Ok(good) => {
                            if asked.hashes {
                                println!("{seed} {}", good.trace);
                            }
                            counts.lock().expect("no panic").add(&good.counts);
                            continue;
                        }
                        Err(why) => why,
                    };
                    eprintln!("seed {seed} fails: {why}"); // at once, for a long run
                    failed.lock().expect("no panic").push(seed);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let done = next.load(Ordering::Relaxed).min(end) - asked.first;
    println!("{done} schedules in {seconds:.1} s: {:.1} a second", done as f64 / seconds);
    let counts = counts.into_inner().expect("no panic");
    let never: Vec<&str> =
        asked.faults.iter().filter(|fault| counts.of(**fault) == 0).map(|fault| fault.name()).collect();
    for (family, faults) in counts.by_family() {
        let shown: Vec<String> = faults.iter().map(|(name, many)| format!("{name} {many}")).collect();
        println!("{}: {}", family.name(), shown.join(", "));
    }
    let mut failed = failed.into_inner().expect("no panic");
    failed.sort();
    if failed.is_empty() && done >= MANY && !never.is_empty() {
        println!("in {done} schedules these never happened: {}", never.join(", "));
        return ExitCode::FAILURE;
    }
    if failed.is_empty() {
        println!("no failure");
        return ExitCode::SUCCESS;
    }
    let seeds: Vec<String> = failed.iter().map(u64::to_string).collect();
    println!("{} failed: {}", seeds.len(), seeds.join(" "));
    if asked.stop {
        tell(failed[0], &asked.faults);
    }
    ExitCode::FAILURE
}

/// A failing seed, made small, line by line.
fn tell(seed: u64, faults: &[Fault]) {
    let (small, why) = shrink(&plan(seed, faults));
    let names: Vec<&str> = small.faults.iter().map(|fault| fault.name()).collect();
    println!("\nseed {seed}, made small: {} steps, faults: {}", small.steps.len(), names.join(", "));
    let (lines, _) = trace(&small);
    println!("{}\n{why}", lines.join("\n"));
}

fn asked(mut args: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        seeds: 100,
        first: 0,
        faults: Fault::ALL.to_vec(),
        planted: None,
        threads: 2,
        hashes: false,
        twice: 0,
        stop: true,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} wants a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("`{text}` is no number"));
        match arg.as_str() {
            "--seeds" => asked.seeds = number(value()?)?,
            "--seed" => asked.first = number(value()?)?,
            "--threads" => asked.threads = number(value()?)?.clamp(1, 64) as usize,
            "--faults" => asked.faults = faults(&value()?)?,
            "--planted" => asked.planted = Some(value()?),
            "--twice" => asked.twice = number(value()?)?,
            "--hashes" => asked.hashes = true,
            "--go-on" => asked.stop = false,
            _ => {
                return Err(format!(
                    "what is `{arg}`? There are --seeds, --seed, --faults, --planted, --threads, --hashes, --twice, --go-on"
                ));
            }
        }
    }
    Ok(asked)
}

/// Names of faults or families, apart by commas; `none` for none.
fn faults(list: &str) -> Result<Vec<Fault>, String> {
    let mut chosen = BTreeSet::new();
    for name in list.split(',').filter(|name| *name != "none") {
        let matching: Vec<Fault> =
            Fault::ALL.iter().copied().filter(|fault| fault.name() == name || fault.family().name() == name).collect();
        if matching.is_empty() {
            let all: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
            return Err(format!("there is no fault `{name}`, but: {}", all.join(", ")));
        }
        chosen.extend(matching);
    }
    Ok(chosen.into_iter().collect())
}

/// For each planted bug the first seed that finds it, as the table has it.
#[cfg(tidelock_planted)]
fn find_all(asked: &Asked) -> ExitCode {
    use tidelock_core::planted::{Bug, set};
    let (next, missed) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(|| {
                while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let fails = |seed: &u64| {
                        let plan = plan(*seed, &asked.faults);
                        set(Some(*bug));
                        let red = run(&plan).err();
                        set(None);
                        red.filter(|_| run(&plan).is_ok())
                    };
                    match (asked.first..asked.first + asked.seeds).find_map(|seed| Some((seed, fails(&seed)?))) {
                        Some((seed, why)) => println!("\"{}\" = {seed} # {:.150}", bug.name(), why.replace('\n', " ")),
                        None => {
                            missed.fetch_add(1, Ordering::Relaxed);
                            println!("# \"{}\" is not found in {} seeds", bug.name(), asked.seeds);
                        }
                    }
                }
            });
        }
    });
    if missed.load(Ordering::Relaxed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Replays the seed kept for each planted bug: red with it, green without.
#[cfg(tidelock_planted)]
fn replay_table() -> ExitCode {
    use tidelock_core::planted::{Bug, set};
    use tidelock_sim::schedule::planted::FOUND;
    let mut failed = 0;
    for bug in Bug::ALL {
        let Some((_, seed)) = FOUND.iter().find(|(name, _)| *name == bug.name()) else {
            println!("{}: no seed is kept", bug.name());
            failed += 1;
            continue;
        };
        let plan = plan(*seed, Fault::ALL);
        set(Some(*bug));
        let red = run(&plan);
        set(None);
        let green = run(&plan);
        if red.is_ok() || green.is_err() {
            println!("{}: seed {seed} is {} with it, {} without", bug.name(), told(&red), told(&green));
            failed += 1;
        }
    }
    println!("{} planted bugs, {failed} not as they were", Bug::ALL.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(tidelock_planted)]
fn told<T>(result: &Result<T, String>) -> &'static str {
    if result.is_ok() { "green" } else { "red" }
}

#[cfg(not(tidelock_planted))]
fn replay_table() -> ExitCode {
    find_all(&Asked {
        seeds: 0,
        first: 0,
        faults: Vec::new(),
        planted: None,
        threads: 0,
        hashes: false,
        twice: 0,
        stop: false,
    })
}

#[cfg(not(tidelock_planted))]
fn find_all(_: &Asked) -> ExitCode {
    eprintln!("sim: this build has no planted bugs: run it by `cargo xtask sim`");
    ExitCode::from(2)
}

/// Switches a planted bug on for this thread.
#[cfg(tidelock_planted)]
fn plant(name: Option<&str>) -> Result<(), String> {
    use tidelock_core::planted::{Bug, set};
    let Some(name) = name else { return Ok(()) };
    let bug = Bug::ALL.iter().copied().find(|bug| bug.name() == name || format!("{bug:?}") == name);
    set(Some(bug.ok_or_else(|| {
        let all: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        format!("there is no planted bug `{name}`, but:\n{}", all.join("\n"))
    })?));
    Ok(())
}

#[cfg(not(tidelock_planted))]
fn plant(name: Option<&str>) -> Result<(), String> {
    name.map_or(Ok(()), |_| Err("this build has no planted bugs: run it by `cargo xtask sim`".to_owned()))
}
