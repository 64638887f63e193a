# What Open sends: the functions of the requests and the loop that runs them, in
# the shell that the exec line started. _sln (nonce), _slsh (shell) and _slsup
# (the supervisor's text) are set before. Requests: a line "NONCE SEQ LENGTH
# MODE", LENGTH bytes of script that calls the functions below, then the payload
# that the script reads. Names, rules and traps are as in supervisor.sh.

case ${KSH_VERSION-} in
*MIRBSD*) _slput() { print -r -- "$1"; } ;; # its printf is a program, with the text on a command line
*) _slput() { printf '%s\n' "$1"; } ;;
esac

# _sl_emit VERB ...: a frame. The empty line before it ends what others left open.
_sl_emit() {
	unset IFS
	_slput "$_slN$_sln $_slq $*"
}
_sl_trailer() { _slput "$_slN$_sln $_slq E"; }

# _sl_ls ...: dull output whatever the environment says.
_sl_ls() { LC_ALL=C TIME_STYLE=locale QUOTING_STYLE=literal LS_BLOCK_SIZE=1 ls "$@" 2>/dev/null; }

# _sl_dull: the same for what follows in a request that starts no command.
_sl_dull() {
	LC_ALL=C TIME_STYLE=locale QUOTING_STYLE=literal LS_BLOCK_SIZE=1
	export LC_ALL TIME_STYLE QUOTING_STYLE LS_BLOCK_SIZE
}

# _sl_text N: _slr the next N characters (ASCII) of standard input, which are
# whole lines. Few are read by the shell, a call for each byte, which is cheaper
# than two forks; more by dd, which takes no byte too many, as head may do.
_sl_text() {
	_slr=
	if [ "$1" -le 2000 ]; then
		while [ ${#_slr} -lt "$1" ]; do
			IFS= read -r _sla || return 1
			_slr=$_slr$_sla$_slN
		done
		[ ${#_slr} -eq "$1" ]
		return
	fi
	while [ ${#_slr} -lt "$1" ]; do
		_sla=$(dd bs=$(($1 - ${#_slr})) count=1 2>/dev/null; echo .)
		_sla=${_sla%.}
		[ -n "$_sla" ] || return 1
		_slr=$_slr$_sla
	done
}

# _sl_take N FILE: the next N bytes into FILE. 1: the input ended, 2: they could
# not be written. How far the input was read is not known then.
_sl_take() {
	_slg=0
	while [ "$_slg" -lt "$1" ]; do
		_slm=$(($1 - _slg))
		if [ $_slm -lt 16384 ]; then _slb=$_slm _slc=1; else _slb=16384 _slc=$((_slm / 16384)); fi
		_slo=$(dd bs=$_slb count=$_slc 2>&1 >>"$2") || return 2
		case $_slo in
		"$_slc+0 "*) _slg=$((_slg + _slb * _slc)) ;; # only whole blocks
		*)
			# shellcheck disable=SC2046
			set -- "$1" "$2" $(_sl_ls -ln "$2")
			[ "${7:-0}" -gt "$_slg" ] || return 1
			_slg=$7
			;;
		esac
	done
}

# _sl_drain N: the next N bytes nowhere. Status 99 of a request ends the channel.
_sl_drain() {
	_slg=$1
	while [ "$_slg" -gt 0 ]; do
		if [ "$_slg" -lt 16384 ]; then _slb=$_slg _slc=1; else _slb=16384 _slc=$((_slg / 16384)); fi
		_slo=$(dd bs="$_slb" count=$_slc 2>/dev/null | wc -c)
		[ $((_slo)) -gt 0 ] || exit 99
		_slg=$((_slg - _slo))
	done
}

# _sl_boot: _slbt the boot identity ("-": none), _slraw what it was read from,
# _slho the host's name, _slp1 the start of process 1.
_sl_boot() {
	_slbt=- _slraw=
	_slf=${STARLING_BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}
	if [ -n "${STARLING_BOOT_ID_FILE-}" ] || [ -r "$_slf" ]; then
		_sla=
		{
			IFS= read -r _slraw
			IFS= read -r _sla
		} <"$_slf" 2>/dev/null
		_slraw=$_slraw${_sla:+ $_sla}
	else
		_slraw=$(sysctl -n kern.bootsessionuuid 2>/dev/null)
		if [ -z "$_slraw" ]; then
			_slraw=$(sysctl -n kern.boottime 2>/dev/null)
			_sla=${_slraw#*sec = }
			_sla=${_sla%%,*}
			case $_sla in '' | *[!0-9]*) ;; *) _slraw=boottime:$_sla ;; esac
		fi
	fi
	case $_slraw in
	boottime:*[!0-9]* | boottime:) ;;
	boottime:*) _slbt=$_slraw ;;
	*[!0-9a-fA-F-]*) ;;
	????????-????-????-????-????????????) _slbt=$_slraw ;;
	esac
	_slho=
	{ IFS= read -r _slho </proc/sys/kernel/hostname; } 2>/dev/null || _slho=$(uname -n)
	case $_slho in '' | *[!A-Za-z0-9._-]*) _slho=- ;; esac
	_sl_stat 1 && _slp1=$_slv || _slp1=-
	_sl_up
}

# _sl_me EPOCH: the frame that says who answers.
_sl_me() { _sl_emit I "$1" "$_slu" "$_slp1" "$_slho" "$_slraw"; }

_sl_pong() { _sl_emit R pong; }

_sl_who() {
	_sl_boot
	_sl_me -
}

# _sl_base DIR: DIR is the user's own, private, and takes files. Leaves the shell
# in it; _sle says why not.
_sl_base() {
	umask 077
	_sle=$(mkdir -p "$1/v1" 2>&1) || return 1
	_sle="$1 is a symbolic link or not owned by this user"
	[ ! -L "$1" ] && [ -O "$1" ] && [ -O "$1/v1" ] && [ ! -L "$1/v1" ] || return 1
	cd "$1" || return 1
	case $(_sl_ls -ld v1) in
	drwx------*) ;;
	*) _sle=$(chmod 700 v1 2>&1) || return 1 ;;
	esac
	_sle="$1: can't write"
	{ echo probe >"v1/.p$$"; } 2>/dev/null && [ -s "v1/.p$$" ] || return 1
	rm -f "v1/.p$$"
}

