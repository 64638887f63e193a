package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// prompter asks the person at the terminal, one question at a time.
type prompter struct {
	io    streams
	mu    sync.Mutex
	pause func() func() // holds the live view back; nil when there is none
}

// ask implements ssh.Prompt. A person who never answers holds up the hosts that need the answer and nothing else:
// the read goes on in a goroutine of the process's own when ctx ends first, since a terminal can't be told to stop.
func (p *prompter) ask(ctx context.Context, question string, echo bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if p.pause != nil {
		defer p.pause()()
	}
	fmt.Fprintf(p.io.err, "%s ", strings.TrimRight(question, " "))
	fd := int(p.io.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := read(p.io.in, echo)
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		if !echo {
			fmt.Fprintln(p.io.err)
		}
		return a.text, a.err
	case <-ctx.Done():
		term.Restore(fd, before)
		fmt.Fprintln(p.io.err)
		return "", context.Cause(ctx)
	}
}

func read(in *os.File, echo bool) (string, error) {
	if !echo {
		text, err := term.ReadPassword(int(in.Fd()))
		return string(text), err
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}
