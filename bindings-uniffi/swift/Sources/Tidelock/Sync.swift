internal import TidelockInternal

extension Vault {
    /// Takes what is new and publishes what is pending. Waits while another process of this device syncs.
    ///
    /// `progress` is called on the vault's own queue and must not block.
    @discardableResult
    public func sync(progress: (@Sendable (Progress) -> Void)? = nil) async throws -> SyncReport {
        try await synced(.sync, progress: progress)
    }

    /// Publishes what is pending.
    @discardableResult
    public func push(progress: (@Sendable (Progress) -> Void)? = nil) async throws -> SyncReport {
        try await synced(.push, progress: progress)
    }

    /// Takes what other devices published.
    @discardableResult
    public func pull(progress: (@Sendable (Progress) -> Void)? = nil) async throws -> SyncReport {
        try await synced(.pull, progress: progress)
    }

    /// A sync that reads everything again instead of trusting hints.
    @discardableResult
    public func check(progress: (@Sendable (Progress) -> Void)? = nil) async throws -> SyncReport {
        try await synced(.check, progress: progress)
    }

    /// Publishes everything this device has, after a rollback or a wiped bucket was reported.
    @discardableResult
    public func republish(progress: (@Sendable (Progress) -> Void)? = nil) async throws -> SyncReport {
        try await synced(.republish, progress: progress)
    }

    /// One sync that ends by `deadline`, for a `BGAppRefreshTask`. What was done until then is kept; the next sync goes on from
    /// there.
    ///
    /// Throws `timeout` at the deadline.
    @discardableResult
    public func syncOnce(until deadline: ContinuousClock.Instant) async throws -> SyncReport {
        try await withThrowingTaskGroup(of: SyncReport.self) { group in
            group.addTask { try await self.sync() }
            group.addTask {
                try await Task.sleep(until: deadline, clock: .continuous)
                throw TidelockError(
                    .timeout,
                    "the sync did not end by its deadline",
                    nextStep: "sync again: it goes on from here",
                    isRetryable: true
                )
            }
            // One that throws cancels the other too.
            guard let report = try await group.next() else { throw CancellationError() }
            group.cancelAll()
            return report
        }
    }

    /// Keeps syncing while it is iterated: at once, soon after local writes, and every 30 to 60 s; up to every 5 min when nothing
    /// happens. A failed sync is an element like any other, and is followed by others. It ends when the vault is closed.
    public nonisolated func watch() -> AsyncStream<Result<SyncReport, TidelockError>> {
        let last = Locked<Watched?>(nil)
        return AsyncStream {
            if let watched = last.withLock({ $0 }) { await self.pause(after: watched) }
            guard let (result, watched) = await self.watchOnce() else { return nil }
            last.withLock { $0 = watched }
            return result
        }
    }

    /// What a sync of `watch` leaves.
    private struct Watched {
        /// It took or published something.
        let isActive: Bool
        /// Own ops that a failed push left: they are no news, what is written beyond them is.
        let left: Int
    }

    /// Nil: the vault was closed, or nobody waits any more.
    private func watchOnce() async -> (Result<SyncReport, TidelockError>, Watched)? {
        do {
            let before = try await status().pending
            let result: Result<SyncReport, TidelockError>
            do {
                result = .success(try await sync())
            } catch let error as TidelockError where error.kind != .closed {
                result = .failure(error)
            }
            let report = try? result.get()
            let published = report?.opsPublished ?? 0
            let left = min(max(before - published, 0), try await status().pending)
            return (result, Watched(isActive: (report?.opsApplied ?? 0) + published > 0, left: left))
        } catch {
            return nil
        }
    }

    /// Until the next sync is due: after a while, or a little after a local write.
    private func pause(after watched: Watched) async {
        guard let pause = try? await loop.call({ engine, _ in engine.pause(active: watched.isActive) }) else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: .milliseconds(Int64(clamping: pause.waitMs))) }
            group.addTask {
                try? await Task.sleep(for: .milliseconds(Int64(clamping: pause.apartMs)))
                for await _ in self.loop.listeners.changes(atOnce: true, where: { _ in true }) {
                    guard let pending = try? await self.status().pending, pending <= watched.left else { break }
                }
                try? await Task.sleep(for: .milliseconds(Int64(clamping: pause.gatherMs)))
            }
            await group.next()
            group.cancelAll()
        }
    }
}
