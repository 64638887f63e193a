package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"starling/internal/job"
	"starling/internal/wire"
)

// This file runs the test binary again, as programs of their own that share one journal.

// child is the command that runs runChild with these words.
func child(ctx context.Context, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	// The race detector sleeps for a second at the end of each program unless told otherwise.
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "JOURNAL_TEST_CHILD="+strings.Join(words, "|"))
	return cmd
}

// runChild is the child's main. "five|PATH|NAME" writes five jobs down and reaps them. "endless|PATH|NAME" writes jobs
// down until it is killed, and prints the id of each as soon as it was acknowledged.
func runChild(words string) int {
	w := strings.Split(words, "|")
	ctx := context.Background()
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, w[2], err)
		return 1
	}
	j, err := Open(ctx, w[1])
	if err != nil {
		return fail(err)
	}
	if w[0] == "endless" {
		for i := 0; ; i++ {
			id := fmt.Sprintf("%s-%d", w[2], i)
			if err := j.Intend(ctx, record(id)); err != nil {
				return fail(err)
			}
			fmt.Println(id)
			if err := j.Update(ctx, id, job.Seen{Phase: job.Started, State: wire.Running}); err != nil {
				return fail(err)
			}
		}
	}
	for i := range 5 {
		id := fmt.Sprintf("%s-%d", w[2], i)
		if err := j.Intend(ctx, record(id)); err != nil {
			return fail(err)
		}
		if err := j.Update(ctx, id, job.Seen{Phase: job.Reaped, State: wire.Succeeded, HasRC: true}); err != nil {
			return fail(err)
		}
	}
	if err := j.Close(); err != nil {
		return fail(err)
	}
	return 0
}

func TestManyProgramsAtOnce(t *testing.T) {
	const programs = 200
	path := filepath.Join(t.TempDir(), "new", "journal.db") // made by one of them, while the others come
	var group sync.WaitGroup
	failures := make(chan string, programs)
	for i := range programs {
		group.Go(func() {
			out, err := child(t.Context(), "five", path, fmt.Sprintf("p%03d", i)).CombinedOutput()
			if err != nil || len(out) != 0 {
				failures <- fmt.Sprintf("program %d: %v: %s", i, err, out)
			}
		})
	}
	group.Wait()
	close(failures)
	for f := range failures {
		t.Error(f)
	}
	j := openAt(t, path)
	all, err := j.Jobs(t.Context(), Filter{})
	require.NoError(t, err)
	require.Equal(t, programs*5, len(all))
	for _, r := range all {
		require.Equal(t, job.Seen{Phase: job.Reaped, State: wire.Succeeded, HasRC: true}, r.Seen)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, strings.HasPrefix(e.Name(), "journal.db"), e.Name())
	}
}

func TestManyCallersAndJournalsInOneProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	var journals [4]*Journal
	var opening errgroup.Group
	for i := range journals {
		opening.Go(func() (err error) {
			journals[i], err = Open(t.Context(), path)
			return err
		})
	}
	require.NoError(t, opening.Wait())
	var group errgroup.Group
	for i := range 400 {
		group.Go(func() error {
			j := journals[i%len(journals)]
			id := fmt.Sprint("j", i)
			if err := j.Intend(t.Context(), record(id)); err != nil {
				return err
			}
			if err := j.Intend(t.Context(), record(id)); err == nil {
				return fmt.Errorf("%s twice", id)
			}
			if err := j.Update(t.Context(), id, job.Seen{Phase: job.Started, State: wire.Running}); err != nil {
				return err
			}
			_, err := j.Find(t.Context(), id)
			return err
		})
	}
	require.NoError(t, group.Wait())
	all, err := journals[0].Unreaped(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, 400, len(all))
	for _, j := range journals {
		require.NoError(t, j.Close())
	}
}

func TestKilledWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	for round := range 8 {
		var group errgroup.Group
		for w := range 3 {
			group.Go(func() error {
				cmd := child(t.Context(), "endless", path, fmt.Sprintf("k%d-%d", round, w))
				var complaint strings.Builder
				cmd.Stderr = &complaint
				out, err := cmd.StdoutPipe()
				if err != nil {
					return err
				}
				if err := cmd.Start(); err != nil {
					return err
				}
				// Round 0 kills at any time from the start of the program on, so that making the file is hit too;
				// the others once the first intent is through.
				lines := bufio.NewScanner(out)
				if round > 0 && lines.Scan() {
					mu.Lock()
					acknowledged[lines.Text()] = true
					mu.Unlock()
				}
				timer := time.AfterFunc(rand.N(100*time.Millisecond), func() { _ = cmd.Process.Kill() })
				defer timer.Stop()
				for lines.Scan() {
					mu.Lock()
					acknowledged[lines.Text()] = true
					mu.Unlock()
				}
				_ = cmd.Wait()
				if complaint.Len() > 0 {
					return fmt.Errorf("%s", complaint.String())
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		j, err := Open(t.Context(), path)
		require.NoError(t, err)
		var verdict string
		require.NoError(t, j.db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
		require.Equal(t, "ok", verdict)
		all, err := j.Jobs(t.Context(), Filter{})
		require.NoError(t, err)
		there := map[string]bool{}
		for _, r := range all {
			there[r.ID] = true
		}
		for id := range acknowledged {
			require.True(t, there[id], id)
		}
		require.NoError(t, j.Close())
	}
	require.GreaterOrEqual(t, len(acknowledged), 7*3)
}
