#!/bin/sh
[ "$1" = --list ] || exit 1
cat <<'J'
{
  "zoo": {"hosts": ["z1", "z2"], "vars": {"kind": "zoo", "n": 5, "f": 1.5, "ansible_group_priority": 3}},
  "bare": ["b1", "z1"],
  "loner": {"color": "red"},
  "parent": {"children": ["zoo", "bare", "unseen"], "vars": {"kind": "parent"}},
  "_meta": {"hostvars": {"z1": {"ansible_host": "10.0.0.1", "nested": {"a": [1, null, true]}}, "b1": {}, "nowhere": {"x": 1}}}
}
J
