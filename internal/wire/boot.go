package wire

// Lines returns the exec lines to try in order. When no HELLO comes on one of
// them, the next one may be tried: a start can be repeated safely.
func Lines() []string { return LinesFor("/bin/sh") }

// LinesFor is Lines with another shell in the place of /bin/sh.
func LinesFor(shell string) []string { return nil }

// Open returns the first bytes to write on a channel. A first request may
// follow without waiting for HELLO.
func Open(nonce string) []byte { return OpenFor(nonce, "/bin/sh") }

// OpenFor is Open with another shell in the place of /bin/sh, by its absolute
// path. It runs the supervisor and the jobs, too.
func OpenFor(nonce, shell string) []byte { return nil }
