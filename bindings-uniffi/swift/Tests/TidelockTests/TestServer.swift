import Foundation
import Tidelock

/// A server on loopback that takes connections and does with each what it is told, on a thread of its own.
final class TestServer: Sendable {
    /// A connection that brought the begin of a request.
    struct Connection: Sendable {
        fileprivate let ended: AsyncStream<Never>

        /// Waits until the client closes it.
        func closed() async {
            for await _ in ended {}
        }
    }

    let endpoint: String
    private let accepted: AsyncStream<Connection>
    private let socket: Int32

    /// `serve` gets each connection's socket with what came first; when it returns, what else comes is read until the client closes.
    init(_ serve: @escaping @Sendable (_ socket: Int32, _ received: [UInt8]) -> Void = { _, _ in }) {
        signal(SIGPIPE, SIG_IGN) // a client that has closed is told by `send`
        let socket = listening()
        self.socket = socket
        endpoint = "http://127.0.0.1:\(port(socket))"
        let (accepted, told) = AsyncStream.makeStream(of: Connection.self)
        self.accepted = accepted
        Thread.detachNewThread {
            while true {
                let client = accept(socket, nil, nil)
                if client < 0 { return }
                Thread.detachNewThread {
                    let (ended, end) = AsyncStream.makeStream(of: Never.self)
                    var bytes = [UInt8](repeating: 0, count: 1 << 16)
                    let received = recv(client, &bytes, bytes.count, 0)
                    if received > 0 {
                        told.yield(Connection(ended: ended))
                        serve(client, Array(bytes[..<received]))
                    }
                    while recv(client, &bytes, bytes.count, 0) > 0 {}
                    close(client)
                    end.finish()
                }
            }
        }
    }

    deinit {
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }

    /// The next connection.
    func connection() async throws -> Connection {
        for await connection in accepted { return connection }
        throw CancellationError() // nobody ends it
    }

    /// Writes; false once the client has closed.
    static func write(_ bytes: [UInt8], to socket: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, 0) }
            if sent <= 0 { return false }
            rest = rest.dropFirst(sent)
        }
        return true
    }

    /// The head and the body of the request that began with `received`; of its bodies those that have a length.
    static func request(_ received: [UInt8], _ socket: Int32) -> (head: String, body: Data) {
        var bytes = received
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = String(text[..<end.lowerBound])
                let length = head.lowercased().range(of: "\r\ncontent-length: ").map { found in
                    Int(head[found.upperBound...].prefix { $0.isNumber }) ?? 0
                }
                let body = bytes.dropFirst(head.utf8.count + 4)
                if body.count >= length ?? 0 { return (head, Data(body)) }
            }
            var more = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(socket, &more, more.count, 0)
            precondition(count > 0, "a whole request comes")
            bytes += more[..<count]
        }
    }

    /// A port on which nobody listens.
    static func unusedPort() -> UInt16 {
        let socket = listening()
        defer { close(socket) }
        return port(socket)
    }
}

private func listening() -> Int32 {
    #if canImport(Darwin)
    let stream = SOCK_STREAM
    #else
    let stream = Int32(SOCK_STREAM.rawValue)
    #endif
    let socket = socket(AF_INET, stream, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafePointer(to: &address) { address in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, size) }
    }
    precondition(isBound == 0 && listen(socket, 64) == 0, "a port is free")
    return socket
}

private func port(_ socket: Int32) -> UInt16 {
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { address in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket, $0, &size) }
    }
    return UInt16(bigEndian: address.sin_port)
}
