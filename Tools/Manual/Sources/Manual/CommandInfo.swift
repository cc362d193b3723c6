/// What `kadstore --experimental-dump-help` says of a command, as far as a manual page needs it.
struct CommandInfo: Decodable {
    struct Dump: Decodable {
        /// The version of the layout that is read here.
        static let layout = 0

        var serializationVersion: Int
        var command: CommandInfo
    }

    struct Argument: Decodable {
        enum Kind: String, Decodable {
            case positional, option, flag
        }

        struct Name: Decodable {
            var kind: String
            var name: String

            var text: String { (kind == "long" ? "--" : "-") + name }
        }

        var kind: Kind
        var names: [Name]?
        var valueName: String?
        var sectionTitle: String?
        var abstract: String?
        var discussion: String?
        var defaultValue: String?
        var allValues: [String]?
        var isOptional: Bool
        var isRepeating: Bool
        var shouldDisplay: Bool
    }

    var commandName: String
    var superCommands: [String]?
    var abstract: String?
    var discussion: String?
    var arguments: [Argument]?
    var subcommands: [CommandInfo]?
    var shouldDisplay: Bool

    private var words: [String] { (superCommands ?? []) + [commandName] }

    /// As it is typed.
    var invocation: String { words.joined(separator: " ") }
    /// As `man` finds it.
    var pageName: String { words.joined(separator: "-") }

    var isRoot: Bool { (superCommands ?? []).isEmpty }
    var shownArguments: [Argument] { (arguments ?? []).filter(\.shouldDisplay) }

    /// The subcommands that have pages. `help` shows the same as these.
    var shownSubcommands: [CommandInfo] {
        (subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }
    }

    /// The command and all below it.
    var all: [CommandInfo] { [self] + shownSubcommands.flatMap(\.all) }
}
