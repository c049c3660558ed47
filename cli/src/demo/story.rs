//! The demo's story, act by act.

use super::stage::Stage;
use crate::exit::Result;
use std::path::Path;
use tidelock::{Bytes, Error, ErrorKind, Imported, KeyRange, Log, Map, Vault, parse_secret};

/// The larger file of shell commands, where there is one beside the project.
const COMMANDS: &str = "../shared/data/shell-commands.txt";
/// A smaller sample (its README names source and licence).
const SAMPLE: &str = include_str!("sample.txt");

/// Tells it, and checks each claim as it goes.
pub(super) async fn tell(stage: &mut Stage) -> Result {
    let commands = commands()?;

    stage.act("A laptop makes a vault in an empty bucket");
    let (laptop, code) = Vault::create(stage.device("laptop")?).await?;
    let meter = laptop.status().await?.meter;
    stage.cost("laptop", "makes the vault", &meter);
    stage.recovery_code(&code.reveal());

    stage.act("It takes in a shell history, offline, and syncs");
    let imported = import(&laptop, &commands).await?;
    stage.tell(&format!(
        "{} commands are in the log; equal ones are told apart by how often they came before.",
        imported
    ));
    stage.sync("laptop", &laptop).await?;
    let again = import(&laptop, &commands).await?;
    let entries = all(&laptop.log("history")).await?;
    stage.check("importing the same file again changes nothing", again == imported && entries.len() == commands.len());

    stage.act("A phone joins with the recovery code");
    let phone = Vault::join(stage.device("phone")?, parse_secret(&code.reveal())?).await?;
    let meter = phone.status().await?.meter;
    stage.cost("phone", "joins and takes everything", &meter);
    stage.check("the phone holds the same history", all(&phone.log("history")).await? == entries);

    stage.act("Both write the same notebook, offline, without having seen each other");
    let (here, there) = (laptop.map("notes"), phone.map("notes"));
    here.put("milk", "two litres").await?;
    here.put("tent", "in the cellar").await?;
    there.put("bread", "rye").await?;
    there.put("tent", "lent to Anna").await?;
    stage.tell("laptop: milk, tent = in the cellar. phone: bread, tent = lent to Anna.");
    stage.sync("laptop", &laptop).await?;
    stage.sync("phone", &phone).await?;
    stage.sync("laptop", &laptop).await?;
    stage.check(
        "both hold milk, bread and tent",
        keys(&here).await? == ["bread", "milk", "tent"] && same(&here, &there).await?,
    );
    let conflicts = laptop.conflicts(None, 10).await?;
    stage.check(
        "the tent is a conflict, and neither version is lost",
        conflicts.len() == 1 && conflicts[0].key == "tent" && conflicts[0].versions.len() == 2,
    );

    stage.act("The phone settles the conflict");
    there.resolve("tent", Some(Bytes::from_static(b"Anna brings it on Friday"))).await?;
    stage.sync("phone", &phone).await?;
    stage.sync("laptop", &laptop).await?;
    stage.check(
        "the conflict is gone on both",
        laptop.conflicts(None, 10).await?.is_empty() && same(&here, &there).await?,
    );

    stage.act("A delete meets an edit that it has not seen");
    here.delete("milk").await?;
    there.put("milk", "oat, one litre").await?;
    there.delete("bread").await?;
    let gone = entries[0].0.clone();
    laptop.log("history").delete(gone.clone()).await?;
    stage.sync("laptop", &laptop).await?;
    stage.sync("phone", &phone).await?;
    stage.sync("laptop", &laptop).await?;
    stage.check(
        "the edit of milk survives the delete",
        value(&here, "milk").await?.as_deref() == Some(b"oat, one litre".as_slice()),
    );
    stage.check(
        "bread is gone on both",
        value(&here, "bread").await?.is_none() && value(&there, "bread").await?.is_none(),
    );
    stage.check("the deleted command is gone on both", !holds(&phone, &gone).await? && !holds(&laptop, &gone).await?);
    import(&phone, &commands).await?;
    stage.check("importing the file on the phone does not bring it back", !holds(&phone, &gone).await?);

    stage.act("Nothing new: a poll");
    stage.sync("laptop", &laptop).await?;
    let (_, idle) = stage.sync("laptop", &laptop).await?;
    stage.check(
        "it is one GET, answered with \"not modified\"",
        idle.get == 1 && idle.requests() == 1 && idle.bytes_received == 0,
    );

    stage.act("One small change");
    here.put("eggs", "six").await?;
    let (_, push) = stage.sync("laptop", &laptop).await?;
    let (_, pull) = stage.sync("phone", &phone).await?;
    stage.check("the laptop sends it with two PUTs beside the poll", push.put == 2 && push.list == 0);
    stage.check("the phone takes it with at most three GETs and no LIST", pull.get <= 3 && pull.list == 0);

    stage.act("In the end");
    let history = all(&laptop.log("history")).await?;
    stage.check("both notebooks are identical", same(&here, &there).await?);
    stage.check(
        "both histories are identical, one command shorter than the file",
        history == all(&phone.log("history")).await? && history.len() + 1 == commands.len(),
    );
    laptop.close().await;
    phone.close().await;
    Ok(())
}

/// The commands to import.
fn commands() -> Result<Vec<String>> {
    let text = match std::fs::read_to_string(Path::new(COMMANDS)) {
        Ok(text) => text,
        Err(_) => SAMPLE.to_owned(), // the project stands alone
    };
    let lines: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "the file of commands is empty").on(COMMANDS).into());
    }
    Ok(lines)
}

async fn import(vault: &Vault, commands: &[String]) -> Result<usize> {
    let entries: Vec<Imported> =
        commands.iter().map(|line| Imported { unix_ms: 0, value: Bytes::from(line.clone().into_bytes()) }).collect();
    vault.log("history").import("shell-commands.txt", entries).await?;
    Ok(all(&vault.log("history")).await?.len())
}

async fn all(log: &Log) -> Result<Vec<(String, Bytes)>> {
    let entries = log.list(KeyRange::default()).collect().await?;
    Ok(entries.into_iter().map(|entry| (entry.key, entry.record.value)).collect())
}

async fn holds(vault: &Vault, key: &str) -> Result<bool> {
    Ok(vault.log("history").get(key).await?.is_some())
}

async fn value(map: &Map, key: &str) -> Result<Option<Bytes>> {
    Ok(map.get(key).await?.map(|record| record.value))
}

async fn keys(map: &Map) -> Result<Vec<String>> {
    Ok(map.list(KeyRange::default()).collect().await?.into_iter().map(|entry| entry.key).collect())
}

async fn same(one: &Map, other: &Map) -> Result<bool> {
    let one = one.list(KeyRange::default()).collect().await?;
    Ok(one == other.list(KeyRange::default()).collect().await?)
}
