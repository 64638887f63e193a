package sshdtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Refuse closes the port, so that new connections are refused, or opens it again. Open connections are not touched.
func (s *Server) Refuse(refuse bool) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusing == refuse {
		return
	}
	s.refusing = refuse
	if refuse {
		s.addReason(1)
	} else {
		s.addReason(-1)
	}
}

// addReason adds to the reasons to refuse and opens or closes the port accordingly. The caller holds mu.
func (s *Server) addReason(n int) {
	s.refused += n
	switch {
	case s.closed:
	case s.refused > 0 && s.listener != nil:
		s.listener.Close()
		s.listener = nil
	case s.refused == 0 && s.listener == nil:
		if err := s.listen(findSSHD(s.t)); err != nil {
			s.t.Errorf("sshdtest: %s does not come back: %v", s.Name, err)
		}
	}
}

// DropAll kills the sshd of every open connection and the sessions under them, as a host does that ends a user's
// sessions, and returns when they are gone. What has left its session with setsid lives on.
func (s *Server) DropAll() {
	s.t.Helper()
	s.mu.Lock()
	var daemons []int
	for cmd := range s.procs {
		daemons = append(daemons, cmd.Process.Pid)
	}
	s.mu.Unlock()
	for _, pid := range sessionsOf(daemons) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone by itself is as good
	}
	if !waitFor(func() bool { return !s.anyOpen(daemons) }) {
		s.t.Errorf("sshdtest: connections of %s outlive their sshd", s.Name)
	}
}

func (s *Server) anyOpen(daemons []int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cmd := range s.procs {
		for _, pid := range daemons {
			if cmd.Process.Pid == pid {
				return true
			}
		}
	}
	return false
}

// Reboot kills every process of the host, also those that left their session, refuses for down, writes a new boot
// id and accepts again. It returns when the processes are gone; the host comes back in the background, or not at all
// when the test ends first. The returned channel is closed then.
func (s *Server) Reboot(down time.Duration) <-chan struct{} {
	s.t.Helper()
	s.mu.Lock()
	s.addReason(1)
	closed := s.closed
	if !closed {
		s.wg.Add(1)
	}
	s.mu.Unlock()
	back := make(chan struct{})
	if closed {
		close(back)
		return back
	}
	s.killHost()
	s.writeBootID()
	go func() {
		defer s.wg.Done()
		defer close(back)
		timer := time.NewTimer(down)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.addReason(-1)
	}()
	return back
}

// Processes returns the ids of the host's processes: whatever carries its cookie, the sshds of open connections
// included. A process that cleared its environment is not among them.
func (s *Server) Processes() []int {
	cookie := []byte(envCookie + "=" + s.cookie)
	var pids []int
	environs, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well-formed
	for _, path := range environs {
		environ, err := os.ReadFile(path)
		if err != nil {
			continue // gone meanwhile, or another user's
		}
		for _, entry := range bytes.Split(environ, []byte{0}) {
			if bytes.Equal(entry, cookie) {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path))) // digits, by the pattern
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// killHost kills until nothing is left, since what is being killed may fork.
func (s *Server) killHost() {
	s.DropAll() // sshd rewrites its title over its environment, and is not found by its cookie then
	gone := waitFor(func() bool {
		pids := s.Processes()
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(pids) == 0
	})
	if !gone {
		s.t.Errorf("sshdtest: processes of %s cannot be killed: %v", s.Name, s.Processes())
	}
}

// process is what /proc/PID/stat says of one.
type process struct{ pid, parent, session int }

// sessionsOf returns the daemons, their children, and all processes of the sessions that those children lead.
func sessionsOf(daemons []int) []int {
	all := processes()
	doomed, sessions := map[int]bool{}, map[int]bool{}
	for _, pid := range daemons {
		doomed[pid] = true
	}
	for _, p := range all {
		if doomed[p.parent] && p.session == p.pid {
			sessions[p.session] = true
		}
	}
	pids := append([]int{}, daemons...)
	for _, p := range all {
		if !doomed[p.pid] && (sessions[p.session] || doomed[p.parent]) {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

func processes() []process {
	var all []process
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The second field is the program's name in brackets, which may hold anything: count from its end.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 4 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(string(fields[1]))
		session, _ := strconv.Atoi(string(fields[3]))
		all = append(all, process{pid, parent, session})
	}
	return all
}
