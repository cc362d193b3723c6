import ArgumentParser
import KadLibp2p
import KadStore
import Multiformats

/// An address on the command line, as it was written and as it is.
struct AddressArgument: Hashable, Sendable, ExpressibleByArgument {
    let address: Multiaddr

    init?(argument: String) {
        guard let address = try? Multiaddr(argument) else { return nil }
        self.address = address
    }
}

/// Peers by their addresses, each of which ends in a peer id.
enum PeerAddresses {
    /// - Returns: each peer once, with its addresses without the id, in their order.
    static func peers(_ arguments: [AddressArgument]) throws -> [(PeerID, [Multiaddr])] {
        var order: [PeerID] = []
        var found: [PeerID: [Multiaddr]] = [:]
        for argument in arguments {
            guard let id = argument.address.peerID, PeerIDEncoding.libp2p.admits(id),
                let address = argument.address.withoutPeerID
            else {
                throw CommandError.usage(
                    "\(argument.address): a bootstrap address ends in the id of its peer (/p2p/ID).")
            }
            if found[id] == nil { order.append(id) }
            if !found[id, default: []].contains(address) { found[id, default: []].append(address) }
        }
        for argument in arguments {
            guard let id = argument.address.peerID, found[id]?.contains(where: \.isDialable) == false else { continue }
            throw CommandError.usage(
                "\(argument.address): cannot be dialled. It takes TCP, /ip4, /ip6, /dns, /dns4 or /dns6 and /tcp; those that "
                    + "a /dnsaddr stands for are in its DNS record (dig +short TXT _dnsaddr.HOST).")
        }
        return order.map { ($0, found[$0] ?? []) }
    }
}
