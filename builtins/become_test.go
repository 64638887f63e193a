package builtins_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"starling/builtins"
	"starling/internal/job"
	"starling/internal/transport"
	"starling/internal/transport/fake"
	"starling/internal/wire"
)

// Who a call acts as: its own parameters, then what the run says of the host.
func TestBecome(t *testing.T) {
	engine := job.New(job.Config{})
	defer engine.Close()
	h := engine.Host(transport.Target{Name: "web1"}, func(transport.Target) transport.Transport { return fake.New("web1", nil) })
	some := map[string]builtins.Builtin{}
	for _, b := range builtins.All() {
		some[b.Spec.Name] = b
	}
	var (
		no   builtins.Become
		db   = builtins.Become{Enabled: true, User: "db", Method: "doas"}
		idle = builtins.Become{User: "db"}
	)
	for _, row := range []struct {
		name string
		call string
		set  builtins.Become
		args map[string]starlark.Value
		want wire.Become
		err  string
	}{
		{name: "nothing said", call: "run", set: no},
		{name: "said of the host", call: "run", set: db, want: wire.Become{Method: "doas", User: "db"}},
		{name: "the user alone", call: "run", set: idle},
		{name: "the user alone, and the call wants it", call: "run", set: idle, args: dict("become", starlark.True), want: wire.Become{Method: "sudo", User: "db"}},
		{name: "root", call: "run", set: no, args: dict("become", starlark.True), want: wire.Become{Method: "sudo", User: "root"}},
		{name: "the call's own", call: "run", set: db, args: dict("become_user", starlark.String("www")), want: wire.Become{Method: "doas", User: "www"}},
		{name: "the call's own method", call: "run", set: db, args: dict("become_method", starlark.String("su")), want: wire.Become{Method: "su", User: "db"}},
		{name: "not this call", call: "run", set: db, args: dict("become", starlark.False)},
		{name: "None", call: "run", set: db, args: dict("become", starlark.None), want: wire.Become{Method: "doas", User: "db"}},
		{name: "a reboot", call: "reboot", set: db, want: wire.Become{Method: "doas", User: "db"}},
		{name: "jobs of other controllers", call: "jobs", set: db, want: wire.Become{Method: "doas", User: "db"}},
		{name: "a ping", call: "ping", set: db},
		{name: "waiting for a connection", call: "wait_for_connection", set: db},
		{name: "no effect", call: "host", set: db},
		{name: "a user for nothing", call: "run", set: no, args: dict("become_user", starlark.String("www")), err: "become=True"},
		{name: "a user for a switch that is off", call: "run", set: no, args: dict("become", starlark.False, "become_user", starlark.String("www"))},
		{name: "a bad user", call: "run", set: db, args: dict("become_user", starlark.String("-x")), err: `"-x" is no name of a user`},
		{name: "a bad method of the run", call: "jobs", set: builtins.Become{Enabled: true, Method: "runas"}, err: "sudo, doas, su"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := some[row.call]
			args := starlark.Tuple{}
			if row.call == "run" {
				args = starlark.Tuple{starlark.String("id")}
			}
			var kwargs []starlark.Tuple
			for name, value := range row.args {
				kwargs = append(kwargs, starlark.Tuple{starlark.String(name), value})
			}
			unpacked, err := b.Spec.Unpack(args, kwargs)
			require.NoError(t, err)
			run := &builtins.Run{Engine: engine, Become: func(host string) builtins.Become {
				require.Equal(t, "web1", host)
				return row.set
			}}
			got, err := b.As(run, h, unpacked)
			if row.err != "" {
				require.ErrorContains(t, err, row.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, got.Become())
			require.Same(t, h, got.As(wire.Become{}))
			none, err := b.As(run, nil, unpacked)
			require.NoError(t, err)
			require.Nil(t, none)
		})
	}
}

func dict(pairs ...any) map[string]starlark.Value {
	m := map[string]starlark.Value{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1].(starlark.Value)
	}
	return m
}
