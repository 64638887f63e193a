package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// selector says which processes belong to a host, or to a whole sandbox: those that carry the cookie in their
// environment, those of the process groups that began there, and the descendants of both. A process that has left
// its group, its parent and its environment behind at once is not found. Where there is no /proc, only the groups are
// known.
type selector struct {
	value  string       // the whole cookie, or
	prefix string       // what it begins with
	groups map[int]bool // known to be ours and not empty
}

// process is a line of /proc.
type process struct {
	parent, group int
	ours          bool
}

// find returns what kill(2) takes for each process that lives: its id, or a negative process group.
func (s selector) find() []int {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		return s.liveGroups()
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return s.liveGroups()
	}
	table := map[int]process{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, alive := s.read(e.Name()); alive {
			table[pid] = p
		}
	}
	delete(table, os.Getpid())
	for grown := true; grown; {
		grown = false
		for pid, p := range table {
			if !p.ours && table[p.parent].ours {
				p.ours, grown = true, true
				table[pid] = p
			}
		}
	}
	var found []int
	for pid, p := range table {
		if p.ours {
			found = append(found, pid)
		}
	}
	return found
}

// read looks a process up. One that is gone, or a zombie, is not alive.
func (s selector) read(pid string) (process, bool) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return process{}, false
	}
	// The name, in brackets, may hold anything: fields are counted from the last one (proc_pid_stat(5)).
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) < 3 || f[0] == "Z" || f[0] == "X" {
		return process{}, false
	}
	parent, _ := strconv.Atoi(f[1])
	group, _ := strconv.Atoi(f[2])
	p := process{parent: parent, group: group, ours: s.groups[group]}
	if !p.ours {
		environ, _ := os.ReadFile("/proc/" + pid + "/environ") // another user's cannot be read, and is not ours
		p.ours = s.carries(environ)
	}
	return p, true
}

func (s selector) carries(environ []byte) bool {
	for v := range bytes.SplitSeq(environ, []byte{0}) {
		if value, ok := bytes.CutPrefix(v, []byte(cookieName+"=")); ok {
			return string(value) == s.value || s.prefix != "" && bytes.HasPrefix(value, []byte(s.prefix))
		}
	}
	return false
}

func (s selector) liveGroups() []int {
	var found []int
	for g := range s.groups {
		if syscall.Kill(-g, 0) != syscall.ESRCH {
			found = append(found, -g)
		}
	}
	return found
}

// kill sends TERM to each process, when grace is not zero, and KILL to those that are left after it, until two looks
// in a row find nothing: in the middle of execve a process shows no environment. When ctx ends first the error names
// what is left.
func (s selector) kill(ctx context.Context, grace time.Duration) error {
	termed := map[int]bool{}
	began := time.Now()
	for empty := 0; ; {
		found := s.find()
		if len(found) == 0 {
			if empty++; empty == 2 {
				return nil
			}
		} else {
			empty = 0
		}
		for _, pid := range found {
			if time.Since(began) >= grace {
				syscall.Kill(pid, syscall.SIGKILL)
			} else if !termed[pid] {
				termed[pid] = true
				syscall.Kill(pid, syscall.SIGTERM)
				syscall.Kill(pid, syscall.SIGCONT) // a stopped one takes no TERM
			}
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			if len(found) == 0 {
				return nil
			}
			return fmt.Errorf("processes do not end: %v: %w", found, context.Cause(ctx))
		}
	}
}
