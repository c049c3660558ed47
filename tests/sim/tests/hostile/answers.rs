//! Altered answers of every kind, a quick share of the million.

use tidelock_sim::hostile::campaign::serve;

#[test]
fn no_altered_answer_counts() {
    let counts = serve(20_000, 7).unwrap();
    assert!(counts.total() >= 20_000 && counts.healed > 0);
}
