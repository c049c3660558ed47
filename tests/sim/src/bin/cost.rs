//! Prints the tables of docs/COST.md.

use tidelock_sim::cost::{run_all, tables};

fn main() {
    print!("{}", tables(&run_all()));
}
