# shutdown, reboot and their kin of a sandbox host. They ask the sandbox, through a FIFO, and never touch the machine.

ask() { # action seconds
	session=0 # cannot be told where there is no /proc
	if { read -r stat </proc/$$/stat; } 2>/dev/null; then
		set -- "$1" "$2" ${stat##*) }
		session=$6
	fi
	read -r boot <"$boot_id" && [ -p "$fifo" ] && printf '%s %s %s %s\n' "$1" "$2" "$boot" "$session" >"$fifo"
	exit
}

refuse() {
	printf '%s: %s\n' "$name" "$1" >&2
	exit 1
}

# when TIME: sets seconds.
when() {
	case $1 in
	now) seconds=0 ;;
	*:*)
		h=${1%%:*} m=${1#*:}
		case $h$m in '' | *[!0-9]* | ?????*) refuse "not a time: $1" ;; esac
		here=$(date +%H:%M:%S)
		hh=${here%%:*} ss=${here##*:} here=${here#*:} mm=${here%:*}
		seconds=$((${h#0} * 3600 + ${m#0} * 60 - ${hh#0} * 3600 - ${mm#0} * 60 - ${ss#0}))
		[ "$seconds" -ge 0 ] || seconds=$((seconds + 86400))
		;;
	*)
		n=${1#+} unit=60
		case $n in
		*sec) n=${n%sec} unit=1 ;;
		*s) n=${n%s} unit=1 ;;
		*min) n=${n%min} ;;
		*m) n=${n%m} ;;
		*h) n=${n%h} unit=3600 ;;
		esac
		case $n in '' | *[!0-9]* | ???????*) refuse "not a time: $1" ;; esac
		while [ "$n" != "${n#0}" ] && [ "$n" != 0 ]; do n=${n#0}; done
		seconds=$((n * unit))
		;;
	esac
}

case $name in
reboot | poweroff | halt)
	action=$name
	for arg; do
		case $arg in
		--help | --version) echo "$name of a starling sandbox host" && exit ;;
		-w | --wtmp-only) exit 0 ;;
		-p | --poweroff) action=poweroff ;;
		--halt) action=halt ;;
		--reboot) action=reboot ;;
		esac
	done
	ask "$action" 0
	;;
init | telinit)
	case ${1-} in
	6) ask reboot 0 ;;
	0) ask poweroff 0 ;;
	esac
	refuse "only run levels 0 and 6 are available in the sandbox"
	;;
systemctl)
	for arg; do
		case $arg in
		reboot | soft-reboot | kexec) ask reboot 0 ;;
		poweroff) ask poweroff 0 ;;
		halt) ask halt 0 ;;
		-*) ;;
		*) refuse "$arg: not available in the sandbox" ;;
		esac
	done
	refuse "not available in the sandbox"
	;;
shutdown)
	action=poweroff seconds=
	while [ $# -gt 0 ]; do
		arg=$1
		shift
		case $arg in
		--help) echo "shutdown of a starling sandbox host" && exit ;;
		--) ;;
		--reboot) action=reboot ;;
		--halt) action=halt ;;
		--poweroff) action=poweroff ;;
		--*) ;;
		-?*)
			flags=${arg#-}
			while [ -n "$flags" ]; do
				case $flags in
				r*) action=reboot ;;
				h* | P* | p*) action=poweroff ;;
				H*) action=halt ;;
				c*) ask cancel 0 ;;
				k*) exit 0 ;;
				t*) [ "$flags" != t ] || [ $# -eq 0 ] || shift; flags=t ;;
				esac
				flags=${flags#?}
			done
			;;
		*)
			# The first word that is no option is the time, the rest is the message.
			when "$arg"
			break
			;;
		esac
	done
	# systemd's shutdown and BSD's differ where no time is given: a minute, and a complaint.
	ask "$action" "${seconds:-60}"
	;;
esac