_sl_fact() { _sl_emit F "$@"; }

# _sl_probe BASE
_sl_probe() {
	_slwhy=
	if ! _sl_try "${1:-${HOME:-/nonexistent}/.local/state/starling}" && [ -z "$1" ]; then
		_sluid=$(id -u)
		_sl_try "/var/tmp/starling-$_sluid" || _sl_try "/tmp/starling-$_sluid"
	fi
	[ -z "$_slwhy" ] || _sl_fact nobase "$(echo "$_slwhy" | tr '\n' ' ')"
	_sl_boot
	_sl_me "$(date +%s)"
	_sl_logind
}

# _sl_try DIR: the fact of a base, or one more reason for none.
_sl_try() {
	if _sl_base "$1"; then
		_slwhy=
		_sl_fact base "$(pwd -P)"
		return
	fi
	_slwhy="$_slwhy${_slwhy:+; }$_sle"
	return 1
}

# _sl_logind: does logind kill what a session leaves, and what helps? The session
# is the login user's (_slown), also where we have become another.
_sl_logind() {
	_slo=$(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses KillOnlyUsers KillExcludeUsers 2>/dev/null)
	case $_slo in "b true"*) ;; *) return ;; esac
	_slx=${_slo##*"${_slN}as "} # who is excluded
	_sla=${_slo#*"${_slN}as "}
	_sla=${_sla%%"$_slN"*} # whom it is limited to
	_sluid=$(id -u) _sluser=$(id -un)
	: "${_slown:=$_sluser}"
	case $_slx in *"\"$_slown\""*) return ;; esac
	case $_sla in 0*) ;; *"\"$_slown\""*) ;; *) return ;; esac
	_sl_fact killuser "$_sluser"
	if ! systemd-run --version >/dev/null 2>&1; then
		_sl_fact noscope logind ends the processes of a session with it, and there is no systemd-run to leave it
	elif [ "$_sluid" = 0 ]; then
		_sl_fact scope system
	elif [ "$(loginctl show-user "$_sluser" -p Linger 2>/dev/null)" = Linger=yes ] || loginctl enable-linger >/dev/null 2>&1; then
		_sl_fact scope user
	else
		_sl_fact noscope logind ends the processes of a session with it, and lingering is not allowed to this user
	fi
}

