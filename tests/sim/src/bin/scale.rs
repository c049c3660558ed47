//! Prints the tables of docs/SCALE.md.

use tidelock_sim::scale::{run, tables};

fn main() {
    print!("{}", tables(&run()));
}
