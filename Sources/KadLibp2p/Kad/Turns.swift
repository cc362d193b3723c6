import Multiformats
import Synchronization

/// Limits how much goes on with one peer at a time: who comes when all turns are taken waits for one, first come, first served.
final class Turns: Sendable {
    private struct Waiter {
        let number: UInt64
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var taken: [PeerID: Int] = [:]
        var waiting: [PeerID: [Waiter]] = [:]
        var last: UInt64 = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = max(1, limit) }

    /// Takes a turn, to be given back with ``giveBack(_:)``.
    ///
    /// - Returns: false, with no turn taken, when the task was cancelled while it waited.
    func take(_ peer: PeerID) async -> Bool {
        let number = state.withLock { state in
            state.last &+= 1
            return state.last
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isGranted: Bool? = state.withLock { state in
                    // Cancelled before it began to wait: ``cancel(_:_:)`` has found nobody.
                    if Task.isCancelled { return false }
                    guard state.taken[peer, default: 0] >= limit else {
                        state.taken[peer, default: 0] += 1
                        return true
                    }
                    state.waiting[peer, default: []].append(Waiter(number: number, continuation: continuation))
                    return nil
                }
                if let isGranted { continuation.resume(returning: isGranted) }
            }
        } onCancel: {
            cancel(number, peer)
        }
    }

    /// Gives a turn back: to the one who has waited longest, if anyone waits.
    func giveBack(_ peer: PeerID) {
        let next = state.withLock { state -> Waiter? in
            if let next = state.waiting[peer]?.first {
                state.waiting[peer]?.removeFirst()
                if state.waiting[peer]?.isEmpty == true { state.waiting[peer] = nil }
                return next
            }
            let left = state.taken[peer, default: 0] - 1
            state.taken[peer] = left > 0 ? left : nil
            return nil
        }
        next?.continuation.resume(returning: true)
    }

    private func cancel(_ number: UInt64, _ peer: PeerID) {
        let waiter = state.withLock { state -> Waiter? in
            guard let position = state.waiting[peer]?.firstIndex(where: { $0.number == number }) else {
                return nil
            }
            let waiter = state.waiting[peer]?.remove(at: position)
            if state.waiting[peer]?.isEmpty == true { state.waiting[peer] = nil }
            return waiter
        }
        waiter?.continuation.resume(returning: false)
    }
}
