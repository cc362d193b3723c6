/// What a fuzzer drives. It takes any bytes; what it throws is a fault as a trap is one.
struct FuzzTarget: Sendable {
    let name: String
    /// Small inputs that reach far: a fuzzer begins with them, and tests change them a little.
    let seeds: @Sendable () throws -> [[UInt8]]
    let run: @Sendable ([UInt8]) throws -> Void

    static let all =
        handshakeTargets + noiseTargets + muxerTargets + messageTargets + identityTargets + formatTargets
        + importTargets + storeTargets + pageTargets
}

/// Something that has to hold does not.
struct Broken: Error, CustomStringConvertible {
    let description: String

    static func unless(_ holds: Bool, _ description: @autoclosure () -> String) throws(Broken) {
        if !holds { throw Broken(description: description()) }
    }
}
