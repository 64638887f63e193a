package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"starling/builtins/spec"
	"starling/internal/event"
	"starling/internal/inventory"
	"starling/internal/job"
	"starling/internal/journal"
	"starling/internal/ui"
	"starling/internal/wire"
	"starling/interp"
)

// execFlags are the flags of starling exec.
type execFlags struct {
	background, poll string
	forks, sandbox   int
	json, stream     bool
	polls            bool // -P was given
}

func (r *root) execCommand() *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use:   "exec PATTERN [-B TIME [-P TIME]] -- CMD…",
		Short: "Run one command on many hosts",
		Long: `Run one command on every host of the pattern. A CMD of one word is given to the shell; several words are run as they
are, without a shell. Hosts with the same answer are shown together, those that count up as a range: web[01:20].

With -B the command becomes a job on each host that may run for that long, and is looked at every -P; with -P 0 it is
left to itself, and its ids are printed with the command that reaps them.`,
		Example: `  starling exec web,db -- uptime
  starling exec 'web[01:20]' -B 1h -P 30s -- 'apt-get update && apt-get -y upgrade'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.polls = cmd.Flags().Changed("poll")
			at := cmd.ArgsLenAtDash()
			if at != 1 || len(args) < 2 {
				return &helpfulError{errors.New("starling exec takes one PATTERN, then -- and the CMD"), "starling help exec"}
			}
			if args[0] == "" {
				return usage(errors.New(`pattern "": names no host`))
			}
			return r.exec(cmd.Context(), args[0], args[1:], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.background, "background", "B", "", "make it a job that may run for this `TIME`")
	flags.StringVarP(&f.poll, "poll", "P", "15s", "look at the job every `TIME`; 0: leave it running")
	r.become.flags(flags)
	flags.IntVar(&f.forks, "forks", job.DefaultForks, "work on at most `N` hosts at an instant")
	flags.IntVar(&f.sandbox, "sandbox", 0, "act on `N` throwaway SSH hosts inside this program; PATTERN all is all of them")
	flags.BoolVar(&f.json, "json", false, "write events to standard output, one JSON object per line")
	flags.BoolVar(&f.stream, "stream", false, "print what each host writes, line by line as it comes, its name in front; with -B when its job has ended")
	return cmd
}

// check reads -B and -P, and reports what is wrong with the flags themselves.
func (f *execFlags) check() (limit, poll time.Duration, err error) {
	if err := checkNumbers(f.forks, f.sandbox); err != nil {
		return 0, 0, err
	}
	if f.background != "" {
		if limit, err = spec.ParseDuration(f.background); err != nil || limit == 0 {
			return 0, 0, fmt.Errorf("-B %q: want a time such as 90s or 2h", f.background)
		}
	}
	if poll, err = spec.ParseDuration(f.poll); err != nil {
		return 0, 0, fmt.Errorf("-P %q: want a time such as 15s, or 0", f.poll)
	}
	if f.polls && f.background == "" {
		return 0, 0, errors.New("-P says how often to look at a job: give -B too, for how long it may run")
	}
	return limit, poll, nil
}

func (r *root) exec(ctx context.Context, pattern string, words []string, f execFlags) error {
	limit, poll, err := f.check()
	if err != nil {
		return usage(err)
	}
	s, err := r.open(ctx, f.sandbox)
	if err != nil {
		return err
	}
	defer s.close()
	targets, err := s.targets(ctx, pattern, "")
	if err != nil {
		return err
	}
	view := r.watch(f.json, names(targets))
	defer view.Close()
	r.prompter.pause = view.Pause
	id := journal.NewRunID()
	release, err := s.journal.Claim(id)
	if err != nil {
		return err
	}
	defer release()
	s.start(job.Config{Run: id, Events: view.Sink(), Forks: f.forks})
	if err := s.journal.BeginRun(ctx, journal.Run{ID: id, Args: os.Args, Targets: names(targets), PID: os.Getpid(), Host: hostname(), Started: time.Now()}); err != nil {
		return err
	}
	began := time.Now()
	view.Sink()(event.Event{Time: began, Kind: event.RunStart, Run: id, Msg: strings.Join(words, " "), Hosts: names(targets)})
	answers := s.onAll(ctx, s.allAs(targets), command(words, limit), poll, view.Sink(), f.stream || f.json)
	left := limit > 0 && poll == 0
	switch {
	case f.json:
	case left:
		s.tellJobs(answers)
	case !f.stream:
		view.Flush()
		r.printAnswers(answers)
	}
	var unreaped []job.Result
	if !left {
		unreaped = s.settle(ctx, view.Sink(), "fail") // a wait that came to nothing, or was interrupted
	}
	s.headroom(context.WithoutCancel(ctx), view.Sink())
	code := exitCode(outcomesOf(answers), unreaped, "fail")
	view.Sink()(event.Event{Time: time.Now(), Kind: event.RunEnd, Run: id, Code: &code, Elapsed: time.Since(began)})
	view.Close()
	if !f.json {
		r.advise(answers)
	}
	return s.end(ctx, id, code, "")
}

// advise tells what helps against the errors of hosts, each advice once.
func (r *root) advise(answers []answer) {
	told := map[string]bool{"": true}
	for _, a := range answers {
		if hint := hintOf(a.err); !told[hint] {
			told[hint] = true
			r.voice().hint(hint)
		}
	}
}

// command is the words of a command line as a command: one is for the shell, several are run as they are.
func command(words []string, limit time.Duration) job.Command {
	cmd := job.Command{Limit: limit}
	if len(words) == 1 {
		cmd.Text, cmd.Display = words[0], words[0]
		return cmd
	}
	cmd.Argv, cmd.Display = words, spec.Command{Argv: words}.String()
	return cmd
}

// answer is how the command ended on one host.
type answer struct {
	host   *job.Host
	result job.Result
	err    error
}

// onAll runs the command on all hosts side by side. With stream, what they write is told as they write it.
func (s *session) onAll(ctx context.Context, hosts []*job.Host, cmd job.Command, poll time.Duration, sink event.Sink, stream bool) []answer {
	answers := make([]answer, len(hosts))
	events := func(e event.Event) {
		e.Run = s.engine.Run()
		sink(e)
	}
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() {
			began := time.Now()
			events(event.Event{Time: began, Kind: event.HostStart, Host: h.Name()})
			call := event.Event{Time: began, Kind: event.CallStart, Host: h.Name(), Call: int64(i + 1), Builtin: "run", Name: cmd.Display}
			events(call)
			a := answer{host: h}
			if stream {
				a.result, a.err = s.streamed(ctx, h, cmd, poll, events)
			} else {
				a.result, a.err = s.on(ctx, h, cmd, poll)
			}
			h.Yield()
			if a.err != nil && ctx.Err() != nil {
				a.err = &interp.InterruptedError{Err: context.Cause(ctx)}
			}
			events(a.callEnd(call))
			events(a.hostEnd(began))
			answers[i] = a
		})
	}
	wg.Wait()
	return answers
}

// callEnd is the end of the call that began with an event.
func (a answer) callEnd(call event.Event) event.Event {
	call.Elapsed = time.Since(call.Time)
	call.Time, call.Kind, call.State, call.Job = time.Now(), event.CallEnd, "failed", a.result.ID
	if a.err != nil {
		call.Msg = a.err.Error()
		return call
	}
	call.State, call.Changed = string(a.result.State), a.result.Changed
	if a.result.HasRC {
		call.RC = &a.result.RC
	}
	return call
}

// hostEnd tells that all is over on the host. An interruption needs no words.
func (a answer) hostEnd(began time.Time) event.Event {
	ev := event.Event{Time: time.Now(), Kind: event.HostEnd, Host: a.host.Name(), Elapsed: time.Since(began), State: a.state()}
	switch {
	case ev.State == "interrupted":
	case a.err != nil:
		ev.Msg, ev.Hint = a.err.Error(), hintOf(a.err)
	case a.result.State != wire.Failed: // which the exit code tells
		ev.Msg = a.result.Msg
	}
	if a.err == nil && a.result.HasRC {
		ev.RC = &a.result.RC
	}
	return ev
}

func (s *session) on(ctx context.Context, h *job.Host, cmd job.Command, poll time.Duration) (job.Result, error) {
	if cmd.Limit == 0 {
		return h.Run(ctx, cmd, 0)
	}
	r, err := h.Start(ctx, cmd)
	if err != nil || poll == 0 {
		return r, err
	}
	results, err := s.engine.Wait(ctx, []job.Ref{{Host: h, ID: r.ID}}, job.Pace{Every: poll, Early: true})
	if err != nil {
		return r, err
	}
	return results[0], nil
}

// streamed is on, with every line told that the command writes: at once, or those of a job when it has ended.
func (s *session) streamed(ctx context.Context, h *job.Host, cmd job.Command, poll time.Duration, events event.Sink) (job.Result, error) {
	t := newTeller(func(line string) {
		events(event.Event{Time: time.Now(), Kind: event.Output, Host: h.Name(), Msg: line})
	})
	defer t.end()
	cmd.Watch = t.take
	r, err := s.on(ctx, h, cmd, poll)
	if cmd.Limit > 0 {
		t.take(job.Stdout, r.Stdout)
		t.take(job.Stderr, r.Stderr)
	}
	return r, err
}

func (a answer) state() string {
	switch {
	case a.err != nil:
		return interp.StateOf(a.err)
	case a.result.Failed():
		return "failed"
	}
	return "ok"
}

func outcomesOf(answers []answer) []interp.Outcome {
	out := make([]interp.Outcome, len(answers))
	for i, a := range answers {
		out[i] = interp.Outcome{Host: a.host.Name(), Err: a.err}
		if a.err == nil && a.result.Failed() {
			out[i].Err = errors.New(string(a.result.State))
		}
	}
	return out
}

// tellJobs prints the ids of jobs that were left running, and how to reap them.
func (s *session) tellJobs(answers []answer) {
	reap := "starling jobs reap"
	for _, a := range answers {
		if a.err == nil {
			fmt.Fprintf(s.root.io.out, "%s %s\n", a.host.Name(), a.result.ID)
			reap += " " + a.result.ID
		}
	}
	fmt.Fprintln(s.root.io.err, reap)
}

// printAnswers prints each different answer once, under the names of the hosts that gave it, in the order of the hosts.
func (r *root) printAnswers(answers []answer) {
	hosts := map[string][]string{}
	var order []string
	for _, a := range answers {
		text := strings.Join(answerLines(a.result), "\n")
		if a.state() == "interrupted" {
			text = "(interrupted)"
		} else if a.err != nil {
			text = a.err.Error()
		} else if a.result.Failed() {
			text = strings.TrimRight(fmt.Sprintf("(%s)\n%s", a.how(), text), "\n")
		}
		if _, ok := hosts[text]; !ok {
			order = append(order, text)
		}
		hosts[text] = append(hosts[text], a.host.Name())
	}
	for _, text := range order {
		who := strings.Join(inventory.Fold(hosts[text]), ",")
		if n := len(hosts[text]); n > 1 {
			who += fmt.Sprintf(" (%d)", n)
		}
		fmt.Fprintf(r.io.out, "---- %s\n", who)
		if text != "" {
			for _, line := range strings.Split(text, "\n") {
				fmt.Fprintln(r.io.out, ui.Safe(line))
			}
		}
	}
}

// how is how a command ended, in a few words.
func (a answer) how() string {
	if !a.result.HasRC {
		return string(a.result.State)
	}
	return fmt.Sprintf("%s, rc %d", a.result.State, a.result.RC)
}

// answerLines are the lines that a command wrote, standard error behind standard output.
func answerLines(r job.Result) []string {
	text := strings.TrimRight(string(r.Stdout), "\n")
	if errs := strings.TrimRight(string(r.Stderr), "\n"); errs != "" {
		text = strings.TrimLeft(text+"\n"+errs, "\n")
	}
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
