//! Runs many schedules of the lives of devices: `lives SEEDS [FIRST] [--all] [--out RULE]...
//! [--with RULE]... [--text] [--show SEED]`.

use tidelock_sim::lives::rules::{ADDED, RULES, Rule, Rules, SPARED};
use tidelock_sim::lives::schedule::{Failure, plan, run, shrink, trace};
use tidelock_sim::lives::world::Had;

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut numbers, mut out, mut more, mut show, mut all) = (Vec::new(), Vec::new(), Vec::new(), None, false);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--all" => all = true,
            "--with" => more.push(rule(&args.next().unwrap_or_default())),
            "--text" => {
                out.extend(ADDED);
                more.extend(SPARED);
            }
            "--out" => out.push(rule(&args.next().unwrap_or_default())),
            "--show" => show = args.next().and_then(|seed| seed.parse::<u64>().ok()),
            number => numbers.push(number.parse::<u64>().unwrap_or(0)),
        }
    }
    let (seeds, first) = (numbers.first().copied().unwrap_or(5_000), numbers.get(1).copied().unwrap_or(0));
    if let Some(seed) = show {
        let rules = Rules::without(&out).with(&more);
        let short = shrink(plan(seed), rules);
        let (lines, result) = trace(&short, rules);
        println!("{}\n{result:?}, {} events", lines.join("\n"), short.len());
    } else if all {
        for &left_out in RULES.iter().filter(|rule| !SPARED.contains(rule)) {
            count(&[&out[..], &[left_out]].concat(), &more, first, seeds);
        }
    } else {
        count(&out, &more, first, seeds);
    }
}

fn count(out: &[Rule], more: &[Rule], first: u64, seeds: u64) {
    let rules = Rules::without(out).with(more);
    let (mut failures, mut samples, mut had) = ([0usize; 4], Vec::new(), Had::default());
    for seed in first..first + seeds {
        match run(&plan(seed), rules) {
            Ok(good) => had = had.plus(good),
            Err(failure) => {
                let kind = match failure {
                    Failure::Inexact(_) => 0,
                    Failure::Wrong(_) => 1,
                    Failure::Silent(_) => 2,
                    Failure::Forbidden(_) => 3,
                };
                failures[kind] += 1;
                if samples.len() < 4 {
                    samples.push((seed, failure));
                }
            }
        }
    }
    let [inexact, wrong, silent, forbidden] = failures;
    println!(
        "{out:?}: {seeds} schedules, inexact {inexact}, wrong {wrong}, silent {silent}, forbidden {forbidden}; {had:?}"
    );
    for (seed, failure) in samples {
        println!("    seed {seed}: {failure:?}");
    }
}

fn rule(name: &str) -> Rule {
    RULES.iter().copied().find(|rule| format!("{rule:?}") == name).unwrap_or_else(|| panic!("no rule {name}"))
}
