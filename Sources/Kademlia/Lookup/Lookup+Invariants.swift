extension Lookup {
    /// Every promise of the lookup that does not hold: empty unless the code is wrong. For tests.
    ///
    /// - Complexity: O(paths · k · awaited)
    func invariantViolations() -> [String] {
        var violations: [String] = []
        func expect(_ holds: Bool, _ promise: @autoclosure () -> String) {
            if !holds { violations.append(promise()) }
        }
        for (index, path) in paths.enumerated() {
            let entries = path.frontier.entries
            let own = flights.filter { $0.path == index }
            expect(entries.count <= limits.capacity, "path \(index) keeps \(entries.count) peers")
            expect(path.frontier.reservedCapacity == initialReservation, "path \(index) allocated")
            expect(
                zip(entries, entries.dropFirst()).allSatisfy { $0.distance < $1.distance }, "path \(index) is unsorted")
            expect(
                entries.count { $0.state == .answered } <= max(limits.k, limits.stop),
                "path \(index) keeps too many answered peers")
            expect(
                !entries.contains { target.advanced(by: $0.distance) == localKey }, "path \(index) knows the own key")
            expect(path.width <= limits.widest, "path \(index) is \(path.width) wide")
            guard !isFinished else { continue }
            expect(path.active == own.count { !$0.isSlow }, "path \(index) counts \(path.active) active queries")
            expect(path.awaited == own.count, "path \(index) counts \(path.awaited) awaited queries")
            expect(path.active <= limits.widest, "path \(index) has \(path.active) active queries")
            expect(own.count <= limits.awaited, "path \(index) awaits \(own.count) queries")
            for flight in own {
                expect(entries.contains { $0.distance == flight.distance }, "path \(index) lost the peer it asks")
            }
            for entry in entries {
                let key = target.advanced(by: entry.distance)
                let flight = flights.first { $0.key == key }
                let state: Frontier.State =
                    if let flight { flight.isSlow ? .slow : .asked } else { fates[key] == nil ? .waiting : .answered }
                expect(entry.state == state, "path \(index) takes \(key) for \(entry.state)")
            }
        }
        expect(spent <= limits.queries, "\(spent) queries were spent")
        expect(fates.count <= limits.queries + limits.skipped, "\(fates.count) fates are kept")
        if isFinished {
            expect(flights.isEmpty, "queries are awaited after the end")
        } else {
            expect(Set(flights.map(\.key)).count == flights.count, "a peer is asked twice at once")
            expect(fates.values.count { $0 == .awaited } == flights.count, "fates and flights differ")
        }
        return violations
    }

    private var initialReservation: Int { Frontier(capacity: limits.capacity, answeredLimit: 1).reservedCapacity }
}
