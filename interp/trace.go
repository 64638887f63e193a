package interp

import (
	"context"
	"fmt"

	"go.starlark.net/starlark"
)

// ThreadError is the error of a host's thread, as the thread that started it sees it.
type ThreadError struct {
	Host   string
	Parent starlark.CallStack // of the thread that started it; nil if none did
	Err    error
}

func (e *ThreadError) Error() string { return fmt.Sprintf("%s: %v", e.Host, e.Err) }

// Unwrap returns the error of the host's thread.
func (e *ThreadError) Unwrap() error { return e.Err }

// TraceOptions say how Render prints. The zero value prints all of it and reads sources from disk.
type TraceOptions struct {
	Brief    bool                              // no traceback: the message, the line, the hint
	NoSource bool                              // no line of the source
	ReadFile func(path string) ([]byte, error) // nil: os.ReadFile
}

// contextKey is the thread-local that go.starlark.net/repl uses as well.
const contextKey = "context"

// WithContext gives the thread a context; it must not have begun to execute.
func WithContext(thread *starlark.Thread, ctx context.Context) {
	thread.SetLocal(contextKey, ctx)
}

// Context returns the thread's context, or context.Background() if it has none.
func Context(thread *starlark.Thread) context.Context {
	if ctx, ok := thread.Local(contextKey).(context.Context); ok {
		return ctx
	}
	return context.Background()
}

// CancelWith cancels the thread as soon as ctx is done, with the cause as the reason. The release must be called when
// the thread no longer executes; after it returns, ctx touches the thread no more.
func CancelWith(ctx context.Context, thread *starlark.Thread) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		thread.Cancel(context.Cause(ctx).Error())
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// Render returns what a person reads of a script's error, ending with a newline.
func Render(err error, o TraceOptions) string { return err.Error() + "\n" }
