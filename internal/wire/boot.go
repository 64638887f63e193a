package wire

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed common.sh
var commonText string

//go:embed supervisor.sh
var supervisorText string

//go:embed prelude.sh
var preludeText string

const magic = "@starling/1 "

// boot is what the exec line gives to the shell: it skips to the magic line,
// reads exactly the script that the line announces and runs it. For the sake
// of ten login shells it has no single quote, no "!", no newline and no
// backslash; see docs/protocol.md.
const boot = `_slh=;while IFS= read -r _sla;do case $_sla in "` + magic + `"*)_slh=$_sla;break;;esac;done;` +
	`[ -n "$_slh" ]||exit 97;_slh=${_slh##* };_slr=;` +
	`while [ ${#_slr} -lt $_slh ];do _sla=$(dd bs=$((_slh-${#_slr})) count=1 2>/dev/null;echo .);_sla=${_sla%.};` +
	`[ -n "$_sla" ]||exit 97;_slr=$_slr$_sla;done;eval "$_slr"`

// Lines returns the exec lines to try in order. When no HELLO comes on one of
// them, the next one may be tried: a start can be repeated safely.
func Lines() []string { return LinesFor("/bin/sh") }

// LinesFor is Lines with another shell in the place of /bin/sh, by its
// absolute path, which must need no quoting.
func LinesFor(shell string) []string {
	return []string{
		shell + " -c '" + boot + "'",
		"env sh -c '" + boot + "'", // where a path is refused or sh is an alias
		"sh -c '" + boot + "'",     // a restricted shell
	}
}

// Open returns the first bytes to write on a channel. A first request may
// follow without waiting for HELLO.
func Open(nonce string) []byte { return OpenFor(nonce, "/bin/sh") }

// OpenFor is Open with another shell in the place of /bin/sh, by its absolute
// path. It runs the supervisor and the jobs, too.
func OpenFor(nonce, shell string) []byte {
	script := fmt.Sprintf("_sln=%s _slsh=%s\n_slsup=%s\n%s%s", nonce, ascii(shell),
		raw(strings.TrimSuffix(lean(commonText)+lean(supervisorText), "\n")), lean(commonText), lean(preludeText))
	// Login files that read a line eat the empty one.
	return fmt.Appendf(nil, "\n%s%s %d\n%s", magic, nonce, len(script), script)
}

// lean drops comments and indentation, which no host needs.
func lean(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(line, "\t")
		if line == "\n" || strings.HasPrefix(line, "#") {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}
