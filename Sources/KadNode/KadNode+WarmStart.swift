/// Who waits for the end of the warm start.
struct Warmth {
    private(set) var isWarm = false
    private var waiting: [Int: CheckedContinuation<Bool, Never>] = [:]
    private var last = 0

    mutating func nextNumber() -> Int {
        last += 1
        return last
    }

    mutating func wait(_ number: Int, _ continuation: CheckedContinuation<Bool, Never>) {
        waiting[number] = continuation
    }

    mutating func giveUp(_ number: Int) { waiting.removeValue(forKey: number)?.resume(returning: false) }

    mutating func end(isWarm: Bool) {
        if isWarm { self.isWarm = true }
        for continuation in waiting.values { continuation.resume(returning: isWarm) }
        waiting = [:]
    }
}

extension KadNode {
    /// Waits until the warm start is over: everybody remembered who was to be asked has answered or has failed. Lookups need
    /// not wait for it.
    ///
    /// - Returns: false when the node has ended, or the task was cancelled, before.
    public func untilWarm() async -> Bool {
        if warmth.isWarm { return true }
        guard phase != .stopped else { return false }
        let number = warmth.nextNumber()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { return continuation.resume(returning: false) }
                warmth.wait(number, continuation)
            }
        } onCancel: {
            Task { await self.giveUpWarmth(number) }
        }
    }

    private func giveUpWarmth(_ number: Int) { warmth.giveUp(number) }
}
