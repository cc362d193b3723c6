// Our side of Tools/Benchmarks/libp2p: takes orders as lines of JSON on standard input, and answers each with a line. The
// other side, Libp2p/peer.py, takes the same.
import Foundation
import KadLibp2p
import KadNode

struct Order: Decodable {
    let command: String
    var address = ""
    var addresses: [String]?
    var count: Int?
    var parallel: Int?

    enum CodingKeys: String, CodingKey {
        case command = "do"
        case address, addresses, count, parallel
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        command = try values.decode(String.self, forKey: .command)
        address = try values.decodeIfPresent(String.self, forKey: .address) ?? ""
        addresses = try values.decodeIfPresent([String].self, forKey: .addresses)
        count = try values.decodeIfPresent(Int.self, forKey: .count)
        parallel = try values.decodeIfPresent(Int.self, forKey: .parallel)
    }
}

struct Answer: Encodable {
    var seconds: [Double] = []
    var named: Int?
    var addresses: [String]?
    var error: String?
}

/// How long `body` takes, and what it gives.
func timed<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> (seconds: Double, value: Value)
{
    let start = ContinuousClock.now
    let value = try await body()
    let time = (ContinuousClock.now - start).components
    return (Double(time.seconds) + Double(time.attoseconds) / 1e18, value)
}

let folder = FileManager.default.temporaryDirectory.appendingPathComponent("libp2p-peer-\(getpid())").path
try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(atPath: folder) }
let own = try await ServingNode(storeAt: folder + "/own.db")
var running = [Task { try await own.node.run() }]
var crowd: [ServingNode] = []
/// Asked for by number, so that no key comes twice.
var asked = 0

@MainActor func carryOut(_ order: Order) async throws -> Answer {
    var answer = Answer()
    let count = order.count ?? 1
    switch order.command {
    case "address": answer.addresses = [try own.address]
    case "dial":
        // Each from a new swarm: a second dial would find the connection of the first.
        let place = try Place(order.address)
        for _ in 0..<count {
            let keys = try KeyPair()
            let swarm = Swarm(keys: keys, configuration: SwarmConfiguration(scope: .private))
            answer.seconds.append(try await timed { try await place.open(from: swarm) }.seconds)
            await swarm.shutdown()
        }
    case "find":
        let place = try Place(order.address)
        let asker = own
        for _ in 0..<count {
            asked += 1
            let number = asked
            let (seconds, named) = try await timed { try await place.ask(number, as: asker) }
            answer.seconds.append(seconds)
            answer.named = named
        }
    case "load":
        let place = try Place(order.address)
        let parallel = order.parallel ?? 1
        let (first, asker) = (asked, own)
        asked += count
        answer.seconds.append(
            try await timed {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<parallel {
                        group.addTask {
                            for number in stride(from: first + worker, to: first + count, by: parallel) {
                                _ = try await place.ask(number, as: asker)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }.seconds)
    case "crowd":
        // As many nodes, whom somebody can visit or be visited by.
        for number in crowd.count..<(crowd.count + count) {
            let peer = try await ServingNode(storeAt: folder + "/\(number).db")
            running.append(Task { try await peer.node.run() })
            crowd.append(peer)
        }
        answer.addresses = try crowd.map { try $0.address }
    case "visit":
        // All of the crowd connect, and stay.
        let place = try Place(order.address)
        for peer in crowd { _ = try await place.ask(0, as: peer) }
    case "connect":
        for address in order.addresses ?? [] { _ = try await Place(address).ask(0, as: own) }
    default: answer.error = "no order \(order.command)"
    }
    return answer
}

while let line = readLine() {
    var answer = Answer()
    do {
        answer = try await carryOut(JSONDecoder().decode(Order.self, from: Data(line.utf8)))
    } catch {
        answer.error = "\(error)"
    }
    print(String(decoding: try JSONEncoder().encode(answer), as: UTF8.self))
    fflush(nil)
}
