//! Every source of keys, each against a real endpoint of its kind on this machine; keys that end during a sync; keys that
//! are saved.

use crate::device::{Device, Ran};
use crate::endpoints::{Counter, Gate, in_seconds, json, serve};
use crate::served::{Served, store};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// A device in a vault on the embedded server, with something to publish.
struct World {
    served: Served,
    device: Device,
}

type Variables = Vec<(&'static str, String)>;

impl World {
    fn new() -> Self {
        let served = Served::new();
        let device = served.device("one");
        served.run(&device, &["init", "--store", &store("my-bucket", served.server.address())]).ok();
        device.run(&["put", "m", "k", "v"]).ok();
        Self { served, device }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.served.folder.path().join(name)
    }

    fn keys(&self) -> (&str, &str) {
        (&self.served.keys.access_key, &self.served.keys.secret_key)
    }

    fn json(&self) -> String {
        json(self.keys().0, self.keys().1, "token", &in_seconds(3600))
    }

    fn run(&self, variables: &Variables, arguments: &[&str]) -> Ran {
        let mut command = self.device.command(arguments);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Ran::of(arguments, command.output().unwrap())
    }

    /// The bucket opens with what these variables lead to, and the command names it.
    #[track_caller]
    fn opens(&self, variables: &Variables, source: &str) {
        let shown: Value = serde_json::from_str(&self.run(variables, &["credentials", "show", "--json"]).ok()).unwrap();
        assert_eq!(shown["source"], source, "{shown}");
        assert!(!shown.to_string().contains(self.keys().1), "{shown}");
        self.run(variables, &["sync"]).ok();
    }
}

#[test]
fn the_environment() {
    let world = World::new();
    let (access_key, secret_key) = world.keys();
    let set = |access: &str, secret: &str| {
        vec![("AWS_ACCESS_KEY_ID", access.to_owned()), ("AWS_SECRET_ACCESS_KEY", secret.to_owned())]
    };
    world.opens(&set(access_key, secret_key), "environment");
    let text = world.run(&set(access_key, ""), &["sync"]).refused(4);
    assert!(text.contains("AWS_SECRET_ACCESS_KEY is not"), "{text}");
}

#[test]
fn profile_files() {
    let world = World::new();
    let (access_key, secret_key) = world.keys();
    let text = format!(
        "[default]\naws_access_key_id = other\naws_secret_access_key = other\n\
         [work]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n"
    );
    let shared = world.file("shared", &text);
    let variables = vec![("AWS_SHARED_CREDENTIALS_FILE", shared.clone()), ("AWS_PROFILE", "work".to_owned())];
    world.opens(&variables, "profile");
    let other = vec![("AWS_SHARED_CREDENTIALS_FILE", shared.clone())];
    assert!(world.run(&other, &["sync"]).refused(4).contains("access key"));
    let missing = vec![("AWS_SHARED_CREDENTIALS_FILE", shared), ("AWS_PROFILE", "wrok".to_owned())];
    let text = world.run(&missing, &["sync"]).refused(4);
    assert!(text.contains("wrok") && text.contains("hint: "), "{text}");
}

#[cfg(unix)]
#[test]
fn a_process() {
    let world = World::new();
    let keys = world.file("keys", &world.json());
    let good = world.file("config", &format!("[default]\ncredential_process = cat {keys}\n"));
    world.opens(&vec![("AWS_CONFIG_FILE", good)], "profile");
    let bad = world.file("bad", "[default]\ncredential_process = sh -c 'echo PLANTED >&2; exit 3'\n");
    let text = world.run(&vec![("AWS_CONFIG_FILE", bad)], &["sync", "-v"]).refused(4);
    assert!(text.contains("profile files failed") && !text.contains("PLANTED"), "{text}");
}

/// The cached token's file is named by the SHA-1 of the start address; the portal's answer is as its reference has it:
/// <https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html>.
#[test]
fn a_sign_in_that_is_cached() {
    let world = World::new();
    let (access_key, secret_key) = world.keys();
    let answer = serde_json::json!({ "roleCredentials": {
        "accessKeyId": access_key, "secretAccessKey": secret_key, "sessionToken": "token",
        "expiration": jiff::Timestamp::now().as_millisecond() + 3_600_000,
    }})
    .to_string();
    let portal = serve(move |asked| {
        let good = asked.path.starts_with("/federation/credentials?")
            && asked.path.contains("role_name=notes")
            && asked.path.contains("account_id=123456789012")
            && asked.header("x-amz-sso_bearer_token") == "signed-in";
        if good { (200, answer.clone()) } else { (401, "{}".to_owned()) }
    });
    let config = world.file(
        "config",
        "[default]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n\
         sso_account_id = 123456789012\nsso_role_name = notes\n",
    );
    let variables = vec![("AWS_CONFIG_FILE", config), ("AWS_ENDPOINT_URL_SSO", format!("http://{portal}"))];
    let sign_in = |token: &str| {
        let text = serde_json::json!({ "accessToken": token, "expiresAt": in_seconds(3600), "region": "us-east-1",
            "startUrl": "https://example.awsapps.com/start" });
        // printf https://example.awsapps.com/start | sha1sum
        world.file("one.home/.aws/sso/cache/e8be5486177c5b5392bd9aa76563515b29358e6e.json", &text.to_string());
    };
    sign_in("signed-in");
    world.opens(&variables, "profile");
    sign_in("PLANTED-signed-out");
    let text = world.run(&variables, &["sync", "-v"]).refused(4);
    assert!(text.contains("profile files failed") && !text.contains("PLANTED"), "{text}");
}

#[test]
fn a_containers_role() {
    let world = World::new();
    let keys = world.json();
    let agent = serve(move |asked| match (asked.path.as_str(), asked.header("authorization")) {
        ("/role", "PLANTED-authorization") => (200, keys.clone()),
        _ => (403, "{}".to_owned()),
    });
    let with_token = |token: &str| {
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{agent}/role")),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", token.to_owned()),
        ]
    };
    world.opens(&with_token("PLANTED-authorization"), "container");
    let text = world.run(&with_token("PLANTED-other"), &["sync", "-v"]).refused(4);
    assert!(text.contains("container's role failed") && !text.contains("PLANTED"), "{text}");
}

