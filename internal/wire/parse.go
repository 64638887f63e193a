package wire

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrAnswer is wrapped by what a decoder returns for frames that are no answer
// to its request.
var ErrAnswer = errors.New("not an answer")

func malformed(format string, args ...any) error {
	return fmt.Errorf("wire: %w: "+format, append([]any{ErrAnswer}, args...)...)
}

var (
	uuidForm     = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	boottimeForm = regexp.MustCompile(`^boottime:[0-9]{1,18}$`)
)

// parseBoot reads a boot identity: nothing but one UUID, or a boot time.
func parseBoot(text string) (boot, reason string) {
	switch text = strings.TrimSpace(text); {
	case text == "":
		return "", "the host names no boot identity"
	case uuidForm.MatchString(text), boottimeForm.MatchString(text):
		return text, ""
	}
	return "", fmt.Sprintf("%.80q is no boot identity", text)
}

// bootSlack is how far a boot time may move with the host's clock.
const bootSlack = 120

// SameBoot reports whether two well-formed boot identities are of one boot.
func SameBoot(a, b string) bool {
	at, aok := strings.CutPrefix(a, "boottime:")
	bt, bok := strings.CutPrefix(b, "boottime:")
	if !aok || !bok {
		return a == b
	}
	d := number(at) - number(bt)
	return -bootSlack <= d && d <= bootSlack
}

// parseIdentity reads the arguments of an I frame: epoch, uptime in 1/100 s,
// start of process 1, host, and what the boot identity was read from.
func parseIdentity(text string) (HostIdentity, error) {
	w := strings.SplitN(text, " ", 5)
	if len(w) != 5 {
		return HostIdentity{}, malformed("identity %.80q", text)
	}
	id := HostIdentity{Epoch: number(w[0]), Uptime: centis(w[1]), Pid1: known(w[2]), Host: known(w[3])}
	id.Boot, id.Reason = parseBoot(w[4])
	return id, nil
}

// parseToken reads a go line; nil when it is none of job id.
func parseToken(line, id string) *Token {
	w := strings.Fields(line)
	if len(w) != 14 || w[0] != "go" || w[1] != id && id != "" || w[13] != "." {
		return nil
	}
	return &Token{
		Proto: int(number(w[2])), Attempt: w[3], Pid: int(number(w[4])), Start: known(w[5]),
		Boot: known(w[6]), Host: known(w[7]), Pid1: known(w[8]), Epoch: number(w[9]),
		uptime: centis(w[10]), Limit: millis(w[11]), Grace: millis(w[12]),
	}
}

// fold makes every shell's code for a signal the usual 128+n: ksh93 has
// 256+n, yash 384+n.
func fold(code int) int {
	switch {
	case code > 384 && code < 384+128:
		return code - 256
	case code > 256 && code < 256+128:
		return code - 128
	}
	return code
}

// number is s as a number, 0 when it is none.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func known(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

func centis(s string) time.Duration { return scaled(s, 10*time.Millisecond) }
func millis(s string) time.Duration { return scaled(s, time.Millisecond) }

func scaled(s string, unit time.Duration) time.Duration {
	n := number(s)
	if n > int64(1<<62/unit) || n < -int64(1<<62/unit) {
		return 0
	}
	return time.Duration(n) * unit
}
