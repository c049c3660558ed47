//! Seeds beyond those that every run takes, each of which once found something: docs/TESTING.md says what.

use tidelock_sim::fault::Fault;
use tidelock_sim::schedule::plan::plan;
use tidelock_sim::schedule::run::run;

const FOUND: [u64; 27] = [
    5_558, 5_657, 8_953, 8_975, 10_858, 11_547, 13_040, 13_998, 15_347, 23_327, 24_222, 25_004, 26_213, 27_221, 42_634,
    47_238, 131_680, 167_245, 201_379, 209_137, 247_378, 257_578, 257_698, 284_898, 325_158, 339_058, 352_548,
];

#[test]
fn seeds_that_found_something_are_clean() {
    for seed in FOUND {
        if let Err(why) = run(&plan(seed, Fault::ALL)) {
            panic!("seed {seed}: {why}");
        }
    }
}
