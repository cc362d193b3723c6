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

/// Peers by their addresses, each of which ends in a peer id; and a node's own, which do without.
enum PeerAddresses {
    /// Only what a socket of this machine can be: before a store or a key is created for a node that cannot be.
    static func checkListening(_ arguments: [AddressArgument]) throws {
        for address in arguments.lazy.map(\.address) {
            guard let ip = address.ipAddress, let port = address.port, address == Multiaddr(ip: ip, tcp: port) else {
                throw ValidationError(
                    "--listen takes /ip4/…/tcp/… or /ip6/…/tcp/…, with a port and nothing behind it, not \(address).")
            }
        }
    }

    /// Peers are told of this node's addresses with its own id, and dial what they are told.
    static func checkAnnouncing(_ arguments: [AddressArgument], option: String = "--announce") throws {
        for address in arguments.lazy.map(\.address) {
            guard address.peerID == nil else {
                throw ValidationError("\(option) takes an address without /p2p/ID, not \(address).")
            }
            guard address.port != 0, address.ipAddress?.bytes.contains(where: { $0 != 0 }) != false else {
                throw ValidationError("\(option) takes an address that peers can dial, not \(address).")
            }
        }
    }

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
