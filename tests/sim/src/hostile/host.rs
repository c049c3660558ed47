//! A platform for one engine whose every request somebody else may answer.

use crate::bucket::Bucket;
use crate::random::Random;
use crate::world::World;
use tidelock_core::crypto::stretch;
use tidelock_core::s3::{Credentials, Response};
use tidelock_core::{Engine, Error, Event, Now, OpId, Operation, Outcome, Output, Request, TransportFailure};

/// Requests after which an operation has no end.
const REQUESTS_MAX: usize = 20_000;

/// What comes back for a request.
pub type Reply = Result<Response, TransportFailure>;

/// Answers a request; calling the second argument asks the bucket, with all that follows from it.
pub type Answerer<'a> = dyn FnMut(&Request, &mut dyn FnMut() -> Response) -> Reply + 'a;

/// An engine, and the world as it sees it.
pub struct Host<'a> {
    /// The engine.
    pub engine: &'a mut Engine,
    /// The bucket behind the answers.
    pub bucket: &'a mut Bucket,
    /// Chance, for the bucket.
    pub random: &'a mut Random,
    /// Both clocks, in ms; waiting moves it on.
    pub now_ms: &'a mut u64,
}

/// What an operation did.
pub struct Run {
    /// How it ended.
    pub result: Result<Outcome, Error>,
    /// Each request in its order: method, path, its conditions and the length of its body.
    pub asked: Vec<String>,
    /// What was reported on the way.
    pub events: Vec<Event>,
}

impl Run {
    /// How many requests begin like this.
    pub fn count(&self, beginning: &str) -> usize {
        self.asked.iter().filter(|asked| asked.starts_with(beginning)).count()
    }

    /// The errors reported, the final one included.
    pub fn errors(&self) -> Vec<Error> {
        match &self.result {
            Ok(Outcome::Synced(report)) => report.reports.clone(),
            Ok(_) => Vec::new(),
            Err(error) => vec![error.clone()],
        }
    }
}

impl Host<'_> {
    /// Runs one operation to its end. `seen` sees every output.
    ///
    /// # Panics
    /// If it has no end: an attacker made it ask for ever.
    pub fn run(self, operation: Operation, answer: &mut Answerer<'_>, seen: &mut dyn FnMut(&Output)) -> Run {
        let Self { engine, bucket, random, now_ms } = self;
        let op: OpId = engine.start(operation, now(*now_ms));
        let mut run = Run {
            result: Err(Error::new(tidelock_core::ErrorKind::Internal, "not ended")),
            asked: Vec::new(),
            events: Vec::new(),
        };
        let mut waiting: Vec<Request> = Vec::new();
        loop {
            while let Some(output) = engine.poll_output(now(*now_ms)) {
                seen(&output);
                match output {
                    Output::Send(request) => {
                        run.asked.push(line(&request));
                        assert!(run.asked.len() < REQUESTS_MAX, "an operation asks for ever: {:?}", run.asked.last());
                        waiting.push(request);
                    }
                    Output::Abort(id) => waiting.retain(|request| request.id != id),
                    Output::Event(Event::Finished(ended, result)) if ended == op => {
                        run.result = result;
                        return run;
                    }
                    Output::Event(event) => run.events.push(event),
                    Output::Stretch(id, request) => engine.handle_stretched(id, stretch(&request), now(*now_ms)),
                    Output::Persist(commit, _) => engine.handle_persisted(commit, Ok(()), now(*now_ms)),
                    Output::Presign(..) => panic!("its devices have keys"),
                    Output::NeedCredentials => {
                        let keys = Credentials::new("SIMULATED", "simulated", None).expect("visible ASCII");
                        engine.handle_credentials(Ok(keys), now(*now_ms));
                    }
                }
            }
            if waiting.is_empty() {
                let due = engine.poll_timeout().expect("what runs waits for something");
                *now_ms = due.max(*now_ms);
                engine.handle_timeout(now(*now_ms));
                continue;
            }
            let request = waiting.remove(0);
            *now_ms += 1;
            let reply = answer(&request, &mut || bucket.answer(&request, *now_ms, random));
            match reply {
                // A transport hands over no more than was asked for.
                Ok(response) if response.body.len() as u64 > request.max_response_bytes => {
                    engine.handle_failure(request.id, TransportFailure::TooLong, now(*now_ms));
                }
                Ok(response) => engine.handle_response(request.id, response, now(*now_ms)),
                Err(failure) => engine.handle_failure(request.id, failure, now(*now_ms)),
            }
        }
    }
}

/// Runs one operation of one of a world's devices, its requests answered by `answer`.
pub fn run(
    world: &mut World,
    at: usize,
    operation: Operation,
    answer: impl FnMut(&Request, &mut dyn FnMut() -> Response) -> Reply,
) -> Run {
    let mut answer = answer;
    let host = Host {
        engine: &mut world.devices[at].engine,
        bucket: &mut world.bucket,
        random: &mut world.random,
        now_ms: &mut world.now_ms,
    };
    host.run(operation, &mut answer, &mut |_| ())
}

/// The truth.
pub fn honest(_: &Request, truth: &mut dyn FnMut() -> Response) -> Reply {
    Ok(truth())
}

/// The path of a request relative to the prefix; a listing's is empty.
pub fn path(request: &Request) -> &str {
    let path = request.url.strip_prefix("file:///").unwrap_or(&request.url);
    path.split('?').next().unwrap_or_default()
}

/// Whether a request lists.
pub fn is_list(request: &Request) -> bool {
    request.url.contains("list-type=2")
}

/// An answer with a body and nothing else.
pub fn answer(status: u16, body: impl Into<bytes::Bytes>) -> Response {
    Response { status, headers: Vec::new(), body: body.into() }
}

/// S3's word for an object that is not there.
pub fn missing() -> Response {
    answer(404, "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
}

fn now(now_ms: u64) -> Now {
    Now { monotonic_ms: now_ms, unix_ms: now_ms }
}

fn line(request: &Request) -> String {
    let method = match request.method {
        _ if is_list(request) => "LIST",
        method => method.as_str(),
    };
    let conditions: Vec<&str> =
        request.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("if-")).collect();
    format!("{method} {} {} {}", path(request), conditions.join(" "), request.body.len())
}
