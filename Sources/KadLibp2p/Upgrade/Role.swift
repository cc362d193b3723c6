/// Which end of a connection this is.
enum Role: Hashable, Sendable { case dialer, listener }
