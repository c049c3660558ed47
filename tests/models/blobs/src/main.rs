//! Runs many schedules: `blobs SEEDS [FIRST] [--all] [--out RULE]... [--wild] [--show SEED]`.

use tidelock_model_blobs::rules::RULES;
use tidelock_model_blobs::schedule::{Play, run};

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut numbers, mut play, mut show, mut all) = (Vec::new(), Play::default(), None, false);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--all" => all = true,
            "--wild" => play.wild = true,
            "--out" => play.out |= bit(&args.next().unwrap_or_default()),
            "--show" => show = Some(number(&args.next().unwrap_or_default())),
            other => numbers.push(number(other)),
        }
    }
    let (seeds, first) = (numbers.first().copied().unwrap_or(2_000), numbers.get(1).copied().unwrap_or(0));
    if let Some(seed) = show {
        let end = run(seed, Play { show: true, ..play });
        println!("{} lost, {} late carry, {} left", end.lost, end.late, end.left);
        return;
    }
    tally("as asked", seeds, first, play);
    if all {
        for (rule, name) in RULES {
            tally(name, seeds, first, Play { out: play.out | 1 << rule as u32, ..play });
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text:?}"))
}

fn bit(name: &str) -> u32 {
    1 << RULES.iter().find(|rule| rule.1 == name).unwrap_or_else(|| panic!("no rule is named {name:?}")).0 as u32
}

fn tally(name: &str, seeds: u64, from: u64, play: Play) {
    let (mut lose, mut late, mut leave, mut full, mut first) = (0, 0, 0, 0, None);
    let (mut deleted, mut reputs, mut spared) = (0, 0, 0);
    for seed in from..from + seeds {
        let end = run(seed, play);
        if end.full {
            full += 1;
            continue;
        }
        if end.lost > 0 {
            lose += 1;
            first.get_or_insert(seed);
        }
        late += u64::from(end.late > 0);
        leave += u64::from(end.left > 0);
        deleted += end.deleted;
        reputs += end.reputs;
        spared += end.spared;
    }
    println!(
        "{name:12} {seeds:7} schedules: {lose:6} lose (first {first:?}), {late} late carry, {leave} leave garbage, {full} cut \
         short; packs: {deleted} deleted, {reputs} put again, {spared} spared"
    );
}
