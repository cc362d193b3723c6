import ArgumentParser

/// Where metrics are served: `PORT` on loopback, `ADDRESS:PORT`, `[IPv6]:PORT`. Port 0 lets the system choose.
struct MetricsAddress: Hashable, Sendable, ExpressibleByArgument {
    let host: String
    let port: Int

    init?(argument: String) {
        let digits: Substring
        if let colon = argument.lastIndex(of: ":") {
            let host = argument[..<colon]
            digits = argument[argument.index(after: colon)...]
            if host.hasPrefix("["), host.hasSuffix("]") {
                self.host = String(host.dropFirst().dropLast())
            } else {
                // Which colon of an IPv6 address ends it, brackets say.
                guard !host.contains(":") else { return nil }
                self.host = host.isEmpty ? "127.0.0.1" : String(host)
            }
        } else {
            host = "127.0.0.1"
            digits = argument[...]
        }
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits), !host.isEmpty
        else { return nil }
        self.port = Int(port)
    }

    var defaultValueDescription: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
