//! A damaged local store: rows of any kind have one form, and an engine over any rows refuses or works, and never panics.
#![no_main]

use tidelock_core::engine::fuzzing;
use tidelock_core::local::{Batch, LocalStore, MemoryLocal, Table, Write};
use tidelock_core::{Change, Collection, KeyRange, Operation};
use tidelock_fuzz::attack;
use tidelock_fuzz::input::Input;
use tidelock_fuzz::scenes::{SCENES, Scene};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    if *which < 0x80 {
        return fuzzing::row(*which, rest);
    }
    let mut input = Input::new(rest);
    let scene = &SCENES[input.below(SCENES.len())];
    let local = damaged(scene, &mut input);
    let Ok(mut device) = attack::Device::open(scene, Box::new(local)) else { return };
    let _ = device.engine.status();
    let _ = device.engine.conflicts(None, 100);
    for collection in [Collection::map("notes"), Collection::log("history")] {
        let _ = device.engine.list(&collection, &KeyRange::default(), 100);
        let change = match collection.kind {
            tidelock_core::Kind::Log => Change::Append { collection, key: None, value: "x".into() },
            _ => Change::Put { collection, key: "tea".to_owned(), value: "x".into() },
        };
        let _ = device.engine.write(&[change], device.now());
    }
    for operation in [Operation::Sync, Operation::Check] {
        device.run(operation);
    }
});

/// The rows of a sound store, some of them changed, gone or new.
fn damaged(scene: &Scene, input: &mut Input<'_>) -> MemoryLocal {
    let mut rows = scene.rows();
    if rows.is_empty() {
        rows.push(Write { table: Table::Head, key: b"clock".to_vec(), value: Some(vec![0; 32]) });
    }
    for _ in 0..=input.below(4) {
        let at = input.number() as usize % rows.len();
        let row = &mut rows[at];
        match (input.below(6), &mut row.value) {
            (0, _) => row.value = Some(input.bytes().to_vec()),
            (1, _) => row.value = None,
            (2, _) => row.key = input.bytes().to_vec(),
            (3, _) => row.table = *input.pick(&Table::ALL),
            (4, Some(value)) if !value.is_empty() => {
                // Eight bytes at once: most of what a row counts has so many.
                let (place, number) = (input.number() as usize % value.len(), input.number().to_le_bytes());
                value[place..].iter_mut().zip(number).for_each(|(byte, new)| *byte = new);
            }
            (_, Some(value)) if !value.is_empty() => {
                let place = input.number() as usize % value.len();
                value[place] ^= input.byte();
            }
            _ => {}
        }
    }
    let mut local = MemoryLocal::new();
    let revision = local.revision().expect("memory");
    local.commit(&Batch::from(rows), revision).expect("memory takes rows within their limits");
    local
}