# _sl_token ID: the frame with the content of go.
_sl_token() {
	_sll=
	{ IFS= read -r _sll <"$1/go"; } 2>/dev/null
	_sl_emit T "$_sll"
}

# _sl_fail REASON: nothing was started by this request. When the payload may be
# half read the channel ends with the answer.
_sl_fail() {
	if [ -e go ]; then
		_sl_emit R exists
		_sl_token .
	else
		_sl_emit R "$_slhow" "$(_slput "$1" | tr '\n' ' ')"
	fi
	cd .. && rm -rf "$_slid/a.$_slat"
	exit "$_slex"
}

# _sl_start BASE ID ATTEMPT LIMIT GRACE SCOPE CMDLEN ENVLEN INLEN
_sl_start() {
	umask 077
	unset STARLING_JOB
	_slid=$2 _slat=$3 _slli=$4 _slgr=$5 _slsc=$6 _slcl=$7 _slel=$8 _slil=$9
	if ! cd "$1/v1" 2>/dev/null || [ ! -O . ]; then
		_sl_emit R failed "no directory $1/v1 of this user's own; probe again"
		_sl_drain $((_slcl + _slel + _slil))
		exit 0
	fi
	if [ -e "$_slid/go" ]; then
		_sl_emit R exists
		_sl_token "$_slid"
		_sl_drain $((_slcl + _slel + _slil))
		exit 0
	fi
	if ! _sle=$(mkdir -p "$_slid/a.$_slat" 2>&1) || ! cd "./$_slid"; then
		_sl_emit R failed "$(_slput "$_sle" | tr '\n' ' ')"
		_sl_drain $((_slcl + _slel + _slil))
		exit 0
	fi
	{ _slput "$_slsup" >"a.$_slat/sup" && true >"a.$_slat/spare"; } 2>/dev/null
	_slex=99
	for _sli in "$_slcl cmd" "$_slel env" "$_slil in"; do
		[ "${_sli% *}" -gt 0 ] || continue
		_sl_take "${_sli% *}" "a.$_slat/${_sli#* }"
		case $? in
		0) ;;
		1) _slhow=short _sl_fail "the input ended early" ;;
		*) _slhow=failed _sl_fail "$_slo" ;;
		esac
	done
	[ "$_slcl" -gt 0 ] || true >"a.$_slat/cmd"
	_slex=0 _slhow=failed
	# What is on the disk is believed, not what a program said of writing it.
	_slw=" $_slcl:a.$_slat/cmd"
	[ "$_slel" -eq 0 ] || _slw="$_slw $_slel:a.$_slat/env"
	[ "$_slil" -eq 0 ] || _slw="$_slw $_slil:a.$_slat/in"
	_slw="$_slw $((${#_slsup} + 1)):a.$_slat/sup" _slx=
	# shellcheck disable=SC2046
	set -- $(LC_ALL=C TIME_STYLE=locale QUOTING_STYLE=literal LS_BLOCK_SIZE=1 ls -ln "a.$_slat/cmd" "a.$_slat/env" "a.$_slat/in" "a.$_slat/sup" 2>/dev/null)
	while [ $# -ge 9 ]; do
		_slx="$_slx $5:$9"
		shift 9
	done
	[ "$_slx" = "$_slw" ] || _sl_fail "the files of the job could not be written; is the disk full?"
	_sl_boot
	case $_slsc in
	system) _slrun="systemd-run --scope --collect --quiet" ;;
	user)
		_slrun="systemd-run --user --scope --collect --quiet"
		[ -n "${XDG_RUNTIME_DIR-}" ] || XDG_RUNTIME_DIR=/run/user/$(id -u)
		export XDG_RUNTIME_DIR
		;;
	*) _slrun= ;;
	esac
	set -- "$_slsh" "a.$_slat/sup" S "$_slid" "$_slat" "$_slli" "$_slgr" "$_slbt" "$_slho" "$_slp1" "$_slum"
	_slep=$(date +%s)
	# Two setsids in the foreground make a daemon without "&", which would
	# start the job with INT and QUIT ignored for good.
	# shellcheck disable=SC2086
	setsid setsid $_slrun "$@" 1 "$_slep" "$_slsh" </dev/null 2>>"a.$_slat/log" | _sl_ack && exit 0
	if [ ! -e go ] && [ ! -e "a.$_slat/me" ] && [ -z "$_slrun" ]; then
		{ (
			trap - INT QUIT
			exec "$@" 0 "$_slep" "$_slsh"
		) </dev/null 2>>"a.$_slat/log" & } | _sl_ack && exit 0
	fi
	if [ -e go ]; then
		_sll=
		{ IFS= read -r _sll <go; } 2>/dev/null
		case $_sll in
		"go $_slid 1 $_slat "*)
			_sl_emit R started
			_sl_token .
			exit 0
			;;
		esac
	fi
	_sl_fail "the supervisor did not start: $(tail -n 1 "a.$_slat/log" 2>/dev/null)"
}

