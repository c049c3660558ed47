//! What is small: headers, records of devices and slots, digests of deletions, padding, vectors, the cost in a passphrase's slot.
#![no_main]

use tidelock_core::crypto::{
    pad_padme, pad_to_power_of_two, padme_len, stretching_of, unpad_padme, unpad_to_power_of_two,
};
use tidelock_core::engine::fuzzing::{deletions, header, records, vector};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which {
        0 => header(bytes),
        1 => records(bytes),
        2 => deletions(bytes),
        3 => padding(bytes),
        5 => vector(bytes),
        _ => {
            if let Ok(stretching) = stretching_of(bytes) {
                stretching.params.check().expect("a cost within its bounds");
            }
        }
    }
});

fn padding(bytes: &[u8]) {
    if let Ok(plaintext) = unpad_padme(bytes) {
        assert_eq!(pad_padme(plaintext), bytes);
    }
    if let Ok(plaintext) = unpad_to_power_of_two(bytes) {
        assert_eq!(pad_to_power_of_two(plaintext), bytes);
    }
    let (padme, power) = (pad_padme(bytes), pad_to_power_of_two(bytes));
    assert_eq!(unpad_padme(&padme), Ok(bytes));
    assert_eq!(unpad_to_power_of_two(&power), Ok(bytes));
    let len = bytes.len() as u64 + 4;
    assert_eq!(padme.len() as u64, padme_len(len));
    assert!(padme_len(len) >= len && 25 * padme_len(len) <= 28 * len, "12 % at most"); // Nikitin et al., §4.2
    assert!(power.len().is_power_of_two() && power.len() >= 4096);
}
