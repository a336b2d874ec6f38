package host

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// scriptFile is the script that a package may carry, eKuiper's install.sh.
const scriptFile = "install.sh"

// scriptShell runs it, beside a watcher in its process group: what it reads from
// ends with the host, however that ends, and then it kills the group.
const scriptShell = `(read _; kill -KILL 0) <&3 >/dev/null 2>&1 & exec 3<&-; exec /bin/sh "$@"`

const (
	defaultScriptTimeout = 5 * time.Minute

	// scriptGrace is how long what a script left running may hold its output
	// open once it is over.
	scriptGrace = time.Second

	// maxScriptOutput is how much of a script's output is kept, its end; in
	// an error it is less.
	maxScriptOutput = 64 << 10
	maxScriptError  = 2 << 10
)

// Scripts says what becomes of the install.sh of packages. A script runs with
// the rights of the host, outside of any sandbox.
type Scripts struct {
	Deny    bool          // packages that carry one are refused
	Timeout time.Duration // of one; 0: 5 min
}

// checkScripts refuses parameters for a script that is not there, and a script
// that the policy forbids. dir is the unpacked package.
func (h *Host) checkScripts(dir string, paras []string) (has bool, err error) {
	info, err := os.Lstat(filepath.Join(dir, scriptFile))
	switch {
	case errors.Is(err, os.ErrNotExist) && len(paras) > 0:
		return false, Fail(CodeInvalid, "have shell parameters : %v but no install.sh file", paras)
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, Fail(CodeInvalid, "the package's install.sh is no file")
	case h.config.Scripts.Deny:
		return false, Fail(CodeForbidden, "the package carries install.sh, and this host's policy forbids scripts (scripts: deny): have the operator allow them, or install what the plugin depends on by other means and pack it without")
	}
	return true, nil
}

// runScript runs the install.sh of an unpacked package in its folder:
//
//	/bin/sh install.sh <paras…>
//
// with the environment of the host, less what is its own (BERTH_…). When it is
// over, or its time is, or the host ends, every process of its group is killed.
// What it wrote goes into the plugin's log, and its end into the error,
// CodeInvalid; CodeTimeout when it took too long.
func (h *Host) runScript(ctx context.Context, dir string, paras []string, log PluginLog) error {
	limit := cmp.Or(h.config.Scripts.Timeout, defaultScriptTimeout)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	watched, alive, err := os.Pipe()
	if err != nil {
		return err
	}
	defer alive.Close()
	var output tailBuffer
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", scriptShell, "sh", scriptFile}, paras...)...)
	cmd.ExtraFiles = []*os.File{watched} // 3
	cmd.Dir = dir
	cmd.Env = scriptEnviron(os.Environ())
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	killGroup := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = killGroup
	cmd.WaitDelay = scriptGrace
	err = cmd.Run()
	_ = watched.Close()
	if cmd.Process != nil {
		_ = killGroup() // what it left running, and the watcher
	}
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelError
	}
	for line := range strings.Lines(output.String()) {
		log.Line(level, "install.sh: "+strings.TrimRight(line, "\r\n"))
	}
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return syncTree(dir)
	case ctx.Err() != nil && context.Cause(ctx) == context.DeadlineExceeded:
		return Fail(CodeTimeout, "install.sh was ended: it took longer than %v (script-timeout)%s", limit, output.tail())
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return Fail(CodeInvalid, "%w: install.sh failed%s", err, output.tail())
}

func scriptEnviron(environ []string) []string {
	var kept []string
	for _, entry := range environ {
		if !strings.HasPrefix(entry, "BERTH_") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// tailBuffer keeps the end of what is written to it.
type tailBuffer struct {
	b   bytes.Buffer
	cut bool
}

// Write implements io.Writer. It never fails.
func (t *tailBuffer) Write(p []byte) (int, error) {
	t.b.Write(p)
	if over := t.b.Len() - maxScriptOutput; over > maxScriptOutput {
		t.b.Next(over)
		t.cut = true
	}
	return len(p), nil
}

// String is what is kept, from the beginning of a line.
func (t *tailBuffer) String() string {
	text := t.b.String()
	cut := t.cut
	if over := len(text) - maxScriptOutput; over > 0 {
		text, cut = text[over:], true
	}
	if _, rest, ok := strings.Cut(text, "\n"); cut && ok {
		return rest
	}
	return text
}

// tail is the end of the output, as the end of an error.
func (t *tailBuffer) tail() string {
	text := strings.TrimSpace(t.String())
	if text == "" {
		return "; it wrote nothing"
	}
	if over := len(text) - maxScriptError; over > 0 {
		text = ellipsis + text[over:]
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return fmt.Sprintf("; its output ended with: %s", strings.Join(lines, "\n"))
}

// syncTree makes a folder that somebody else wrote to durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		return syncDir(path)
	})
}