# _sl_ack: the supervisor's word, passed on.
_sl_ack() {
	_sla=
	IFS= read -r _sla
	case $_sla in
	S)
		_sl_emit R started
		_sl_token .
		;;
	L)
		_sl_emit R exists
		_sl_token .
		cd .. && rm -rf "$_slid/a.$_slat"
		;;
	*) return 1 ;;
	esac
}

# _sl_wait MS DIR ...: until one of these jobs does anything but run. Per tick
# one sleep, and nothing else is forked.
_sl_wait() {
	_slw=$1 _slo=
	shift
	for _sli; do
		_sl_over "$_sli" && return
		_sll=
		{ IFS= read -r _sll <"$_sli/go"; } 2>/dev/null
		# shellcheck disable=SC2086
		set -- $_sll
		[ "${5:-0}" -gt 0 ] 2>/dev/null && kill -0 "$5" 2>/dev/null || return
		_slo="$_slo$5:$_sli$_slN"
	done
	_sl_up
	_slds=-
	[ "$_slu" = - ] || _slds=$((_slu + _slw / 10))
	while [ "$_slw" -gt 0 ]; do
		IFS=$_slN
		for _sli in $_slo; do
			_sl_over "${_sli#*:}" && break 2
			kill -0 "${_sli%%:*}" 2>/dev/null || break 2
		done
		unset IFS
		if sleep 0.1 2>/dev/null; then
			_slw=$((_slw - 100))
		else
			sleep 1
			_slw=$((_slw - 1000))
		fi
		if [ "$_slds" != - ]; then
			_sl_up
			_slw=$(((_slds - _slu) * 10))
		fi
	done
	unset IFS
}

# _sl_over DIR: a result is recorded.
_sl_over() {
	unset IFS
	set +f
	set -- "$1"/rc,*
	set -f
	[ -e "$1" ]
}

# _sl_look BASE WINDOWS ID ...: the facts of these jobs as raw lines, then the
# windows. Liveness first and the directory after, so that a job can't look
# dead without a result when it merely ended in between.
_sl_look() {
	_sl_dull
	_slwin=$2
	if ! cd "$1/v1" 2>/dev/null; then
		_sl_emit +FACTS
		shift 2
		_slput "asked $*"
		_sl_trailer
		return
	fi
	shift 2
	# Strings, not "$@": to append to it copies every word of it. Ids need no quotes.
	_slids="$*" _slf='' _slps='' _slo='' _slx='' _slst=''
	for _sli; do
		_slf="$_slf $_sli/go $_sli/run" _slo="$_slo $_sli/*" _slx="$_slx $_sli/cause $_sli/killed $_sli/left $_sli/rc,*"
	done
	# shellcheck disable=SC2086
	_slg=$(exec cat $_slf 2>/dev/null)
	_slsv='' _slld=''
	IFS=$_slN
	for _sli in $_slg; do
		unset IFS
		# shellcheck disable=SC2086
		set -- $_sli
		case $1:${5:-} in
		go:0 | go:*[!0-9]*) ;;
		go:?*) _slps="$_slps $5" _slsv="$_slsv $5/$6/$2" ;;
		run:.) case $3 in *[!0-9]*) ;; *) _slld="$_slld $3/$2" ;; esac ;;
		esac
	done
	unset IFS
	_sl_emit +FACTS
	_slput "asked $_slids"
	[ -z "$_slg" ] || _slput "$_slg"
	# shellcheck disable=SC2086
	[ -z "$_slps" ] || _sl_living $_slps
	# The kernel takes its time over each process, so a leader is looked at
	# only where its supervisor is not what it was.
	_slw=' ' _slps=''
	for _sli in $_slsv; do
		_slp=${_sli%%/*} _sla=${_sli#*/}
		case $_slst in
		*"st $_slp "[!ZX]" ${_sla%%/*}$_slN"*) ;;
		*) _slw="$_slw${_sla#*/} " ;;
		esac
	done
	[ "$_slw" = ' ' ] || for _sli in $_slld; do
		case $_slw in *" ${_sli#*/} "*) _slps="$_slps ${_sli%%/*}" ;; esac
	done
	# shellcheck disable=SC2086
	[ -z "$_slps" ] || _sl_living $_slps
	set +f
	# shellcheck disable=SC2086
	_slo=$(exec ls -lnd $_slo 2>/dev/null)
	[ -z "$_slo" ] || _slput "$_slo"
	# shellcheck disable=SC2086
	case $_slo in
	*/rc,* | */cause* | */killed* | */left*) cat $_slx 2>/dev/null ;;
	esac
	set -f
	_sl_trailer
	# shellcheck disable=SC2086
	[ -z "$_slwin" ] || _sl_windows $_slwin
}

