//! Secrets in logs: whatever a platform might print or send is searched for keys, codes, passphrases, seeds and contents.

use crate::Outcome;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD as STANDARD, BASE64_URL_SAFE as URL_SAFE};
use bytes::Bytes;
use tidelock_core::crypto::RecoveryCode;
use tidelock_core::local::{ByteRange, LocalStore, Table};
use tidelock_core::{Change, Collection, ErrorKind, Event, Operation, Outcome as Ended, Output, Secret};
use tidelock_sim::hostile::host::{Host, Reply, answer, honest};
use tidelock_sim::hostile::insider::Insider;
use tidelock_sim::keys::Keys;
use tidelock_sim::world::World;
use zeroize::Zeroizing;

const PASSPHRASE: &str = "wander-lantern-quarry";
const NEW_PASSPHRASE: &str = "marble-otter-thimble";
const WORDS: [&str; 4] =
    ["collection-of-recipes", "key-for-grandmothers-soup", "value-is-plenty-of-salt", "entry-typed-in-a-shell"];

/// Everything said, as text, and everything sent, as bytes.
#[derive(Default)]
struct Said {
    text: String,
    sent: Vec<Bytes>,
}

impl Said {
    /// Takes an output in. A change's event names its collection: that is its purpose, and the caller's own word.
    fn output(&mut self, output: &Output) {
        if matches!(output, Output::Event(Event::Changed { .. })) {
            return;
        }
        self.text += &format!("{output:?}\n");
        if let Output::Send(request) = output {
            self.text += &format!("{} {:?}\n", request.url, request.headers);
            self.sent.push(request.body.clone());
        }
    }

    /// Runs an operation and keeps what it says.
    fn run(&mut self, world: &mut World, at: usize, operation: Operation, break_it: bool) -> Option<Ended> {
        self.text += &format!("{operation:?}\n");
        let host = Host {
            engine: &mut world.devices[at].engine,
            bucket: &mut world.bucket,
            random: &mut world.random,
            now_ms: &mut world.now_ms,
        };
        let mut count = 0;
        let mut answer =
            |request: &tidelock_core::Request, truth: &mut dyn FnMut() -> tidelock_core::s3::Response| -> Reply {
                count += 1;
                if break_it && count % 2 == 0 { Ok(answer(200, "<html>no</html>")) } else { honest(request, truth) }
            };
        let run = host.run(operation, &mut answer, &mut |output| self.output(output));
        self.text += &format!("{:?}\n", run.result);
        if let Err(error) = &run.result {
            self.text += &format!("{error} {error:#} {error:?} {:?}\n", error.hint());
        }
        run.errors().iter().for_each(|error| self.text += &format!("{error}\n"));
        run.result.ok()
    }
}

/// Each way to turn the keys; then the others hear of it, over answers that are partly broken too. Gives the new code.
fn turn_the_keys(said: &mut Said, world: &mut World, first: usize) -> Result<RecoveryCode, String> {
    let last = world.devices.len() - 1;
    let passphrase = Some(Zeroizing::new(NEW_PASSPHRASE.to_owned()));
    said.run(world, first, Operation::SetPassphrase { passphrase }, false).ok_or("no passphrase was set")?;
    let replaced = said.run(world, first, Operation::ReplaceRecoveryCode, false);
    let Some(Ended::RecoveryCodeReplaced { recovery_code }) = replaced else {
        return Err("the code was not replaced".to_owned());
    };
    let device = world.id(last);
    for break_it in [true, false] {
        said.run(world, first, Operation::RevokeDevice { device }, break_it);
    }
    for at in 0..world.devices.len() {
        world.now_ms += 7_200_000;
        said.run(world, at, Operation::Sync, true);
        said.run(world, at, Operation::Sync, false);
        said.text += &format!("{:?}", world.devices[at].engine);
    }
    Ok(recovery_code)
}

