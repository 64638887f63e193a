# Starling's supervisor, protocol 1: what runs on the host for a job. Roles:
#   S  the supervisor: takes the token, runs C in the foreground, names the result
#   C  the command leader: prepares streams and environment, becomes the command
#   K  the killer: S's timer, or sent by a cancel
#   T  the killer of an attached command, which has no directory
# All but T run in the job's directory. Nothing here starts the command twice:
# the link of S:go is the only way to C. Every variable is named _sl*, so that
# C can unset them. Pure ASCII, POSIX sh; [ -O ] and date +%s are the extensions.

# _sl_dot MS: _sls the same as seconds with a fraction.
_sl_dot() {
	_sls=$(($1 % 1000))
	case $_sls in ?) _sls=00$_sls ;; ??) _sls=0$_sls ;; esac
	_sls=$(($1 / 1000)).$_sls
}

# _sl_nap MS: whole seconds, rounded up, where sleep takes no fractions.
_sl_nap() {
	_sl_dot "$1"
	sleep "$_sls" 2>/dev/null || sleep $((($1 + 999) / 1000))
}

# _sl_ended: a result is recorded.
_sl_ended() {
	set +f
	set -- rc,*
	set -f
	[ -e "$1" ]
}

# S ID ATTEMPT LIMIT GRACE BOOT HOST PID1 UMASK SETSID EPOCH SHELL. Times in ms,
# "-" for what is not known. Answers "S" (it runs) or "L" (another one does) on
# standard output.
_sl_S() {
	_slid=$1 _slat=$2 _slli=$3 _slgr=$4 _slbt=$5 _slho=$6 _slp1=$7 _slum=$8 _slse=$9
	shift 9
	_slep=$1 _slsh=$2 _slflag=-
	# Handlers, not '': what is ignored here would be ignored in the job.
	trap '_slflag=t' TERM HUP INT
	trap : PIPE
	_sl_up
	_slus=$_slu
	_sl_stat $$
	_slgo="go $_slid 1 $_slat $$ $_slv $_slbt $_slho $_slp1 $_slep $_slus $_slli $_slgr ."
	echo "$_slgo" >"a.$_slat/me" && [ -s "a.$_slat/me" ] || exit 1
	if ! ln "a.$_slat/me" go 2>/dev/null; then
		# A base without hard links: the content follows the name.
		# shellcheck disable=SC2015
		[ ! -e go ] && (set -C && echo "$_slgo" >go) 2>/dev/null || {
			echo L
			exit 0
		}
	fi
	_slk=
	if [ "$_slli" -gt 0 ]; then
		"$_slsh" "a.$_slat/sup" K "$_slid.$_slat" $$ "$_slv" timeout "$_slli" "$_slgr" </dev/null >/dev/null &
		_slk=$!
	fi
	echo S
	exec >/dev/null
	if [ "$_slse" = 1 ]; then
		setsid "$_slsh" "a.$_slat/sup" C "$_slid" "$_slat" "$_slum" "$_slsh"
	else
		# Without setsid a process group of its own is the next best thing.
		[ -n "$("$_slsh" -c 'set -m' 2>&1)" ] || set -m
		"$_slsh" "a.$_slat/sup" C "$_slid" "$_slat" "$_slum" "$_slsh"
	fi
	_slrc=$?
	set +m 2>/dev/null
	[ ! -e cause ] || _sl_await
	_sl_linger
	_sl_record
	[ -z "$_slk" ] || kill -TERM "$_slk" 2>/dev/null
	_sl_left
	rm -rf "a.$_slat"
}

# _sl_await: somebody is killing the tree. The job has ended when that is done,
# or when the killer has had all the time it may take.
_sl_await() {
	_slflag=k _slw=0 _slc='' _slg=''
	{ read -r _sla _slb _slc _sld _slg _sle <cause; } 2>/dev/null
	case $_slc in cancel) _slflag=c ;; timeout) _slflag=l ;; esac
	case ${_slg:-x} in *[!0-9]*) _slg=10000 ;; esac
	while [ ! -e killed ] && [ $_slw -lt $((_slg + 20000)) ]; do
		if sleep 0.2 2>/dev/null; then
			_slw=$((_slw + 200))
		else
			sleep 1
			_slw=$((_slw + 1000))
		fi
	done
}

