# sudo and doas of a sandbox host: there is nobody else to become, so root is yourself.
user=root shell= background=
while [ $# -gt 0 ]; do
	case $1 in
	--) shift && break ;;
	-u | --user) user=${2-} && shift ;;
	-u*) user=${1#-u} ;;
	--user=*) user=${1#--user=} ;;
	--login | --shell) shell=1 ;;
	--group | --prompt | --chdir) shift ;;
	-v | -k | -K | -l | --validate | --list) exit 0 ;;
	-b | --background) background=1 ;;
	--*) ;;
	-*[is]) shell=1 ;;
	-*u) user=${2-} && shift ;;
	-*[gpCThRDrt]) shift ;;
	-*) ;;
	*) break ;;
	esac
	[ $# -eq 0 ] || shift
done
case $user in
root | '#0' | "$login") ;;
*)
	printf '%s: %s: a sandbox host has no other users\n' "$name" "$user" >&2
	exit 1
	;;
esac
if [ -n "$shell" ]; then
	[ $# -gt 0 ] || exec /bin/sh
	exec /bin/sh -c "$*"
fi
if [ $# -eq 0 ]; then
	printf '%s: no command\n' "$name" >&2
	exit 1
fi
if [ -n "$background" ]; then
	env "$@" &
	exit 0
fi
exec env "$@"
