import Dispatch
import KadStore
import Kademlia
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a live view waits for.
enum WatchEvent: Sendable {
    case tick
    case key(WatchKey)
    case signal(Int32)
    /// The terminal has gone.
    case hangup
    /// A count over the whole store is done, of the file that was opened as the given one; nil when it failed.
    case counted(Statistics?, generation: Int, milliseconds: Int64)
}

/// A key that means something.
enum WatchKey: Sendable, Equatable {
    case quit, pause, help, next, previous, up, down, other

    /// The keys that bytes of a terminal stand for.
    static func keys(_ bytes: [UInt8]) -> [WatchKey] {
        var keys: [WatchKey] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            guard byte == 0x1b, let second = rest.first, second == UInt8(ascii: "[") || second == UInt8(ascii: "O")
            else {
                keys.append(key(byte))
                continue
            }
            rest.removeFirst()
            // Parameters, then the one byte that ends the sequence.
            while let parameter = rest.first, (0x20..<0x40).contains(parameter) { rest.removeFirst() }
            keys.append(arrow(rest.popFirst()))
        }
        return keys
    }

    private static func key(_ byte: UInt8) -> WatchKey {
        switch byte {
        // Ctrl-C and Ctrl-D, should the terminal hand them on.
        case UInt8(ascii: "q"), UInt8(ascii: "Q"), 0x03, 0x04: .quit
        case UInt8(ascii: "p"), UInt8(ascii: "P"), UInt8(ascii: " "): .pause
        case UInt8(ascii: "?"), UInt8(ascii: "h"): .help
        case UInt8(ascii: "\t"), UInt8(ascii: "l"): .next
        case UInt8(ascii: "k"): .up
        case UInt8(ascii: "j"): .down
        default: .other
        }
    }

    private static func arrow(_ byte: UInt8?) -> WatchKey {
        switch byte {
        case UInt8(ascii: "A"): .up
        case UInt8(ascii: "B"): .down
        case UInt8(ascii: "C"): .next
        case UInt8(ascii: "D"), UInt8(ascii: "Z"): .previous
        default: .other
        }
    }
}

private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}

/// Where signals are written to, one byte each: a handler may do little else.
private let signalPipe = Atomic<Int32>(-1)

private func passOn(_ number: Int32) {
    // What the handler breaks into may be about to look at errno.
    let saved = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(signalPipe.load(ordering: .relaxed), &byte, 1)
    errno = saved
}

/// Keys, signals and the passing of time as one stream.
final class WatchEvents: Sendable {
    let stream: AsyncStream<WatchEvent>
    private let continuation: AsyncStream<WatchEvent>.Continuation
    private let signals: [Int32]

    /// - Parameters:
    ///   - signals: those that become events.
    ///   - hasKeys: whether standard input is a terminal whose keys are wanted.
    init(signals: [Int32], hasKeys: Bool) throws(CommandError) {
        (stream, continuation) = AsyncStream.makeStream(of: WatchEvent.self)
        self.signals = signals
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .output(code: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        signalPipe.store(ends[1], ordering: .relaxed)
        for number in signals { signal(number, passOn) }
        Self.read(from: ends[0]) { [continuation] bytes in
            for byte in bytes { continuation.yield(.signal(Int32(byte))) }
        }
        guard hasKeys else { return }
        Self.read(from: STDIN_FILENO) { [continuation] bytes in
            if bytes.isEmpty { continuation.yield(.hangup) }
            for key in WatchKey.keys(bytes) { continuation.yield(.key(key)) }
        }
    }

    /// Reads for as long as the process lives, on a thread that does nothing else.
    ///
    /// - Parameter body: is given what there is; nothing, once, when there will be no more.
    private static func read(from descriptor: Int32, _ body: @escaping @Sendable ([UInt8]) -> Void) {
        DispatchQueue(label: "kadstore.watch.\(descriptor)").async {
            var bytes = [UInt8](repeating: 0, count: 256)
            while true {
                let count = bytes.withUnsafeMutableBytes { systemRead(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                body(Array(bytes.prefix(max(0, count))))
                guard count > 0 else { return }
            }
        }
    }

    func yield(_ event: WatchEvent) { continuation.yield(event) }

    /// A tick in a while.
    func tick(afterMilliseconds milliseconds: Int64) {
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Int(clamping: milliseconds))) {
            [continuation] in continuation.yield(.tick)
        }
    }

    /// Stops as Ctrl-Z does everywhere; returns when the process goes on.
    func suspend() {
        signal(SIGTSTP, SIG_DFL)
        // The threads that tasks run on block signals; and nothing may be done before the process has stopped.
        var stop = sigset_t()
        var before = sigset_t()
        sigemptyset(&stop)
        sigaddset(&stop, SIGTSTP)
        pthread_sigmask(SIG_UNBLOCK, &stop, &before)
        raise(SIGTSTP)
        pthread_sigmask(SIG_SETMASK, &before, nil)
        signal(SIGTSTP, passOn)
    }

    func end() {
        for number in signals { signal(number, SIG_DFL) }
        continuation.finish()
    }
}
