import Foundation
import Tidelock

/// The quick start of the project's README: the first device writes, the second one reads.
public func quickStart(store: String, phone: URL, laptop: URL) async throws -> String? {
    // README: begin
    var options = Options(store: store, local: phone)
    options.credentials = .environment
    let (vault, recoveryCode) = try await Vault.create(options)

    try await vault.collection("todo", codec: .text).put("two litres", at: "milk")
    try await vault.log("history", codec: .text).append("bought milk")
    try await vault.sync()
    // README: end
    await vault.close()

    options.local = laptop
    let second = try await Vault.join(options, with: .recovery(recoveryCode.reveal()))
    try await second.sync()
    let milk = try await second.collection("todo", codec: .text).get("milk")
    await second.close()
    return milk
}

/// What the package's README shows, compiled.
@MainActor
public func tour(_ options: Options, show: @escaping ([Todo]) -> Void) async throws {
    // Tour: begin
    let vault = try await Vault.open(options)                    // or Vault.create, Vault.join
    let todo = vault.collection("todo", of: Todo.self)           // any Codable type, as JSON
    try await todo.put(Todo(litres: 2), at: "milk")
    for try await entry in todo.list(.prefix("m")) { print(entry.key, entry.value.litres) }

    let visits = vault.documents("visits", of: Visit.self)       // fields merge one by one
    try await visits.patch("42", ["rating": 5])                  // the other fields stay
    try await vault.write { batch in                             // all or nothing
        try batch.put(Todo(litres: 1), in: todo, at: "juice")
        batch.delete("milk", in: todo)
    }
    Task {
        for await result in vault.watch() { print(result) }      // keeps syncing, each 30 s to 5 min
    }
    for try await entries in todo.live() {                       // again whenever they change
        show(entries.map(\.value))
    }
    // Tour: end
}

/// A value of the tour.
public struct Todo: Codable, Sendable {
    let litres: Int
}

struct Visit: Codable {
    let place: String?
    let rating: Int?
}
