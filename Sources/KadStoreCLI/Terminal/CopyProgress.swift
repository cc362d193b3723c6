import KadStore

/// How far a copy of a store is: first its pages, then the check of its rows.
struct CopyProgress: Sendable {
    private let copying: Progress
    private let verifying: Progress

    init(_ label: String) {
        copying = Progress(label, unit: "pages")
        verifying = Progress("Checking the copy", unit: "peers")
    }

    func update(_ progress: BackupProgress) {
        switch progress {
        case .copying(let pages, let total): copying.update(pages, fraction: Double(pages) / Double(max(1, total)))
        case .verifying(let peers):
            copying.finish()
            verifying.update(peers)
        }
    }

    func finish() {
        copying.finish()
        verifying.finish()
    }
}
