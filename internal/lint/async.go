package lint

import (
	"fmt"
	"math"
	"time"

	"starling/builtins/spec"
)

// polling holds the rules poll-without-async and poll-above-async.
func (p *project) polling(c *call) {
	if !c.async() {
		return
	}
	e, pos := c.get("poll")
	if e == nil {
		return
	}
	ceiling, known := c.seconds("async")
	given, _ := c.get("async")
	poll, pollKnown := c.seconds("poll")
	switch {
	case given == nil && !c.open || known && ceiling == 0:
		p.report(c.file, PollWithoutAsync, pos, "give async=SECONDS too, or leave poll out",
			"%s: poll is only for a job, and without async there is none", c.spec.Name)
	case known && pollKnown && poll > ceiling:
		p.report(c.file, PollAboveAsync, pos, "look at least once within async: a smaller poll costs next to nothing",
			"%s: the first look at leisure would be after %s, and the job may run for %s only", c.spec.Name, span(poll), span(ceiling))
	}
}

// headroom is the share of async that earlier runs may have used.
const headroom = 0.8

// headroom is the rule no-headroom.
func (p *project) headroom(c *call) {
	ceiling, known := c.seconds("async")
	param := c.param("cmd")
	cmd := c.constant("cmd")
	if p.o.History == nil || !known || ceiling == 0 || ceiling == spec.Forever || param == nil || param.Type != spec.CommandLine || cmd == nil {
		return
	}
	args, err := convert(*param, cmd)
	if err != nil {
		return
	}
	p95, count, ok := p.o.History(args.Command("cmd").String())
	if !ok || float64(p95) <= headroom*float64(ceiling) {
		return
	}
	_, pos := c.get("async")
	runs := fmt.Sprintf("%d runs", count)
	if count == 1 {
		runs = "1 run"
	}
	p.report(c.file, NoHeadroom, pos, fmt.Sprintf("async=%d leaves as much again", proposed(p95)),
		"%s: async is %s, and the 95th percentile of %s of this command is %s", c.spec.Name, span(ceiling), runs, span(p95))
}

// proposed returns a ceiling in seconds for a command that takes about as long as d: twice that, rounded up.
func proposed(d time.Duration) int64 {
	seconds := int64(math.Ceil(2 * d.Seconds()))
	step := int64(1)
	for _, s := range []int64{10, 60, 600} {
		if seconds >= 10*s {
			step = s
		}
	}
	return (seconds + step - 1) / step * step
}

// idleDelay is the half of retries-without-reap that needs no flow: a delay between looks of which there is only one.
func (p *project) idleDelay(c *call) {
	delay, pos := c.get("delay")
	if c.spec.Name != "async_status" || delay == nil || c.retries() != 0 {
		return
	}
	p.report(c.file, RetriesNoReap, pos, "give retries=N too, or use wait(job)",
		"async_status: delay does nothing without retries: this is one look, and the job may still run")
}

// retries returns how often async_status is to look again; -1 if that is not known.
func (c *call) retries() int {
	e, _ := c.get("retries")
	if e == nil {
		if c.open {
			return -1
		}
		return 0
	}
	param, v := c.param("retries"), c.constant("retries")
	if param == nil || v == nil || param.Type != spec.Int {
		return -1
	}
	args, err := convert(*param, v)
	if err != nil {
		return -1
	}
	return max(args.Int("retries"), -1)
}

// patience returns for how long a call of async_status is prepared to come back; ok is false if that is not known or
// if it looks only once.
func (c *call) patience() (d time.Duration, ok bool) {
	n := c.retries()
	if n <= 0 || c.wrapped {
		return 0, false
	}
	delay, known := c.seconds("delay")
	if e, _ := c.get("delay"); e == nil && !c.open {
		if param := c.param("delay"); param != nil {
			var err error
			delay, err = spec.ParseDuration(param.Default)
			known = err == nil
		}
	}
	if !known || float64(delay)*float64(n) > math.MaxInt64/2 {
		return 0, false
	}
	return delay * time.Duration(n), true
}

// span writes a time as a script does.
func span(d time.Duration) string {
	switch {
	case d == spec.Forever:
		return "ever"
	case d >= time.Minute:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(100 * time.Millisecond)
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(text) - 2; n > 0 && len(text) > len(zero) && text[len(text)-len(zero):] == zero {
			text = text[:n]
		}
	}
	return text
}
