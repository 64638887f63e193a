package ssh

import (
	"net"

	"golang.org/x/sys/unix"
)

// quickAck has the kernel acknowledge at once what was received. sshd sends the answers of a new session in small
// writes without TCP_NODELAY, and waits for the acknowledgement of each; a delayed one costs 40 ms. The kernel takes
// the setting back by itself, so it is set again after every read.
func quickAck(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // without it things are only slower
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