# _sl_linger: a shutdown sends its signal to every process, and to the command
# maybe ahead of us. Ours is given 0.3 s to come, without a fork, which may fail.
_sl_linger() {
	case $_slflag$_slrc in
	-129 | -130 | -143 | -257 | -258 | -271 | -385 | -386 | -399) ;; # HUP, INT, TERM
	*) return ;;
	esac
	_sl_up
	[ "$_slu" != - ] || return
	_slw=$((_slu + 30))
	while [ "$_slflag" = - ] && [ "$_slu" != - ] && [ "$_slu" -lt $_slw ]; do _sl_up; done
}

# _sl_record: the result is a file name, so that it needs neither a fork nor a
# block of the disk.
_sl_record() {
	_sl_up
	_sldu=-
	[ "$_slu" = - ] || [ "$_slus" = - ] || _sldu=$((_slu - _slus))
	_slw=0
	until { true >"rc,$_slrc,$_slflag,$_sldu"; } 2>/dev/null; do
		# No inode left: the spare one was made before the command ran.
		mv "a.$_slat/spare" "rc,$_slrc,$_slflag,$_sldu" 2>/dev/null && break
		[ -e go ] && [ $_slw -lt 720 ] || return
		_slw=$((_slw + 1))
		sleep 5
	done
	[ "$_sldu" != - ] || echo "end $_slid $(date +%s) ." >>"rc,$_slrc,$_slflag,$_sldu"
}

