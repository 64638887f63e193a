// Package sshdtest runs a real OpenSSH sshd on loopback for tests: one `sshd -i` per accepted connection, so that a
// test can drop, refuse and "reboot" the host at will, and a TCP proxy that cuts, delays or freezes the traffic to it.
// It is for tests only; it holds no client and knows nothing of jobs.
//
// The sessions are processes of the machine the test runs on. They have a home directory of their own and a cookie in
// their environment, by which a reboot and the cleanup find what they left behind, setsid'ed or not.
package sshdtest
