import CFaultVFS
import CSQLite

/// The moment of a checkpoint in which a commit does harm, before SQLite 3.51.3: see `checkpointwindow.h`.
package enum CheckpointWindow {
    private final class Meeting {
        let body: () -> Void

        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// Runs a checkpoint of the connection that has `file` open, and `meeting` in that moment of it.
    ///
    /// - Returns: whether the moment came.
    package static func with(
        _ file: UnsafeMutablePointer<sqlite3_file>, _ meeting: @escaping () -> Void, checkpoint: () throws -> Void
    ) throws -> Bool {
        let met = Meeting(meeting)
        let window = checkpoint_window_open(
            file, { context in context.map { Unmanaged<Meeting>.fromOpaque($0).takeUnretainedValue().body() } },
            Unmanaged.passUnretained(met).toOpaque())
        guard let window else { return false }
        do {
            try withExtendedLifetime(met) { try checkpoint() }
        } catch {
            _ = checkpoint_window_close(window)
            throw error
        }
        return checkpoint_window_close(window) == 1
    }
}
