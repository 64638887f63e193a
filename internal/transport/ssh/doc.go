// Package ssh is the transport to a host over SSH, on golang.org/x/crypto/ssh: it reads the user's ssh_config and
// known_hosts, goes through jump hosts, logs in, and shares one connection among all commands of a host. It starts
// no ssh(1), copies no files, retries no dial, and never closes a connection because it is idle: that is the caller's.
// docs/ssh.md says what of ssh_config is honoured.
package ssh
