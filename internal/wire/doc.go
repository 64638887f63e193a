// Package wire is Starling's on-host protocol as pure text in and out: what is
// sent over a command channel of a host, and the meaning of what comes back.
//
// A command channel is one exec of a constant line (Lines) that stays open.
// Open and any number of requests (Encode) are written to its standard input,
// framed answers (Reader) come back on its standard output; one request is one
// round trip. The format, the layout on the host's disk and the rules behind
// them are in docs/protocol.md.
//
// What is not in here: connections, files, clocks, retries and the choice of
// ids and nonces. The package touches no os, net or time.Now; its callers do.
package wire

import "time"

// Version is the protocol's number: the name of the layout below a host's base
// directory ("v1"), the first number of a token, and what HELLO announces.
const Version = 1

// DefaultGrace is the pause between TERM and KILL that a zero Grace stands for.
const DefaultGrace = 10 * time.Second
