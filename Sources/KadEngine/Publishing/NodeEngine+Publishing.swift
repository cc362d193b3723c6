import KadStore
import Kademlia

extension NodeEngine {
    /// Something of our own is being told for the first time, or anew. It is not told a second time meanwhile; report its end
    /// with ``published(_:at:)``.
    public func publishes(_ publication: Publication, at time: Time) -> [Action] {
        handle(time) {
            beginPublishing()
            upkeep.publishing?.began(publication)
        }
    }

    /// Something of our own was told, or could not be: what the store says of it then decides when it is due again.
    public func published(_ publication: Publication, at time: Time) -> [Action] {
        handle(time) {
            upkeep.publishing?.ended(publication, at: uptime)
            publishNext()
        }
    }

    /// The time that stamps are made of and expiry is judged by: the wall clock's, as far as it can be relied on.
    public func instant(at time: Time) -> Instant {
        uptime = max(uptime, time.uptime)
        now = clock.read(wall: time.wall, uptime: uptime)
        return now
    }

    func beginPublishing() {
        // What a guest publishes is left to the node whose store it is.
        guard configuration.maintains, !configuration.isGuest, upkeep.publishing == nil else { return }
        upkeep.publishing = PublishingRound(configuration: configuration.publishing, at: uptime, using: &generator)
    }

    /// At the start, and when another process has written the file: only when something of our own is there. A node that
    /// publishes nothing has no timer for it.
    func resumePublishing() {
        guard upkeep.publishing == nil else { return }
        do throws(StoreError) {
            // A page may be empty although more follow.
            let values = try store.ownValues(limit: 1)
            let providers = try store.ownProviders(limit: 1)
            let hasOwn =
                !values.values.isEmpty || values.next != nil || !providers.providers.isEmpty || providers.next != nil
            if hasOwn { beginPublishing() }
        } catch {
            upkeep.health.failed(error, &actions)
        }
    }

    func tickPublishing() {
        guard upkeep.publishing != nil else { return }
        do throws(StoreError) {
            let (clock, now) = (clock, now)
            try upkeep.publishing?.tick(store, of: identity.peer, at: uptime) { clock.age(of: $0, at: now) }
        } catch {
            upkeep.health.failed(error, &actions)
        }
        publishNext()
    }

    private func publishNext() {
        guard !isLinkDown else { return }
        while let publication = upkeep.publishing?.next() { actions.append(.publish(publication)) }
    }
}
