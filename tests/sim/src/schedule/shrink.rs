//! Makes a failing plan small: leaves out whatever is not needed for it to fail.

use super::plan::Plan;
use super::run::run;

/// The smallest plan found that still fails, and how it fails.
pub fn shrink(plan: &Plan) -> (Plan, String) {
    let mut best = plan.clone();
    let mut why = match run(&best) {
        Err(why) => why,
        Ok(_) => return (best, "it does not fail".to_owned()),
    };
    let kind = kind_of(&why);
    let mut try_out = |best: &mut Plan, smaller: Plan| match run(&smaller) {
        Err(new) if kind_of(&new) == kind => {
            (*best, why) = (smaller, new);
            true
        }
        _ => false,
    };
    for fault in plan.faults.clone() {
        let mut smaller = best.clone();
        smaller.faults.retain(|kept| *kept != fault);
        try_out(&mut best, smaller);
    }
    for smaller in [
        Plan { newcomer: false, ..best.clone() },
        Plan { paged: 0, newcomer: false, ..best.clone() },
        Plan { signed: false, newcomer: false, ..best.clone() },
    ] {
        try_out(&mut best, smaller);
    }
    let mut length = best.steps.len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        while at < best.steps.len() {
            let mut smaller = best.clone();
            smaller.steps.drain(at..(at + length).min(best.steps.len()));
            if !try_out(&mut best, smaller) {
                at += length;
            }
        }
        length = if length == 1 { 0 } else { length.div_ceil(2) };
    }
    (best, why)
}

/// A failure without its numbers and names: another one is another matter.
fn kind_of(why: &str) -> String {
    let plain = why.trim_start_matches(|c: char| c != ':').trim_start_matches(": ");
    let plain = if plain.is_empty() { why } else { plain };
    plain.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).take(6).collect::<Vec<_>>().join(" ")
}
