import CSQLite

/// One run of a check.
struct Checker {
    let reader: RecordReader
    var report: CheckReport

    var connection: Connection { reader.connection }
    static let pageRows: Int64 = 4_096

    init(reader: RecordReader, report: CheckReport) {
        self.reader = reader
        self.report = report
    }

    /// Checks everything that a connection sees.
    static func check(
        _ reader: RecordReader, full: Bool, _ cancellation: Cancellation, progress: (@Sendable (Int) -> Void)?
    ) throws -> CheckReport {
        try reader.connection.interruptible(by: cancellation) {
            var checker = Checker(reader: reader, report: CheckReport(isFull: full))
            try checker.checkFile(reader.connection.path)
            // A file whose structure is broken is not read row by row: the answers would mean nothing.
            guard checker.report.isSound else { return checker.report }
            var last: [UInt8] = []
            while try checker.checkPeers(after: &last) {
                progress?(checker.report.peersChecked)
                try cancellation.check(done: checker.report.peersChecked)
            }
            try checker.checkSeals()
            try checker.checkReferences()
            try checker.checkOthers()
            try checker.checkTables()
            try checker.checkEngine()
            try checker.checkValues()
            try checker.checkCrawls()
            return checker.report
        }
    }

    private mutating func checkFile(_ path: String) throws {
        try Migrator(connection: connection, path: path).verify(through: Migrator.latest)
        let query = try connection.prepare(
            report.isFull
                ? "PRAGMA integrity_check(\(CheckReport.problemLimit))"
                : "PRAGMA quick_check(\(CheckReport.problemLimit))")
        while try query.step() {
            let line = query.text(0)
            if let code = Self.readFault(in: line) {
                throw SQLiteError(code: code, message: line, statement: "check the file")
            }
            if line != "ok" { report.note("file", line) }
        }
        report.logFault = DamagedLog.state(of: path).problem
        try checkSchema()
    }

    /// A page that the system could not read is no damage that a check has found. SQLite ends its line with the result code
    /// of such a page ("... error code=266"), or, of one that holds the rest of a long row, without ("failed to get page 62":
    /// it has looked before whether there can be a page of that number). It says it in no other way.
    private static func readFault(in line: String) -> Int32? {
        if line.contains("failed to get page") { return SQLITE_IOERR | 1 << 8 }
        guard line.contains("error code"), let last = line.split(whereSeparator: { !$0.isNumber }).last,
            let code = Int32(last), code & 0xff == 10
        else { return nil }
        return code
    }

    /// Compares the tables and indexes with those that the migrations make.
    private mutating func checkSchema() throws {
        let expected = try SchemaText.expected(through: Migrator.latest)
        // What SQLite makes for ANALYZE has a reserved name.
        let objects = try SchemaText.objects(connection).filter { !$0.name.hasPrefix("sqlite_") }
        let found = Dictionary(objects.map { ($0.title, $0) }) { first, _ in first }
        for name in Set(found.keys).union(expected.keys).sorted() {
            if let found = found[name], let expected = expected[name], SchemaText.isSame(found.sql, expected.sql) {
                continue
            }
            // Somebody's own notes are his, as everywhere.
            if expected[name] == nil, let found = found[name], found.isHarmless(beside: expected) { continue }
            let what =
                found[name] == nil ? "is missing" : expected[name] == nil ? "is none of ours" : "has been changed"
            report.note("schema", "\(name) \(what)")
        }
    }
}
