internal import TidelockInternal

/// What a vault has of something, read in pages while it is iterated.
public struct Listing<Element: Sendable>: AsyncSequence, Sendable {
    typealias NextPage = () async throws -> [Element]?

    private let begin: @Sendable () -> NextPage

    /// Pages that follow each other: `page` gives the one at a place, and the place of the next; nil at the end.
    init<Place: Sendable>(
        from first: Place,
        page: @escaping @Sendable (Place) async throws -> (elements: [Element], next: Place)?
    ) {
        begin = {
            var place = first
            return {
                guard let (elements, next) = try await page(place) else { return nil }
                place = next
                return elements
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(nextPage: begin()) }

    /// Goes through the pages.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let nextPage: NextPage
        private var page: ArraySlice<Element> = []

        fileprivate init(nextPage: @escaping NextPage) {
            self.nextPage = nextPage
        }

        public mutating func next() async throws -> Element? {
            while page.isEmpty {
                try Task.checkCancellation()
                guard let elements = try await nextPage() else { return nil }
                page = elements[...]
            }
            return page.removeFirst()
        }
    }
}

extension Loop {
    /// Entries, or documents, of one call.
    private static let page: UInt32 = 256
    /// Conflicts of one call.
    private static let conflictsPage: UInt32 = 100

    /// Each page begins right after the last key of the one before, and an empty one is the end.
    nonisolated func listing<Item: Sendable, Element: Sendable>(
        _ range: KeyRange,
        key: @escaping @Sendable (Item) -> String,
        page: @escaping @Sendable (Engine, TidelockInternal.KeyRange, _ limit: UInt32) throws -> [Item],
        decoded: @escaping @Sendable (Item) throws -> Element
    ) -> Listing<Element> {
        Listing(from: range.start) { start in
            let items = try await self.call { engine, _ in try page(engine, range.data(from: start), Self.page) }
            guard let last = items.last else { return nil }
            return (try items.map(decoded), key(last) + "\0")
        }
    }

    /// The conflicts that `pick` makes something of.
    nonisolated func conflicts<Element: Sendable>(
        _ pick: @escaping @Sendable (TidelockInternal.Conflict) throws -> Element?
    ) -> Listing<Element> {
        Listing(from: Position?.none) { after in
            let page = try await self.call { engine, _ in try engine.conflicts(after: after, limit: Self.conflictsPage) }
            guard let last = page.last else { return nil }
            let next = Position(collection: last.collection, key: last.key, field: last.field)
            return (try page.compactMap(pick), next)
        }
    }
}
