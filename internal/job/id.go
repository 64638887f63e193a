package job

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// idPrefix keeps an id from ever reading as a number, which is how Ansible lost ids (its #80167).
const idPrefix = "j-"

// idEncoding leaves out letters that are mistaken for digits.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns a job id no controller has given before: 80 random bits.
func NewID() string { return idPrefix + random(10) }

// newNonce returns 120 random bits as text, for the frames of a channel and for the attempts of a start.
func newNonce() string { return random(15) }

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return idEncoding.EncodeToString(b)
}

// CheckID returns an *IDError unless id can be a job id: 16 to 64 letters, digits, dashes or underscores, as the
// protocol's folder names (docs/protocol.md). It is what stands between a jid from outside and a host.
func CheckID(id string) error {
	switch {
	case id == "":
		return &IDError{ID: id, Problem: "is empty; give the jid of a job that run(…, poll=0) returned"}
	case strings.ContainsFunc(id, foreign):
		return &IDError{ID: id, Problem: "a job id has only letters, digits, - and _"}
	case len(id) < 16 || len(id) > 64 || strings.HasPrefix(id, "-"):
		return &IDError{ID: id, Problem: "is no job id; those look like " + idPrefix + "4f7yq0c9x2m8k1ab"}
	}
	return nil
}

func foreign(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-')
}
