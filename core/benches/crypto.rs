//! The envelope against the bare AEAD on 16 KiB buffers, and signatures.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tidelock_core::crypto::{
    DeviceSecret, Entropy, KeyRing, ObjectKind, Place, RootSecret, open, private_space_id, seal,
};
use tidelock_core::{EpochId, VaultId};
use tidelock_sim::random::Random;

const CHUNK_BYTES: usize = 16 << 10;
const MESSAGE_BYTES: [usize; 2] = [1 << 20, 8 << 20];

fn envelope(criterion: &mut Criterion) {
    let mut random = Random::new(1);
    let device = DeviceSecret::generate(&mut random, b"bench");
    let vault = VaultId([7; 16]);
    let epoch = EpochId { number: 1, id: [1; 8] };
    let root = RootSecret::generate(&device, &mut random, b"bench");
    let keys = KeyRing::first(vault, epoch, root).expect("a first epoch");
    let key = keys.content_key(epoch, private_space_id(vault)).expect("the ring's own epoch");
    let place = Place { vault, kind: ObjectKind::SnapshotChunk, epoch, path: "spaces/a/snapshots/b" };
    let aead = ChaCha20Poly1305::new(&[3; 32].into());
    let nonce = [5; 12].into();

    for bytes in MESSAGE_BYTES {
        let mut plaintext = vec![0; bytes];
        random.fill(&mut plaintext);
        let salt = device.salt(&mut random, &place, &plaintext);
        let sealed = seal(&key, &place, &salt, &plaintext);
        let mut group = criterion.benchmark_group(format!("{} MiB", bytes >> 20));
        group.throughput(Throughput::Bytes(bytes as u64));
        let mut buffer = plaintext.clone();
        group.bench_function("aead encrypts", |bench| {
            bench.iter(|| {
                for chunk in buffer.chunks_mut(CHUNK_BYTES) {
                    black_box(aead.encrypt_inout_detached(&nonce, &[], chunk.into()).expect("short enough"));
                }
            });
        });
        let mut encrypted = plaintext.clone();
        let tags: Vec<_> = encrypted
            .chunks_mut(CHUNK_BYTES)
            .map(|chunk| aead.encrypt_inout_detached(&nonce, &[], chunk.into()).expect("short enough"))
            .collect();
        // Opening in place leaves plaintext behind, so each chunk is copied first, as `open` does.
        let mut chunk = vec![0; CHUNK_BYTES];
        group.bench_function("aead decrypts", |bench| {
            bench.iter(|| {
                for (from, tag) in encrypted.chunks(CHUNK_BYTES).zip(&tags) {
                    chunk.copy_from_slice(from);
                    aead.decrypt_inout_detached(&nonce, &[], chunk.as_mut_slice().into(), tag).expect("its own tag");
                }
            });
        });
        group.bench_function("seal", |bench| bench.iter(|| seal(&key, &place, &salt, black_box(&plaintext))));
        group.bench_function("open", |bench| {
            bench.iter(|| open(&key, &place, black_box(&sealed), bytes as u64).expect("its own key and place"));
        });
        group.bench_function("salt", |bench| {
            bench.iter(|| device.salt(&mut random, &place, black_box(&plaintext)));
        });
        group.finish();
    }
}

fn sign(criterion: &mut Criterion) {
    let device = DeviceSecret::generate(&mut Random::new(2), b"bench");
    let body = vec![9; 16 << 10];
    criterion.bench_function("sign 16 KiB", |bench| bench.iter(|| device.sign("bench", black_box(&body))));
}

criterion_group!(benches, envelope, sign);
criterion_main!(benches);
