package builtins

import (
	"errors"
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"starling/internal/job"
)

// locate finds the job that v means, a job id or a Result, and the host it is on. A Result knows its host; an id is
// looked up in the journal, and one that the journal has never heard of can only be a job of the current host.
func (c *Call) locate(v starlark.Value) (job.Ref, error) {
	r, ok := v.(*Result)
	if !ok {
		return c.locateID(string(v.(starlark.String)))
	}
	if r.ID == "" {
		return job.Ref{}, fmt.Errorf("%s: %q ran attached and is no job: it has its result already", r.Host, firstLine(r.Cmd))
	}
	if c.Host != nil && c.Host.Name() == r.Host {
		return job.Ref{Host: c.Host, ID: r.ID}, nil
	}
	h, err := c.Run.Locate(c.Ctx, r.ID)
	return job.Ref{Host: h, ID: r.ID}, err
}

func (c *Call) locateID(id string) (job.Ref, error) {
	if err := job.CheckID(id); err != nil {
		return job.Ref{}, err
	}
	h, err := c.Run.Locate(c.Ctx, id)
	switch {
	case errors.Is(err, job.ErrNoRecord) && c.Host != nil:
		return job.Ref{Host: c.Host, ID: id}, nil
	case errors.Is(err, job.ErrNoRecord):
		return job.Ref{}, &job.IDError{ID: id, Problem: "is not in the journal, and without a current host there is none to ask"}
	case err != nil:
		return job.Ref{}, err
	case c.Host != nil && h.Name() != c.Host.Name():
		return job.Ref{}, &job.IDError{ID: id, Problem: fmt.Sprintf("is a job of %s; the current host is %s", h.Name(), c.Host.Name())}
	}
	return job.Ref{Host: h, ID: id}, nil
}

// refs locates all of values, before anything is sent to any host.
func (c *Call) refs(values []starlark.Value) ([]job.Ref, error) {
	refs := make([]job.Ref, len(values))
	for i, v := range values {
		ref, err := c.locate(v)
		if err != nil {
			return nil, err
		}
		refs[i] = ref
	}
	return refs, nil
}

// reaped is what a builtin returns for jobs that it came back for: the results, in the shape the jobs were given in,
// or one error that names every job that ended badly.
func (c *Call) reaped(results []job.Result, list bool) (starlark.Value, error) {
	if failed := c.badly(results); failed != nil {
		return nil, failed
	}
	values := make([]starlark.Value, len(results))
	for i, r := range results {
		values[i] = &Result{r}
	}
	if !list {
		return values[0], nil
	}
	return starlark.NewList(values), nil
}

// unfinished is the error of a builtin that did not come to the end of all its jobs: the jobs that ended badly until
// then, which nobody else will tell of, and why the others' ends were not seen.
func (c *Call) unfinished(results []job.Result, why error) error {
	if failed := c.badly(slices.DeleteFunc(slices.Clone(results), func(r job.Result) bool { return !r.Ended() })); failed != nil {
		return errors.Join(failed, why)
	}
	return why
}

// badly is the error of the jobs that ended badly; nil when there are none, or when they are to be no error.
func (c *Call) badly(results []job.Result) error {
	var failed []job.Result
	for _, r := range results {
		if r.Failed() {
			failed = append(failed, r)
		}
	}
	if failed == nil || c.Args.Bool("ignore_errors") {
		return nil
	}
	return &FailedError{Results: failed}
}
