# Waits for the end of the program that holds the other end of standard input. When that comes without a "bye", it
# kills every process of the sandbox and removes its folder. $1: the folder; $2: what the cookie of each process
# begins with, a variable and the start of its value. It is told of process groups ("+ 12", "- 12") for the systems where
# the environment of a process cannot be read.
trap '' HUP INT TERM QUIT
groups=' '
while read -r verb group; do
	case $verb in
	bye) exit 0 ;;
	+) groups="$groups$group " ;;
	-) case $groups in *" $group "*) groups="${groups%% "$group" *} ${groups#* "$group" }" ;; esac ;;
	esac
done

# Not every grep reads on after a NUL.
if printf 'a\0b\n' | grep -q b; then
	carriers() { grep -lsF -e "$1" /proc/[0-9]*/environ; }
else
	carriers() {
		for file in /proc/[0-9]*/environ; do
			tr '\0' '\n' <"$file" 2>/dev/null | grep -qF -e "$1" && printf '%s\n' "$file"
		done
	}
fi

empty=0 passes=0
while [ "$empty" -lt 3 ] && [ "$passes" -lt 50 ]; do
	passes=$((passes + 1)) empty=$((empty + 1))
	for group in $groups; do
		kill -KILL "-$group" 2>/dev/null
	done
	groups=
	for file in $(carriers "$2"); do
		file=${file#/proc/}
		kill -KILL "${file%%/*}" 2>/dev/null && empty=0
	done
	[ "$empty" -eq 3 ] || sleep 0.1 2>/dev/null || sleep 1
done
rm -rf -- "$1"
