package wire

import (
	"strings"
	"time"
)

// DecodeLook reads the answer to req.
func DecodeLook(frames []Frame, req Look) (Looked, error) {
	got, asked, err := decodeFacts(frames)
	if err != nil {
		return Looked{}, err
	}
	for _, j := range req.Jobs {
		if !asked[j.ID] {
			return Looked{}, malformed("no facts of the job %s", j.ID)
		}
		f := got.facts(j.ID)
		f.Base = j.Base
		f.Out.window(j.Out)
		f.Err.window(j.Err)
		got.looked.Jobs = append(got.looked.Jobs, *f)
	}
	return got.looked, nil
}

// DecodeList reads the answer to req.
func DecodeList(frames []Frame, req List) (Looked, error) {
	got, _, err := decodeFacts(frames)
	if err != nil {
		return Looked{}, err
	}
	for _, id := range got.order {
		f := got.facts(id)
		if !f.Present || !ValidID(id) {
			continue
		}
		f.Base = req.Base
		got.looked.Jobs = append(got.looked.Jobs, *f)
	}
	return got.looked, nil
}

type gathering struct {
	looked Looked
	jobs   map[string]*Facts
	order  []string
	states map[string]process // by pid
}

type process struct{ state, start string }

func (g *gathering) facts(id string) *Facts {
	f := g.jobs[id]
	if f == nil {
		f = &Facts{ID: id}
		g.jobs[id] = f
	}
	return f
}

func decodeFacts(frames []Frame) (*gathering, map[string]bool, error) {
	g := &gathering{jobs: map[string]*Facts{}, states: map[string]process{}}
	asked := map[string]bool{}
	met := false
	for _, f := range frames {
		switch f.Verb {
		case "I":
			id, err := parseIdentity(f.Text)
			if err != nil {
				return nil, nil, err
			}
			g.looked.Identity, met = id, true
		case "FACTS":
			for line := range strings.Lines(string(f.Data)) {
				g.line(strings.Fields(line), asked)
			}
		case "D":
			if err := g.stretch(f); err != nil {
				return nil, nil, err
			}
		}
	}
	if !met {
		return nil, nil, malformed("the host did not say who it is")
	}
	for _, f := range g.jobs {
		g.settle(f)
	}
	return g, asked, nil
}

// line takes in one raw line: what cat made of the fact files (each names
// itself, its job, and ends in a dot), what ls made of the directories, and
// the processes. A damaged line is as good as none.
func (g *gathering) line(w []string, asked map[string]bool) {
	switch {
	case len(w) == 0:
	case w[0] == "asked":
		for _, id := range w[1:] {
			asked[id] = true
			g.order = append(g.order, id)
		}
	case w[0] == "go":
		if t := parseToken(strings.Join(w, " "), ""); t != nil {
			g.facts(w[1]).Token = t
		}
	case w[0] == "st" && len(w) == 4:
		g.states[w[1]] = process{w[2], w[3]}
	case w[0] == "run" && len(w) == 5 && w[4] == ".":
		f := g.facts(w[1])
		f.LeaderPid, f.LeaderStart = int(number(w[2])), known(w[3])
	case w[0] == "cause" && len(w) == 6 && w[5] == ".":
		f := g.facts(w[1])
		f.Cause, f.CauseEpoch = w[2], number(w[3])
	case w[0] == "killed" && len(w) == 5 && w[4] == ".":
		g.facts(w[1]).Survivors = int(number(w[3]))
	case w[0] == "left" && len(w) == 4 && w[3] == ".":
		g.facts(w[1]).Leftovers = int(number(w[2]))
	case w[0] == "end" && len(w) == 4 && w[3] == ".":
		g.facts(w[1]).EndEpoch = number(w[2])
	case len(w) == 9 && (w[0][0] == '-' || w[0][0] == 'd'):
		if id, name, ok := strings.Cut(w[8], "/"); ok {
			g.facts(id).file(name, number(w[4]))
		}
	}
}

// file takes in a name in the job's directory.
func (f *Facts) file(name string, size int64) {
	f.Present = true
	switch {
	case name == "go":
		f.Go = true
	case name == "gone":
		f.Gone = true
	case name == "out":
		f.Out.Size = size
	case name == "err":
		f.Err.Size = size
	case name == "killed":
		f.Killed = true
	case strings.HasPrefix(name, "a."):
		f.Attempts++
	case strings.HasPrefix(name, "rc,"):
		w := strings.Split(name, ",")
		if len(w) != 4 || len(w[2]) != 1 {
			return
		}
		f.Ended = true
		f.RawCode, f.Flag, f.Elapsed = int(number(w[1])), w[2][0], centis(w[3])
		f.ExitCode = fold(f.RawCode)
	}
}

// stretch takes in a window: job, stream, offset, length, and how many bytes
// before the offset come along because dd counts in blocks.
func (g *gathering) stretch(f Frame) error {
	if len(f.Args) != 5 {
		return malformed("output header %.80q", f.Text)
	}
	start, size, head := number(f.Args[2]), number(f.Args[3]), number(f.Args[4])
	if start < 0 || size < 0 || head < 0 {
		return malformed("output header %.80q", f.Text)
	}
	n := int64(len(f.Data))
	o := &g.facts(f.Args[0]).Out
	if f.Args[1] == "err" {
		o = &g.facts(f.Args[0]).Err
	}
	o.Start, o.Data = start, f.Data[min(head, n):min(head+size, n)]
	return nil
}

func (o *Output) window(w Window) {
	o.Shrunk = w.Offset > o.Size
}

// settle fills in what follows from several lines.
func (g *gathering) settle(f *Facts) {
	now := g.looked.Identity
	if t := f.Token; t != nil {
		f.Supervisor = g.liveness(t.Pid, t.Start)
		if !f.Ended && t.uptime > 0 && now.Uptime >= t.uptime && SameBoot(t.Boot, now.Boot) {
			f.Elapsed = now.Uptime - t.uptime
		}
		switch {
		case !f.Ended || f.EndEpoch != 0 && t.Epoch == 0:
		case f.EndEpoch == 0 && t.Epoch != 0:
			f.EndEpoch = t.Epoch + int64((f.Elapsed+time.Second/2)/time.Second)
		case f.Elapsed == 0 && f.EndEpoch > t.Epoch:
			f.Elapsed = time.Duration(min(f.EndEpoch-t.Epoch, 1<<32)) * time.Second
		}
	}
	if f.LeaderPid > 0 {
		f.Leader = g.liveness(f.LeaderPid, f.LeaderStart)
	}
}

func (g *gathering) liveness(pid int, start string) Liveness {
	p, ok := g.states[decimal(pid)]
	switch {
	case !ok || strings.HasPrefix(p.state, "Z") || strings.HasPrefix(p.state, "X"):
		return Dead
	case start == "" || p.start == "-":
		return Weak
	case p.start == start:
		return Alive
	}
	return Dead
}
