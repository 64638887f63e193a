package sandbox

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// reservation is a loopback port that stays ours while nothing listens on it: a socket that is bound and never
// listens makes the kernel refuse connections, as a machine without sshd does, and give the port to nobody else. The
// listener shares the port with it, which SO_REUSEPORT allows to sockets of one user.
type reservation struct {
	port int
	fd   int
}

func reservePort() (*reservation, error) {
	syscall.ForkLock.RLock() // a child must not inherit the socket
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	r := &reservation{fd: fd}
	if err := r.bind(); err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

func (r *reservation) bind() error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(r.fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	name, err := unix.Getsockname(r.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	r.port = name.(*unix.SockaddrInet4).Port
	return nil
}

// listen opens the port.
func (r *reservation) listen() (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); cerr != nil {
			return cerr
		}
		return err
	}}
	// Binding to a literal address waits for nothing that a context could end.
	return lc.Listen(context.Background(), "tcp4", fmt.Sprintf("127.0.0.1:%d", r.port))
}

// release gives the port back.
func (r *reservation) release() { unix.Close(r.fd) }
