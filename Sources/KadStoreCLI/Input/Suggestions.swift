import KadExchange
import KadNode
import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a person may have meant by a name that nothing has.
enum Suggestions {
    /// The most that are made of one name.
    static let maximumCount = 3
    /// The most names that are compared, and the most bytes of one: whatever a folder holds, the answer comes at once.
    private static let maximumNames = 4_096
    private static let maximumBytes = 255

    /// The names that are a slip or two away, the nearest first.
    static func names(like wanted: String, among names: some Sequence<String>) -> [String] {
        let wanted = Array(wanted.lowercased().utf8)
        guard (1...maximumBytes).contains(wanted.count) else { return [] }
        // A third of a short name may be wrong before it is another.
        let limit = max(1, min(3, wanted.count / 3))
        let near = names.prefix(maximumNames).compactMap { name -> (distance: Int, name: String)? in
            let distance = distance(wanted, Array(name.lowercased().utf8), atMost: limit)
            return distance.map { ($0, name) }
        }
        return near.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(maximumCount).map(\.name)
    }

    /// How many letters must be put in, taken out, replaced, or swapped with the next (optimal string alignment); nil when
    /// more than `limit`.
    ///
    /// - Complexity: O(n * m), and O(1) when the lengths differ by more than the limit.
    static func distance(_ left: [UInt8], _ right: [UInt8], atMost limit: Int) -> Int? {
        guard abs(left.count - right.count) <= limit, right.count <= maximumBytes else { return nil }
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1]
            for column in 0..<right.count {
                let isSame = left[row] == right[column]
                var cost = min(last[column] + (isSame ? 0 : 1), last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            guard (current.min() ?? 0) <= limit else { return nil }
            (beforeLast, last) = (last, current)
        }
        return last[right.count] <= limit ? last[right.count] : nil
    }

    /// Files of the same folder whose names are like that of `path`, written as `path` is.
    static func files(like path: String) -> [String] {
        let cut = path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex
        let folder = String(path[..<cut])
        let present = FileStatus.names(in: folder.isEmpty ? "." : folder, limit: maximumNames).filter { name in
            // The name itself is there when it is a link that leads nowhere.
            name != path[cut...] && !["-wal", "-shm", "-journal", "-lock"].contains { name.hasSuffix($0) }
        }
        return names(like: String(path[cut...]), among: present).map { folder + $0 }
    }

    /// Stores that `path` may have been meant to be: those with names like it, then the one that is used where none is
    /// named.
    static func stores(like path: String) -> [String] {
        let usual = [Environment.value(of: "KADSTORE_DB"), "peers.db"].compactMap(\.self)
        var found = files(like: path)
        for store in usual where store != path && FileStatus.exists(store) && !found.contains(store) {
            found.append(store)
        }
        return found
    }
}

extension CommandError {
    /// An error as a person should hear of it: of what is not there, with what may have been meant.
    static func suggesting(for error: any Error) -> any Error {
        let suggestions: [String]
        switch error {
        case StoreError.notFound(let path), ExchangeError.store(.notFound(let path)):
            suggestions = Suggestions.stores(like: path)
        case ExchangeError.system(_, let name, ENOENT): suggestions = Suggestions.files(like: name)
        case ContentError.refused(.unknownNamespace(let name?)):
            return CommandError.usage(
                "values under /\(name)/ cannot be judged: --accept \(name) takes them as they come.")
        default: return error
        }
        guard !suggestions.isEmpty else { return error }
        return CommandError.notThere("\(error)", suggestions: suggestions, status: ExitStatus(error))
    }
}
