package job

import (
	"fmt"
	"strings"

	"starling/internal/wire"
)

// BecomeProblem says why a host did not let the login user be another.
type BecomeProblem string

// The problems. All but BecomeOther and BecomeSilent stay until somebody changes something.
const (
	BecomeNeedsPassword BecomeProblem = "needs a password"
	BecomeWrongPassword BecomeProblem = "wrong password"
	BecomeDenied        BecomeProblem = "not allowed"
	BecomeNoMethod      BecomeProblem = "no such program"
	BecomeNoUser        BecomeProblem = "no such user"
	BecomeNoTerminal    BecomeProblem = "wants a terminal"
	BecomeSilent        BecomeProblem = "no answer" // within the time it has
	BecomeOther         BecomeProblem = "refused"   // in words that are not known; see Said
)

// BecomeError is a host on which the login user could not become another user. Nothing was done there.
type BecomeError struct {
	Host    string
	Login   string // "" when it is left to ssh_config
	Become  wire.Become
	Problem BecomeProblem
	Said    string // the program's own words, at most the last 2 KB; never a password
}

func (e *BecomeError) Error() string {
	method, user := e.Become.Method, e.Become.User
	text := fmt.Sprintf("%s: can't become %s: ", e.Host, user)
	switch e.Problem {
	case BecomeNeedsPassword:
		text += fmt.Sprintf("%s asks for a password", method)
		if method != "doas" {
			text += ", and none was given"
		}
	case BecomeWrongPassword:
		text += fmt.Sprintf("%s did not take the password of %s", method, e.whose())
	case BecomeDenied:
		text += fmt.Sprintf("%s does not allow it to %s", method, e.login())
	case BecomeNoMethod:
		text += fmt.Sprintf("there is no %s on this host", method)
	case BecomeNoUser:
		text += "the host knows no such user"
	case BecomeNoTerminal:
		text += fmt.Sprintf("%s insists on a terminal, and there is none", method)
	case BecomeSilent:
		text += fmt.Sprintf("%s has not come to an end within %s", method, entryPatience)
	default:
		text += fmt.Sprintf("%s refused", method)
	}
	if e.Said != "" && e.Problem != BecomeNeedsPassword {
		text += fmt.Sprintf("; it said: %q", e.Said)
	}
	return text
}

// Hint returns what helps.
func (e *BecomeError) Hint() string {
	user, login := e.Become.User, e.Login
	if login == "" {
		login = "USER"
	}
	sudoers := fmt.Sprintf("a line for %s in sudoers there (visudo): %s ALL=(%s) NOPASSWD: ALL", e.login(), login, user)
	doas := fmt.Sprintf("a line in doas.conf there: permit nopass %s as %s", login, user)
	switch {
	case e.Problem == BecomeNoMethod:
		return fmt.Sprintf("install %s there, or choose another: become_method=, --become-method (sudo, doas, su)", e.Become.Method)
	case e.Problem == BecomeNoUser:
		return fmt.Sprintf("getent passwd %s   # there; become_user=, --become-user name another", user)
	case e.Become.Method == "doas":
		return doas + "   # a password it takes from a terminal only"
	case e.Problem == BecomeNeedsPassword:
		text := fmt.Sprintf("--ask-become-pass (-K), --become-pass-file or $STARLING_BECOME_PASS give the password of %s", e.whose())
		if e.Become.Method == "sudo" {
			text += "; or " + sudoers
		}
		return text
	case e.Problem == BecomeWrongPassword:
		return fmt.Sprintf("the password of %s is wanted; it was tried once, and is not tried there again", e.whose())
	case e.Problem == BecomeDenied && e.Become.Method == "sudo":
		return sudoers + "   # a rule for single commands won't do"
	case e.Problem == BecomeNoTerminal:
		return fmt.Sprintf("a line in sudoers there (visudo): Defaults:%s !requiretty", login)
	}
	return ""
}

func (e *BecomeError) login() string {
	if e.Login == "" {
		return "the login user"
	}
	return e.Login
}

// whose password it is that the method asks for.
func (e *BecomeError) whose() string {
	if e.Become.Method == "su" {
		return e.Become.User
	}
	return e.login()
}

// lasting reports whether trying again without a change is of no use.
func (e *BecomeError) lasting() bool { return e.Problem != BecomeSilent && e.Problem != BecomeOther }

// becomeProblem finds out what a program's last words mean. They are in English, as they were asked for so.
func becomeProblem(method, said string) BecomeProblem {
	for _, row := range []struct {
		words   string
		problem BecomeProblem
	}{
		{"unknown user", BecomeNoUser},
		{"does not exist", BecomeNoUser},
		{"you must have a tty", BecomeNoTerminal},
		{"no tty present", BecomeNoTerminal},
		{"a password is required", BecomeNeedsPassword},
		{"authentication required", BecomeNeedsPassword},
		{"incorrect password", BecomeWrongPassword},
		{"authentication failure", BecomeWrongPassword},
		{"not in the sudoers file", BecomeDenied},
		{"not allowed to execute", BecomeDenied},
		{"not allowed to run", BecomeDenied},
		{"may not run sudo", BecomeDenied},
		{"operation not permitted", BecomeDenied},
		{"permission denied", BecomeDenied},
		{"is not enabled", BecomeDenied}, // doas without a doas.conf
	} {
		if strings.Contains(strings.ToLower(said), row.words) {
			return row.problem
		}
	}
	return BecomeOther
}
