import Dispatch
import Foundation
internal import TidelockInternal

/// Runs one engine: a turn drains it and does what the outputs say; then the loop waits for an answer or until the engine's
/// next deadline. Every call to the engine is made on one queue of its own, so that none blocks the caller's thread, nor one
/// of those that all tasks share.
actor Loop {
    /// How an operation ended.
    struct Finished: Sendable {
        let recoveryCode: String?
        let report: TidelockInternal.SyncReport?
    }

    nonisolated let listeners = Listeners()
    private let queue = EngineQueue()
    private let options: Options
    private var engine: Engine?
    private var requests: [UInt64: Task<Void, Never>] = [:]
    private var questions: [UInt64: Task<Void, Never>] = [:]
    private var questionsAsked: UInt64 = 0
    private var running: [UInt64: CheckedContinuation<Finished, any Error>] = [:]
    private var stretching: Task<Void, Never>?
    private var alarm: Task<Void, Never>?

    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    private init(_ options: Options) {
        self.options = options
    }

    deinit {
        alarm?.cancel()
        listeners.close()
    }

    static func open(_ options: Options, create: Bool) async throws -> Loop {
        let loop = Loop(options)
        try await loop.open(create: create)
        return loop
    }

    private func open(create: Bool) throws {
        let local = try path(of: options.local)
        engine = try throwing { try Engine.open(options: options.data, local: local, create: create, now: .read()) }
        if create { excludeFromBackup(options.local) }
    }

    /// A call that ends at once.
    func call<Value: Sendable>(_ action: @Sendable (Engine, Now) throws -> Value) throws -> Value {
        let engine = try requireOpen()
        let value = try throwing { try action(engine, .read()) }
        turn()
        return value
    }

    /// Writes all of the changes or none; gives the key of each. Durable on return.
    @discardableResult
    func write(_ changes: [Change]) throws -> [String] {
        try call { engine, now in try engine.write(changes: changes, now: now) }.keys
    }

    /// Runs an operation to its end. Cancelling the caller cancels the operation and aborts its requests.
    func run(_ operation: TidelockInternal.Operation) async throws -> Finished {
        try Task.checkCancellation()
        let ticket = try requireOpen().start(operation: operation)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { caller in
                running[ticket] = caller
                turn()
            }
        } onCancel: {
            Task { await self.cancel(ticket) }
        }
    }

    /// A call that takes long and has no part in the engine.
    func aside<Value: Sendable>(
        _ action: @escaping @Sendable (TidelockInternal.Options, _ local: String, Now) throws -> Value
    ) async throws -> Value {
        _ = try requireOpen()
        let (options, local) = (options.data, try path(of: options.local))
        return try await onThread { try throwing { try action(options, local, .read()) } }
    }

    /// Tells listeners that all collections may have changed: an engine of its own wrote.
    func announceAll() {
        guard let collections = try? engine?.status().collections else { return }
        for collection in collections { listeners.tell(.changed(collection: collection, keys: nil)) }
    }

    /// Cancels what runs and frees the engine. A passphrase that is being stretched is waited for, some tenths of a second.
    func close() async {
        guard let engine else { return }
        self.engine = nil
        for (ticket, caller) in running {
            engine.cancel(ticket: ticket, now: .read())
            caller.resume(throwing: TidelockError.closed)
        }
        running.removeAll()
        for task in [requests, questions].flatMap(\.values) { task.cancel() }
        alarm?.cancel()
        listeners.close()
        _ = engine.drain(now: .read()) // frees the lock of who syncs
        await stretching?.value
    }

    private func requireOpen() throws -> Engine {
        guard let engine else { throw TidelockError.closed }
        return engine
    }

    private func cancel(_ ticket: UInt64) {
        guard let caller = running.removeValue(forKey: ticket) else { return }
        caller.resume(throwing: CancellationError())
        engine?.cancel(ticket: ticket, now: .read())
        turn()
    }

    private func turn() {
        guard let engine else { return }
        let drained = engine.drain(now: .read())
        drained.outputs.forEach(act)
        alarm?.cancel()
        alarm = drained.wakeAtMs.map { due in
            Task { [weak self] in
                guard (try? await Task.sleep(until: Now.instant(due), clock: .continuous)) != nil else { return }
                await self?.handle(.timeout)
            }
        }
    }

    private func act(_ output: Output) {
        switch output {
        case .send(let request):
            requests[request.id] = answering { [options] in await options.send(request) }
        case .abort(let id):
            requests.removeValue(forKey: id)?.cancel()
        case .needCredentials:
            ask { options in await options.loadCredentials() }
        case .presign(let id, let request):
            ask { options in await options.sign(id, request) }
        case .stretch(let id):
            stretch(id)
        case .finished(let ticket, let recoveryCode, let report):
            running.removeValue(forKey: ticket)?.resume(returning: Finished(recoveryCode: recoveryCode, report: report))
        case .failed(let ticket, let problem):
            running.removeValue(forKey: ticket)?.resume(throwing: TidelockError(problem))
        case .durable, .changed, .progressed, .reported:
            listeners.tell(output)
        case .persist:
            preconditionFailure("the SQLite store persists its commits itself")
        }
    }

    /// Runs `work` beside the engine and hands in its result.
    private func answering(_ work: @escaping @Sendable () async -> Input) -> Task<Void, Never> {
        Task { [weak self] in
            let input = await work()
            await self?.handle(input)
        }
    }

    /// Asks one of the application's own functions.
    private func ask(_ function: @escaping @Sendable (Options) async -> Input) {
        questionsAsked += 1
        let number = questionsAsked
        questions[number] = Task { [weak self, options] in
            let answer = await function(options)
            await self?.answered(number, answer)
        }
    }

    private func answered(_ number: UInt64, _ answer: Input) {
        questions[number] = nil
        handle(answer)
    }

    private func stretch(_ id: UInt64) {
        guard let engine else { return }
        stretching = Task { [weak self] in
            try? await onThread { engine.stretch(id: id) }
            await self?.turn()
        }
    }

    private func handle(_ input: Input) {
        switch input {
        case .answered(let id, _), .failed(let id, _): requests[id] = nil
        default: break
        }
        guard let engine else { return }
        do {
            try throwing { try engine.handle(input: input, now: .read()) }
        } catch { // malformed credentials
            let failure = TransportFailure.noCredentials(text: text(of: error))
            try? engine.handle(input: .noCredentials(failure: failure), now: .read())
        }
        turn()
    }
}

