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

/// What errors of the operating system and of NIO say about a peer: by their numbers and types, never by their texts.
enum SystemFailure {
    static func failureClass(errno code: Int32) -> FailureClass {
        switch code {
        case ECONNREFUSED: .refused
        case ECONNRESET, EPIPE, ECONNABORTED, ENOTCONN, ESHUTDOWN: .reset
        case EHOSTUNREACH, EHOSTDOWN: .unreachable
        case ETIMEDOUT: .timeout
        // Our descriptors, buffers and uplink. A firewall rule of our own machine answers EPERM or EACCES.
        default: .local
        }
    }

    static func failureClass(resolving code: Int32) -> FailureClass {
        switch code {
        case EAI_AGAIN, EAI_MEMORY, EAI_SYSTEM: .local
        default: .unreachable
        }
    }

    static func text(errno code: Int32) -> String { String(cString: strerror(code)) }

    static func text(resolving code: Int32) -> String { String(cString: gai_strerror(code)) }

    /// Whether the machine has no way to addresses of a family, as opposed to its uplink being down.
    static func isMissingRoute(errno code: Int32) -> Bool {
        code == ENETUNREACH || code == EADDRNOTAVAIL || code == EAFNOSUPPORT
    }
}

extension ConnectionError.Reason {
    /// The reason behind an error that NIO threw.
    init(_ error: any Error) {
        switch error {
        case let error as ConnectionError: self = error.reason
        case let error as IOError: self = .system(error.errnoCode)
        case let error as ChannelError:
            switch error {
            case .connectTimeout: self = .timedOut
            case .writeHostUnreachable: self = .system(EHOSTUNREACH)
            case .ioOnClosedChannel, .alreadyClosed, .outputClosed, .inputClosed, .eof: self = .closedByPeer
            default: self = .system(EINVAL)
            }
        case let error as NIOConnectionError:
            // Of several endpoints the last one's word counts.
            self = error.connectionErrors.last.map { Self($0.error) } ?? .unresolved(EAI_NONAME)
        case is EventLoopError: self = .shutDown
        case is CancellationError: self = .cancelled
        default: self = .system(EINVAL)
        }
    }
}
