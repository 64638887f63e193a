# write.sh PATH FOLDER TEMP SIZE MODE BACKUP <BYTES: the bytes go into TEMP, which nobody else can read before it has its
# owner and mode, and which then takes the place of PATH. BACKUP, unless empty, is a copy of what PATH was.
if [ ! -d "$2" ]; then echo "the folder $2 is not there" >&2; exit 1; fi
trap 'rm -f "$3"' EXIT
trap 'exit 1' HUP INT TERM PIPE # PIPE: there is nobody any more to hear what is wrong
mask=$(umask)
umask 077
set -C # a TEMP that is there is somebody else's
cat >"$3" || exit 1
set +C
umask "$mask"
if [ "$(($(wc -c <"$3")))" -ne "$4" ]; then echo "not all bytes arrived" >&2; exit 1; fi
if [ -f "$1" ]; then
	owner=$(stat -L -c %u:%g "$1" 2>/dev/null) || owner=$(stat -L -f %u:%g "$1") || exit 1
	chown "$owner" "$3" 2>/dev/null || chgrp "${owner#*:}" "$3" 2>/dev/null # as far as this user may
	if [ -n "$6" ]; then cp -p "$1" "$6" || exit 1; fi
fi
chmod "${5:-=rw}" "$3" || exit 1 # =rw: what the umask leaves of it
if [ -d "$1" ]; then echo "$1 is a folder" >&2; exit 1; fi
mv -f "$3" "$1" || exit 1
# What a host that lost its power kept of others: a day old, so that nobody writes it any more.
for left in "$1".starling.????????????-????????; do
	[ -f "$left" ] && find "$left" -prune -mtime +0 -exec rm -f {} \; 2>/dev/null
done
exit 0
