import Kademlia
import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Names to addresses, by the system's resolver on a thread that may block.
enum NameResolution {
    /// The most addresses of a name that are dialled.
    static let addressLimit = 4

    /// Resolves a name. A resolver cannot be interrupted: when the task is cancelled or the time is up, its answer is dropped.
    ///
    /// - Throws: ``ConnectionError``; a resolver that takes too long counts as one that asks to be tried again.
    static func addresses(
        of name: String, _ family: Endpoint.Family?, within limit: Duration, on loop: any EventLoop
    ) async throws(ConnectionError) -> [IPAddress] {
        let answer = OneShot<[IPAddress]>()
        let timer = loop.scheduleTask(in: TimeAmount(limit)) {
            _ = answer.complete(.failure(ConnectionError(.unresolved(EAI_AGAIN))))
        }
        defer { timer.cancel() }
        NIOThreadPool.singleton.submit { state in
            // Threads are few, and others may name us hosts whose servers are silent: nothing is asked that nobody waits for.
            guard !answer.isDone else { return }
            answer.complete(state == .active ? resolve(name, family) : .failure(ConnectionError(.shutDown)))
        }
        return try await answer.value()
    }

    private static func resolve(_ name: String, _ family: Endpoint.Family?) -> Result<[IPAddress], ConnectionError> {
        var hints = addrinfo()
        hints.ai_family =
            switch family {
            case .v4: AF_INET
            case .v6: AF_INET6
            case nil: AF_UNSPEC
            }
        #if canImport(Glibc)
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
        hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name, nil, &hints, &list)
        guard code == 0 else { return .failure(ConnectionError(.unresolved(code))) }
        defer { freeaddrinfo(list) }
        var found: [IPAddress] = []
        var next = list
        while let entry = next, found.count < addressLimit {
            if let ip = entry.pointee.ip, !found.contains(ip) { found.append(ip) }
            next = entry.pointee.ai_next
        }
        return found.isEmpty ? .failure(ConnectionError(.unresolved(EAI_NONAME))) : .success(found)
    }
}

extension addrinfo {
    fileprivate var ip: IPAddress? {
        guard let address = ai_addr else { return nil }
        switch ai_family {
        case AF_INET where Int(ai_addrlen) >= MemoryLayout<sockaddr_in>.size:
            return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                withUnsafeBytes(of: address.pointee.sin_addr) { IPAddress(bytes: Array($0)) }
            }
        case AF_INET6 where Int(ai_addrlen) >= MemoryLayout<sockaddr_in6>.size:
            return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                withUnsafeBytes(of: address.pointee.sin6_addr) { IPAddress(bytes: Array($0)) }
            }
        default: return nil
        }
    }
}