/// Version 2 of the service: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>.
#[test]
fn an_instances_role() {
    let world = World::new();
    let keys = world.json();
    let service = serve(move |asked| {
        let list = "/latest/meta-data/iam/security-credentials/";
        let allowed = asked.header("x-aws-ec2-metadata-token") == "metadata-token";
        match (asked.method.as_str(), asked.path.strip_prefix(list)) {
            ("PUT", _) if asked.path == "/latest/api/token" => (200, "metadata-token".to_owned()),
            ("GET", Some("")) if allowed => (200, "notes".to_owned()),
            ("GET", Some("notes")) if allowed => (200, keys.clone()),
            _ => (401, String::new()),
        }
    });
    let variables = vec![
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{service}")),
        ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
    ];
    world.opens(&variables, "instance");
}

/// The form of the answer: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>.
#[test]
fn web_identity() {
    let world = World::new();
    let (access_key, secret_key) = world.keys();
    let answer = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><SessionToken>token</SessionToken>\
         <SecretAccessKey>{secret_key}</SecretAccessKey><Expiration>{}</Expiration>\
         <AccessKeyId>{access_key}</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>",
        in_seconds(3600)
    );
    let sts = serve(move |asked| {
        let good = asked.body.contains("Action=AssumeRoleWithWebIdentity")
            && asked.body.contains("WebIdentityToken=PLANTED-identity")
            && asked.body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fnotes");
        let denied = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code></Error></ErrorResponse>";
        if good { (200, answer.clone()) } else { (403, denied.to_owned()) }
    });
    let with_token = |token: &str| {
        vec![
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/notes".to_owned()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", world.file("token", token)),
            ("AWS_ENDPOINT_URL_STS", format!("http://{sts}")),
        ]
    };
    world.opens(&with_token("PLANTED-identity"), "web-identity");
    let text = world.run(&with_token("PLANTED-other"), &["sync", "-v"]).refused(4);
    assert!(text.contains("web identity failed") && text.contains("AccessDenied"), "{text}");
    assert!(!text.contains("PLANTED"), "{text}");
}

#[test]
fn no_source_names_all_that_were_asked() {
    let world = World::new();
    for arguments in [["sync", "-v"].as_slice(), &["credentials", "show"]] {
        let text = world.run(&vec![], arguments).refused(4);
        for source in ["AWS_ACCESS_KEY_ID", "saved", "profile", "WEB_IDENTITY", "container", "instance", "hint: "] {
            assert!(text.contains(source), "`{source}` is not in: {text}");
        }
    }
    assert_eq!(world.device.json(&["status"])["pending"], 1, "nothing is lost");
}

