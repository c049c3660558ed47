//! Answers as a fuzzer's bytes choose them: true ones, altered ones, others' and none.

use crate::input::Input;
use crate::scenes::Scene;
use bytes::Bytes;
use tidelock_core::crypto::{
    ObjectKind, Place, epoch_of, open, pad_padme, pad_to_power_of_two, private_space_id, seal, unpad_padme,
    unpad_to_power_of_two,
};
use tidelock_core::s3::{Method, Response};
use tidelock_core::{DeviceId, Request, TransportFailure};
use tidelock_sim::random::Random;

/// Bytes of a signature, at the end of a signed manifest.
const SIGNATURE_BYTES: usize = 64;

/// A platform's answer: a response, a failure, or nothing at all.
pub(crate) type Reply = Option<Result<Response, TransportFailure>>;

/// What comes back for a request. `truth` asks the bucket, with all that follows; a request that never arrives doesn't.
pub(crate) fn reply(
    scene: &Scene,
    request: &Request,
    fate: usize,
    choices: &mut Input<'_>,
    truth: impl FnOnce() -> Response,
) -> Reply {
    if fate == 4 && choices.byte() % 2 == 0 {
        return Some(Err(failure(choices)));
    }
    let truth = truth();
    let path = path(request);
    Some(Ok(match fate {
        4 => return Some(Err(failure(choices))),
        5 => Response { status: status(choices), ..truth },
        6 => other_headers(truth, choices),
        7 => with_body(&truth, |body| flip(body, choices)),
        8 => with_body(&truth, |body| cut_or_extend(body, choices)),
        9 => {
            let all: Vec<&Bytes> = scene.objects.values().flatten().collect();
            match all.is_empty() {
                true => truth,
                false => Response { status: 200, body: (*choices.pick(&all)).clone(), ..truth },
            }
        }
        10 => match scene.objects.get(&path) {
            Some(versions) => Response { status: 200, body: choices.pick(versions).clone(), ..truth },
            None => Response { status: 404, body: "<Error><Code>NoSuchKey</Code></Error>".into(), ..truth },
        },
        11 => resealed(scene, &path, truth, choices),
        12 => error(truth, choices),
        13 => return None,
        14 if request.method != Method::Put => {
            Response { status: status(choices), headers: truth.headers, body: raw(choices) }
        }
        _ => truth,
    }))
}

/// The object with another plaintext, sealed by somebody who has the vault's keys; a manifest may be signed by its device.
fn resealed(scene: &Scene, path: &str, truth: Response, choices: &mut Input<'_>) -> Response {
    const KINDS: [ObjectKind; 5] = [
        ObjectKind::Beacon,
        ObjectKind::Manifest,
        ObjectKind::Segment,
        ObjectKind::SnapshotIndex,
        ObjectKind::SnapshotChunk,
    ];
    let (Some(keys), Ok(epoch)) = (&scene.keys, epoch_of(&truth.body)) else { return truth };
    let Some(key) = keys.content_key(epoch, private_space_id(keys.vault())) else { return truth };
    let place = |kind| Place { vault: keys.vault(), kind, epoch, path };
    let opens = |kind: &ObjectKind| Some((*kind, open(&key, &place(*kind), &truth.body, 16 << 20).ok()?));
    let Some((kind, padded)) = KINDS.iter().find_map(opens) else { return truth };
    let by_power_of_two = matches!(kind, ObjectKind::Beacon | ObjectKind::Manifest);
    let unpadded = if by_power_of_two { unpad_to_power_of_two(&padded) } else { unpad_padme(&padded) };
    let mut plaintext = unpadded.expect("a sound object").to_vec();
    flip(&mut plaintext, choices);
    let author = path.rsplit('/').next().and_then(DeviceId::from_hex).and_then(|id| scene.devices.get(&id));
    if kind == ObjectKind::Manifest
        && choices.byte() % 4 != 0
        && let Some(author) = author
    {
        plaintext.truncate(plaintext.len() - SIGNATURE_BYTES);
        let signature = author.sign("manifest", &plaintext);
        plaintext.extend(signature);
    }
    let padded = if by_power_of_two { pad_to_power_of_two(&plaintext) } else { pad_padme(&plaintext) };
    let salt =
        scene.devices.values().next().expect("a vault has a device").salt(&mut Random::new(0), &place(kind), &padded);
    Response { body: seal(&key, &place(kind), &salt, &padded).into(), headers: Vec::new(), ..truth }
}

