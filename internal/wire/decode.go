package wire

import "strconv"

// Started is the answer to Start.
type Started struct {
	Outcome StartOutcome
	Token   *Token // of the attempt that owns the job; nil when Outcome is failed or short
	Reason  string // why it failed
}

// StartOutcome says what became of a Start.
type StartOutcome string

// The outcomes of a Start. After the last two nothing runs, and the Start may
// be sent again with a new Attempt.
const (
	StartStarted StartOutcome = "started" // this attempt runs it
	StartExists  StartOutcome = "exists"  // another did, or a cancel came first (Token.Cancelled)
	StartFailed  StartOutcome = "failed"
	StartShort   StartOutcome = "short" // the request came incomplete
)

// Looked is the answer to Look and List.
type Looked struct {
	Identity HostIdentity // without Epoch
	Jobs     []Facts      // in the order of the request; List: by id
}

// KillOutcome is the answer to Kill and KillTree.
type KillOutcome string

// The outcomes of a Kill.
const (
	KillKilling KillOutcome = "killing" // under way, look for the end
	KillEnded   KillOutcome = "ended"   // it had ended before
	KillAbsent  KillOutcome = "absent"  // it was never started, and now never will be
	KillRefused KillOutcome = "refused" // the process can't be identified safely (no start times, or another boot or host)
)

// Killed is the answer to Kill and KillTree.
type Killed struct {
	Outcome KillOutcome
	Reason  string
}

// Cleaned is the answer to Clean: what was refused, by id, with the reason.
// Everything else is gone.
type Cleaned struct{ Refused map[string]string }

// Rebooting is the answer to Reboot.
type Rebooting struct {
	Accepted bool
	Reason   string
}

// RebootResult is the answer to RebootStatus.
type RebootResult struct {
	Ended  bool   // the command has ended; Code is its exit status
	Code   int    //
	Output []byte // its last 4 KB, both streams
}

// result returns the R frame of an answer, its first word and the rest.
func result(frames []Frame) (word, rest string, err error) {
	for _, f := range frames {
		if f.Verb == "R" && len(f.Args) > 0 {
			word = f.Args[0]
			if len(f.Text) > len(word) {
				rest = f.Text[len(word)+1:]
			}
			return word, rest, nil
		}
	}
	return "", "", malformed("no result")
}

// DecodePing returns nil for the answer to a Ping.
func DecodePing(frames []Frame) error {
	word, _, err := result(frames)
	if err == nil && word != "pong" {
		err = malformed("%.80q to a ping", word)
	}
	return err
}

// DecodeBoot reads the answer to Boot, which is without Epoch.
func DecodeBoot(frames []Frame) (HostIdentity, error) {
	for _, f := range frames {
		if f.Verb == "I" {
			return parseIdentity(f.Text)
		}
	}
	return HostIdentity{}, malformed("the host did not say who it is")
}

// DecodeProbe reads the answer to Probe.
func DecodeProbe(frames []Frame) (HostFacts, error) {
	h := HostFacts{Proto: Version}
	var err error
	if h.Identity, err = DecodeBoot(frames); err != nil {
		return h, err
	}
	for _, f := range frames {
		if f.Verb != "F" || len(f.Args) == 0 {
			continue
		}
		key := f.Args[0]
		value := f.Text[min(len(key)+1, len(f.Text)):]
		switch key {
		case "base":
			h.Base = value
		case "nobase":
			h.BaseReason = value
		case "killuser":
			h.KillUser = value
		case "scope":
			h.Scope = value
		case "noscope":
			h.ScopeReason = value
		}
	}
	if h.Base == "" && h.BaseReason == "" {
		return h, malformed("no word of a base directory")
	}
	return h, nil
}

// DecodeStart reads the answer to Start.
func DecodeStart(frames []Frame) (Started, error) {
	word, rest, err := result(frames)
	if err != nil {
		return Started{}, err
	}
	s := Started{Outcome: StartOutcome(word), Reason: rest}
	switch s.Outcome {
	case StartFailed, StartShort:
		return s, nil
	case StartStarted, StartExists:
	default:
		return s, malformed("%.80q to a start", word)
	}
	for _, f := range frames {
		if f.Verb == "T" {
			s.Token = parseToken(f.Text, "")
		}
	}
	if s.Token == nil {
		return s, malformed("a start without its token")
	}
	return s, nil
}

// DecodeKill reads the answer to Kill and to KillTree.
func DecodeKill(frames []Frame) (Killed, error) {
	word, rest, err := result(frames)
	if err != nil {
		return Killed{}, err
	}
	k := Killed{Outcome: KillOutcome(word), Reason: rest}
	switch k.Outcome {
	case KillKilling, KillEnded, KillAbsent, KillRefused:
		return k, nil
	}
	return k, malformed("%.80q to a kill", word)
}

// DecodeClean reads the answer to Clean.
func DecodeClean(frames []Frame) (Cleaned, error) {
	c := Cleaned{Refused: map[string]string{}}
	if _, _, err := result(frames); err != nil {
		return c, err
	}
	for _, f := range frames {
		if f.Verb == "C" && len(f.Args) > 1 {
			c.Refused[f.Args[0]] = f.Text[len(f.Args[0])+1:]
		}
	}
	return c, nil
}

// DecodeReboot reads the answer to Reboot.
func DecodeReboot(frames []Frame) (Rebooting, error) {
	word, rest, err := result(frames)
	if err == nil && word != "accepted" && word != "refused" {
		err = malformed("%.80q to a reboot", word)
	}
	return Rebooting{Accepted: word == "accepted", Reason: rest}, err
}

// DecodeRebootStatus reads the answer to RebootStatus.
func DecodeRebootStatus(frames []Frame) (RebootResult, error) {
	word, _, err := result(frames)
	if err != nil {
		return RebootResult{}, err
	}
	var r RebootResult
	if code, err := strconv.Atoi(word); err == nil {
		r.Ended, r.Code = true, fold(code)
	}
	for _, f := range frames {
		if f.Verb == "OUT" {
			r.Output = f.Data
		}
	}
	return r, nil
}

func decimal(n int) string { return strconv.Itoa(n) }
