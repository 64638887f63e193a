package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MaxFrame is the most data one frame may carry, in bytes; a Window is cut to MaxWindow.
const (
	MaxWindow = 16 << 20
	MaxFrame  = MaxWindow + 1<<20
	maxLine   = 64 << 10
	keepNoise = 2 << 10
)

// A Frame is one unit of what a channel says.
type Frame struct {
	Seq  int // of the request it answers; 0: the channel itself (HELLO)
	Verb string
	Args []string // the words after the verb
	Text string   // the same, unsplit
	Data []byte   // nil for a frame without data
}

// The verbs that callers of a Reader meet; the rest is for the decoders.
const (
	VerbHello = "HELLO" // the channel is open; its argument is Version
	VerbEnd   = "END"   // last frame of an answer
)

// ErrFrameTooLong is returned for a frame beyond MaxFrame or a line beyond 64 KB.
var ErrFrameTooLong = errors.New("wire: frame too long")

// A Reader takes frames out of what a channel prints. Everything that is not
// part of a frame (login files' output, messages of the day) is skipped.
// It needs no more memory than the largest frame, MaxFrame at most.
type Reader struct {
	r     *bufio.Reader
	nonce string
	noise []byte
	hello bool
}

// NewReader reads the frames that begin with nonce from r.
func NewReader(r io.Reader, nonce string) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 32<<10), nonce: nonce}
}

// Greeted reports whether the channel has said HELLO: its shell is ours, and may have read what was sent to it.
func (r *Reader) Greeted() bool { return r.hello }

// Noise returns the last 2 KB of what was no frame, for diagnosis.
func (r *Reader) Noise() string { return string(r.noise) }

// Next returns the next frame. It returns io.EOF at the end of the channel,
// io.ErrUnexpectedEOF when that comes in the middle of a frame.
func (r *Reader) Next() (Frame, error) {
	for {
		line, long, err := r.line()
		if err != nil {
			if len(line) > 0 {
				r.skip(line)
			}
			return Frame{}, err
		}
		f, ok := r.header(line)
		switch {
		case !ok:
			r.skip(append(line, '\n'))
			continue
		case long:
			return Frame{}, ErrFrameTooLong
		case f.Verb == "E":
			continue // the trailer of a frame whose header was damaged
		case strings.HasPrefix(f.Verb, "+"):
			f.Verb = f.Verb[1:]
			if f.Data, err = r.data(f.Seq); err != nil {
				return Frame{}, err
			}
		}
		r.hello = r.hello || f.Verb == VerbHello
		return f, nil
	}
}

// Answer returns the frames of request seq, without the END that closes them.
// Frames of other requests are dropped.
func (r *Reader) Answer(seq int) ([]Frame, error) {
	var frames []Frame
	for {
		f, err := r.Next()
		if err != nil {
			return frames, err
		}
		if f.Seq != seq {
			continue
		}
		if f.Verb == VerbEnd {
			return frames, nil
		}
		frames = append(frames, f)
	}
}

// line returns the next line without its end. Of a line beyond maxLine only
// the beginning is kept.
func (r *Reader) line() (line []byte, long bool, err error) {
	for {
		part, err := r.r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			part = part[:max(0, maxLine-len(line))]
			long = true
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimSuffix(line, []byte("\n")), long, err
	}
}

func (r *Reader) header(line []byte) (Frame, bool) {
	rest, ok := strings.CutPrefix(string(line[:min(len(line), maxLine)]), r.nonce+" ")
	if !ok || r.nonce == "" {
		return Frame{}, false
	}
	num, rest, ok := strings.Cut(rest, " ")
	if !ok {
		return Frame{}, false
	}
	seq, err := strconv.Atoi(num)
	if err != nil || seq < 0 {
		return Frame{}, false
	}
	verb, text, _ := strings.Cut(rest, " ")
	if verb == "" || verb == "+" {
		return Frame{}, false
	}
	return Frame{Seq: seq, Verb: verb, Text: text, Args: strings.Fields(text)}, true
}

// data reads up to the trailer, a line of its own that carries the nonce: the
// length in the header is only what was there when the host looked.
func (r *Reader) data(seq int) ([]byte, error) {
	trailer := fmt.Sprintf("\n%s %d E\n", r.nonce, seq)
	data := []byte{}
	for {
		part, err := r.r.ReadSlice('\n')
		data = append(data, part...)
		switch {
		case err == nil && len(part) >= len(trailer)-1 && bytes.HasSuffix(data, []byte(trailer)):
			return data[:len(data)-len(trailer)], nil
		case len(data) > MaxFrame:
			return nil, ErrFrameTooLong
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (r *Reader) skip(b []byte) {
	if len(bytes.TrimSpace(b)) == 0 {
		return
	}
	r.noise = append(r.noise, b...)
	if over := len(r.noise) - keepNoise; over > 0 {
		r.noise = append(r.noise[:0], r.noise[over:]...)
	}
}
