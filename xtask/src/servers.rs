//! `cargo xtask servers`: real S3 servers on free loopback ports, each with a fresh folder and a bucket `tidelock`.

mod issuer;
mod kinds;

use crate::{Outcome, process};
use kinds::Kind;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The servers there are.
pub(crate) const NAMES: [&str; 6] = ["versitygw", "minio", "moto", "rclone", "garage", "ceph"];

const BUCKET: &str = "tidelock";
/// In the form that Garage makes and takes: `GK` and 12 bytes in hex, 32 bytes in hex. The others take any.
const ACCESS_KEY: &str = "GK746964656c6f636b2d746573";
const SECRET_KEY: &str = "746964656c6f636b2d746573742d7365637265742d666f722d6c6f6f70626163";
const REGION: &str = "us-east-1";
/// Ceph's three programs take 12 s, and longer on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(180);

/// Runs the servers while the command runs, or until ctrl-c if there is none.
pub(crate) fn run(names: &[String], command: &[String]) -> Outcome<()> {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    if let [program, arguments @ ..] = command {
        return run_beside(&names, Command::new(program).args(arguments));
    }
    let mut running = start(&names)?;
    for (name, value) in environment(&running) {
        println!("export {name}={value}");
    }
    eprintln!("serving; ctrl-c ends it");
    while !process::interrupted() {
        std::thread::sleep(process::POLL);
        first_ended(&mut running)?;
    }
    Ok(())
}

/// Runs a command while the servers run; they are found through its environment.
pub(crate) fn run_beside(names: &[&str], command: &mut Command) -> Outcome<()> {
    let mut running = start(names)?;
    if !running.is_empty() {
        // A session token of the person's own would be sent along with the servers' keys.
        command.env_remove("AWS_SESSION_TOKEN").envs(environment(&running));
    }
    let outcome = process::run(command);
    first_ended(&mut running)?;
    outcome
}

/// Builds servers that the cache lacks while other work goes on, when nothing else wants the processor. Whoever needs one
/// waits for its build; a build that fails is tried again then, and told.
pub(crate) fn build_ahead(names: Vec<&'static str>) {
    std::thread::spawn(move || {
        // On Linux this is the thread's own, and what it starts has it too.
        let _ = rustix::process::nice(19);
        for kind in names.into_iter().filter_map(|name| kinds::kind(name).ok()) {
            if let Err(problem) = kind.tool.provide() {
                eprintln!("── {} is not built yet: {problem}", kind.name);
            }
        }
    });
}

/// A server that answers. Dropping it ends the process, then removes its folder.
struct Running {
    name: String,
    address: SocketAddr,
    /// What runs it; rclone is a client, too.
    program: PathBuf,
    process: process::Service,
    folder: TempDir,
}

fn start(names: &[&str]) -> Outcome<Vec<Running>> {
    // Every build comes before any start, so that no server idles for minutes.
    let kinds = names.iter().map(|name| kinds::kind(name)).collect::<Outcome<Vec<_>>>()?;
    let tools = kinds.iter().map(|kind| kind.tool.provide()).collect::<Outcome<Vec<_>>>()?;
    kinds.iter().zip(&tools).map(|(kind, bin)| start_one(kind, bin)).collect()
}

