import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// `URLSession`, with the system's proxy, certificates and radio. Nothing is cached, no cookie is kept.
public struct URLSessionTransport: Transport {
    /// One session for every vault of the process.
    public static let shared = URLSessionTransport()

    /// For this machine alone: a proxy would see what it sends in clear.
    static let direct: URLSessionTransport = {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.connectionProxyDictionary = [:]
        return URLSessionTransport(configuration)
    }()

    private let exchanges = Exchanges()
    private let session: URLSession

    /// A session by a configuration of the application's own; its cache and cookies are set aside.
    public init(_ configuration: URLSessionConfiguration = .ephemeral) {
        configuration.urlCache = nil
        configuration.httpCookieStorage = nil
        configuration.requestCachePolicy = .reloadIgnoringLocalCacheData
        configuration.httpMaximumConnectionsPerHost = 64 // the engine says how many requests there are at once
        session = URLSession(configuration: configuration, delegate: exchanges, delegateQueue: nil)
    }

    public func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        guard let url = URL(string: request.url) else { throw URLError(.badURL) }
        var sending = URLRequest(url: url)
        sending.httpMethod = request.method
        sending.timeoutInterval = 3_600 // the engine has its own deadlines, and aborts
        for header in request.headers { sending.setValue(header.value, forHTTPHeaderField: header.name) }
        if !request.body.isEmpty {
            sending.httpBody = request.body
            if sending.value(forHTTPHeaderField: "Content-Type") == nil { // else URLSession calls it a form
                sending.setValue("application/octet-stream", forHTTPHeaderField: "Content-Type")
            }
        }
        let task = session.dataTask(with: sending)
        let exchanges = exchanges
        do {
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { caller in
                    exchanges.begin(task, limit: request.maxResponseBytes, caller)
                    task.resume()
                }
            } onCancel: {
                task.cancel()
            }
        } catch let error as URLError where error.code == .cancelled {
            throw CancellationError()
        }
    }
}

/// What comes back for the tasks of a session, each body up to its limit.
private final class Exchanges: NSObject, URLSessionDataDelegate {
    private struct Exchange {
        let limit: Int
        let caller: CheckedContinuation<HTTPResponse, any Error>
        var body = Data()
        var isTooLong = false
    }

    private let exchanges = Locked<[Int: Exchange]>([:])

    func begin(_ task: URLSessionTask, limit: Int, _ caller: CheckedContinuation<HTTPResponse, any Error>) {
        exchanges.withLock { $0[task.taskIdentifier] = Exchange(limit: limit, caller: caller) }
    }

    func urlSession(_ session: URLSession, dataTask task: URLSessionDataTask, didReceive data: Data) {
        let fits = exchanges.withLock { exchanges in
            guard var exchange = exchanges.removeValue(forKey: task.taskIdentifier) else { return true }
            defer { exchanges[task.taskIdentifier] = exchange }
            exchange.isTooLong = exchange.isTooLong || data.count > exchange.limit - exchange.body.count
            if !exchange.isTooLong { exchange.body.append(data) }
            return !exchange.isTooLong
        }
        if !fits { task.cancel() }
    }

    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest,
        completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        completionHandler(nil) // the engine is told of redirects
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        guard let exchange = exchanges.withLock({ $0.removeValue(forKey: task.taskIdentifier) }) else { return }
        if exchange.isTooLong {
            exchange.caller.resume(throwing: ResponseTooLong())
        } else if let error {
            exchange.caller.resume(throwing: error)
        } else if let response = task.response as? HTTPURLResponse {
            let headers = response.allHeaderFields.compactMap { name, value in
                (name as? String).map { Header(name: $0, value: "\(value)") }
            }
            exchange.caller.resume(returning: HTTPResponse(status: response.statusCode, headers: headers, body: exchange.body))
        } else {
            exchange.caller.resume(throwing: URLError(.badServerResponse))
        }
    }
}