# _sl_left: what the command left running in its group is noted, not killed.
_sl_left() {
	{ read -r _sla _slb _slp _slc <run; } 2>/dev/null || return
	[ "$_slp" -gt 0 ] 2>/dev/null && kill -0 "-$_slp" 2>/dev/null || return
	_slck=$_slid.$_slat _slS=$$ _slq=$_slp _slqs=gone
	_sl_scan
	# shellcheck disable=SC2086
	set -- $_slt
	[ $# -eq 0 ] || echo "left $_slid $# ." >left
}

# C ID ATTEMPT UMASK SHELL
_sl_C() {
	_slid=$1 _slat=$2 _slsh=$4
	trap - HUP INT TERM PIPE
	_sl_stat $$
	echo "run $_slid $$ $_slv ." >run
	_sld=${PWD:-$(pwd)} # no more than a way back here
	[ ! -e "a.$_slat/in" ] || exec <"a.$_slat/in"
	exec >>out 2>>err
	umask "$3"
	cd "${HOME:-/}" 2>/dev/null || cd / || exit 126
	if [ -e "$_sld/a.$_slat/env" ]; then
		_slcd=
		# shellcheck disable=SC1090
		. "$_sld/a.$_slat/env"
		if [ -n "$_slcd" ]; then
			cd "$_slcd" || {
				echo "starling: can't enter the directory $_slcd" >&2
				exit 126
			}
		fi
	fi
	export STARLING_JOB="$_slid.$_slat"
	if [ -e "$_sld/a.$_slat/env" ] || [ -e "$_sld/a.$_slat/in" ]; then
		PATH=$PATH:/bin:/usr/bin rm -f "$_sld/a.$_slat/env" "$_sld/a.$_slat/in"
	fi
	set -- "$_slsh" "$_sld/a.$_slat/cmd"
	set +f
	unset _slN _slid _slat _slsh _sld _slcd _slz _slv _sll
	exec "$@"
}

# K COOKIE PID START WHY DELAY GRACE: kills the tree of a job after DELAY ms.
# PID and START are the supervisor's.
_sl_K() {
	_slck=$1 _slS=$2 _slSs=$3 _slwhy=$4 _slde=$5 _slgr=$6
	_slid=${_slck%.*} _sld=$(pwd -P)
	trap '' HUP INT
	trap 'kill "$!" 2>/dev/null; exit 0' TERM
	# The leader is remembered as soon as it is known: a job that removes its
	# own directory does not lift its limit with that.
	_slq='' _slqs=''
	_sl_up
	_slds=-
	[ "$_slu" = - ] || _slds=$((_slu + _slde / 10))
	if [ "$_slde" -gt 1000 ]; then
		_sl_doze 1000
		_sl_leader
		[ "$_slds" = - ] && _sl_doze $((_slde - 1000))
	elif [ "$_slds" = - ] && [ "$_slde" -gt 0 ]; then
		_sl_doze "$_slde"
	fi
	while [ "$_slds" != - ]; do
		_sl_up
		if [ "$_slu" = - ] || [ "$_slu" -ge "$_slds" ]; then break; fi
		_sl_doze $(((_slds - _slu) * 10))
	done
	trap '' TERM
	_sl_leader
	_sl_ended && return
	# When nothing of it runs, nobody is ending it; what it left may still go.
	if _sl_alive "$_slS" "$_slSs" || _sl_alive "${_slq:-0}" "$_slqs"; then
		{ (set -C && echo "cause $_slid $_slwhy $(date +%s) $_slgr ." >cause); } 2>/dev/null
	fi
	_sl_ended && return
	_sl_kill "$_slgr"
	# shellcheck disable=SC2086
	set -- $_slt
	echo "killed $_slid $_slpa $# ." >killed
}

# T COOKIE PID START GRACE: PID and START are the leader's.
_sl_T() {
	_slck=$1 _slS=0 _slq=$2 _slqs=$3 _sld=
	trap '' HUP INT TERM
	_sl_kill "$4"
}

_sl_leader() {
	[ -z "$_slq" ] || return
	{ read -r _sla _slb _slq _slqs _slc <run; } 2>/dev/null
	[ "$_sla" = run ] && [ "$_slc" = . ] || _slq='' _slqs=''
}

# _sl_doze MS: a nap that TERM ends.
_sl_doze() {
	_sl_dot "$1"
	sleep "$_sls" 2>/dev/null &
	wait $!
	case $? in
	1 | 2)
		sleep $((($1 + 999) / 1000)) &
		wait $!
		;;
	esac
}