fn path(request: &Request) -> String {
    let path = request.url.split('?').next().unwrap_or_default();
    let path = path.strip_prefix("file:///").or_else(|| path.splitn(5, '/').nth(4)).unwrap_or_default();
    path.to_owned()
}

fn failure(choices: &mut Input<'_>) -> TransportFailure {
    match choices.byte() % 6 {
        0 => TransportFailure::Timeout,
        1 => TransportFailure::Connect(choices.text()),
        2 => TransportFailure::Tls(choices.text()),
        3 => TransportFailure::Reset(choices.text()),
        4 => TransportFailure::TooLong,
        _ => TransportFailure::NoCredentials(choices.text()),
    }
}

fn status(choices: &mut Input<'_>) -> u16 {
    const STATUSES: [u16; 16] = [200, 404, 304, 412, 409, 403, 503, 206, 301, 400, 204, 500, 429, 501, 0, 999];
    *choices.pick(&STATUSES)
}

fn other_headers(truth: Response, choices: &mut Input<'_>) -> Response {
    const NAMES: [&str; 8] = [
        "etag",
        "date",
        "content-length",
        "content-type",
        "content-range",
        "retry-after",
        "x-amz-bucket-region",
        "location",
    ];
    let name = *choices.pick(&NAMES);
    let mut headers = truth.headers;
    headers.retain(|(other, _)| other != name);
    let value = choices.text();
    if !value.is_empty() {
        headers.push((name.to_owned(), value));
    }
    Response { headers, ..truth }
}

fn error(truth: Response, choices: &mut Input<'_>) -> Response {
    const CODES: [(u16, &str); 12] = [
        (404, "NoSuchKey"),
        (503, "SlowDown"),
        (500, "InternalError"),
        (403, "AccessDenied"),
        (412, "PreconditionFailed"),
        (403, "RequestTimeTooSkewed"),
        (400, "AuthorizationHeaderMalformed"),
        (404, "NoSuchBucket"),
        (409, "ConditionalRequestConflict"),
        (501, "NotImplemented"),
        (403, "ExpiredToken"),
        (400, "EntityTooLarge"),
    ];
    let (status, code) = *choices.pick(&CODES);
    let region = ["eu-1", "us-west-2", ""][choices.below(3)];
    let body = format!("<Error><Code>{code}</Code><Region>{region}</Region></Error>");
    Response { status, headers: truth.headers, body: body.into() }
}

fn with_body(truth: &Response, change: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut body = truth.body.to_vec();
    change(&mut body);
    Response { body: body.into(), ..truth.clone() }
}

/// Up to four bytes become others: anywhere, or near either end, where what is small and what is named lies.
fn flip(body: &mut [u8], choices: &mut Input<'_>) {
    for _ in 0..=choices.below(4) {
        let (near, at, new) = (choices.byte() % 3, usize::from(u16::from_le_bytes(choices.array())), choices.byte());
        let Some(anywhere) = at.checked_rem(body.len()) else { return };
        let at = match near {
            0 => anywhere,
            1 => (at % 256).min(anywhere),
            _ => body.len() - 1 - (at % 512).min(anywhere),
        };
        body[at] ^= new;
    }
}

fn cut_or_extend(body: &mut Vec<u8>, choices: &mut Input<'_>) {
    match choices.byte() % 3 {
        0 => body.truncate(usize::from(u16::from_le_bytes(choices.array()))),
        1 => body.extend_from_slice(choices.bytes()),
        _ => body.resize(body.len() + (choices.below(64) << 14), choices.byte()),
    }
}

fn raw(choices: &mut Input<'_>) -> Bytes {
    let len = usize::from(u16::from_le_bytes(choices.array()));
    Bytes::copy_from_slice(choices.take(len))
}
