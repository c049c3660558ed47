//! Serves very many altered answers to real engines: `hostile [--answers N] [--seed S] [--threads T]`.

use std::process::ExitCode;
use std::time::Instant;
use tidelock_sim::hostile::campaign::{Counts, serve};

fn main() -> ExitCode {
    let (mut answers, mut seed, mut threads) = (1_000_000, 1, 2);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = words.next().and_then(|word| word.parse::<u64>().ok());
        match (word.as_str(), number) {
            ("--answers", Some(number)) => answers = number,
            ("--seed", Some(number)) => seed = number,
            ("--threads", Some(number @ 1..=64)) => threads = number,
            _ => {
                eprintln!("hostile [--answers N] [--seed S] [--threads 1 to 64]");
                return ExitCode::FAILURE;
            }
        }
    }
    let start = Instant::now();
    let share = answers.div_ceil(threads);
    let workers: Vec<_> =
        (0..threads).map(|thread| std::thread::spawn(move || serve(share, seed.wrapping_add(1000 * thread)))).collect();
    let mut counts = Counts::default();
    for worker in workers {
        match worker.join().expect("a worker that panics has said why") {
            Ok(some) => counts.add(&some),
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::FAILURE;
            }
        }
    }
    for ((kind, mutation), count) in &counts.answers {
        println!("{:<12}{:<12}{count:>10}", format!("{kind:?}"), format!("{mutation:?}"));
    }
    let seconds = start.elapsed().as_secs();
    println!("{} altered answers in {} operations, {seconds} s: none counted", counts.total(), counts.runs);
    println!("after {} of them the truth was read, and held", counts.healed);
    ExitCode::SUCCESS
}