# _sl_scan: _slt the living processes of the tree. A member is the leader, is in
# its session or group, descends from a member, carries the cookie in its
# environment, or has the job's output open for writing.
_sl_scan() {
	_slt='' _slx=' ' _slm='' _slok=1
	if [ -r /proc/self/stat ]; then
		set +f
		# shellcheck disable=SC2013
		for _sli in $(grep -lF "STARLING_JOB=$_slck" /proc/[0-9]*/environ 2>/dev/null); do
			_sli=${_sli#/proc/}
			_slx="$_slx${_sli%%/*} "
		done
		_sll=
		# shellcheck disable=SC2010
		[ -z "$_sld" ] || _sll=$(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F -e /proc/ -e " -> $_sld/out" -e " -> $_sld/err")
		_slps=$(cat /proc/[0-9]*/stat 2>/dev/null)
		set -f
		IFS=$_slN
		for _sli in $_sll; do
			case $_sli in
			/proc/*/fd:)
				_slo=${_sli#/proc/}
				_slo=${_slo%/fd:}
				;;
			l?w*" -> $_sld/out"* | l?w*" -> $_sld/err"*) _slx="$_slx$_slo " ;;
			esac
		done
		for _sli in $_slps; do
			IFS=' '
			_sl_fields "$_sli"
			# shellcheck disable=SC2086
			_sl_seen ${_sli%% *} $_sll
		done
	else
		_slps=$(ps -A -o pid= -o ppid= -o pgid= -o stat= 2>/dev/null)
		set -f
		_sl_stat "${_slq:-0}" && [ "$_slqs" != "$_slv" ] && _slok=
		IFS=$_slN
		for _sli in $_slps; do
			IFS=' '
			# shellcheck disable=SC2086
			set -- $_sli
			_sl_seen "$1" "$4" "$2" "$3" "$3"
		done
	fi
	IFS=' '
	if [ -z "$_slps" ]; then
		# No way to see processes: the leader's group is all there is.
		[ -n "$_slq" ] && kill -0 "-$_slq" 2>/dev/null && _slt=" -$_slq"
		unset IFS
		return
	fi
	_slgrown=1
	while [ -n "$_slgrown" ]; do
		_slgrown=
		for _sli in $_slm; do
			_slp=${_sli%%:*}
			case "$_slt " in *" $_slp "*) continue ;; esac
			_slr=${_sli#*:}
			_slpp=${_slr%%:*}
			_slr=${_slr#*:}
			case "$_slx$_slt " in *" $_slp "*) _slhit=1 ;; *) _slhit= ;; esac
			case "$_slt " in *" $_slpp "*) _slhit=1 ;; esac
			if [ -n "$_slok" ] && [ -n "$_slq" ]; then
				[ "$_slp" != "$_slq" ] && [ "${_slr%%:*}" != "$_slq" ] && [ "${_slr#*:}" != "$_slq" ] || _slhit=1
			fi
			[ -z "$_slhit" ] || _slt="$_slt $_slp" _slgrown=1
		done
	done
	unset IFS
}

# _sl_seen PID STATE PPID PGRP SESSION ...: one process of a scan, into _slm.
_sl_seen() {
	[ "$1" != $$ ] && [ "$1" != "$_slS" ] || return
	# Another process under the leader's number: nothing may be inferred from it.
	if [ "$1" = "$_slq" ] && [ $# -ge 21 ] && [ "${21}" != "$_slqs" ]; then _slok=; fi
	case $2 in [ZX]*) return ;; esac
	[ -n "$_slq" ] || [ "$3" != "$_slS" ] || _slq=$1 _slqs=${21:--}
	_slm="$_slm $1:$3:$4:$5"
}

# _sl_kill GRACE: TERM, GRACE ms (negative: no TERM), KILL until nothing is
# left or 12 passes are over. _slt what is left, _slpa the passes.
_sl_kill() {
	_slpa=0
	_sl_scan
	[ -n "$_slt" ] || return
	if [ "$1" -ge 0 ]; then
		# shellcheck disable=SC2086
		kill -TERM $_slt 2>/dev/null
		_slw=0 _slst=100
		while [ $_slw -lt "$1" ]; do
			[ $((_slw + _slst)) -le "$1" ] || _slst=$(($1 - _slw))
			_sl_nap $_slst
			_slw=$((_slw + _slst))
			_sl_scan
			[ -n "$_slt" ] || return
			[ $_slst -ge 800 ] || _slst=$((_slst * 2))
		done
	fi
	while [ $_slpa -lt 12 ]; do
		_slpa=$((_slpa + 1))
		if [ $_slpa -ge 3 ]; then
			# What forks faster than a scan is stopped first.
			_slw=0 _slo=
			while [ "$_slt" != "$_slo" ] && [ $_slw -lt 8 ]; do
				# shellcheck disable=SC2086
				kill -STOP $_slt 2>/dev/null
				_slo=$_slt _slw=$((_slw + 1))
				_sl_scan
			done
		fi
		# shellcheck disable=SC2086
		kill -KILL $_slt 2>/dev/null
		if [ $_slpa -lt 5 ]; then _sl_nap 50; else _sl_nap 500; fi
		_sl_scan
		[ -n "$_slt" ] || return
	done
}

set -f
unset IFS
case $1 in
S | C | K | T)
	_slrole=_sl_$1
	shift
	$_slrole "$@"
	exit 0
	;;
esac