/// A container's agent that gives a new token each time it is asked.
fn agent(world: &World, gate: &Gate, until_s: i64) -> (Variables, Counter) {
    let (access_key, secret_key) = (world.keys().0.to_owned(), world.keys().1.to_owned());
    let (tokens, asked) = (gate.handle(), Counter::default());
    let counter = asked.clone();
    let agent = serve(move |_| {
        counter.add();
        (200, json(&access_key, &secret_key, &Gate::issue(&tokens), &in_seconds(until_s)))
    });
    (vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{agent}/role"))], asked)
}

/// While a sync waits for its keys everything else goes on; who never answers ends that sync alone.
#[test]
fn a_slow_metadata_service_holds_nobody_up() {
    let world = World::new();
    let answers = Arc::new(AtomicBool::new(false));
    let (is_asked, asked) = mpsc::channel();
    let (keys, may_answer) = (world.json(), answers.clone());
    let service = serve(move |request| {
        let _ = is_asked.send(());
        // Whoever asks here and loses patience asks again.
        while !may_answer.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        match request.path.as_str() {
            "/latest/api/token" => (200, "token".to_owned()),
            path if path.ends_with("/notes") => (200, keys.clone()),
            _ => (200, "notes".to_owned()),
        }
    });
    let variables = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{service}")),
        ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
    ];
    let sync = || {
        let mut command = world.device.command(&["sync"]);
        command.envs(variables.clone()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let waits = sync();
    asked.recv_timeout(Duration::from_secs(60)).unwrap();
    world.device.run(&["put", "m", "meanwhile", "w"]).ok();
    assert_eq!(world.device.run(&["get", "m", "meanwhile"]).ok(), "w");
    answers.store(true, Ordering::Relaxed);
    let ended = waits.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(world.device.json(&["status"])["pending"], 0);

    answers.store(false, Ordering::Relaxed);
    world.device.run(&["put", "m", "later", "x"]).ok();
    let ended = sync().wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), text.contains("instance's role")), (Some(4), true), "{text}");
    assert_eq!(world.device.json(&["status"])["pending"], 1);
}

#[test]
fn keys_that_end_during_a_sync_are_fetched_anew() {
    let world = World::new();
    let gate = Gate::before(world.served.server.address(), 2);
    let (mut variables, _) = agent(&world, &gate, 3600);
    variables.push(("TIDELOCK_STORE", store("my-bucket", gate.address)));
    world.run(&variables, &["sync", "--force"]).ok();
    let (tokens, refused) = gate.counts();
    assert!(tokens > 1 && refused >= 1, "{tokens} tokens, {refused} refusals: the sync was too short to show anything");
    assert_eq!(world.device.json(&["status"])["pending"], 0);
}

#[test]
fn keys_near_their_end_are_replaced_before_they_are_refused() {
    let world = World::new();
    let gate = Gate::before(world.served.server.address(), 1000);
    let (mut variables, asked) = agent(&world, &gate, 20);
    variables.push(("TIDELOCK_STORE", store("my-bucket", gate.address)));
    world.run(&variables, &["sync", "--force"]).ok();
    // No key was used up: only the time they end at asks for others.
    assert!(asked.get() > 1, "asked {} times", asked.get());
    assert_eq!(world.device.json(&["status"])["pending"], 0);
}

#[test]
fn keys_that_are_refused_for_good_are_asked_for_once_more_and_no_request_is_repeated() {
    let world = World::new();
    let gate = Gate::before(world.served.server.address(), 0);
    let (access_key, secret_key) = world.keys();
    let keys = json(access_key, secret_key, "session-0", &in_seconds(3600));
    let asked = Counter::default();
    let counter = asked.clone();
    let agent = serve(move |_| {
        counter.add();
        (200, keys.clone())
    });
    let variables = vec![
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{agent}/role")),
        ("TIDELOCK_STORE", store("my-bucket", gate.address)),
    ];
    let text = world.run(&variables, &["pull"]).refused(4);
    assert!(text.contains("ExpiredToken") && text.contains("fresh temporary keys"), "{text}");
    assert_eq!((asked.get(), gate.counts().1), (2, 1));
}