pub(crate) fn class() -> Outcome {
    let mut said = Said::default();
    let mut world = World::new(141);
    let first = world.add();
    let passphrase = Zeroizing::new(PASSPHRASE.to_owned());
    let created = said.run(&mut world, first, Operation::Create { passphrase: Some(passphrase.clone()) }, false);
    let Some(Ended::Created { recovery_code: code }) = created else {
        return Err("create ended in no code".to_owned());
    };
    let collection = Collection::map(WORDS[0]);
    let now = world.devices[first].now(world.now_ms);
    let changes = [
        Change::Put {
            collection: collection.clone(),
            key: WORDS[1].to_owned(),
            value: Bytes::from_static(WORDS[2].as_bytes()),
        },
        Change::Append {
            collection: Collection::log("history"),
            key: None,
            value: Bytes::from_static(WORDS[3].as_bytes()),
        },
    ];
    world.devices[first].engine.write(&changes, now).map_err(|error| error.to_string())?;
    for break_it in [false, true, true] {
        world.now_ms += 7_200_000;
        said.run(&mut world, first, Operation::Check, break_it);
    }
    let insider = Insider::new(&world.bucket, &code);
    for secret in [
        Secret::Passphrase(Zeroizing::new(format!("{PASSPHRASE}-mistyped"))),
        Secret::Passphrase(passphrase),
        Secret::Recovery(code.clone()),
    ] {
        said.text += &format!("{secret:?}");
        let at = world.add();
        said.run(&mut world, at, Operation::Join { secret }, false);
        said.text += &format!("{:?}", world.devices[at].engine);
        said.run(&mut world, at, Operation::Sync, true);
        said.run(&mut world, at, Operation::Sync, false);
    }
    let new_code = turn_the_keys(&mut said, &mut world, first)?;
    let refused = world.devices[first]
        .engine
        .write(&[Change::Put { collection, key: "x".repeat(513), value: Bytes::new() }], now);
    ensure!(refused.as_ref().is_err_and(|error| error.kind() == ErrorKind::Invalid), "a long key was taken");
    let ring = Keys::of(&world.devices[first].disk).ring;
    said.text += &format!("{refused:?} {ring:?} {:?} {code:?} {new_code:?}", insider.secret);

    let mut secrets: Vec<(String, Vec<u8>)> = vec![
        ("the passphrase".to_owned(), PASSPHRASE.as_bytes().to_vec()),
        ("the new passphrase".to_owned(), NEW_PASSPHRASE.as_bytes().to_vec()),
    ];
    for (which, code) in [("recovery code", &code), ("new recovery code", &new_code)] {
        secrets.push((format!("the {which}"), code.reveal().as_bytes().to_vec()));
        secrets.push((format!("the {which}"), code.reveal().replace('-', "").into_bytes()));
        secrets.push((format!("the {which}'s bits"), bits(&code.reveal())));
    }
    // vault ‖ count ‖ each epoch ‖ its root secret ‖ the current epoch
    let ring_bytes = ring.to_bytes();
    let (epochs, _) = ring_bytes[16 + 4..ring_bytes.len() - 12].as_chunks::<{ 12 + 32 }>();
    ensure!(epochs.len() >= 4, "three turns of the keys made {} epochs", epochs.len());
    secrets.extend(epochs.iter().zip(1..).map(|(epoch, n)| (format!("root secret {n}"), epoch[12..].to_vec())));
    secrets.extend(WORDS.map(|word| (format!("`{word}`"), word.as_bytes().to_vec())));
    for device in &world.devices {
        for (_, row) in device.disk.list(Table::Head, &ByteRange::default(), 100).expect("a sound disk") {
            // The identity's row: vault, then the seed.
            if row.starts_with(&insider.vault.0) && row.len() > 48 {
                secrets.push(("a device's seed".to_owned(), row[16..48].to_vec()));
            }
        }
    }
    let seeds = secrets.iter().filter(|(what, _)| what.contains("seed")).count();
    let (sent, said_bytes) = (said.sent.len(), said.text.len());
    ensure!(
        seeds >= 3 && sent > 20 && said_bytes > 10_000,
        "too little: {seeds} seeds, {sent} requests, {said_bytes} bytes"
    );
    secrets.iter().try_for_each(|(what, secret)| search(&said, what, secret))
}

/// In text: as it is, in hex of both cases, in base64 of both alphabets and as a list of numbers. In what is sent: as it is.
fn search(said: &Said, what: &str, secret: &[u8]) -> Outcome {
    let lower: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers = format!("{secret:?}");
    let mut forms = vec![lower.to_uppercase(), lower, numbers.trim_matches(['[', ']']).to_owned()];
    forms.extend(String::from_utf8(secret.to_vec()).ok());
    // Within something longer its groups of three bytes begin at any of three places.
    for at in 0..3 {
        let groups = secret[at..].as_chunks::<3>().0.as_flattened();
        forms.extend([STANDARD.encode(groups), URL_SAFE.encode(groups)]);
    }
    for form in &forms {
        ensure!(!said.text.contains(form.as_str()), "{what} is printed");
    }
    let in_body = |body: &Bytes| body.windows(secret.len()).any(|window| window == secret);
    ensure!(!said.sent.iter().any(in_body), "{what} is sent in clear");
    Ok(())
}

/// The 160 bits of a code in Crockford's base32, five a symbol.
fn bits(code: &str) -> Vec<u8> {
    const ALPHABET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let symbols = code.chars().filter(|letter| *letter != '-').take(32);
    let values: Vec<usize> = symbols.map(|letter| ALPHABET.find(letter).expect("a symbol")).collect();
    let bit = |at: usize| (values[at / 5] >> (4 - at % 5)) as u8 & 1;
    (0..20).map(|byte| (0..8).fold(0, |value, at| value << 1 | bit(8 * byte + at))).collect()
}
