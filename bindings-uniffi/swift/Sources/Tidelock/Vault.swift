import Foundation
internal import TidelockInternal

/// One vault on this device. Reads and writes are local and need no network; ``sync(progress:)`` and its kin bring both sides
/// together.
///
/// None of its functions blocks a thread. Cancelling a task ends its wait with a `CancellationError` and aborts the requests of
/// what it began. Several processes may have one local store open at once.
public actor Vault {
    nonisolated let loop: Loop

    private init(_ loop: Loop) {
        self.loop = loop
    }

    /// Makes a new vault at the store, with this as its first device. The recovery code is given once: show it to the person,
    /// who keeps it apart from the device. A crashed or cancelled create is resumed by calling it again.
    ///
    /// Throws `alreadyExists` if the store has a vault.
    public static func create(
        _ options: Options,
        passphrase: String? = nil
    ) async throws -> (vault: Vault, recoveryCode: RecoveryCode) {
        try await opened(options, create: true) { loop in
            let code = try recoveryCode(try await loop.run(.create(passphrase: passphrase)))
            return (Vault(loop), code)
        }
    }

    /// Adds this device to the vault at the store; its records come with the first ``sync(progress:)``.
    ///
    /// Throws `wrongKey` if the secret does not open it, `notFound` if the store has no vault.
    public static func join(_ options: Options, with secret: Secret) async throws -> Vault {
        try await opened(options, create: true) { loop in
            _ = try await loop.run(.join(secret: secret.data))
            return Vault(loop)
        }
    }

    /// Opens what this device has. No request is made.
    ///
    /// Throws `notFound` if this device has created or joined no vault here.
    public static func open(_ options: Options) async throws -> Vault {
        try await opened(options, create: false) { loop in Vault(loop) }
    }

    /// A map: keys with values. It is made by its first write.
    public nonisolated func collection<Value: Sendable>(_ name: String, codec: some Codec<Value>) -> Collection<Value> {
        Collection(records: Records(loop: loop, id: CollectionID(kind: .map, name: name), codec: codec))
    }

    /// A map whose values are JSON.
    public nonisolated func collection<Value: Codable & Sendable>(
        _ name: String,
        of type: Value.Type = Value.self
    ) -> Collection<Value> {
        collection(name, codec: JSONCodec<Value>())
    }

    /// A log: entries that are added and removed, never changed. It is made by its first entry.
    public nonisolated func log<Value: Sendable>(_ name: String, codec: some Codec<Value>) -> Log<Value> {
        Log(records: Records(loop: loop, id: CollectionID(kind: .log, name: name), codec: codec))
    }

    /// A log whose entries are JSON.
    public nonisolated func log<Value: Codable & Sendable>(_ name: String, of type: Value.Type = Value.self) -> Log<Value> {
        log(name, codec: JSONCodec<Value>())
    }

    /// Documents: JSON objects whose fields merge one by one. The codec writes them as JSON.
    public nonisolated func documents<Value: Sendable>(_ name: String, codec: some Codec<Value>) -> Documents<Value> {
        Documents(loop: loop, id: CollectionID(kind: .documents, name: name), codec: codec)
    }

    /// Documents of a type that is `Codable`.
    public nonisolated func documents<Value: Codable & Sendable>(
        _ name: String,
        of type: Value.Type = Value.self
    ) -> Documents<Value> {
        documents(name, codec: JSONCodec<Value>())
    }

    /// Writes to any number of collections: all or nothing, at most 5,000 changes. Durable on return. Gives the key of each
    /// change, in order: those of appended entries are made by the vault.
    @discardableResult
    public func write(
        isolation: isolated (any Actor)? = #isolation,
        _ build: (inout Batch) throws -> Void
    ) async throws -> [String] {
        var batch = Batch()
        try build(&batch)
        return try await loop.write(batch.changes)
    }

    /// What is known without a request.
    public func status() async throws -> Status {
        Status(try await loop.call { engine, _ in try engine.status() })
    }

    /// Every device known, this one included.
    public func devices() async throws -> [Device] { try await status().devices }

    /// Those that can open the vault without being a device.
    public func recipients() async throws -> [Recipient] { try await status().recipients }

    /// What a person should know, as it comes from now on; a sync's report has it too.
    public nonisolated func reports() -> AsyncStream<TidelockError> {
        loop.listeners.stream { output in
            if case .reported(let problem) = output { TidelockError(problem) } else { nil }
        }
    }

    /// Every conflict of maps, their values as bytes. Those of documents are told by ``Documents/conflicts()``.
    public nonisolated func conflicts() -> Listing<Conflict<Data>> {
        loop.conflicts { conflict in
            guard conflict.collection.kind == .map else { return nil }
            let versions = conflict.versions.map { Version($0) { $0 } }
            return Conflict(collection: conflict.collection.name, key: conflict.key, versions: versions)
        }
    }

    /// Other devices wait for this one no longer. What it publishes counts whenever it comes.
    @discardableResult
    public func retire(_ device: String) async throws -> SyncReport { try await synced(.retireDevice(device: device)) }

    /// Shuts a device out: the keys are rotated. Withdraw its bucket credentials too.
    @discardableResult
    public func revoke(_ device: String) async throws -> SyncReport { try await synced(.revokeDevice(device: device)) }

    /// Takes what a revoked device published after it was revoked.
    @discardableResult
    public func adopt(_ device: String) async throws -> SyncReport { try await synced(.adoptDevice(device: device)) }

    /// Sets, changes or (with nil) removes the passphrase. The old one opens nothing that is written from now on.
    public func setPassphrase(_ passphrase: String?) async throws {
        _ = try await loop.run(.setPassphrase(passphrase: passphrase))
    }

    /// Replaces the recovery code. The old one opens nothing that is written from now on.
    public func replaceRecoveryCode() async throws -> RecoveryCode {
        try Self.recoveryCode(try await loop.run(.replaceRecoveryCode))
    }

    /// Writes everything this device has into a new file, in clear; gives how many records it has. The form is specified in
    /// `docs/ARCHIVE.md`. The vault stays usable meanwhile.
    ///
    /// Throws `alreadyExists` if the file is there.
    @discardableResult
    public func exportArchive(to file: URL) async throws -> Int {
        let file = try path(of: file)
        return try await loop.aside { options, local, now in
            Int(clamping: try TidelockInternal.exportArchive(options: options, local: local, file: file, now: now))
        }
    }

    /// Takes in what an archive holds and this device has not; importing twice changes nothing. The vault stays usable
    /// meanwhile.
    ///
    /// Throws `invalid` with the line that is none of an archive; what came before it stays imported.
    @discardableResult
    public func importArchive(from file: URL) async throws -> ArchiveImport {
        let file = try path(of: file)
        do {
            let imported = try await loop.aside { options, local, now in
                try TidelockInternal.importArchive(options: options, local: local, file: file, now: now)
            }
            await loop.announceAll()
            return ArchiveImport(imported)
        } catch {
            await loop.announceAll() // what came before a bad line is here
            throw error
        }
    }

    /// Cancels what runs and frees the vault. Calling it again does nothing.
    public func close() async {
        await loop.close()
    }

    func synced(
        _ operation: TidelockInternal.Operation,
        progress: (@Sendable (Progress) -> Void)? = nil
    ) async throws -> SyncReport {
        let stop = progress.map { progress in
            loop.listeners.add { output in
                if case .progressed(let data) = output { progress(Progress(data)) }
            }
        }
        defer { stop?() }
        guard let report = try await loop.run(operation).report else {
            throw TidelockError(.internal, "the operation ended without a report", nextStep: "report this defect")
        }
        return SyncReport(report)
    }

    private static func opened<Result: Sendable>(
        _ options: Options,
        create: Bool,
        use: (Loop) async throws -> Result
    ) async throws -> Result {
        let loop = try await Loop.open(options, create: create)
        do {
            return try await use(loop)
        } catch {
            await loop.close()
            throw error
        }
    }

    private static func recoveryCode(_ end: Loop.Finished) throws -> RecoveryCode {
        guard let code = end.recoveryCode else {
            throw TidelockError(.internal, "no recovery code came", nextStep: "report this defect")
        }
        return RecoveryCode(code: code)
    }
}
