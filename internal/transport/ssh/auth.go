package ssh

import (
	"context"
	"fmt"
	"io"
	"slices"

	xssh "golang.org/x/crypto/ssh"
)

// login is one attempt to log in to one host: the methods in order, and the record of what was tried.
type login struct {
	o      Options
	s      *settings
	shared *Shared
	pause  func(wait func()) // stops the handshake's clock while a person thinks

	publicOf map[string]bool // the public keys of the IdentityFiles
	locked   []string        // key files that nobody could be asked about
	closers  []func()
	begun    bool     // the host key was accepted and the server asked for a login
	tried    []string // for AuthError
	answer   string   // the password typed in this attempt
	declined bool     // the person gave no answer
}

const passwordTries = 3

// methods returns the ways to log in. x/crypto takes them in this order, each when the server offers it.
func (a *login) methods(ctx context.Context) []xssh.AuthMethod {
	var methods []xssh.AuthMethod
	if a.s.publicKey {
		methods = append(methods, xssh.PublicKeysCallback(func() ([]xssh.Signer, error) { return a.signers(ctx), nil }))
	}
	if a.o.Prompt == nil {
		return methods
	}
	if a.s.keyboard {
		methods = append(methods, xssh.RetryableAuthMethod(xssh.KeyboardInteractive(
			func(name, instruction string, questions []string, echos []bool) ([]string, error) {
				return a.interview(ctx, name, instruction, questions, echos)
			}), passwordTries))
	}
	if a.s.password {
		methods = append(methods, xssh.RetryableAuthMethod(xssh.PasswordCallback(
			func() (string, error) { return a.password(ctx) }), passwordTries))
	}
	return methods
}

// note is x/crypto's AuthCallback, which chooses nothing here: that it is called shows how far the handshake came.
func (a *login) note(*xssh.ClientAuthContext) (xssh.AuthMethod, error) {
	a.begun = true
	return nil, nil
}

func (a *login) try(what string) {
	if !slices.Contains(a.tried, what) {
		a.tried = append(a.tried, what)
	}
}

func (a *login) signers(ctx context.Context) []xssh.Signer {
	var signers []xssh.Signer
	for _, id := range a.identities(ctx) {
		if id.signer == nil {
			a.try(id.name)
			continue
		}
		if with, ok := id.signer.(xssh.AlgorithmSigner); ok {
			signers = append(signers, &offered{with, func() { a.try(id.name) }, a.pause})
			continue
		}
		a.try(id.name)
		signers = append(signers, id.signer)
	}
	return signers
}

// ask prompts with the handshake's clock stopped.
func (a *login) ask(ctx context.Context, question string, echo bool) (answer string, err error) {
	a.pause(func() { answer, err = a.o.Prompt(ctx, question, echo) })
	a.declined = a.declined || err != nil
	return answer, err
}

func (a *login) password(ctx context.Context) (string, error) {
	a.try("password")
	login := a.s.user + "@" + a.s.hostPort()
	if password, ok := a.shared.password(login); ok {
		a.shared.setPassword(login, "") // used up: if it is wrong now, the person is asked
		a.answer = password
		return password, nil
	}
	password, err := a.ask(ctx, fmt.Sprintf("Password for %s: ", login), false)
	a.answer = password
	return password, err
}

func (a *login) interview(ctx context.Context, name, instruction string, questions []string, echos []bool) ([]string, error) {
	a.try("keyboard-interactive")
	answers := make([]string, len(questions))
	for i, question := range questions {
		if i == 0 {
			for _, text := range []string{instruction, name} {
				if text != "" {
					question = text + "\n" + question
				}
			}
		}
		answer, err := a.ask(ctx, fmt.Sprintf("%s@%s: %s", a.s.user, a.s.hostPort(), question), echos[i])
		if err != nil {
			return nil, err
		}
		answers[i] = answer
	}
	return answers, nil
}

// done ends the attempt; a password that worked is kept for the next connection.
func (a *login) done(in bool) {
	for _, closer := range a.closers {
		closer()
	}
	if in && a.answer != "" {
		a.shared.setPassword(a.s.user+"@"+a.s.hostPort(), a.answer)
	}
}

// offered notes that a key is offered, which x/crypto does not tell.
type offered struct {
	xssh.AlgorithmSigner
	note  func()
	pause func(wait func())
}

func (o *offered) PublicKey() xssh.PublicKey {
	o.note()
	return o.AlgorithmSigner.PublicKey()
}

// SignWithAlgorithm may wait for a person: a passphrase, a touch, an agent that wants to be confirmed.
func (o *offered) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (signature *xssh.Signature, err error) {
	o.pause(func() { signature, err = o.AlgorithmSigner.SignWithAlgorithm(rand, data, algorithm) })
	return signature, err
}
