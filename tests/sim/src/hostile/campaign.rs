//! Very many altered answers, each served to an engine in the middle of an operation. None may count.

use super::host::{Reply, answer, path};
use super::mutate::Mutation;
use super::stage::{Kind, Stage};
use crate::random::Random;
use bytes::Bytes;
use std::collections::BTreeMap;
use tidelock_core::Request;
use tidelock_core::s3::Response;

/// One in so many runs is followed by the truth: nothing bad left a trace that keeps the good out.
const HEALED_EVERY: u64 = 64;

/// What was served, and how it went.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Altered answers.
    pub answers: BTreeMap<(Kind, Mutation), u64>,
    /// Operations they were served to.
    pub runs: u64,
    /// Runs after which the truth was read.
    pub healed: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        other.answers.iter().for_each(|(what, count)| *self.answers.entry(*what).or_default() += count);
        self.runs += other.runs;
        self.healed += other.healed;
    }

    fn of(&self, kind: Kind) -> u64 {
        self.answers.iter().filter(|((other, _), _)| *other == kind).map(|(_, count)| count).sum()
    }
}

/// Serves at least so many altered answers, as many of each kind.
///
/// # Errors
/// The first run after which a device held something else than without those answers.
pub fn serve(answers: u64, seed: u64) -> Result<Counts, String> {
    let stages = Stage::all(seed);
    let mut random = Random::new(seed);
    let mut counts = Counts::default();
    while counts.total() < answers {
        let stage = stages.iter().min_by_key(|stage| counts.of(stage.kind)).expect("there are stages");
        let mut served = Vec::new();
        let mut lie = |request: &Request, truth: &mut dyn FnMut() -> Response| -> Reply {
            let (mutation, response) = alter(stage, request, truth(), &mut random);
            served.push((mutation, path(request).to_owned()));
            Ok(response)
        };
        let played = stage.play(&mut lie);
        let holds = played.holds;
        counts.runs += 1;
        served.iter().for_each(|(mutation, _)| *counts.answers.entry((stage.kind, *mutation)).or_default() += 1);
        let run = counts.runs;
        if holds != stage.without {
            return Err(format!("seed {seed}, run {run}: {:?} changed what is held: {served:?}", stage.kind));
        }
        if run.is_multiple_of(HEALED_EVERY) {
            counts.healed += 1;
            if stage.heal(played) != stage.healed {
                return Err(format!("seed {seed}, run {run}: {:?} keeps the truth out: {served:?}", stage.kind));
            }
        }
    }
    Ok(counts)
}

/// Alters an answer for sure.
fn alter(stage: &Stage, request: &Request, truth: Response, random: &mut Random) -> (Mutation, Response) {
    if stage.kind == Kind::Head {
        return (Mutation::Head, other_head(truth, random));
    }
    let none = Vec::new();
    let older = stage.older.get(path(request)).unwrap_or(&none);
    let original = if stage.kind == Kind::Error { Bytes::from(document(random)) } else { truth.body.clone() };
    loop {
        let mutation = Mutation::BODY[random.below(Mutation::BODY.len() as u64) as usize];
        let Some(body) = mutation.apply(&original, &stage.others, older, random) else { continue };
        if stage.kind == Kind::Error {
            return (mutation, answer(status(random), body));
        }
        if stage.others.contains(&body) && body == truth.body {
            continue;
        }
        return (mutation, Response { body, ..truth });
    }
}

/// An error as S3 servers write it.
fn document(random: &mut Random) -> String {
    const CODES: [&str; 12] = [
        "NoSuchKey",
        "NoSuchBucket",
        "AccessDenied",
        "SlowDown",
        "InternalError",
        "PreconditionFailed",
        "InvalidRange",
        "AuthorizationHeaderMalformed",
        "RequestTimeTooSkewed",
        "NotImplemented",
        "PermanentRedirect",
        "ExpiredToken",
    ];
    let code = CODES[random.below(CODES.len() as u64) as usize];
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>none</Message>\
         <Region>eu-1</Region><RequestId>1</RequestId></Error>"
    )
}

/// Any status but the one that says that all is well.
fn status(random: &mut Random) -> u16 {
    const STATUSES: [u16; 24] = [
        0, 100, 201, 204, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 409, 412, 416, 429, 500, 501, 502,
        503, 999,
    ];
    STATUSES[random.below(STATUSES.len() as u64) as usize]
}

/// The same body under another status, or with headers that lie.
fn other_head(truth: Response, random: &mut Random) -> Response {
    const NAMES: [&str; 10] = [
        "etag",
        "date",
        "content-length",
        "content-type",
        "content-range",
        "content-encoding",
        "last-modified",
        "location",
        "retry-after",
        "x-amz-bucket-region",
    ];
    const VALUES: [&str; 12] = [
        "",
        "\"\"",
        "*",
        "\"1\"",
        "W/\"1\"",
        "-1",
        "18446744073709551616",
        "text/html",
        "gzip",
        "bytes 5-1/0",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "\u{0}\u{ff}",
    ];
    if random.permille(400) {
        return Response { status: status(random), ..truth };
    }
    let mut headers = truth.headers;
    for _ in 0..=random.below(3) {
        let name = NAMES[random.below(NAMES.len() as u64) as usize];
        headers.retain(|(other, _)| other != name);
        if random.permille(800) {
            let value = VALUES[random.below(VALUES.len() as u64) as usize];
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    Response { headers, ..truth }
}
