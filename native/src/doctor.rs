//! The doctor: asks a store what it is like, before or beside a vault.

use crate::clock::unix_ms;
use crate::transport::Transport;
use crate::{Diagnosis, Error, ErrorKind, Options, StoreUri, credentials};
use tidelock_core::doctor::{Ask, Doctor, Signing};
use tidelock_core::engine::{Request, RequestId, SignedUrl, TransportFailure, UnsignedRequest};
use tidelock_core::s3::{HttpRequest, Response};
use tokio::sync::oneshot;

/// Finds out, in at most twelve requests, whether a vault can live at the store of these options, and what to do where it
/// can't: reachability, keys and what they may do, clock, region, conditional writes, listings; and, for a web page of
/// `origin` (`https://app.example`), CORS. Its objects lie under `probes/` and are deleted at the end. This device's side is
/// left alone; [`Local::remember`](crate::Local::remember) keeps what was found with a vault.
///
/// It works under any async runtime; dropping the future ends it after the request under way.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) if it is no origin, [`NotFound`](ErrorKind::NotFound) if the store is a folder that is
/// not there. What is wrong with a store otherwise is a finding, not an error.
pub async fn doctor(options: &Options, origin: Option<&str>) -> Result<Diagnosis, Error> {
    diagnosed(options, origin, false).await
}

/// The same in at most twenty-four requests: it also lets creates of one key race, and looks whether these keys may read the
/// vault that stands there.
///
/// # Errors
/// As [`doctor`].
pub async fn deep_doctor(options: &Options, origin: Option<&str>) -> Result<Diagnosis, Error> {
    diagnosed(options, origin, true).await
}

async fn diagnosed(options: &Options, origin: Option<&str>, is_deep: bool) -> Result<Diagnosis, Error> {
    let mut fresh = [0; 16];
    getrandom::fill(&mut fresh)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the system gives no random bytes: {error}")))?;
    let transport = Transport::of(options)?;
    let (told, answer) = oneshot::channel();
    let (options, origin) = (options.clone(), origin.map(str::to_owned));
    let work = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(told.send(Err(no_thread(&error)))),
        };
        // Whoever asked may be gone.
        let _ = told.send(runtime.block_on(async {
            let doctor = Doctor::new(options.store.clone(), signing(&options).await, origin.as_deref(), fresh)?;
            let doctor = if is_deep { doctor.deeply() } else { doctor };
            Ok(ask(doctor, &transport, &options).await)
        }));
    };
    std::thread::Builder::new().name("tidelock-doctor".into()).spawn(work).map_err(|error| no_thread(&error))?;
    answer.await.map_err(|_| Error::new(ErrorKind::Internal, "the doctor's thread ended before its time"))?
}

async fn ask(mut doctor: Doctor, transport: &Transport, options: &Options) -> Diagnosis {
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(doctor.wait_ms())).await;
        let request = match doctor.next_ask(unix_ms()) {
            None => break,
            Some(Ask::Send(request)) => request,
            Some(Ask::Sign(request)) => {
                let answer = signed(request, transport, options).await;
                let Some(request) = doctor.signed(answer) else { continue };
                request
            }
            Some(Ask::SendTogether(requests)) => {
                let sent: Vec<_> =
                    requests.into_iter().map(|request| tokio::spawn(answered(request, transport, options))).collect();
                let mut answers = Vec::with_capacity(sent.len());
                for answer in sent {
                    answers.push(answer.await.unwrap_or_else(|error| Err(TransportFailure::Reset(error.to_string()))));
                }
                doctor.handle_together(answers, unix_ms());
                continue;
            }
        };
        let answer = answered(request, transport, options).await;
        doctor.handle(answer, unix_ms());
    }
    let mut diagnosis = doctor.diagnosis();
    #[cfg(unix)]
    diagnosis.findings.extend(room(&options.store));
    diagnosis
}

/// Sends one request.
fn answered(
    request: HttpRequest,
    transport: &Transport,
    options: &Options,
) -> impl Future<Output = Result<Response, TransportFailure>> + Send + 'static {
    let HttpRequest { method, url, headers, body, max_response_bytes } = request;
    // Nobody asks for its answer by number.
    let sent = transport.send(Request { id: RequestId(0), method, url, headers, body, max_response_bytes });
    let timeout = options.timeout;
    async move { tokio::time::timeout(timeout, sent).await.unwrap_or(Err(TransportFailure::Timeout)) }
}

async fn signing(options: &Options) -> Signing {
    match &options.store {
        StoreUri::S3(_) if options.presign.is_some() => Signing::Elsewhere,
        StoreUri::S3(_) => {
            let (source, store, local) = (options.credentials.clone(), options.store.clone(), options.local.clone());
            credentials::load(source, store, local).await.map_or(Signing::Nobody, Signing::Keys)
        }
        StoreUri::Folder(_) => Signing::Nobody,
    }
}

async fn signed(
    request: UnsignedRequest,
    transport: &Transport,
    options: &Options,
) -> Result<SignedUrl, TransportFailure> {
    let nobody = || TransportFailure::NoCredentials("nobody signs for a folder".to_owned());
    let (presign, client) = options.presign.as_ref().zip(transport.client()).ok_or_else(nobody)?;
    let answer = tokio::time::timeout(options.timeout, presign.sign(client, request)).await;
    answer.unwrap_or(Err(TransportFailure::Timeout))
}

/// What a folder's disk has left.
#[cfg(unix)]
fn room(store: &StoreUri) -> Option<crate::Finding> {
    let StoreUri::Folder(folder) = store else { return None };
    let disk = rustix::fs::statvfs(folder.path()).ok()?;
    let mib = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    let has_room = mib >= ROOM_MIB_MIN;
    Some(crate::Finding {
        what: "room",
        verdict: if has_room { crate::Verdict::Ok } else { crate::Verdict::Warning },
        cause: format!("{mib} MiB are free on the folder's disk"),
        next_step: (!has_room).then(|| "make room on the disk: a full one takes no sync".to_owned()),
        paste: None,
    })
}

/// Below this, a few attachments fill the disk.
#[cfg(unix)]
const ROOM_MIB_MIN: u64 = 100;

fn no_thread(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("no thread for the doctor can be started: {error}"))
}
