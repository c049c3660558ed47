//! `cargo xtask servers`: real S3 servers on free loopback ports, each with a fresh folder and a bucket `tidelock`.

use crate::tools::{Source, Tool};
use crate::{Outcome, process};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The servers there are.
pub(crate) const NAMES: [&str; 2] = ["versitygw", "minio"];

const BUCKET: &str = "tidelock";
const ACCESS_KEY: &str = "tidelock-test";
const SECRET_KEY: &str = "tidelock-test-secret";
const REGION: &str = "us-east-1";
const START_LIMIT: Duration = Duration::from_secs(60);

const VERSITYGW: Tool =
    Tool { name: "versitygw", version: "v1.8.0", source: Source::Go("github.com/versity/versitygw/cmd/versitygw") };
const MINIO: Tool =
    Tool { name: "minio", version: "v0.0.0-20260212201848-7aac2a2c5b7c", source: Source::Go("github.com/minio/minio") };

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

/// A server that answers. Dropping it ends the process, then removes its folder.
struct Running {
    name: String,
    address: SocketAddr,
    process: process::Service,
    folder: TempDir,
}

fn start(names: &[&str]) -> Outcome<Vec<Running>> {
    // Every build comes before any start, so that no server idles for minutes.
    let tools = names.iter().map(|name| tool(name)?.provide()).collect::<Outcome<Vec<_>>>()?;
    names.iter().zip(&tools).map(|(name, bin)| start_one(name, &bin.join(name))).collect()
}

fn tool(name: &str) -> Outcome<Tool> {
    [VERSITYGW, MINIO].into_iter().find(|tool| tool.name == name).ok_or_else(|| format!("no server `{name}`"))
}

fn start_one(name: &str, program: &Path) -> Outcome<Running> {
    let folder = fresh_folder(name).map_err(|error| format!("no folder for {name}: {error}"))?;
    let address = free_address().map_err(|error| format!("no port for {name}: {error}"))?;
    let mut command = if name == "minio" {
        minio(program, address, folder.path())
    } else {
        versitygw(program, address, folder.path())
    };
    let log = std::fs::File::create(folder.path().join("log"))
        .and_then(|log| Ok((log.try_clone()?, log)))
        .map_err(|error| format!("no log for {name}: {error}"))?;
    let process = process::serve(command.stdout(log.0).stderr(log.1).current_dir(folder.path()))?;
    let mut running = Running { name: name.into(), address, process, folder };
    let start = Instant::now();
    while !answers(address) {
        running.must_not_have_ended()?;
        if start.elapsed() > START_LIMIT {
            return Err(format!("{name} does not answer after {START_LIMIT:?}:\n{}", running.log()));
        }
        if process::interrupted() {
            return Err("interrupted".into());
        }
        std::thread::sleep(process::POLL);
    }
    Ok(running)
}

/// A folder with what servers expect to find: a folder each for accounts and buckets, and in the latter the bucket.
fn fresh_folder(name: &str) -> std::io::Result<TempDir> {
    let folder = TempDir::with_prefix(format!("tidelock-{name}-"))?;
    std::fs::create_dir_all(folder.path().join("data").join(BUCKET))?;
    std::fs::create_dir(folder.path().join("iam"))?;
    Ok(folder)
}

/// A bucket is a folder under `data`, so the one made beforehand is there from the start. `--keep-alive`, because
/// without it every request would pay for a new connection.
fn versitygw(program: &Path, address: SocketAddr, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--port", &address.to_string(), "--region", REGION, "--quiet", "--keep-alive", "--iam-dir"]);
    command.arg(folder.join("iam")).arg("posix").arg(folder.join("data"));
    command.env("ROOT_ACCESS_KEY_ID", ACCESS_KEY).env("ROOT_SECRET_ACCESS_KEY", SECRET_KEY);
    command
}

/// Here, too, a folder under `data` is a bucket. No console, no look for updates.
fn minio(program: &Path, address: SocketAddr, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("server").arg(folder.join("data")).args(["--address", &address.to_string()]);
    command.arg("--certs-dir").arg(folder.join("certs"));
    command.env("MINIO_ROOT_USER", ACCESS_KEY).env("MINIO_ROOT_PASSWORD", SECRET_KEY);
    command.env("MINIO_BROWSER", "off").env("MINIO_UPDATE", "off").env("MINIO_REGION", REGION);
    command
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

/// What a client needs to reach the servers: an address each, and the keys, which all of them share.
fn environment(running: &[Running]) -> Vec<(String, String)> {
    let address = |server: &Running| {
        (format!("TIDELOCK_TEST_{}", server.name.to_uppercase()), format!("http://{}", server.address))
    };
    let keys = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY), ("AWS_REGION", REGION)];
    let keys = keys.into_iter().map(|(name, value)| (name.into(), value.into()));
    running.iter().map(address).chain(keys).collect()
}

/// A loopback port that was free a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Whether the server judges requests: an unsigned listing of the bucket is refused with 403 by a server that is up,
/// while one that is still starting answers 503 or nothing.
fn answers(address: SocketAddr) -> bool {
    status_of_listing(address).is_ok_and(|status| status == "403")
}

fn status_of_listing(address: SocketAddr) -> std::io::Result<String> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    let request = format!("GET /{BUCKET}?list-type=2 HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = [0; "HTTP/1.1 403".len()];
    stream.read_exact(&mut head)?;
    Ok(String::from_utf8_lossy(&head["HTTP/1.1 ".len()..]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    /// A server for one connection, answering with these bytes.
    fn answers_to(answer: &'static str) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the probe connects");
            let head = BufReader::new(&stream).lines().map(|line| line.expect("the probe writes lines"));
            let head: Vec<_> = head.take_while(|line| !line.is_empty()).collect();
            assert_eq!(head[0], "GET /tidelock?list-type=2 HTTP/1.1");
            stream.write_all(answer.as_bytes()).expect("the probe reads");
        });
        let verdict = answers(address);
        server.join().expect("the server saw a proper request");
        verdict
    }

    #[test]
    fn a_server_is_up_when_it_judges_requests() {
        assert!(answers_to("HTTP/1.1 403 Forbidden\r\n\r\n"));
        assert!(!answers_to("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
        assert!(!answers_to("HTTP/1.1"));
        assert!(!answers(free_address().expect("a port is free")));
    }

    #[test]
    fn each_name_has_a_tool() {
        assert!(NAMES.iter().all(|name| tool(name).is_ok()));
        assert!(tool("s3").is_err());
    }
}
