# look.sh PATH: one line that says what is there: absent, folder, special, or file MODE SIZE SHA256.
if [ -d "$1" ]; then echo folder; exit 0; fi
if [ ! -e "$1" ]; then echo absent; exit 0; fi
if [ ! -f "$1" ]; then echo special; exit 0; fi
if [ ! -r "$1" ]; then echo "$1 can't be read" >&2; exit 1; fi
about=$(stat -L -c '%a %s' "$1" 2>/dev/null) || about=$(stat -L -f '%Mp%Lp %z' "$1") || exit 1
for tool in sha256sum 'shasum -a 256' 'sha256 -q' 'openssl dgst -sha256 -r'; do
	if sum=$($tool <"$1" 2>/dev/null); then
		echo "file $about ${sum%% *}"
		exit 0
	fi
done
echo 'the host has none of sha256sum, shasum, sha256 and openssl' >&2
exit 1