fn start_one(kind: &Kind, bin: &Path) -> Outcome<Running> {
    let name = kind.name;
    let folder = fresh_folder(name).map_err(|error| format!("no folder for {name}: {error}"))?;
    let address = free_address().map_err(|error| format!("no port for {name}: {error}"))?;
    let mut command =
        (kind.command)(bin, address, folder.path()).map_err(|error| format!("{name} can't be prepared: {error}"))?;
    let log = std::fs::File::create(folder.path().join("log"))
        .and_then(|log| Ok((log.try_clone()?, log)))
        .map_err(|error| format!("no log for {name}: {error}"))?;
    let process = process::serve(command.stdout(log.0).stderr(log.1).current_dir(folder.path()))?;
    let program = bin.join(kind.tool.name);
    let mut running = Running { name: name.into(), address, program, process, folder };
    let start = Instant::now();
    loop {
        match unsigned(address, "GET", "?list-type=2") {
            // Who keeps buckets in memory has none yet, and asks nobody for keys.
            Ok(status) if status == "404" => drop(unsigned(address, "PUT", "")),
            // It judges requests: one that is still starting answers 503, or nothing.
            Ok(status) if status.starts_with('2') || status.starts_with('4') => return Ok(running),
            _ => {}
        }
        running.must_not_have_ended()?;
        if start.elapsed() > START_LIMIT {
            return Err(format!("{name} does not answer after {START_LIMIT:?}:\n{}", running.log()));
        }
        if process::interrupted() {
            return Err("interrupted".into());
        }
        std::thread::sleep(process::POLL);
    }
}

/// A folder with what servers expect to find: a folder each for accounts and buckets, and in the latter the bucket.
fn fresh_folder(name: &str) -> std::io::Result<TempDir> {
    let folder = TempDir::with_prefix(format!("tidelock-{name}-"))?;
    std::fs::create_dir_all(folder.path().join("data").join(BUCKET))?;
    std::fs::create_dir(folder.path().join("iam"))?;
    Ok(folder)
}

impl Running {
    fn must_not_have_ended(&mut self) -> Outcome<()> {
        if self.process.has_ended() {
            return Err(format!("{} ended by itself:\n{}", self.name, self.log()));
        }
        Ok(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_else(|error| error.to_string())
    }
}

fn first_ended(running: &mut [Running]) -> Outcome<()> {
    running.iter_mut().try_for_each(Running::must_not_have_ended)
}

/// What a client needs to reach the servers: an address each, the program, and the keys, which all of them share.
fn environment(running: &[Running]) -> Vec<(String, String)> {
    let address = |server: &Running| {
        let name = server.name.to_uppercase();
        let program = server.program.display().to_string();
        [
            (format!("TIDELOCK_TEST_{name}"), format!("http://{}", server.address)),
            (format!("TIDELOCK_PROGRAM_{name}"), program),
        ]
    };
    let keys = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY), ("AWS_REGION", REGION)];
    let keys = keys.into_iter().map(|(name, value)| (name.into(), value.into()));
    running.iter().flat_map(address).chain(keys).collect()
}

/// A loopback port that was free a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// The status of the answer to an unsigned request on the bucket.
fn unsigned(address: SocketAddr, method: &str, query: &str) -> std::io::Result<String> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    let request = format!(
        "{method} /{BUCKET}{query} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = [0; "HTTP/1.1 403".len()];
    stream.read_exact(&mut head)?;
    Ok(String::from_utf8_lossy(&head["HTTP/1.1 ".len()..]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    /// The status that a server for one connection tells, when it answers with these bytes.
    fn status_of(answer: &'static str) -> std::io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the probe connects");
            let head = BufReader::new(&stream).lines().map(|line| line.expect("the probe writes lines"));
            let head: Vec<_> = head.take_while(|line| !line.is_empty()).collect();
            assert_eq!(head[0], "GET /tidelock?list-type=2 HTTP/1.1");
            stream.write_all(answer.as_bytes()).expect("the probe reads");
        });
        let status = unsigned(address, "GET", "?list-type=2");
        server.join().expect("the server saw a proper request");
        status
    }

    #[test]
    fn a_server_tells_its_status_or_nothing() {
        assert_eq!(status_of("HTTP/1.1 403 Forbidden\r\n\r\n").expect("an answer"), "403");
        assert_eq!(status_of("HTTP/1.1 503 Service Unavailable\r\n\r\n").expect("an answer"), "503");
        assert!(status_of("HTTP/1.1").is_err());
        assert!(unsigned(free_address().expect("a port is free"), "GET", "").is_err());
    }

    #[test]
    fn each_name_has_a_kind() {
        assert!(NAMES.iter().all(|name| kinds::kind(name).is_ok()));
        assert!(kinds::kind("s3").is_err());
    }
}