# _sl_living PID ...: a line "st PID STATE START" for each that exists, also in _slst.
_sl_living() {
	_slf='' _slst=''
	if [ ! -r /proc/self/stat ]; then
		for _sli; do
			_sl_stat "$_sli" && _slst="${_slst}st $_sli ${_slz%"${_slz#?}"} $_slv$_slN"
		done
		[ -z "$_slst" ] || _slput "$_slst"
		return
	fi
	for _sli; do _slf="$_slf /proc/$_sli/stat"; done
	# shellcheck disable=SC2086
	_sll=$(exec cat $_slf 2>/dev/null)
	IFS=$_slN
	for _sli in $_sll; do
		unset IFS
		_sl_fields "$_sli"
		# shellcheck disable=SC2086
		set -- ${_sli%% *} $_sll
		[ $# -lt 21 ] || _slst="${_slst}st $1 $2 ${21}$_slN"
	done
	unset IFS
	[ -z "$_slst" ] || _slput "$_slst"
}

# _sl_windows WINDOW ...: the stretches asked for, "ID/STREAM:OFFSET:MAX:FINAL", in
# the order in which ls tells of the files: the one for the next file is the first
# that is left. To look for each among all takes dash seconds for a hundred jobs.
# dd seeks; head and tail read all.
_sl_windows() {
	_slx=' '
	IFS=$_slN
	for _sli in $_slo; do
		unset IFS
		# shellcheck disable=SC2086
		case $_sli in */rc,*) _sl_entry $_sli && _slx="$_slx${_slf%%/*} " ;; esac
	done
	IFS=$_slN
	for _sli in $_slo; do
		unset IFS
		# shellcheck disable=SC2086
		case $_sli in */out | */err) _sl_entry $_sli ;; *) continue ;; esac
		_slg=$#
		while [ "$_slg" -gt 0 ]; do
			case $1 in "$_slf":*) break ;; esac
			set -- "$@" "$1"
			shift
			_slg=$((_slg - 1))
		done
		[ "$_slg" -gt 0 ] || continue
		_slw=${1#*:}
		shift
		_sla=${_slw%%:*} _slw=${_slw#*:}
		_slm=${_slw%:*}
		case $_slx in *" ${_slf%/*} "*) _slm=${_slw#*:} ;; esac
		[ "$_sla" -ge 0 ] || _sla=$((_slst - _slm))
		[ "$_sla" -ge 0 ] || _sla=0
		_sld=$((_slst - _sla))
		[ $_sld -le "$_slm" ] || _sld=$_slm
		[ "$_sld" -gt 0 ] || continue
		if [ "$_sld" -le 16384 ]; then _slb=512; elif [ "$_sld" -le 1048576 ]; then _slb=4096; else _slb=65536; fi
		_slc=$((_sla % _slb))
		_sl_emit +D "${_slf%/*}" "${_slf#*/}" "$_sla" "$_sld" "$_slc"
		dd bs=$_slb skip=$((_sla / _slb)) count=$(((_slc + _sld + _slb - 1) / _slb)) <"$_slf" 2>/dev/null
		_sl_trailer
	done
	unset IFS
}

# _sl_entry LINE: of a line of ls, _slf the path and _slst the size.
_sl_entry() { _slf=${9-} _slst=$5; }

# _sl_list BASE
_sl_list() {
	_sl_who
	cd "$1/v1" 2>/dev/null || return
	set +f
	set -- "$1" *
	set -f
	_slx=$1 _slw='' _slc=0
	shift
	for _sli; do
		case $_sli in *[!A-Za-z0-9_-]*) continue ;; esac
		_slw="$_slw $_sli" _slc=$((_slc + 1))
		if [ $_slc -ge 50 ]; then
			# shellcheck disable=SC2086
			(_sl_look "$_slx" '' $_slw)
			_slw='' _slc=0
		fi
	done
	# shellcheck disable=SC2086
	[ -z "$_slw" ] || _sl_look "$_slx" '' $_slw
}

