import Foundation
import Testing
@testable import Tidelock
import func TidelockInternal.errorKinds

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Opening, closing, cancelling, and what is thrown.
@Suite(.timeLimit(.minutes(1)))
struct LifecycleTests {
    @Test("the kinds of errors are the core's, by name and order")
    func kinds() {
        #expect(errorKinds().map(TidelockError.Kind.init) == TidelockError.Kind.allCases)
        let names = errorKinds().map { "\($0)".reduce("") { $0 + ($1.isUppercase ? "-\($1.lowercased())" : "\($1)") } }
        #expect(TidelockError.Kind.allCases.map(\.rawValue) == names)
    }

    @Test("an error says what failed, on what, and what to do")
    func errors() async throws {
        let local = folder()
        let error = try #require(
            await expect(.notFound) { try await Vault.open(Options(store: "s3://bucket/prefix", local: local)) })
        #expect(error.object?.contains(local.path) == true)
        #expect(error.nextStep == "create a vault, or join one" && error.recoverySuggestion == error.nextStep)
        #expect(error.localizedDescription.hasPrefix(local.path) && "\(error)".hasSuffix("create a vault, or join one"))
        #expect(!error.isRetryable)
    }

    @Test("cancelling a sync closes its connection within 100 ms")
    func cancel() async throws {
        let (server, vault) = try await stalling("cancel")
        // One of twenty, for a machine may be busy. Nothing but the cancelling closes: a request may take 30 s.
        var times: [Duration] = []
        while times.count < 20, times.last ?? .seconds(1) >= .milliseconds(100) {
            let sync = Task { try await vault.sync() }
            let connection = try await server.connection()
            times.append(await ContinuousClock().measure {
                sync.cancel()
                await #expect(throws: CancellationError.self) { try await sync.value }
                await connection.closed()
            })
        }
        #expect(times.last! < .milliseconds(100), "they took \(times)")
        #expect(try await vault.status().pending == 0)
        await vault.close()
    }

    @Test("a sync that is not done by its deadline closes its connection")
    func deadline() async throws {
        let (server, vault) = try await stalling("deadline")
        async let late = expect(.timeout) { try await vault.syncOnce(until: .now + .milliseconds(200)) }
        try await server.connection().closed()
        #expect(await late?.isRetryable == true)
        await vault.close()
    }

    @Test("closing ends what runs and every later call")
    func closing() async throws {
        let (server, vault) = try await stalling("close")
        let (live, changes, reports) = (vault.notes.live(), vault.notes.changes(), vault.reports())
        async let running = expect(.closed) { try await vault.sync() }
        let connection = try await server.connection()
        await vault.close()
        #expect(await running != nil)
        await connection.closed()
        // What was followed ends; what is begun later fails where it can.
        #expect(try await changes.all().isEmpty)
        #expect(try await reports.all().isEmpty)
        await expect(.closed) { try await live.all() }
        await expect(.closed) { try await vault.status() }
        await expect(.closed) { try await vault.notes.live().all() }
        await expect(.closed) { try await vault.notes.list().all() }
        await expect(.closed) { try await vault.exportArchive(to: folder().appendingPathComponent("archive")) }
        #expect(try await vault.watch().all().isEmpty)
        await vault.close()
    }

    @Test("who stops watching or is cancelled lets go of the connection")
    func watching() async throws {
        let (server, vault) = try await stalling("watch")
        let watching = Task { try await vault.watch().all() }
        let connection = try await server.connection()
        watching.cancel()
        await connection.closed()
        #expect(try await watching.value.isEmpty)
        await vault.close()
    }

    @Test("a task that is cancelled before it begins starts nothing")
    func cancelled() async throws {
        let (_, vault) = try await stalling("cancelled")
        let sync = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await vault.sync()
        }
        await #expect(throws: CancellationError.self) { try await sync.value }
        await vault.close()
    }

    @Test("a server that is not there is a network error")
    func unreachable() async throws {
        let options = unreachable("http://127.0.0.1:\(TestServer.unusedPort())")
        #expect(await expect(.network) { try await Vault.create(options) }?.isRetryable == true)
    }

    @Test("what is no TLS is told from what is not there, and not tried again")
    func tls() async throws {
        let server = TestServer { socket, _ in _ = TestServer.write(Array("HTTP/1.1 400 No\r\n\r\n".utf8), to: socket) }
        let plain = unreachable(server.endpoint.replacingOccurrences(of: "http:", with: "https:"))
        let error = try #require(await expect(.network) { try await Vault.create(plain) })
        #expect(!error.isRetryable && error.message.hasPrefix("TLS failed"), "\(error)")
        let nowhere = unreachable("http://no-host.invalid")
        #expect(await expect(.network) { try await Vault.create(nowhere) }?.isRetryable == true)
    }

    @Test("an answer without an end is read no further than its bound")
    func endless() async throws {
        let server = TestServer { socket, _ in
            var isOpen = TestServer.write(Array("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".utf8), to: socket)
            while isOpen { isOpen = TestServer.write(Array(repeating: 0, count: 1 << 20), to: socket) }
        }
        // A header beyond its bound is a damaged one. Read to its end, it would never be one.
        await expect(.alreadyExists) { try await Vault.create(unreachable(server.endpoint)) }
    }

    @Test("redirects are answers, not followed")
    func redirects() async throws {
        let server = TestServer { socket, _ in
            let answer = "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
            _ = TestServer.write(Array(answer.utf8), to: socket)
        }
        let request = HTTPRequest(method: "GET", url: server.endpoint, headers: [], body: Data(), maxResponseBytes: 100)
        #expect(try await URLSessionTransport.shared.send(request).status == 307)
    }

    @Test("a signer's answer that leads elsewhere is refused, and its failure is the error")
    func signers() async throws {
        struct NotToday: LocalizedError { let errorDescription: String? = "not today" }
        var refusing = Server.embedded.options("presign")
        refusing.presign = { _ in throw NotToday() }
        let refused = await expect(.auth) { try await Vault.create(refusing) }
        #expect(refused?.message.contains("not today") == true, "\(String(describing: refused))")

        let asked = Locked(0)
        var wrong = Server.embedded.options("presign")
        wrong.presign = { request in
            asked.withLock { $0 += 1 }
            let elsewhere = request.url.replacingOccurrences(of: "127.0.0.1", with: "127.0.0.2")
            return SignedURL(elsewhere + "?X-Amz-Signature=00", expires: .seconds(60))
        }
        await expect(.auth) { try await Vault.create(wrong) }
        #expect(asked.withLock { $0 } > 0)
    }

    @Test("an application's function that times out is asked again, then ends the operation")
    func timeouts() async throws {
        var unsigned = Server.embedded.options("timeouts")
        unsigned.presign = { _ in throw URLError(.timedOut) }
        unsigned.retries = 1
        #expect(await expect(.network) { try await Vault.create(unsigned) }?.isRetryable == true)
        var keyless = Server.embedded.options("timeouts")
        keyless.credentials = CredentialSource { throw URLError(.timedOut) }
        keyless.retries = 1
        #expect(await expect(.network) { try await Vault.create(keyless) }?.isRetryable == true)
        keyless.credentials = CredentialSource { Credentials(accessKey: "", secretKey: "\n") }
        await expect(.auth) { try await Vault.create(keyless) }
        keyless.credentials = .none
        #expect(await expect(.auth) { try await Vault.create(keyless) }?.message.contains("no credentials") == true)
    }

    @Test("no secret is printed")
    func printed() async throws {
        let secrets: [any Sendable] = [
            Secret.passphrase("a secret"), Secret.recovery("a secret"), RecoveryCode(code: "a secret"),
            Server.embedded.options("printed"), SignedURL("https://bucket.example/key?X-Amz-Signature=a+secret"),
            Credentials(accessKey: "a secret", secretKey: "a secret", sessionToken: "a secret"),
            HTTPRequest(
                method: "GET",
                url: "https://bucket.example/key?X-Amz-Signature=a+secret",
                headers: [Header(name: "authorization", value: "a secret")],
                body: Data(),
                maxResponseBytes: 1
            ),
        ]
        for secret in secrets {
            var dumped = ""
            dump(secret, to: &dumped)
            for text in ["\(secret)", String(reflecting: secret), dumped] {
                #expect(!text.contains("secret)") && !text.contains("a secret") && !text.contains("Signature"), "\(text)")
                #expect(!text.contains("loopback"), "\(text)")
            }
        }
    }

    @Test("a transport of the application's own sends every request")
    func ownTransport() async throws {
        struct Counting: Transport {
            let sent: Locked<Int>
            func send(_ request: HTTPRequest) async throws -> HTTPResponse {
                sent.withLock { $0 += 1 }
                return try await URLSessionTransport.shared.send(request)
            }
        }
        var options = Server.embedded.options("transport")
        let sent = Locked(0)
        options.transport = Counting(sent: sent)
        let vault = try await Vault.create(options).vault
        try await vault.sync()
        let meter = try await vault.status().meter
        #expect(sent.withLock { $0 } == meter.get + meter.put + meter.delete + meter.list + meter.head + meter.post)
        await vault.close()
    }

    /// A vault whose store has stopped answering.
    private func stalling(_ store: String) async throws -> (TestServer, Vault) {
        var options = Server.embedded.options(store)
        let vault = try await Vault.create(options).vault
        try await vault.sync()
        await vault.close()
        let server = TestServer()
        options.store = options.store.replacingOccurrences(of: Server.embedded.endpoint, with: server.endpoint)
        return (server, try await Vault.open(options))
    }

    private func unreachable(_ endpoint: String) -> Options {
        var options = Options(store: "s3://tidelock/none?endpoint=\(endpoint)", local: folder())
        options.credentials = Server.embedded.keys
        options.retries = 0
        return options
    }
}
