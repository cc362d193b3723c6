import Kademlia

/// One run of a salvage.
struct Salvaging {
    let path: String
    let options: SalvageOptions
    let cancellation: Cancellation

    func run() throws -> SalvageReport {
        var report = SalvageReport(path: path)
        try Opened.requireRegularFile(path)
        // Told before SQLite has a look, which makes an index of the log.
        report.log = DamagedLog(of: path).state
        // SQLite may tell of a thousand pages.
        report.problem = try problem(&report)?.split(separator: "\n").prefix(2).joined(separator: " ")
        guard report.problem != nil else { return report }
        if let output = options.output, !options.isDryRun {
            let target = try BackupFile(output, replacing: false, database: path)
            let file = try DamagedFile(path, waitMilliseconds: options.waitMilliseconds)
            try salvage(file, to: target.temporary, &report)
            try target.commit()
            report.output = output
            report.outcome = .salvaged
            return report
        }
        if options.isDryRun {
            let file = try DamagedFile(path, waitMilliseconds: options.waitMilliseconds)
            let staged = try TemporaryStore.elsewhere()
            try salvage(file, to: staged.path, &report)
            report.outcome = .salvageable
            return report
        }
        let lock = try WriteLock(database: path)
        try lock.withLock(waitMilliseconds: options.waitMilliseconds) { try salvageInPlace(&report) }
        return report
    }

    private func salvageInPlace(_ report: inout SalvageReport) throws {
        var file: DamagedFile? = try DamagedFile(path, waitMilliseconds: options.waitMilliseconds)
        let staged = try TemporaryStore(beside: path)
        if let held = file {
            guard !held.isReadOnly else { throw StoreError.readOnly(path: path) }
            let pageBytes = try salvage(held, to: staged.path, &report)
            report.kept = try KeptDamage.keep(held, at: options.now().milliseconds, cancellation)
            guard try held.mendPageBytes(pageBytes) else { return try replace(held, by: staged.path, &report) }
        }
        file = nil
        try replace(
            DamagedFile(path, waitMilliseconds: options.waitMilliseconds), by: staged.path, &report)
    }

    private func replace(_ file: DamagedFile, by staged: String, _ report: inout SalvageReport) throws {
        let source = try Connection(path: staged, access: .readWrite)
        try file.replace(by: source) { done, total in
            // The last step has committed: what is done is done.
            if done < total { try cancellation.check() }
            options.onProgress?(.copying(pages: done, of: total))
        }
        report.output = path
        report.outcome = .salvaged
    }

    // MARK: Whether anything is wrong

    /// What a check says of the file; nil when it is sound.
    private func problem(_ report: inout SalvageReport) throws -> String? {
        do {
            try Opened.requireFile(path)
            let connection = try open()
            var found = try StoreCopy.verify(connection, as: path, cancellation, progress: options.onProgress)
            report.schema = found.version
            if found.version < Migrator.latest { found = try verifyUpgraded(connection) }
            report.network = found.header?.network
            report.scope = found.header?.scope
            report.peers = found.counts.peers
            return options.looksBehindLog ? report.log.problem : nil
        } catch let fault as CopyFault {
            throw fault.error
        } catch {
            switch StoreError.of(error, path: path) {
            case .unsound(_, _, let first): return first
            case .corrupt(_, let detail): return detail
            // A program that somebody put there, or a flipped bit: rows are read without either.
            case .foreignSchema(_, let detail): return detail
            case .foreignMigration(_, let version, _): return "schema change \(version) is not as it was recorded"
            // Perhaps of ours all the same: what is in it tells.
            case .notAStore(_, let reason) where fileSize(path) > 0: return reason
            case .newerSchema(_, let found, _): return "it says to have schema \(found)"
            case .sqlite(_, let error) where error.code == 10: return error.message
            case let error: throw error
            }
        }
    }

    /// Of an older schema only what SQLite sees is checked where it lies: the rows are read in a copy that is upgraded.
    private func verifyUpgraded(
        _ connection: Connection
    ) throws -> (version: Int, header: FileHeader?, counts: TableCounts) {
        let copy = try options.isDryRun ? .elsewhere() : TemporaryStore(beside: options.output ?? path)
        do {
            _ = try StoreCopy.write(
                connection, to: copy.path, isCounting: false, cancellation, progress: options.onProgress)
            try upgrade(copy.path)
        } catch {
            throw (CopyFault(StoreError.of(error, path: copy.path)) as (any Error)?) ?? error
        }
        return try StoreCopy.verify(copy.path, as: path, cancellation, progress: options.onProgress)
    }

    /// What a copy met where it lies: no word of the file, all of which has just been read.
    private struct CopyFault: Error {
        let error: StoreError

        /// Nil where it is not the device's.
        init?(_ error: StoreError) {
            switch error {
            // Not `readOnly`: a flipped bit in the header makes a database that SQLite only reads.
            case .diskFull, .system: break
            case .sqlite(_, let error) where [10, 14].contains(error.code): break
            default: return nil
            }
            self.error = error
        }
    }

    /// Brings a file that nobody else knows of to the current schema.
    private func upgrade(_ path: String) throws {
        var settings = StoreOptions()
        settings.now = options.now
        _ = try Upgrade.run(path, settings, WriteLock(database: path)) { _, _ in }
    }

    /// Opens the file in a way that changes neither it nor its log: the last connection that may write would move the log
    /// into the file.
    private func open() throws -> Connection {
        let hasLog = fileSize(DatabaseFiles.log(of: path)) > 0
        do {
            let access: Connection.Access = hasLog ? .readOnly : .readWrite
            let connection = try Connection(path: path, access: access, waitMilliseconds: options.waitMilliseconds)
            try connection.execute("PRAGMA query_only = ON; SELECT 1 FROM sqlite_schema")
            return connection
        } catch  where Opened.isForbidden(StoreError.of(error, path: path)) {
            return try Connection(path: path, access: Opened.accessWithoutFolder(path))
        }
    }

    // MARK: The result

    /// Makes the empty file `target` a sound store.
    ///
    /// - Returns: how long the damaged file's pages are.
    @discardableResult
    private func salvage(_ file: DamagedFile, to target: String, _ report: inout SalvageReport) throws -> Int {
        let pages = DamagedPages(file, DamagedLog(of: path))
        var reading = try SalvageReading(pages, options, cancellation)
        var birth: Birth?
        let (network, scope) = try reading.found ?? reading.inferNetwork()
        if reading.found == nil {
            report.isNetworkInferred = true
            report.isSaltNew = true
            birth = Birth(network: network, scope: scope, now: options.now(), salt: Opened.salt())
        }
        report.network = network
        report.scope = scope
        try fill(target, &reading, pageBytes: pages.pageBytes)
        if reading.layout.version < Migrator.latest { try upgrade(target) }
        let connection = try Connection(path: target, access: .readWrite)
        try connection.execute("PRAGMA synchronous = OFF")
        // In the columns of the current schema, whatever the file had.
        try birth?.write(to: connection)
        var mending = SalvageMending(connection, network: network)
        try mending.run(addressSources: reading.addressSources, cancellation: cancellation)
        try StoreCopy.verify(connection, as: path, cancellation, progress: options.onProgress)
        try connection.checkpoint(truncating: true)
        reading.tell(&report, mending)
        return pages.pageBytes
    }

    private func fill(_ target: String, _ reading: inout SalvageReading, pageBytes: Int) throws {
        let filled = try SalvageTarget(target, layout: reading.layout, now: options.now(), pageBytes: pageBytes)
        try reading.read(into: filled)
        try filled.commit()
    }
}
