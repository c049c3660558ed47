//! Slots: what nobody sealed does not open, what is sealed opens for its holder alone and whole.
#![no_main]

use std::sync::LazyLock;
use tidelock_core::Hash;
use tidelock_core::crypto::{
    Opener, RecoveryCode, SlotPayload, SlotRecord, StretchParams, StretchRequest, Stretching, open_slot, seal_slot,
    stretch, stretching_of,
};
use tidelock_fuzz::input::Input;
use tidelock_fuzz::vault::{self, Constant};
use zeroize::Zeroizing;

/// A recovery code, a passphrase and a device, as in the vectors.
static OPENERS: LazyLock<[Opener; 3]> = LazyLock::new(|| {
    let code = RecoveryCode::parse("60RK-4CSM-6MV3-EE1S-C5H6-6S35-CSKP-GTBA-GFED").expect("the vectors' code");
    // The least that is allowed: Argon2id runs once a process.
    let params = StretchParams { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
    let stretching = Stretching { salt: [7; 16], params };
    let passphrase = Zeroizing::new("correct horse battery stäple".as_bytes().to_vec());
    let key = stretch(&StretchRequest { stretching, passphrase }).expect("a cost within its bounds");
    [Opener::recovery(&code), Opener::passphrase(stretching, &key), Opener::device(&vault::device())]
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let which = input.below(3);
    let opener = &OPENERS[which];
    let header = Hash([input.byte(); 32]);
    if input.byte() % 2 == 0 {
        let sealed = input.rest();
        if let Ok(payload) = open_slot(opener, vault::id(), header, sealed) {
            assert_eq!(payload.vault, vault::id());
        }
        let _ = stretching_of(sealed);
        return;
    }
    let epoch = vault::newest();
    let root_secret = vault::ring().root_secret(epoch).expect("the newest").clone();
    let payload = SlotPayload { epoch, root_secret, vault: vault::id(), header_hash: header };
    let sealed = seal_slot(&opener.record(), &payload, &vault::device(), &mut Constant(input.byte())).expect("sound");
    assert_eq!(open_slot(opener, vault::id(), header, &sealed).as_ref(), Ok(&payload));
    assert!(open_slot(&OPENERS[(which + 1) % 3], vault::id(), header, &sealed).is_err(), "another's slot opens");
    assert!(open_slot(opener, vault::id(), Hash([1; 32]), &sealed).is_err() || header == Hash([1; 32]));

    let mut other = sealed.clone();
    let at = input.number() as usize % sealed.len();
    match input.below(4) {
        0 => other[at] ^= input.byte(),
        1 => other.truncate(at),
        2 => other.extend_from_slice(input.bytes()),
        _ => {
            // A record with the wrong pre-shared key, as a provider would have to guess it.
            let record = opener.record();
            let guess = SlotRecord { name: record.name, public_key: record.public_key, psk: input.array() };
            if guess != record
                && let Ok(forged) = seal_slot(&guess, &payload, &vault::device(), &mut Constant(1))
            {
                other = forged;
            }
        }
    }
    assert!(other == sealed || open_slot(opener, vault::id(), header, &other).is_err(), "an altered slot opens");
    // A record that anybody may have written: refused or sealed.
    let record = SlotRecord { name: opener.name(), public_key: input.array(), psk: input.array() };
    let _ = seal_slot(&record, &payload, &vault::device(), &mut Constant(2));
});
