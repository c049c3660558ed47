//! What the engine promises to those who hold it, checked by the compiler.

use tidelock_core::{Engine, Output};

#[test]
fn the_engine_and_what_leaves_it_may_move_between_threads() {
    fn may_move<T: Send + 'static>() {}
    may_move::<Engine>();
    may_move::<Output>();
}
