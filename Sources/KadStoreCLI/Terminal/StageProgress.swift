/// At which stage a long job is whose stages take long: on a terminal its last line, elsewhere a line each.
struct StageProgress: Sendable {
    let label: String
    let terminal = Terminal.standardError

    init(_ label: String) { self.label = label }

    func update(_ stage: String) {
        let text = "\(label): \(stage)"
        if terminal.isInteractive {
            Messages.raw("\r\u{1b}[K" + terminal.shorten(text, to: (terminal.width ?? 80) - 1))
        } else {
            Messages.note(text)
        }
    }

    /// Takes the line away: what comes next is the result.
    func finish() {
        if terminal.isInteractive { Messages.raw("\r\u{1b}[K") }
    }
}
