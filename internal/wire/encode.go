package wire

import "errors"

// ErrRequest is wrapped by what Encode returns for a request that can't be
// put into the protocol; nothing of it was sent.
var ErrRequest = errors.New("wire: request refused")

type builder struct {
	text    []byte
	payload []byte
	attach  bool
}

// Encode returns the bytes of one request. seq is 1 or more and grows by one
// per request on a channel.
func Encode(nonce string, seq int, r Request) ([]byte, error) { return nil, nil }

func (Ping) encode(b *builder) error         { return nil }
func (Boot) encode(b *builder) error         { return nil }
func (Probe) encode(b *builder) error        { return nil }
func (Start) encode(b *builder) error        { return nil }
func (Look) encode(b *builder) error         { return nil }
func (Kill) encode(b *builder) error         { return nil }
func (Clean) encode(b *builder) error        { return nil }
func (List) encode(b *builder) error         { return nil }
func (Shell) encode(b *builder) error        { return nil }
func (KillTree) encode(b *builder) error     { return nil }
func (Reboot) encode(b *builder) error       { return nil }
func (RebootStatus) encode(b *builder) error { return nil }
