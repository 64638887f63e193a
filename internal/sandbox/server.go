package sandbox

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// maxSessions is what OpenSSH allows on one connection unless told otherwise (sshd_config MaxSessions).
	maxSessions = 10
	// loginTimeout is how long a client may take to prove who it is.
	loginTimeout = 30 * time.Second
)

// serverConfig lets in the one user with the one key.
func serverConfig(hostKey ssh.Signer, login string, client ssh.PublicKey) *ssh.ServerConfig {
	want := client.Marshal()
	c := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-starling_sandbox",
		PublicKeyCallback: func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if conn.User() != login || !bytes.Equal(key.Marshal(), want) {
				return nil, errors.New("sandbox: not the sandbox's own key and user")
			}
			return nil, nil
		},
	}
	c.AddHostKey(hostKey)
	return c
}

// connection is what the sessions of one connection share.
type connection struct {
	boot     *boot
	sessions atomic.Int32
	noMore   atomic.Bool // the client has sworn off further sessions
}

// serve speaks SSH on conn until it ends. Commands that still run then are not touched: they go on, as under sshd.
func (b *boot) serve(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(loginTimeout))
	sc, channels, requests, err := ssh.NewServerConn(conn, b.host.server)
	if err != nil {
		return
	}
	defer sc.Close()
	conn.SetDeadline(time.Time{})
	c := &connection{boot: b}
	b.running.Go(func() { c.global(requests) })
	for nc := range channels {
		c.open(nc)
	}
}

// global answers what is asked of the connection as a whole. Refusing is an answer too, and the one that sshd gives
// to keepalive@openssh.com.
func (c *connection) global(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.Type == "no-more-sessions@openssh.com" {
			c.noMore.Store(true)
		}
		if r.WantReply {
			r.Reply(false, nil)
		}
	}
}

func (c *connection) open(nc ssh.NewChannel) {
	if nc.ChannelType() != "session" {
		nc.Reject(ssh.Prohibited, "a sandbox host has sessions only")
		return
	}
	if c.noMore.Load() {
		nc.Reject(ssh.Prohibited, "no more sessions, as asked")
		return
	}
	if c.sessions.Add(1) > maxSessions {
		c.sessions.Add(-1)
		nc.Reject(ssh.ConnectionFailed, "open failed") // in OpenSSH's words
		return
	}
	ch, requests, err := nc.Accept()
	if err != nil {
		c.sessions.Add(-1)
		return
	}
	c.boot.running.Go(func() {
		defer c.sessions.Add(-1)
		c.boot.session(ch, requests)
	})
}

// session obeys the requests of one channel until it is closed, and returns when its command has ended too: until
// then it counts as a session, as in OpenSSH.
func (b *boot) session(ch ssh.Channel, requests <-chan *ssh.Request) {
	var env []string
	var cmd *command
	for r := range requests {
		ok := false
		switch r.Type {
		case "env":
			var v struct{ Name, Value string }
			ok = ssh.Unmarshal(r.Payload, &v) == nil && acceptEnv(v.Name)
			if ok {
				env = append(env, v.Name+"="+v.Value)
			}
		case "exec", "shell":
			if cmd != nil {
				break
			}
			var v struct{ Line string }
			if r.Type == "exec" && ssh.Unmarshal(r.Payload, &v) != nil {
				break
			}
			var err error
			if cmd, err = b.start(v.Line, env); err != nil {
				b.host.sandbox.logf("%s: cannot run a command: %v", b.host.name, err)
				break
			}
			ok = true
		case "signal":
			var v struct{ Name string }
			ok = ssh.Unmarshal(r.Payload, &v) == nil && cmd != nil && cmd.signal(v.Name)
		}
		if r.WantReply {
			r.Reply(ok, nil)
		}
		if ok && (r.Type == "exec" || r.Type == "shell") {
			b.running.Go(func() { cmd.serve(ch) })
		}
		if cmd == nil && (r.Type == "exec" || r.Type == "shell") {
			ch.Close()
		}
	}
	if cmd != nil {
		cmd.detach()
		<-cmd.ended
	}
}

// acceptEnv lets the locale through, as the sshd_config of most systems does. All else could undo the environment of
// the sandbox, its PATH above all.
func acceptEnv(name string) bool {
	return name == "LANG" || strings.HasPrefix(name, "LC_")
}
