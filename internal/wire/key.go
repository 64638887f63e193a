package wire

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
)

// This file is about jobs that have a name: whoever starts a job under a key finds the one that is on the host. A key
// has generations: each is one job, whose id follows from a salt that the host keeps and from the number, so that two
// controllers which start at the same instant send the same id, and the token of that id decides. Marked tells that a
// generation was reaped and the next one may begin. See docs/protocol.md, "Keys".

var (
	_ Request = Key{}
	_ Request = Mark{}
)

// Key asks which generation of a key is the current one. See DecodeKey.
type Key struct {
	Base string // HostFacts.Base
	Key  string // any text that is not empty
	Salt string // ValidNonce; becomes the key's salt if it has none
}

// Mark says that a generation of a key was reaped: the next Key answers with the one behind it. It may be sent again.
// See DecodePing.
type Mark struct {
	Base, Key  string
	Generation int
}

// Keyed is the answer to Key.
type Keyed struct {
	Salt       string
	Generation int // from 0
}

var idDigits = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// ID is the job id of this generation.
func (k Keyed) ID() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", k.Salt, k.Generation))
	return "k-" + idDigits.EncodeToString(sum[:10])
}

// folder is where a key's files are, below the base. The key itself is in no name and no file.
func folder(base, key string) (string, error) {
	if err := checkBase(base); err != nil {
		return "", err
	}
	if key == "" {
		return "", refuse("an empty key")
	}
	sum := sha256.Sum256([]byte(key))
	return base + "/keys/" + idDigits.EncodeToString(sum[:15]), nil
}

func (r Key) encode(b *builder) error {
	dir, err := folder(r.Base, r.Key)
	if err != nil {
		return err
	}
	if err := checkNonce(r.Salt); err != nil {
		return err
	}
	// The salt is linked into place, complete at the instant it is there; where there are no links, the shell's own
	// exclusive creation stands in, as for the token of a job.
	b.line(`umask 077
if mkdir -p %[1]s && cd %[1]s && [ -O . ]; then
	if [ ! -s salt ]; then
		printf '%%s\n' %[2]s >s.%[2]s
		ln s.%[2]s salt 2>/dev/null || [ -e salt ] || (set -C; printf '%%s\n' %[2]s >salt) 2>/dev/null
		rm -f s.%[2]s
	fi
	_sla=
	{ IFS= read -r _sla <salt; } 2>/dev/null
	_slb=0
	set +f
	for _slc in reaped.*; do
		_slc=${_slc#reaped.}
		case $_slc in *[!0-9]*) ;; *) [ "$_slc" -lt "$_slb" ] || _slb=$((_slc + 1)) ;; esac
	done
	set -f
	_sl_emit R keyed "$_sla" "$_slb"
else
	_sl_emit R failed the folder of the key can not be made
fi`, ascii(dir), r.Salt)
	return nil
}

func (r Mark) encode(b *builder) error {
	dir, err := folder(r.Base, r.Key)
	if err != nil {
		return err
	}
	if r.Generation < 0 {
		return refuse("negative generation %d", r.Generation)
	}
	b.line(`umask 077
if cd %[1]s 2>/dev/null && { true >reaped.%[2]d; } 2>/dev/null; then
	set +f
	for _slc in reaped.*; do
		case ${_slc#reaped.} in *[!0-9]*) ;; *) [ "${_slc#reaped.}" -ge %[2]d ] || rm -f "$_slc" ;; esac
	done
	set -f
	_sl_emit R pong
else
	_sl_emit R failed the key can not be marked
fi`, ascii(dir), r.Generation)
	return nil
}

// DecodeKey reads the answer to Key.
func DecodeKey(frames []Frame) (Keyed, error) {
	word, rest, err := result(frames)
	if err != nil {
		return Keyed{}, err
	}
	if word != "keyed" {
		return Keyed{}, malformed("%.80q to a key", word+" "+rest)
	}
	var k Keyed
	var number string
	if _, err := fmt.Sscanf(rest, "%s %s", &k.Salt, &number); err != nil {
		return k, malformed("%.80q to a key", rest)
	}
	if k.Generation, err = strconv.Atoi(number); err != nil || k.Generation < 0 || !ValidNonce(k.Salt) {
		return k, malformed("%.80q to a key", rest)
	}
	return k, nil
}
