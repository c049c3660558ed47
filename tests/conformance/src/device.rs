//! A device of a vault, as tests use it: blocking, in words of text.

use futures::executor::block_on;
use tidelock::{
    Change, Collection, Conflict, Entry, Error, Imported, Importer, KeyRange, Kind, Options, Secret, Status,
    SyncReport, Vault, Written,
};

/// More than any test writes.
const ENTRIES_MAX: u32 = 1_000_000;

/// A device. What a test expects to work panics when it does not.
pub trait Device {
    /// Writes to collections, all or nothing.
    fn write(&mut self, changes: Vec<Change>) -> Result<Written, Error>;
    /// Pulls and pushes.
    fn try_sync(&mut self) -> Result<SyncReport, Error>;
    /// The entries of a collection.
    fn entries(&mut self, collection: &Collection) -> Result<Vec<Entry>, Error>;
    /// What stands beside each other.
    fn conflicts(&mut self) -> Result<Vec<Conflict>, Error>;
    /// What is known without a request.
    fn status(&mut self) -> Status;

    /// A sync that must succeed.
    fn sync(&mut self) -> SyncReport {
        self.try_sync().expect("a sync")
    }

    /// Sets a record of a map.
    fn put(&mut self, map: &str, key: &str, value: &str) {
        self.put_bytes(map, key, value.as_bytes());
    }

    /// Sets a record of a map to any bytes.
    fn put_bytes(&mut self, map: &str, key: &str, value: &[u8]) {
        let (collection, value) = (Collection::map(map), value.to_vec().into());
        self.write(vec![Change::Put { collection, key: key.into(), value }]).expect("a put");
    }

    /// Removes a record of a map.
    fn delete(&mut self, map: &str, key: &str) {
        self.write(vec![Change::Delete { collection: Collection::map(map), key: key.into() }]).expect("a delete");
    }

    /// Ends a conflict.
    fn resolve(&mut self, map: &str, key: &str, value: &str) {
        let (collection, value) = (Collection::map(map), Some(value.as_bytes().to_vec().into()));
        self.write(vec![Change::Resolve { collection, key: key.into(), value }]).expect("a resolve");
    }

    /// Adds an entry to a log; its key.
    fn append(&mut self, log: &str, value: &str) -> String {
        let change =
            Change::Append { collection: Collection::log(log), key: None, value: value.as_bytes().to_vec().into() };
        self.write(vec![change]).expect("an append").keys.remove(0)
    }

    /// Takes the lines of a file, one a second, into a log.
    fn import(&mut self, log: &str, source: &str, lines: &[(u64, &str)]) {
        let mut importer = Importer::new(Collection::log(log), source.into());
        let changes = lines
            .iter()
            .map(|(unix_ms, line)| {
                importer.change(Imported { unix_ms: *unix_ms, value: line.as_bytes().to_vec().into() })
            })
            .collect();
        self.write(changes).expect("an import");
    }

    /// Removes the entries with this value from a log.
    fn delete_line(&mut self, log: &str, line: &str) {
        let collection = Collection::log(log);
        let entries = self.entries(&collection).expect("a listing");
        let changes: Vec<_> = entries
            .into_iter()
            .filter(|entry| entry.record.value == line.as_bytes())
            .map(|entry| Change::Delete { collection: collection.clone(), key: entry.key })
            .collect();
        assert!(!changes.is_empty(), "no such line: {line}");
        self.write(changes).expect("a delete");
    }

    /// All records of a map, by key.
    fn map(&mut self, name: &str) -> Vec<(String, String)> {
        let entries = self.entries(&Collection::map(name)).expect("a listing");
        entries.into_iter().map(|entry| (entry.key, text(&entry.record.value))).collect()
    }

    /// The same, whatever the values are.
    fn map_bytes(&mut self, name: &str) -> Vec<(String, Vec<u8>)> {
        let entries = self.entries(&Collection::map(name)).expect("a listing");
        entries.into_iter().map(|entry| (entry.key, entry.record.value.to_vec())).collect()
    }

    /// All entries of a log, oldest first.
    fn log(&mut self, name: &str) -> Vec<String> {
        let entries = self.entries(&Collection::log(name)).expect("a listing");
        entries.into_iter().map(|entry| text(&entry.record.value)).collect()
    }

    /// The values that stand side by side at a key, sorted; `None` is a delete.
    fn versions(&mut self, map: &str, key: &str) -> Vec<Option<String>> {
        let conflicts = self.conflicts().expect("the conflicts");
        let here = conflicts.into_iter().filter(|one| one.collection == Collection::map(map) && one.key == key);
        let mut values: Vec<_> =
            here.flat_map(|one| one.versions).map(|version| version.value.map(|value| text(&value))).collect();
        values.sort();
        values
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).expect("a value of text")
}

/// Records as a map of text would give them.
pub fn records(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// An open [`Vault`].
#[derive(Debug)]
pub struct Open {
    /// The vault itself.
    pub vault: Vault,
}

impl Open {
    /// Makes a vault.
    pub fn create(options: Options) -> (Self, Secret) {
        let (vault, code) = block_on(Vault::create(options)).expect("a new vault");
        (Self { vault }, Secret::Recovery(code))
    }

    /// Joins a vault.
    pub fn join(options: Options, secret: &Secret) -> Self {
        Self { vault: block_on(Vault::join(options, secret.clone())).expect("a joined vault") }
    }

    /// Pulls, which must succeed.
    pub fn pull(&mut self) -> SyncReport {
        block_on(self.vault.pull()).expect("a pull")
    }

    /// Pushes, which must succeed.
    pub fn push(&mut self) -> SyncReport {
        block_on(self.vault.push()).expect("a push")
    }

    /// A sync that trusts no hint.
    pub fn try_check(&mut self) -> Result<SyncReport, Error> {
        block_on(self.vault.check())
    }

    /// Publishes everything anew, which must succeed.
    pub fn republish(&mut self) -> SyncReport {
        block_on(self.vault.republish()).expect("a republish")
    }

    /// Closes it, and waits until its files are free.
    pub fn close(self) {
        block_on(self.vault.close());
    }

    /// Where its manifest stands, relative to the place.
    pub fn manifest_key(&mut self, keys: &[String]) -> String {
        let end = format!("/manifests/{}", self.status().device.expect("a member"));
        keys.iter().find(|key| key.ends_with(&end)).expect("its manifest").clone()
    }
}

impl Device for Open {
    fn write(&mut self, changes: Vec<Change>) -> Result<Written, Error> {
        block_on(self.vault.write(changes))
    }

    fn try_sync(&mut self) -> Result<SyncReport, Error> {
        block_on(self.vault.sync())
    }

    fn entries(&mut self, collection: &Collection) -> Result<Vec<Entry>, Error> {
        let range = KeyRange::default();
        block_on(match collection.kind {
            Kind::Log => self.vault.log(&collection.name).list(range).collect(),
            _ => self.vault.map(&collection.name).list(range).collect(),
        })
    }

    fn conflicts(&mut self) -> Result<Vec<Conflict>, Error> {
        block_on(self.vault.conflicts(None, ENTRIES_MAX))
    }

    fn status(&mut self) -> Status {
        block_on(self.vault.status()).expect("the status")
    }
}