/// The one queue on which an engine is called.
private final class EngineQueue: SerialExecutor {
    private let queue = DispatchQueue(label: "tidelock")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }
}

/// The path that the engine opens.
func path(of file: URL) throws -> String {
    guard file.isFileURL else {
        throw TidelockError(.invalid, "\(file.scheme ?? "it") is no file's URL", nextStep: "name a file or folder of this device")
    }
    return file.path
}

/// Runs what blocks on a thread that may be blocked.
func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { caller in
        DispatchQueue.global().async { caller.resume(with: Result(catching: work)) }
    }
}

extension Duration {
    /// Whole ones, from none to those of some thousand years.
    var milliseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(clamping: min(seconds, 1 << 40) * 1_000 + attoseconds / 1_000_000_000_000_000)
    }
}

extension Now {
    private static let start = ContinuousClock.now

    static func read() -> Now {
        let unixMs = UInt64(max(0, Date().timeIntervalSince1970 * 1_000))
        return Now(monotonicMs: start.duration(to: .now).milliseconds, unixMs: unixMs)
    }

    /// When the engine's clock shows so many milliseconds.
    static func instant(_ monotonicMs: UInt64) -> ContinuousClock.Instant {
        start.advanced(by: .milliseconds(Int64(clamping: monotonicMs)))
    }
}
