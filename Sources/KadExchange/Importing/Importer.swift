import KadStore
import Kademlia
import Multiformats

extension Store {
    /// Imports a foreign file: every record that is good, merged into what the store knows. Importing it again changes
    /// nothing.
    ///
    /// The file is read once, on a thread of its own; records are sorted by key outside of memory when they are many, and
    /// merged in transactions of bounded size. Peak memory does not depend on the size of the file.
    ///
    /// - Throws: ``ExchangeError`` when nothing could be imported: another network, the system, the store. What is wrong
    ///   with single records or ends the file early stands in the report.
    public func importPeers(
        from source: ImportSource, _ options: ImportOptions = ImportOptions()
    ) async throws(ExchangeError) -> ImportReport {
        let own = try ExchangeError.mapping { () throws(StoreError) in Set(try identities().map(\.peer.id)) }
        return try await importPeers(source.prepared(for: network, scope, own: own, options))
    }

    /// Merges what was read of a file.
    ///
    /// - Throws: ``ExchangeError``: the store refused or failed; the task was cancelled: what is committed stays, and
    ///   importing the file again completes it.
    public func importPeers(_ prepared: PreparedImport) async throws(ExchangeError) -> ImportReport {
        var report = prepared.report
        let taken = report.taken
        let onProgress = prepared.onProgress
        let records = try prepared.take()
        do throws(StoreError) {
            report.summary = try await load(records) { done in onProgress?(.writing(records: done, of: taken)) }
        } catch {
            throw .store(error)
        }
        return report
    }
}

extension Network {
    /// For messages about two networks that differ.
    var exchangeDescription: String {
        Network.known.contains(self) ? name : "\(name) (\(keyBits)-bit keys, \(derivation.rawValue))"
    }
}
