#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Writes the manual pages of a command and of all below it into a folder:
///
///     kadstore --experimental-dump-help | Manual FOLDER VERSION DATE
///
/// The plugin of swift-argument-parser says of every command that its status is "0 on success, and >0 if an error occurs", fills
/// tables and examples like prose, and calls the pages `kadstore.import`, where nobody looks for them.
@main
enum Manual {
    enum Fault: Error, CustomStringConvertible {
        case usage
        case layout(found: Int)

        var description: String {
            switch self {
            case .usage: "usage: Manual FOLDER VERSION DATE < DUMP"
            case .layout(let found):
                "the help is dumped in layout \(found), and layout \(CommandInfo.Dump.layout) is understood here"
            }
        }
    }

    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4 else { throw Fault.usage }
        let folder = URL(filePath: arguments[1])
        var input = ""
        while let line = readLine(strippingNewline: false) { input += line }
        let dump = try JSONDecoder().decode(CommandInfo.Dump.self, from: Data(input.utf8))
        guard dump.serializationVersion == CommandInfo.Dump.layout else {
            throw Fault.layout(found: dump.serializationVersion)
        }
        let root = dump.command
        for command in root.all {
            let others = command.isRoot ? command.shownSubcommands : [root] + command.shownSubcommands
            let page = Page(
                command: command, program: "\(root.commandName) \(arguments[2])", date: arguments[3],
                related: others.map(\.pageName))
            try Data(page.text.utf8).write(to: folder.appending(path: command.pageName + ".1"))
        }
    }
}
