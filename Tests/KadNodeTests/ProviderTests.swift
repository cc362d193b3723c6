import Foundation
import KadEngine
import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadNode

@Suite("Providers and peers") struct ProviderTests {
    private let key = bytes("a multihash")

    @Test("provided by three of thirty nodes, a key's providers are found by all, with addresses")
    func everywhere() async throws {
        let swarm = try await Swarm(count: 30)
        for number in [3, 14, 27] {
            let report = try await swarm[number].provide(key)
            #expect(report.accepted.count == 20)
        }
        let expected = Set([3, 14, 27].map { swarm.members[$0].key })
        for number in 0..<30 {
            let found = try await swarm[number].providers(of: key)
            #expect(Set(found.map(\.peer.key)) == expected, "node \(number)")
            for provider in found where provider.peer.key != swarm.members[number].key {
                let member = swarm.members.first { $0.key == provider.peer.key }
                #expect(provider.addresses == [member?.address].compactMap { $0 })
            }
        }
        #expect(try await swarm[5].providers(of: bytes("nothing")).isEmpty)
        try await swarm.end()
    }

    @Test("so many are enough: then the lookup ends, and with those known before there is none")
    func limited() async throws {
        let swarm = try await Swarm(count: 30)
        for number in 0..<10 { try await swarm[number].provide(key) }
        let far = try #require((10..<30).first { !swarm.nearest(key).contains($0) })
        #expect(try await swarm[far].providers(of: key, limit: 4).count == 4)
        try await swarm.settle()
        swarm.mesh.forgetRequests()
        let near = try #require(swarm.nearest(key).first { $0 >= 10 })
        #expect(try await swarm[near].providers(of: key, limit: 4).count == 4)
        #expect(swarm.mesh.requests.isEmpty)
        try await swarm.end()
    }

    @Test("only who provides a key may say so, at addresses that the scope admits, and not too many")
    func onlyItself() async throws {
        let swarm = try await Swarm(count: 5)
        let (sender, other) = (swarm.members[1], swarm.members[2])
        let named = NamedPeer(id: Array(other.id.bytes), addresses: [other.address])
        await #expect(throws: Refusal.invalid) {
            try await swarm[0].answer(.addProvider(key, providers: [named]), from: sender.id)
        }
        await #expect(throws: Refusal.invalid) {
            try await swarm[0].answer(.addProvider(key, providers: []), from: sender.id)
        }
        let many = try (0..<100).map { try Multiaddr("/ip4/10.9.0.\($0)/tcp/1") }
        let unfit = try Multiaddr("/ip4/224.0.0.1/tcp/80")
        let own = NamedPeer(id: Array(sender.id.bytes), addresses: [unfit] + many)
        _ = try await swarm[0].answer(.addProvider(key, providers: [named, own]), from: sender.id)
        let kept = try swarm.members[0].store.providers(of: key, at: swarm.mesh.now)
        #expect(kept.map(\.peer.key) == [sender.key])
        #expect(kept.first?.addresses == Array(many.prefix(15)))
        let answer = try await swarm[0].answer(.getProviders(key), from: other.id)
        #expect(answer.providers.map(\.peer.key) == [sender.key] && !answer.closer.isEmpty)
        // Who never said where it is, and is not known, cannot be found.
        let stranger = try #require(PeerID([0x12, 0x20] + [UInt8](repeating: 9, count: 32)))
        let nowhere = NamedPeer(id: Array(stranger.bytes), addresses: [unfit])
        await #expect(throws: Refusal.invalid) {
            try await swarm[0].answer(.addProvider(key, providers: [nowhere]), from: stranger)
        }
        try await swarm.end()
    }

    @Test("a peer is found by its id through others, and one that nobody knows is not")
    func findPeer() async throws {
        let swarm = try await Swarm(count: 20, introduces: false)
        // A line: each knows the next two.
        for number in 0..<18 {
            await swarm[number].introduce(
                swarm.members[(number + 1)...(number + 2)].map { ($0.id, [$0.address]) }, source: "test")
        }
        let last = swarm.members[19]
        let found = try #require(try await swarm[0].findPeer(last.id))
        #expect(found.peer.key == last.key && found.addresses == [last.address])
        try await swarm.settle()
        swarm.mesh.forgetRequests()
        #expect(try await swarm[0].findPeer(last.id) == found)
        #expect(swarm.mesh.requests.isEmpty)
        let stranger = try #require(PeerID([0x12, 0x20] + [UInt8](repeating: 9, count: 32)))
        #expect(try await swarm[0].findPeer(stranger) == nil)
        #expect(try await swarm[0].findPeer(swarm.members[0].id)?.addresses == [])
        try await swarm.end()
    }
}
