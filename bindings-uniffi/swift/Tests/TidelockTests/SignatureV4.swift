import Foundation
import Tidelock

/// What an application's backend does: AWS's signature version 4 in the URL, for five minutes.
func presigned(_ request: UnsignedRequest, _ server: Server) -> SignedURL {
    let date = DateFormatter()
    date.locale = Locale(identifier: "en_US_POSIX")
    date.timeZone = TimeZone(identifier: "UTC")
    date.dateFormat = "yyyyMMdd'T'HHmmss'Z'"
    let time = date.string(from: Date())
    let scope = "\(time.prefix(8))/us-east-1/s3/aws4_request"
    let url = URLComponents(string: request.url)!
    let host = Header(name: "host", value: url.host! + (url.port.map { ":\($0)" } ?? ""))
    let headers = (request.headers + [host]).map { ($0.name.lowercased(), $0.value) }.sorted { $0.0 < $1.0 }
    let names = headers.map(\.0).joined(separator: ";")
    let signature = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", "\(server.accessKey)/\(scope)"),
        ("X-Amz-Date", time), ("X-Amz-Expires", "300"), ("X-Amz-SignedHeaders", names),
    ]
    let parameters = (request.query.map { ($0.name, $0.value) } + signature)
        .map { (encoded($0), encoded($1)) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        .map { "\($0)=\($1)" }.joined(separator: "&")
    let lines = headers.map { "\($0):\($1)\n" }.joined()
    let canonical = [request.method, url.percentEncodedPath, parameters, lines, names, "UNSIGNED-PAYLOAD"]
        .joined(separator: "\n")
    let text = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(hex(sha256(Array(canonical.utf8))))"
    let key = scope.split(separator: "/").reduce(Array("AWS4\(server.secretKey)".utf8)) { hmac($0, Array($1.utf8)) }
    let bare = request.url.prefix { $0 != "?" }
    return SignedURL("\(bare)?\(parameters)&X-Amz-Signature=\(hex(hmac(key, Array(text.utf8))))", expires: .seconds(300))
}

private func encoded(_ text: String) -> String {
    let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
    return text.utf8.map { plain.contains($0) ? String(UnicodeScalar($0)) : "%" + hex([$0]).uppercased() }.joined()
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// RFC 2104.
func hmac(_ key: [UInt8], _ text: [UInt8]) -> [UInt8] {
    let key = key.count > 64 ? sha256(key) : key
    let block = key + [UInt8](repeating: 0, count: 64 - key.count)
    return sha256(block.map { $0 ^ 0x5C } + sha256(block.map { $0 ^ 0x36 } + text))
}

/// FIPS 180-4. Its constants are the first 32 bits of the fractions of the primes' square and cube roots.
func sha256(_ message: [UInt8]) -> [UInt8] {
    let primes = (2...311).filter { number in (2..<number).allSatisfy { number % $0 != 0 } }
    func fraction(_ root: Double) -> UInt32 { UInt32((root - root.rounded(.down)) * 4_294_967_296) }
    let k = primes.map { fraction(cbrt(Double($0))) }
    var hash = primes.prefix(8).map { fraction(Double($0).squareRoot()) }
    func rotated(_ word: UInt32, _ bits: UInt32) -> UInt32 { word >> bits | word << (32 - bits) }

    var padded = message + [0x80]
    padded += [UInt8](repeating: 0, count: (120 - padded.count % 64) % 64)
    padded += (0..<8).map { UInt8(truncatingIfNeeded: (message.count * 8) >> (56 - 8 * $0)) }
    for block in stride(from: 0, to: padded.count, by: 64) {
        var w = (0..<16).map { word in (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(padded[block + 4 * word + $1]) } }
        for i in 16..<64 {
            let s0 = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ w[i - 15] >> 3
            let s1 = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10
            w.append(w[i - 16] &+ s0 &+ w[i - 7] &+ s1)
        }
        var s = hash
        for i in 0..<64 {
            let s1 = rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)
            let choice = s[4] & s[5] ^ ~s[4] & s[6]
            let first = s[7] &+ s1 &+ choice &+ k[i] &+ w[i]
            let s0 = rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)
            let majority = s[0] & s[1] ^ s[0] & s[2] ^ s[1] & s[2]
            s = [first &+ s0 &+ majority, s[0], s[1], s[2], s[3] &+ first, s[4], s[5], s[6]]
        }
        hash = zip(hash, s).map { $0 &+ $1 }
    }
    return hash.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) } }
}
