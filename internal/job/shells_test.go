package job_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"starling/internal/job"
	"starling/internal/sshdtest"
	"starling/internal/wire"
)

// The login shell of a user may be any.
func TestLoginShells(t *testing.T) {
	for _, shell := range []string{"dash", "bash", "zsh", "fish", "tcsh", "mksh"} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			require.NoError(t, err, "install the package %s", shell)
			b := newBench(t, sshdtest.Options{LoginShell: path})
			r, err := b.host.Run(b.ctx, job.Command{Text: `printf '%s\n' "it's $X" '!' '\n'`, Env: []string{"X=a b"}}, 0)
			require.NoError(t, err)
			require.Equal(t, "it's a b\n!\n\\n\n", string(r.Stdout))
			ended := b.wait(b.start("cat; echo job; exit 4", time.Minute).ID)
			require.Equal(t, wire.Failed, ended.State)
			require.Equal(t, 4, ended.RC)
			require.Equal(t, "job\n", string(ended.Stdout))
		})
	}
}
