package interp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"starling/builtins"
)

// Steps keeps what the calls of a run came to, where it outlives the program. A nil Steps keeps nothing, and the run
// can't be resumed.
type Steps interface {
	// BeginStep writes down that a call is about to act. When it fails, the call does not act.
	BeginStep(ctx context.Context, s Step) error
	// EndStep writes down what came of it.
	EndStep(ctx context.Context, key StepKey, outcome []byte) error
	// NoteStep keeps a note for the call, should the program die while it acts.
	NoteStep(ctx context.Context, key StepKey, note string) error
}

// StepKey identifies a call in its run by where its thread was forked and by its place in that thread, so that hosts
// that run side by side do not disturb each other.
type StepKey struct {
	Thread string // "main", a host's name, or behind a slash what each() forked from there
	Seq    int    // counts from 1
}

func (k StepKey) String() string { return fmt.Sprintf("%s#%d", k.Thread, k.Seq) }

// Step is one call.
type Step struct {
	Key     StepKey
	Builtin string
	Digest  string // of its arguments
	Pos     string // file:line:col
	Durable bool   // it changes a host: that it was begun must survive a power loss
	Note    string
	Outcome []byte // nil: it has not ended, as far as is known
}

// DivergedError is a resumed run that does not take the way the run took: it can't be gone on with.
type DivergedError struct {
	Was, Is Step
}

func (e *DivergedError) Error() string {
	if e.Was.Builtin == e.Is.Builtin {
		return fmt.Sprintf("resume: step %s was %s at %s with other arguments", e.Is.Key, e.Was.Builtin, e.Was.Pos)
	}
	return fmt.Sprintf("resume: step %s was %s at %s, and is %s now", e.Is.Key, e.Was.Builtin, e.Was.Pos, e.Is.Builtin)
}

// Hint returns what may be at the bottom of it.
func (e *DivergedError) Hint() string {
	return "something that the script depends on has changed; begin anew with starling run"
}

// recorder takes calls through Steps: those of an earlier run are answered from there.
type recorder struct {
	steps Steps
	past  map[StepKey]Step
}

// call carries one call out, or returns what came of it before. act is told the note and whether the call had begun;
// kept is called once its outcome is where it is to be kept.
func (r *recorder) call(ctx context.Context, s Step, act func(begun bool, note string) (starlark.Value, error), kept func()) (starlark.Value, error) {
	if r.steps == nil {
		defer kept()
		return act(false, "")
	}
	was, begun := r.past[s.Key]
	if begun && (was.Builtin != s.Builtin || was.Digest != s.Digest) {
		return nil, &DivergedError{Was: was, Is: s}
	}
	if begun && was.Outcome != nil {
		value, failed, err := decodeOutcome(was.Outcome)
		if err != nil {
			return nil, fmt.Errorf("resume: step %s: %w", s.Key, err)
		}
		return value, failed
	}
	if !begun {
		if err := r.steps.BeginStep(ctx, s); err != nil {
			return nil, fmt.Errorf("not begun, since it can't be written down: %w", err)
		}
	}
	value, err := act(begun, was.Note)
	var unknown *builtins.UnknownOutcomeError
	if ctx.Err() != nil || errors.As(err, &unknown) {
		return value, err // there is nothing yet that a resumed run could go by
	}
	text, unwritable := encodeOutcome(value, err)
	if unwritable != nil {
		return value, err
	}
	if failed := r.steps.EndStep(ctx, s.Key, text); failed != nil {
		return nil, fmt.Errorf("what came of it can't be written down: %w", failed)
	}
	kept()
	return value, err
}

func (r *recorder) note(ctx context.Context, key StepKey, note string) error {
	if r.steps == nil {
		return nil
	}
	return r.steps.NoteStep(ctx, key, note)
}

// digest tells the arguments of a call apart from others.
func digest(b *builtins.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s", b.Spec.Name, args.String())
	for _, pair := range kwargs {
		fmt.Fprintf(h, "\x00%s", pair.String())
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
