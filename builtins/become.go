package builtins

import (
	"errors"
	"slices"

	"starling/builtins/spec"
	"starling/internal/job"
	"starling/internal/wire"
)

// Become says as which user calls act on a host, unless they say it themselves.
type Become struct {
	Enabled bool   // calls become the user without asking for it
	User    string // "" is root
	Method  string // "" is sudo
}

// becomeParams are the parameters of every builtin that acts on a host as a user.
func becomeParams() []spec.Param {
	return []spec.Param{
		{Name: "become", Type: spec.OptBool, Default: "None",
			Doc: "True: act as another user, become_user. None: as the inventory and --become say, which is False without them."},
		{Name: "become_user", Type: spec.String, Default: `""`,
			Doc: "The user to become; \"\" is the inventory's, that of --become-user, or root."},
		{Name: "become_method", Type: spec.String, Default: `""`,
			Doc: "How: sudo, doas or su; \"\" is the inventory's, that of --become-method, or sudo."},
	}
}

// privileged gives the builtins that act on a host as a user the parameters that say which, ahead of name. It makes no
// difference who asks whether a host is there.
func privileged(all []Builtin) []Builtin {
	for i := range all {
		b := &all[i]
		if b.Effect != Host || b.Spec.Name == ping.Spec.Name || b.Spec.Name == waitForConnection.Spec.Name {
			continue
		}
		at := slices.IndexFunc(b.Spec.Params, func(p spec.Param) bool { return p.Name == commonName.Name })
		if at < 0 {
			at = len(b.Spec.Params)
		}
		b.Spec.Params = slices.Insert(slices.Clone(b.Spec.Params), at, becomeParams()...)
	}
	return all
}

// As returns the host that a call acts on, h under the user that the call, else the run's Become says; nil for nil. A
// job is found under the user that it was started as, whatever this says; it counts for jobs of other controllers.
func (b *Builtin) As(run *Run, h *job.Host, a spec.Args) (*job.Host, error) {
	if h == nil || b.Effect != Host && b.Effect != Jobs {
		return h, nil
	}
	var set Become
	if run.Become != nil {
		set = run.Become(h.Name())
	}
	switch {
	case b.becomes():
		if err := set.override(a); err != nil {
			return nil, err
		}
	case b.Effect == Host:
		return h, nil
	}
	if !set.Enabled {
		return h, nil
	}
	as := wire.Become{Method: set.Method, User: set.User}
	if as == (wire.Become{}) {
		as.User = "root"
	}
	if problem := as.Problem(); problem != "" {
		return nil, errors.New("become: " + problem)
	}
	return h.As(as), nil
}

// becomes reports whether b has the parameters that privileged gives.
func (b *Builtin) becomes() bool {
	return slices.ContainsFunc(b.Spec.Params, func(p spec.Param) bool { return p.Name == "become" })
}

// override has the parameters of a call replace what they are given for.
func (b *Become) override(a spec.Args) error {
	given := a.OptBool("become")
	if given != nil {
		b.Enabled = *given
	}
	if given == nil && !b.Enabled && (a.String("become_user") != "" || a.String("become_method") != "") {
		return errors.New("become_user and become_method are for become=True, which was not given")
	}
	if user := a.String("become_user"); user != "" {
		b.User = user
	}
	if method := a.String("become_method"); method != "" {
		b.Method = method
	}
	return nil
}
