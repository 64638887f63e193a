// Package wirehost is a host in memory: a transport.Transport that answers the
// on-host protocol of package wire as a machine would, without a process, a
// socket or a shell, so that a controller can be measured and tested with
// thousands of hosts. A Script says what each command does. A host that is
// asked nothing has no goroutine and no timer: what became of its jobs follows
// from its clock when somebody looks.
//
// What it does not imitate: shells. The exec line must be one of wire.Lines,
// what wire.Open sends is skipped unread, and requests are known by the text
// that package wire makes of them, which the tests compare with a real host.
// So there is no other user (wire.Become), no login file and its noise, no
// variable and no directory of a command. The first answer of a channel
// carries its HELLO with it, so who waits for HELLO before it asks waits for
// ever. There are no processes: a job dies at the first TERM and at once,
// leaves no child behind, and is never lost or orphaned; there is no reboot,
// no full disk and no logind. Tombstones of cleaned jobs are kept for good.
// Connections never fail by themselves; package fake puts faults before any
// transport.
package wirehost
