package wire

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Become is another user to be on a host, and the program that makes one so.
// The zero Become is the login user.
type Become struct {
	Method string `json:"method,omitempty"` // one of BecomeMethods; "" with a User: sudo
	User   string `json:"user,omitempty"`   // "" with a Method: root
}

// BecomeMethods returns the programs that a Become may name.
func BecomeMethods() []string { return []string{"sudo", "doas", "su"} }

// userForm has what user names are made of, also those of directories (DOMAIN
// names with a backslash aside), and nothing that a shell or an option is.
var userForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}$`)

// Full returns b with its defaults filled in; the zero Become stays as it is.
func (b Become) Full() Become {
	if b == (Become{}) {
		return b
	}
	if b.Method == "" {
		b.Method = "sudo"
	}
	if b.User == "" {
		b.User = "root"
	}
	return b
}

// Problem says why b can't be put on a line, or "".
func (b Become) Problem() string {
	b = b.Full()
	switch {
	case b == (Become{}):
		return ""
	case !slices.Contains(BecomeMethods(), b.Method):
		return fmt.Sprintf("%q is no way to become another user: there are %s", b.Method, strings.Join(BecomeMethods(), ", "))
	case !userForm.MatchString(b.User):
		return fmt.Sprintf("%q is no name of a user", b.User)
	}
	return ""
}

// ReadsInput reports whether the program may read a password from standard
// input, so that nothing may be sent before its Entrance is ready. doas takes
// one from a terminal only, and is never let to ask; sudo asks when asks says
// that there is an answer; su can't be kept from it.
func (b Become) ReadsInput(asks bool) bool {
	return b.Method == "su" || b.Method == "sudo" && asks
}

// Line returns line, one of Lines, under the user of b: an Entrance with the
// same nonce tells from its output when the user's shell is there, which then
// reads what Open returns. asks says that a password is at hand. Of all that
// is on the line, the nonce alone is not the same every time.
//
// The program's messages are asked for in English; the user gets the locale
// that was there. $1 and $2 of the user's shell are that locale and the login
// user's name, whose session it is.
func (b Become) Line(line, nonce string, asks bool) (string, error) {
	if problem := b.Problem(); problem != "" {
		return "", refuse("%s", problem)
	}
	if err := checkNonce(nonce); err != nil {
		return "", err
	}
	if b = b.Full(); b == (Become{}) {
		return line, nil
	}
	shell, script, ok := strings.Cut(line, " -c '")
	script, ends := strings.CutSuffix(script, "'")
	if !ok || !ends {
		return "", refuse("no line of this package: %.80q", line)
	}
	program := ""
	switch {
	case b.Method == "sudo" && asks:
		program = `sudo -H -S -p ` + nonce + `: -u "$0" --`
	case b.Method == "sudo":
		program = `sudo -H -n -u "$0" --`
	case b.Method == "doas":
		program = `doas -n -u "$0" --`
	}
	program += ` /bin/sh -c "$1" sh`
	if b.Method == "su" {
		program = `su -s /bin/sh -c "$1" "$0" sh`
	}
	outer := `{ echo;echo "` + nonce + ` BEGIN ${LOGNAME-}";} >&2;` +
		`command -v ` + b.Method + ` >/dev/null 2>&1||{ echo "` + nonce + ` NONE" >&2;exit 69;};` +
		`_sll=${LC_ALL-};LC_ALL=C;export LC_ALL;exec ` + program + ` "$_sll" "${LOGNAME-}"`
	inner := `{ echo;echo "` + nonce + ` READY";} >&2;echo;echo "` + nonce + ` READY";` +
		`if [ "${LC_ALL-}" = C ];then if [ -n "$1" ];then LC_ALL=$1;else unset LC_ALL;fi;fi;_slown=$2;cd /;`
	return shell + " -c '" + outer + "' " + b.User + " '" + inner + script + "'", nil
}
