import Kademlia

/// nebula's names of errors (its `net_error` type), and what they are here.
enum NebulaFailures {
    enum Meaning {
        case failure(FailureClass)
        /// No dial was made: it says nothing of the peer.
        case notDialled
    }

    /// The meaning of a name; nil for one that is not known, `unknown` among them.
    static func meaning(of name: String) -> Meaning? { table[name] }

    private static let table: [String: Meaning] = [
        "io_timeout": .failure(.timeout),
        "no_recent_network_activity": .failure(.timeout),
        "context_deadline_exceeded": .failure(.timeout),
        "devp2p_read_timeout": .failure(.timeout),
        "connection_refused": .failure(.refused),
        "connection_reset_by_peer": .failure(.reset),
        "maddr_reset": .failure(.reset),
        "devp2p_network_error": .failure(.reset),
        "devp2p_handshake_eof": .failure(.reset),
        "no_route_to_host": .failure(.unreachable),
        "host_is_down": .failure(.unreachable),
        "cant_connect_over_relay": .failure(.unreachable),
        "protocol_not_supported": .failure(.negotiation),
        "negotiate_security_protocol": .failure(.negotiation),
        "negotiate_security_protocol_no_trailing_new_line": .failure(.negotiation),
        "negotiate_stream_multiplexer": .failure(.negotiation),
        "devp2p_incompatible_p2p_protocol_version": .failure(.negotiation),
        "devp2p_useless_peer": .failure(.negotiation),
        "devp2p_subprotocol_error": .failure(.negotiation),
        "devp2p_ethprotocol_error": .failure(.negotiation),
        "devp2p_breach_of_protocol": .failure(.badResponse),
        "devp2p_malformed_disconnect_message": .failure(.badResponse),
        "peer_id_mismatch": .failure(.identityMismatch),
        "devp2p_invalid_node_identity": .failure(.identityMismatch),
        "devp2p_unexpected_identity": .failure(.identityMismatch),
        "stream_reset": .failure(.stream),
        "write_on_stream": .failure(.stream),
        "resource_limit_exceeded": .failure(.busy),
        "devp2p_too_many_peers": .failure(.busy),
        "devp2p_already_connected": .failure(.busy),
        "devp2p_disconnect_requested": .failure(.busy),
        "devp2p_client_quitting": .failure(.busy),
        // The crawler's own machine and uplink.
        "network_unreachable": .failure(.local),
        "cant_assign_requested_address": .failure(.local),
        "too_many_open_files": .failure(.local),
        "max_dial_attempts_exceeded": .failure(.cancelled),
        "canceled": .failure(.cancelled),
        "no_good_addresses": .notDialled,
        "no_ip_address": .notDialled,
        "no_public_ip": .notDialled,
        "no_transport_for_protocol": .notDialled,
        "black_hole_refused": .notDialled,
        "connection_gated": .notDialled,
        "not_dialed": .notDialled,
        "devp2p_connected_to_self": .notDialled,
    ]
}
