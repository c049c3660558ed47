//! Runs many schedules of the model: `model SEEDS [FIRST] [--loose] [--all] [--out RULE]... [--show SEED]`.

use tidelock_sim::model::rules::{RULES, Rule, Rules};
use tidelock_sim::model::schedule::{Failure, plan, run, shrink, trace};

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut numbers, mut out, mut show) = (Vec::new(), Vec::new(), None);
    let (mut strict, mut all, mut held) = (true, false, false);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--loose" => strict = false,
            "--all" => all = true,
            "--held" => held = true,
            "--out" => out.push(rule(&args.next().unwrap_or_default())),
            "--show" => show = args.next().and_then(|seed| seed.parse::<u64>().ok()),
            number => numbers.push(number.parse::<u64>().unwrap_or(0)),
        }
    }
    let (seeds, first) = (numbers.first().copied().unwrap_or(5_000), numbers.get(1).copied().unwrap_or(0));
    if let Some(seed) = show {
        let rules = Rules::without(&out).held(held);
        let short = shrink(plan(seed), rules, strict);
        let (lines, result) = trace(&short, rules, strict);
        println!("{}\n{result:?}, {} events", lines.join("\n"), short.len());
    } else if all {
        for left_out in RULES {
            count(&[&out[..], &[left_out]].concat(), first, seeds, strict, held);
        }
    } else {
        count(&out, first, seeds, strict, held);
    }
}

fn count(out: &[Rule], first: u64, seeds: u64, strict: bool, held: bool) {
    let rules = Rules::without(out).held(held);
    let (mut failures, mut sample, mut had) = ([0usize; 5], None, [0usize; 3]);
    for seed in first..first + seeds {
        match run(&plan(seed), rules, strict) {
            Ok(good) => {
                had = [had[0] + good.writes, had[1] + good.collected, had[2] + good.beside];
            }
            Err(failure) => {
                failures[match failure {
                    Failure::Inexact(_) => 0,
                    Failure::Wrong(_) => 1,
                    Failure::Stuck(_) => 2,
                    Failure::Kept(_) => 3,
                    Failure::Dragged(_) => 4,
                }] += 1;
                sample = sample.or(Some((seed, failure)));
            }
        }
    }
    let [inexact, wrong, stuck, kept, dragged] = failures;
    println!(
        "{out:?}: {seeds} schedules, inexact {inexact}, wrong {wrong}, stuck {stuck}, tombstone kept {kept}, dragged {dragged}; {had:?}"
    );
    if let Some((seed, failure)) = sample {
        println!("    seed {seed}: {failure:?}");
    }
}

fn rule(name: &str) -> Rule {
    RULES.into_iter().find(|rule| format!("{rule:?}") == name).unwrap_or_else(|| panic!("no rule {name}"))
}
