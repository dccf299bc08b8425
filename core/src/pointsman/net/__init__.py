"""What stands between a socket and a protocol, for clients and for servers alike."""
