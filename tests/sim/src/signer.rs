//! A signer in the simulated world, for devices without keys: it signs in its own way, which the bucket checks, and may
//! fail, be slow, or give a URL that is of no use.

use crate::bucket::header;
use crate::random::Random;
use tidelock_core::s3::Method;
use tidelock_core::{PresignId, Request, SignedUrl, TransportFailure, UnsignedRequest};

/// For how long its URLs hold good.
pub const LIFE_S: u32 = 900;

/// Rates in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignerFaults {
    /// It cannot be reached.
    pub fails: u64,
    /// It answers after up to a minute: the engine waits for half of that.
    pub slow: u64,
    /// Its URL expired before it came.
    pub expired: u64,
    /// Its URL is of another object.
    pub other: u64,
}

/// One device's signer.
#[derive(Clone)]
pub struct Signer {
    /// What may go wrong.
    pub faults: SignerFaults,
    /// What it was asked so far.
    pub asked: Vec<UnsignedRequest>,
    /// Chance, apart from the world's.
    random: Random,
    /// Answers on their way, and when they come.
    slow: Vec<(u64, PresignId, Signed)>,
}

/// What the engine is told.
type Signed = Result<SignedUrl, TransportFailure>;

impl Signer {
    /// A signer with faults of its own.
    pub fn new(seed: u64, faults: SignerFaults) -> Self {
        Self { faults, asked: Vec::new(), random: Random::new(seed), slow: Vec::new() }
    }

    /// It is asked for a signature, and will answer.
    pub fn ask(&mut self, id: PresignId, request: UnsignedRequest, now_ms: u64) {
        let SignerFaults { fails, slow, expired, other } = self.faults;
        let mut wanted = request.clone();
        self.asked.push(request);
        let mut signed_ms = now_ms;
        if self.random.permille(expired) {
            signed_ms -= 2 * 1000 * u64::from(LIFE_S);
        }
        if self.random.permille(other) {
            wanted.url = wanted.url.replace("/sim", "/sim/elsewhere");
        }
        let answer = match self.random.permille(fails) {
            true => Err(TransportFailure::Connect("simulated".to_owned())),
            false => Ok(SignedUrl { url: sign(&wanted, signed_ms), headers: Vec::new(), expires_s: None }),
        };
        let wait_ms = if self.random.permille(slow) { self.random.below(60_000) } else { 0 };
        self.slow.push((now_ms + wait_ms, id, answer));
    }

    /// When it answers next.
    pub fn due_ms(&self) -> Option<u64> {
        self.slow.iter().map(|(due_ms, ..)| *due_ms).min()
    }

    /// What has come by now.
    pub fn answers(&mut self, now_ms: u64) -> Vec<(PresignId, Signed)> {
        let (due, later) = std::mem::take(&mut self.slow).into_iter().partition(|(due_ms, ..)| *due_ms <= now_ms);
        self.slow = later;
        let due: Vec<(u64, PresignId, Signed)> = due;
        due.into_iter().map(|(_, id, signed)| (id, signed)).collect()
    }

    /// The process that asked is gone.
    pub fn forget(&mut self) {
        self.slow.clear();
    }
}

/// Whether the bucket takes a request: signed as it is, and not expired.
pub(crate) fn is_allowed(request: &Request, now_ms: u64) -> bool {
    let Some((url, signature)) = request.url.rsplit_once("&X-Amz-Signature=") else { return false };
    let Some((url, expires)) = url.rsplit_once("&X-Amz-Expires=") else { return false };
    let Some((url, names)) = url.rsplit_once("&X-Amz-SignedHeaders=") else { return false };
    let Some((url, date)) = url.rsplit_once("X-Amz-Date=") else { return false };
    let (Ok(signed_ms), Ok(life_s)) = (date.parse::<u64>(), expires.parse::<u32>()) else { return false };
    let headers: Option<Vec<_>> = names
        .split(';')
        .filter(|name| !name.is_empty())
        .map(|name| Some((name.to_owned(), header(request, name)?.clone())))
        .collect();
    let Some(headers) = headers else { return false };
    let url = &url[..url.len() - 1]; // `?` or `&`
    signature == mac(request.method, url, &headers, request.body.len() as u64, signed_ms)
        && now_ms < signed_ms + 1000 * u64::from(life_s)
}

fn sign(request: &UnsignedRequest, signed_ms: u64) -> String {
    let UnsignedRequest { method, url, headers, body_bytes, .. } = request;
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let mac = mac(*method, url, headers, *body_bytes, signed_ms);
    let first = if url.contains('?') { '&' } else { '?' };
    let names = names.join(";");
    format!(
        "{url}{first}X-Amz-Date={signed_ms}&X-Amz-SignedHeaders={names}&X-Amz-Expires={LIFE_S}&X-Amz-Signature={mac}"
    )
}

fn mac(method: Method, url: &str, headers: &[(String, String)], body_bytes: u64, signed_ms: u64) -> String {
    let what = format!("{} {url} {headers:?} {body_bytes} {signed_ms}", method.as_str());
    blake3::keyed_hash(&[7; 32], what.as_bytes()).to_hex().to_string()
}
