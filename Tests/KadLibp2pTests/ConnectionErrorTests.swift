import Foundation
import Kademlia
import Multiformats
import NIOCore
import NIOPosix
import Testing

@testable import KadLibp2p

@Suite("Connection errors")
struct ConnectionErrorTests {
    @Test(
        "the system's word is read by its number",
        arguments: [
            (ECONNREFUSED, FailureClass.refused), (ECONNRESET, .reset), (EPIPE, .reset), (EHOSTUNREACH, .unreachable),
            (ETIMEDOUT, .timeout), (EMFILE, .local), (ENFILE, .local), (ENOBUFS, .local), (ENOMEM, .local),
            (ENETDOWN, .local), (ENETUNREACH, .local), (EADDRNOTAVAIL, .local), (EACCES, .local),
        ])
    func system(code: Int32, expected: FailureClass) {
        let error = ConnectionError(ConnectionError.Reason(IOError(errnoCode: code, reason: "refused reset timeout")))
        #expect(error.failureClass == expected)
        #expect(error.scope == expected.scope)
    }

    @Test("NIO's errors are read by their types")
    func channels() {
        func failureClass(_ error: any Error) -> FailureClass {
            ConnectionError(ConnectionError.Reason(error)).failureClass
        }
        #expect(failureClass(ChannelError.connectTimeout(.seconds(1))) == .timeout)
        #expect(failureClass(ChannelError.eof) == .reset)
        #expect(failureClass(ChannelError.ioOnClosedChannel) == .reset)
        #expect(failureClass(ChannelError.inputClosed) == .reset)
        #expect(failureClass(CancellationError()) == .cancelled)
        #expect(failureClass(EventLoopError.shutdown) == .cancelled)
        #expect(failureClass(ConnectionError(.timedOut)) == .timeout)
    }

    @Test("nobody is charged for what this node cannot or does not want to dial")
    func nobodysFault() {
        let reasons: [ConnectionError.Reason] = [
            .unsupportedAddress, .noAddress, .ourselves, .cancelled, .shutDown, .inUse,
        ]
        for reason in reasons {
            #expect(ConnectionError(reason).failureClass == .cancelled)
            #expect(ConnectionError(reason).scope == nil)
        }
    }

    @Test("the multiplexer's failures keep their scope")
    func scopes() {
        #expect(ConnectionError(.muxer(.refused)).scope == .stream)
        #expect(ConnectionError(.muxer(.keepAliveTimeout)).scope == .connection)
        #expect(ConnectionError(.muxer(.violation(.pingFlood))).scope == .peer)
        #expect(ConnectionError(.muxer(.closed)).scope == nil)
    }

    @Test("of several addresses, the one that somebody else answers at is told first")
    func mostTelling() throws {
        let first = try Multiaddr("/ip4/192.0.2.1/tcp/1")
        let second = try Multiaddr("/ip4/192.0.2.2/tcp/1")
        let other = try KeyPair().peerID
        let timeout = ConnectionError(.timedOut, at: first)
        let refused = ConnectionError(.system(ECONNREFUSED), at: second)
        let unsupported = ConnectionError(.unsupportedAddress, at: second)
        let local = ConnectionError(.system(EMFILE), at: second)
        let mismatch = ConnectionError(.wrongIdentity(other), at: second)
        #expect(ConnectionError.mostTelling(of: [timeout, mismatch]) == mismatch)
        #expect(ConnectionError.mostTelling(of: [timeout]) == timeout)
        #expect(ConnectionError.mostTelling(of: [timeout, refused]) == ConnectionError(.system(ECONNREFUSED)))
        #expect(ConnectionError.mostTelling(of: [timeout, unsupported]) == timeout)
        #expect(ConnectionError.mostTelling(of: [timeout, local]) == timeout)
        #expect(ConnectionError.mostTelling(of: [unsupported, local]) == local)
        #expect(ConnectionError.mostTelling(of: [unsupported]) == unsupported)
        #expect(ConnectionError.mostTelling(of: []).reason == .noAddress)
    }

    @Test(
        "only TCP over IP or a name is dialled",
        arguments: [
            ("/ip4/192.0.2.1/tcp/4001", true), ("/ip6/2001:db8::1/tcp/4001", true), ("/dns4/example.org/tcp/1", true),
            ("/dns6/example.org/tcp/1", true), ("/dns/example.org/tcp/1", true), ("/dnsaddr/example.org", false),
            ("/dnsaddr/example.org/tcp/1", false), ("/ip4/192.0.2.1/udp/4001/quic-v1", false),
            ("/ip4/192.0.2.1", false),
            ("/ip4/192.0.2.1/tcp/4001/ws", false), ("/ip6zone/eth0/ip6/fe80::1/tcp/1", false),
            ("/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA", true),
            ("/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA/p2p-circuit", false),
            ("/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA", false),
        ])
    func endpoints(text: String, isDialled: Bool) throws {
        #expect((Endpoint(try Multiaddr(text)) != nil) == isDialled)
    }

    @Test("an IPv4 address in an IPv6 socket is an IPv4 address")
    func mapped() throws {
        let socket = try SocketAddress(ipAddress: "::ffff:192.0.2.7", port: 80)
        #expect(socket.multiaddr == (try Multiaddr("/ip4/192.0.2.7/tcp/80")))
    }
}
