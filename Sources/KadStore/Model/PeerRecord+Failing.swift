import Kademlia
import Multiformats

extension PeerRecord {
    /// Whether a failure is the peer's: otherwise anyone bans anyone, by telling of a victim's id with a wrong address.
    ///
    /// It is when its class speaks against a peer at all, and the address has once proved to be the peer's, or every
    /// address that is known of it fails. May be asked before or after the failure is recorded.
    ///
    /// - Parameter address: where it failed; nil when the failure was not one address's: it is the peer's then.
    public func speaksAgainstPeer(at address: Multiaddr?, _ failureClass: FailureClass) -> Bool {
        guard failureClass.countsAgainstPeer else { return false }
        guard let address else { return true }
        return addresses.contains { $0.address == address && $0.lastOK != nil }
            || addresses.allSatisfy { $0.address == address || $0.failures > 0 }
    }

    /// Clears what speaks against the peer: backoff, breaker, failures. What it did well stays, and all stamps.
    mutating func forgive() {
        backoff = nil
        failures = []
        for index in addresses.indices { addresses[index].failures = 0 }
        addresses.sort(by: AddressRecord.dialOrder)
    }
}
