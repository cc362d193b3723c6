import Kademlia
import Testing

@Suite("RoutingTable diversity limits")
struct DiversityTests {
    let far = UpdateTests.far
    let near = UpdateTests.near
    let limits = DiversityLimits(perBucket: 2, perTable: 3)

    func emptyTable(k: Int = 4, limits: DiversityLimits?) -> RoutingTable {
        RoutingTable(localKey: .zero, configuration: .init(k: k, limits: limits))
    }

    /// Two buckets with room: a full one of which was split.
    func twoBuckets(limits: DiversityLimits?) -> RoutingTable {
        var table = emptyTable(k: 4, limits: limits)
        for index: UInt64 in 100..<104 { _ = table.answered(near(index), from: nil, at: .minutes(0)) }
        _ = table.answered(far(100), from: nil, at: .minutes(0))
        _ = table.remove(near(100))
        _ = table.remove(near(101))
        return table
    }

    @Test("A third contact of a network group is refused by its bucket, one of another group is not")
    func perBucket() {
        var table = emptyTable(limits: limits)
        for index: UInt64 in 0..<2 { _ = table.answered(far(index), from: .test(1), at: .minutes(0)) }
        let before = table
        #expect(
            table.answered(far(2), from: .test(1), at: .minutes(0))
                == [.refused(far(2), .bucketLimit(.test(1)))])
        #expect(table == before)
        #expect(
            table.answered(far(2), from: .test(2), at: .minutes(0))
                == [.inserted(far(2), bucket: 0), .changed(bucket: 0)])
    }

    @Test("The table's limit binds over all buckets")
    func perTable() {
        var table = twoBuckets(limits: limits)
        for index: UInt64 in 0..<2 { _ = table.answered(far(index), from: .test(1), at: .minutes(0)) }
        _ = table.answered(near(0), from: .test(1), at: .minutes(0))
        #expect(
            table.answered(near(1), from: .test(1), at: .minutes(0))
                == [.refused(near(1), .tableLimit(.test(1)))])
        _ = table.remove(far(0))
        #expect(
            table.answered(near(1), from: .test(1), at: .minutes(0))
                == [.inserted(near(1), bucket: 1), .changed(bucket: 1)])
    }

    @Test("Contacts without a group, and tables without limits, are exempt")
    func exempt() {
        var limited = emptyTable(limits: DiversityLimits(perBucket: 1, perTable: 1))
        var unlimited = emptyTable(limits: nil)
        for index: UInt64 in 0..<4 {
            _ = limited.answered(far(index), from: nil, at: .minutes(0))
            _ = unlimited.answered(far(index), from: .test(1), at: .minutes(0))
        }
        #expect(limited.count == 4)
        #expect(unlimited.count == 4)
    }

    @Test("A promotion passes over contacts whose group holds its share")
    func promotion() {
        var table = UpdateTests.fullTable(k: 3, limits: DiversityLimits(perBucket: 1, perTable: 10))
        _ = table.heard(of: far(7), in: .test(2), at: .minutes(3))
        _ = table.heard(of: far(8), in: .test(1), at: .minutes(4))
        _ = table.heard(of: far(9), in: .test(1), at: .minutes(5))
        let replaced = { (old: Key, new: Key) -> [RoutingTable.Directive] in
            [.evicted(old, replacedBy: new), .inserted(new, bucket: 0), .changed(bucket: 0)]
        }
        #expect(table.remove(far(0)) == replaced(far(0), far(9)))
        #expect(table.remove(far(1)) == replaced(far(1), far(7)))
        #expect(table.remove(far(2)) == [.evicted(far(2), replacedBy: nil), .changed(bucket: 0)])
        #expect(UpdateTests.waiting(table) == [far(8)])
        #expect(table.remove(far(9)) == replaced(far(9), far(8)))
    }

    @Test("A contact whose group changed leaves when the new group holds its share")
    func changedGroup() {
        var table = emptyTable(limits: limits)
        for index: UInt64 in 0..<2 { _ = table.answered(far(index), from: .test(1), at: .minutes(0)) }
        _ = table.answered(far(2), from: .test(2), at: .minutes(0))
        #expect(
            table.answered(far(2), from: .test(1), at: .minutes(1)) == [
                .evicted(far(2), replacedBy: nil), .refused(far(2), .bucketLimit(.test(1))), .changed(bucket: 0),
            ])
        #expect(table.answered(far(0), from: .test(3), at: .minutes(2)) == [.changed(bucket: 0)])
        #expect(
            table.answered(far(2), from: .test(1), at: .minutes(3))
                == [.inserted(far(2), bucket: 0), .changed(bucket: 0)])
        #expect(table.invariantViolations().isEmpty)
    }

    @Test("Made-up names do not use up the share of a peer that answers, in its bucket or in another")
    func namesYield() {
        var table = twoBuckets(limits: limits)
        for index: UInt64 in 0..<2 { _ = table.heard(of: far(index), in: .test(1), at: .minutes(0)) }
        _ = table.heard(of: near(0), in: .test(1), at: .minutes(0))
        #expect(
            table.answered(far(2), from: .test(1), at: .minutes(1)) == [
                .evicted(far(0), replacedBy: far(2)), .inserted(far(2), bucket: 0), .changed(bucket: 0),
            ])
        #expect(
            table.answered(near(1), from: .test(1), at: .minutes(2)) == [
                .evicted(near(0), replacedBy: near(1)), .inserted(near(1), bucket: 1), .changed(bucket: 1),
            ])
        _ = table.remove(near(1))
        _ = table.answered(far(1), from: .test(4), at: .minutes(3))
        _ = table.heard(of: far(3), in: .test(1), at: .minutes(3))
        _ = table.answered(near(2), from: .test(1), at: .minutes(4))
        #expect(
            table.answered(near(3), from: .test(1), at: .minutes(4)) == [
                .evicted(far(3), replacedBy: near(3)), .inserted(near(3), bucket: 1), .changed(bucket: 0),
                .changed(bucket: 1),
            ])
        #expect(table.invariantViolations().isEmpty)
    }

    @Test("Nobody leaves for a newcomer that finds no place in its own bucket")
    func noNeedlessEviction() {
        var table = UpdateTests.fullTable(k: 2, limits: DiversityLimits(perBucket: 1, perTable: 1))
        _ = table.remove(near(0))
        _ = table.heard(of: near(0), in: .test(1), at: .minutes(0))
        #expect(
            table.answered(far(9), from: .test(1), at: .minutes(1))
                == [.cached(far(9), bucket: 0), .changed(bucket: 0)])
        #expect(table.liveContact(near(0)) != nil)
    }
}