#[test]
fn keys_are_saved_shown_and_forgotten() {
    let world = World::new();
    let (access_key, secret_key) = world.keys();
    let lines = format!("{access_key}\n{secret_key}\n");
    let said = world.device.pipe(&["credentials", "set", "--stdin"], lines.as_bytes());
    assert!(said.stderr.contains("credentials.json") && !said.stderr.contains(secret_key), "{}", said.stderr);
    said.ok();
    world.opens(&vec![], "file");
    let file = world.path("one/credentials.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(world.device.run(&["status"]).ok().contains("credentials.json"));
    // Keys of one store are shown to no other.
    let elsewhere = vec![("TIDELOCK_STORE", "s3://my-bucket/notes?endpoint=http://127.0.0.1:9".to_owned())];
    world.run(&elsewhere, &["sync"]).refused(4);
    world.device.run(&["credentials", "forget"]).ok();
    assert!(!file.exists());
    world.device.run(&["credentials", "forget"]).refused(3);
    world.device.run(&["sync"]).refused(4);
}

#[test]
fn keys_in_an_address_are_taken_from_everywhere_but_the_command_line() {
    let served = Served::new();
    let address = store("my-bucket", served.server.address());
    let with_keys = format!("{address}&access_key={}&secret_key={}", served.keys.access_key, *served.keys.secret_key);
    let secret = served.keys.secret_key.as_str();

    let refused = served.device("argv").run(&["init", "--store", &with_keys]).refused(2);
    assert!(refused.contains("credentials set") && !refused.contains(secret), "{refused}");

    let one = served.device("one");
    let init = one.command(&["init"]).env("TIDELOCK_STORE", &with_keys).output().unwrap();
    let code = Ran::of(&["init"], init).ok();
    assert_eq!(std::fs::read_to_string(one.local.join("config.toml")).unwrap(), format!("store = \"{address}\"\n"));
    one.run(&["sync"]).ok();

    // In a configuration that somebody wrote, or brought along.
    let two = served.device("two");
    std::fs::create_dir(&two.local).unwrap();
    std::fs::write(two.local.join("config.toml"), format!("store = \"{with_keys}\"\n")).unwrap();
    two.pipe(&["join", "--secret-stdin"], code.as_bytes()).ok();
    assert_eq!(std::fs::read_to_string(two.local.join("config.toml")).unwrap(), format!("store = \"{address}\"\n"));
    two.run(&["sync"]).ok();

    // From stdin, before there is a vault; the store is remembered with them.
    let three = served.device("three");
    three.pipe(&["credentials", "set", "--stdin"], with_keys.as_bytes()).ok();
    three.pipe(&["join", "--secret-stdin"], code.as_bytes()).ok();
}

#[test]
fn keys_that_end_while_their_source_is_away_end_no_watch() {
    let world = World::new();
    let (access_key, secret_key) = (world.keys().0.to_owned(), world.keys().1.to_owned());
    let away = Arc::new(AtomicBool::new(false));
    let role = serve({
        let away = away.clone();
        move |_| match away.load(Ordering::SeqCst) {
            true => (403, "{}".to_owned()),
            // They have just ended, so that each request asks for new ones.
            false => (200, json(&access_key, &secret_key, "token", &in_seconds(-1))),
        }
    });
    let mut command = world.device.command(&["watch", "--json"]);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{role}/role"));
    let mut watch = command.stdin(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().expect("it goes on").unwrap()).unwrap() };
    assert_eq!(next()["ops_published"], 1);
    away.store(true, Ordering::SeqCst);
    world.device.run(&["put", "m", "k2", "v"]).ok();
    let failed = next();
    assert_eq!((&failed["error"]["kind"], &failed["error"]["retry"]), (&"auth".into(), &true.into()), "{failed}");
    away.store(false, Ordering::SeqCst);
    world.device.run(&["put", "m", "k3", "v"]).ok();
    assert_eq!(next()["ops_published"], 2);
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_signer_on_this_machine_is_asked_past_any_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device { local: folder.path().join("one") };
    let (asked, passed) = (Counter::default(), Counter::default());
    let signer = serve({
        let asked = asked.clone();
        move |_| {
            asked.add();
            (403, r#"{"error":"not yours"}"#.to_owned())
        }
    });
    let proxy = serve({
        let passed = passed.clone();
        move |_| {
            passed.add();
            (502, String::new())
        }
    });
    let signer = format!("http://{signer}/presign");
    let arguments = ["--retries", "0", "init", "--store", "s3://my-bucket/notes", "--signer", &signer];
    let mut command = device.command(&arguments);
    for variable in ["NO_PROXY", "no_proxy", "http_proxy"] {
        command.env_remove(variable);
    }
    command.env("HTTP_PROXY", format!("http://{proxy}")).env("TIDELOCK_SIGNER_TOKEN", "PLANTED");
    let text = Ran::of(&arguments, command.output().unwrap()).refused(4);
    assert!(text.contains("not yours"), "{text}");
    assert_eq!((asked.get(), passed.get()), (1, 0));
}
