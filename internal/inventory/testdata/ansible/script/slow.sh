#!/bin/sh
case "$1" in
--list) echo '{"web": ["s1", "s2"]}' ;;
--host) echo "{\"me\": \"$2\"}" ;;
esac
