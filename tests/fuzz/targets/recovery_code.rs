//! Recovery codes as people write them: what is read shows in one form, and reads as the same code.
#![no_main]

use tidelock_core::crypto::RecoveryCode;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match RecoveryCode::parse(text) {
        Ok(code) => {
            let shown = code.reveal();
            assert_eq!(shown.len(), 44);
            assert!(shown.split('-').all(|group| group.len() == 4));
            assert_eq!(RecoveryCode::parse(&shown).as_ref(), Ok(&code));
            assert_eq!(RecoveryCode::parse(&shown.to_lowercase().replace('-', " ")), Ok(code));
        }
        Err(refused) => assert!(refused.to_string().len() < 200, "a refusal goes on and on"),
    }
});
