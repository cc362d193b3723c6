/// The numbered SQL files of this folder, embedded in the binary.
///
/// File names start with a letter, because the embedder replaces a leading digit. The list is explicit; a test compares
/// it with the folder.
public struct Migration: Sendable {
    /// The schema version that the file leads to.
    public let version: Int
    /// The file's name without its extension.
    public let name: String
    /// The file's bytes.
    public let sql: [UInt8]
    /// Whether it changes rows that are there, rather than adding tables and columns beside them: then a backup is made
    /// first, and nobody is upgraded unasked.
    public var rewritesData = false

    /// Every migration, oldest first, without gaps.
    public static let all = [
        Migration(version: 1, name: "V0001_store", sql: PackageResources.V0001_store_sql),
        Migration(version: 2, name: "V0002_engine", sql: PackageResources.V0002_engine_sql),
        Migration(version: 3, name: "V0003_values", sql: PackageResources.V0003_values_sql),
        Migration(version: 4, name: "V0004_seals", sql: PackageResources.V0004_seals_sql),
    ]
}