# _sl_killer ARGS: a K or T that outlives the channel, its text over standard input.
_sl_killer() {
	unset STARLING_JOB
	_slput "$_slsup" | setsid setsid "$_slsh" -s "$@" >/dev/null 2>&1 && return
	_slput "$_slsup" | (
		trap '' HUP
		exec "$_slsh" -s "$@"
	) >/dev/null 2>&1 &
}

# _sl_killjob BASE ID NONCE GRACE WHY
_sl_killjob() {
	umask 077
	_slid=$2
	_sl_boot
	if ! mkdir -p "$1/v1/$_slid" 2>/dev/null || ! cd "$1/v1/$_slid" 2>/dev/null || [ ! -O . ]; then
		_sl_emit R refused "no directory $1/v1 of this user's own"
		return
	fi
	if _sl_over . || [ -e gone ]; then
		_sl_emit R ended
		return
	fi
	if [ ! -e go ]; then
		_sl_up
		_slgo="go $_slid 1 cancelled 0 - $_slbt $_slho $_slp1 $(date +%s) $_slu 0 0 ."
		if echo "$_slgo" >"c.$3" && [ -s "c.$3" ]; then
			ln "c.$3" go 2>/dev/null || { [ ! -e go ] && (set -C && echo "$_slgo" >go) 2>/dev/null; }
		fi
		rm -f "c.$3"
		[ -e go ] || {
			_sl_emit R refused "the base directory can't be written"
			return
		}
	fi
	_sll=
	{ IFS= read -r _sll <go; } 2>/dev/null
	# shellcheck disable=SC2086
	set -- "$4" "$5" $_sll
	if [ "${6-}" = cancelled ]; then
		_sl_emit R absent
	elif [ $# -lt 15 ]; then
		_sl_emit R refused "its token can't be read"
	elif [ "$8" = - ]; then
		_sl_emit R refused "this host gives processes no start time, so that a process of the job can't be told from another"
	elif [ "$9" != "$_slbt" ]; then
		_sl_emit R refused "it was started in another boot or on another host"
	else
		_sl_killer K "$_slid.$6" "$7" "$8" "$2" 0 "$1"
		_sl_emit R killing
	fi
}

# _sl_killtree COOKIE PID START GRACE
_sl_killtree() {
	if [ "$3" = - ] || [ -z "$3" ]; then
		_sl_emit R refused "this host gives processes no start time, so that the process can't be told from another"
	elif ! _sl_alive "$2" "$3" && ! grep -lF "STARLING_JOB=$1" /proc/[0-9]*/environ >/dev/null 2>&1; then
		_sl_emit R ended
	else
		_sl_killer T "$1" "$2" "$3" "$4"
		_sl_emit R killing
	fi
}

# _sl_clean BASE FORCE ID ...: all but go, gone and the name of the result.
_sl_clean() {
	_sl_boot
	_sl_emit R cleaned
	cd "$1/v1" 2>/dev/null || return
	_slfo=$2
	shift 2
	_slx=
	for _slid; do
		[ -d "$_slid" ] || continue
		if ! _sl_over "$_slid"; then
			_sll=
			{ IFS= read -r _sll <"$_slid/go"; } 2>/dev/null
			# shellcheck disable=SC2086
			set -- $_sll
			if [ $# -lt 13 ]; then
				_sl_emit C "$_slid" it was never started
				continue
			elif [ "$4" != cancelled ] && [ "$7" = "$_slbt" ]; then
				_slp=
				if _sl_alive "$5" "$6"; then _slp=running; fi
				if [ "$6" = - ] && kill -0 "$5" 2>/dev/null && [ -z "$_slfo" ]; then _slp="perhaps running"; fi
				_sla=
				{ read -r _sla _slb _slm _slg _slc <"$_slid/run"; } 2>/dev/null
				if [ -z "$_slp" ] && [ -z "$_slfo" ] && [ "$_sla" = run ] && _sl_alive "$_slm" "$_slg"; then _slp=orphaned; fi
				if [ -n "$_slp" ] && ! _sl_over "$_slid"; then
					_sl_emit C "$_slid" "it is $_slp"
					continue
				fi
			elif [ "$4" != cancelled ] && [ "$8" != "$_slho" ] && [ -z "$_slfo" ]; then
				_sl_emit C "$_slid" "it belongs to the host $8"
				continue
			fi
		fi
		{ true >"$_slid/gone"; } 2>/dev/null
		_slx="$_slx $_slid"
	done
	set +f
	set --
	for _sli in $_slx; do
		for _slf in "$_sli"/* "$_sli"/.[!.]*; do
			case $_slf in
			*/go | */gone | */rc,*) ;;
			*) set -- "$@" "$_slf" ;;
			esac
		done
	done
	[ $# -eq 0 ] || rm -rf -- "$@"
	_sl_sweep
	set -f
}

# _sl_sweep: a tombstone is needed as long as an attempt could thaw: not after
# a reboot, and not for more than a week.
_sl_sweep() {
	_slw=
	for _sli in */gone; do
		[ -e "$_sli" ] || return
		_sll=
		{ IFS= read -r _sll <"${_sli%/gone}/go"; } 2>/dev/null
		# shellcheck disable=SC2086
		set -- $_sll
		[ "$_slbt" = - ] || [ "${7:-$_slbt}" = "$_slbt" ] || [ "${8-}" != "$_slho" ] || _slw="$_slw ${_sli%/gone}"
	done
	# shellcheck disable=SC2044 # the names are ids
	for _sli in $(find ./*/gone -prune -mtime +7 2>/dev/null); do
		_slw="$_slw ${_sli%/gone}"
	done
	# shellcheck disable=SC2086
	[ -z "$_slw" ] || rm -rf -- $_slw
}

# _sl_reboot BASE NONCE DELAY: _slcmd is the command.
_sl_reboot() {
	umask 077
	if cd "$1" 2>/dev/null && [ -O . ]; then
		set +f
		rm -rf reboot.*
		set -f
	fi
	if ! cd "$1" 2>/dev/null || [ ! -O . ] || ! mkdir "reboot.$2" 2>/dev/null; then
		_sl_emit R refused "the base directory can't be written"
		return
	fi
	_slput "$_slcmd" >"reboot.$2/cmd"
	unset STARLING_JOB
	# shellcheck disable=SC2016
	set -- "$_slsh" -c 'trap "" HUP; sleep "$2"; "$0" "$1/cmd" >"$1/out" 2>&1; echo $? >"$1/rc.part"; mv "$1/rc.part" "$1/rc"' "$_slsh" "reboot.$2" "$3"
	{ setsid setsid "$@" || "$@"; } </dev/null >/dev/null 2>&1 &
	_sl_emit R accepted
}

# _sl_rebooted BASE NONCE
_sl_rebooted() {
	_slc=
	{ IFS= read -r _slc <"$1/reboot.$2/rc"; } 2>/dev/null
	_sl_emit R "${_slc:--}"
	[ -e "$1/reboot.$2/out" ] || return
	_sl_emit +OUT
	tail -c 4096 "$1/reboot.$2/out" 2>/dev/null
	_sl_trailer
}

# _sl_mark COOKIE: on both streams, the end of what others printed.
_sl_mark() {
	_sl_stat $$ || _slv=-
	_sl_emit SHELL $$ "$_slv"
	_sl_emit SHELL $$ "$_slv" >&2
}

_slq=0 _slum=$(umask)
set -f
unset IFS
_sl_emit HELLO 1
while IFS= read -r _sla; do
	unset IFS
	# shellcheck disable=SC2086
	set -- $_sla
	[ $# -eq 4 ] && [ "$1" = "$_sln" ] || exit 97
	_slq=$2 _slmode=$4
	_sl_text "$3" || exit 97
	if [ "$_slmode" = x ]; then break; fi
	(eval "$_slr")
	[ $? -ne 99 ] || _slmode=last
	_sl_emit END
	[ "$_slmode" != last ] || exit 0
done
if [ "${_slmode-}" != x ]; then exit 0; fi
eval "$_slr"
set +f
eval "$_slx"
