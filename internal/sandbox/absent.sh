# A command that would leave the sandbox.
printf '%s: not available in the sandbox\n' "$name" >&2
exit 1
