import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#endif

/// A page by plain HTTP from this machine.
enum WebPage {
    struct Fault: Error { let text: String }

    /// - Parameter url: `http://127.0.0.1:PORT/…`
    /// - Returns: what follows the head of an answer of status 200.
    static func text(_ url: String) throws -> String {
        let parts = try #require(URL(string: url))
        let port = try #require(parts.port.flatMap { UInt16(exactly: $0) })
        let descriptor = try connection(to: port)
        defer { close(descriptor) }
        let request = Array("GET \(parts.path) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        guard write(descriptor, request, request.count) == request.count else { throw Fault(text: "not written") }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            answer += buffer.prefix(count)
        }
        let text = String(decoding: answer, as: UTF8.self)
        guard text.hasPrefix("HTTP/1.1 200 "), let end = text.range(of: "\r\n\r\n") else { throw Fault(text: text) }
        return String(text[end.upperBound...])
    }

    /// A connection to a port of this machine.
    static func connection(to port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            close(descriptor)
            throw Fault(text: "nobody listens at \(port)")
        }
        return descriptor
    }

    /// The samples of a page of metrics, by name and labels.
    static func metrics(_ url: String) throws -> [String: Double] {
        var samples: [String: Double] = [:]
        for line in try text(url).split(separator: "\n") where !line.hasPrefix("#") {
            let cut = try #require(line.lastIndex(of: " "))
            samples[String(line[..<cut])] = Double(line[line.index(after: cut)...])
        }
        return samples
    }
}
