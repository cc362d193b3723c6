import Foundation
import Kademlia
import Testing

/// Keys, orders and prefix lengths computed outside this package; the hashing of ids is tested where the hash is.
@Suite("Vectors computed elsewhere")
struct VectorTests {
    struct Vectors: Decodable {
        struct Peer: Decodable {
            let key: String

            enum CodingKeys: String, CodingKey {
                case key = "kad_key"
            }
        }

        struct Order: Decodable {
            let target: String
            let order: [Int]
            let distances: [String]
            let prefixLengths: [Int]

            enum CodingKeys: String, CodingKey {
                case order
                case target = "target_key"
                case distances = "distances_top64"
                case prefixLengths = "cpl"
            }
        }

        struct PrefixLength: Decodable {
            let left, right: String
            let length: Int

            init(from decoder: any Decoder) throws {
                var values = try decoder.unkeyedContainer()
                left = try values.decode(String.self)
                right = try values.decode(String.self)
                length = try values.decode(Int.self)
            }
        }

        let ed25519: [Peer]
        let order: [Order]
        let prefixLengths: [PrefixLength]

        enum CodingKeys: String, CodingKey {
            case ed25519, order
            case prefixLengths = "shared_prefix_len"
        }
    }

    let vectors: Vectors

    init() throws {
        let file = Bundle.module.url(forResource: "kad_vectors", withExtension: "json", subdirectory: "Fixtures")
        vectors = try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: #require(file)))
    }

    @Test("Peers are ordered by distance as elsewhere")
    func order() throws {
        let keys = try vectors.ed25519.map { try #require(Key(hex: $0.key)) }
        #expect(keys.count >= 6 && vectors.order.count >= 3)
        for vector in vectors.order {
            let target = try #require(Key(hex: vector.target))
            var nearest = ClosestPeers<Int>(target: target, capacity: keys.count)
            for (index, key) in keys.enumerated() { nearest.offer(key, index) }
            #expect(nearest.elements == vector.order)
            #expect(nearest.entries.map { String($0.distance.description.prefix(16)) } == vector.distances)
            #expect(nearest.entries.map(\.distance.leadingZeroBitCount) == vector.prefixLengths)

            var table = RoutingTable(localKey: target)
            for key in keys where key != target { _ = table.heard(of: key, in: nil, at: .minutes(0)) }
            let expected = vector.order.map { keys[$0] }.filter { $0 != target }
            #expect(table.closest(to: target, count: keys.count).map(\.key) == expected)
        }
    }

    @Test("Common prefix lengths are those counted elsewhere")
    func prefixLengths() throws {
        #expect(!vectors.prefixLengths.isEmpty)
        for vector in vectors.prefixLengths {
            let left = try #require(Key(hex: vector.left))
            let right = try #require(Key(hex: vector.right))
            #expect(left.commonPrefixLength(with: right) == vector.length)
        }
    }
}
