// For views. Debian's library of it links with what overlooks a symbol it lacks, as the tests do; servers don't need it.
#if canImport(Darwin) || TIDELOCK_OBSERVATION
import Observation

/// Entries that are always current, for a view: it is drawn again when they change.
///
///     @State private var todo = LiveList(vault.collection("todo", of: Todo.self).live())
@MainActor
@Observable
public final class LiveList<Element: Sendable> {
    /// What there is now; empty until the first read.
    public private(set) var elements: [Element] = []
    /// Why it follows no longer.
    public private(set) var error: (any Error)?
    @ObservationIgnored private let following: Locked<Task<Void, Never>?> = Locked(nil)

    /// Follows what a `live` of a collection, log or documents gives.
    public init(_ live: AsyncThrowingStream<[Element], any Error>) {
        let task = Task { [weak self] in
            do {
                for try await elements in live {
                    guard let self else { return }
                    self.elements = elements
                }
            } catch {
                self?.error = error
            }
        }
        following.withLock { $0 = task }
    }

    deinit {
        following.withLock { $0?.cancel() }
    }
}
#endif
