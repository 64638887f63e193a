# Functions that the supervisor and the prelude share. Every variable is named
# _sl*, so that it can be unset before a command runs.
# shellcheck disable=SC2034 # they are used by the other two files

_slN='
'

# _sl_fields LINE: _sll what follows the name in a line of /proc/PID/stat. A
# name may hold ") ", but rarely does, and dash takes a hundred times as long
# for the last match in a line as for the first.
_sl_fields() {
	_sll=${1#*') '}
	case $_sll in *') '*) _sll=${_sll##*') '} ;; esac
}

# _sl_stat PID: _slz its state, _slv its start time ("-": unknown). Fails when
# there is no such process.
_sl_stat() {
	_slz='?' _slv=-
	if [ -r /proc/self/stat ]; then
		{ IFS= read -r _sll </proc/"$1"/stat; } 2>/dev/null || return 1
		_sl_fields "$_sll"
		# shellcheck disable=SC2086 # splitting is the point, here and below
		set -- $_sll
		[ $# -ge 20 ] || return 1
		_slz=$1
		shift 19
		_slv=$1
		return 0
	fi
	_sll=$(LC_ALL=C ps -o stat= -o lstart= -p "$1" 2>/dev/null)
	# shellcheck disable=SC2086
	set -- "$1" $_sll
	if [ $# -ge 7 ]; then
		_slz=$2 _slv=$3_$4_$5_$6_$7
		return 0
	fi
	kill -0 "$1" 2>/dev/null
}

# _sl_alive PID START: the very process, and no zombie.
_sl_alive() {
	[ "$1" -gt 0 ] 2>/dev/null && _sl_stat "$1" || return 1
	case $_slz in [ZX]*) return 1 ;; esac
	[ "$2" != - ] && [ "$_slv" = "$2" ]
}

# _sl_up: _slu the host's uptime in 1/100 s, or "-". No fork.
_sl_up() {
	_slu=-
	{ IFS=' ' read -r _slu _sll </proc/uptime; } 2>/dev/null || _slu=-
	case $_slu in
	[1-9]*.[0-9][0-9]) _slu=${_slu%.*}${_slu#*.} ;;
	*) _slu=- ;;
	esac
}
