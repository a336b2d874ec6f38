package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/sandbox"
)

// TestScript: install.sh runs in the package's folder with its parameters; what
// it makes is part of the package, and what it says is in the plugin's log.
func TestScript(t *testing.T) {
	t.Setenv("BERTH_TOKEN", "secret")
	t.Setenv("OTHER", "passed on")
	r := newRig(t, nil)
	const script = `echo "$0 $1 <$2>"; echo "token=$BERTH_TOKEN other=$OTHER" >&2; mkdir made; echo new > made/file; ln -s made link`
	uri := packed(t, files{"echo.wasm": guest(t, "echo"), "install.sh": script})
	record, err := r.Install(t.Context(), host.Request{Name: "echo", File: uri, ShellParas: []string{"a", "b c"}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(r.dir, "plugins", "functions", "echo", record.Digest, "made", "file"))
	if err != nil || string(data) != "new\n" {
		t.Errorf("the script made %q, %v", data, err)
	}
	lines, err := r.Logs(host.Functions, "echo")
	var said []string
	for _, line := range lines.Lines {
		said = append(said, line.Text)
	}
	if got := strings.Join(said, "|"); err != nil || got != "install.sh: install.sh a <b c>|install.sh: token= other=passed on" {
		t.Errorf("the log has %q, %v", got, err)
	}
	if len(record.ShellParas) != 2 {
		t.Errorf("the record has the parameters %q", record.ShellParas)
	}
	// The same package again, with the link that the script makes.
	before := r.snapshot()
	if _, err := r.Update(t.Context(), host.Request{Name: "echo", File: uri, ShellParas: []string{"a", "b c"}}); err != nil {
		t.Fatal(err)
	}
	if before == r.snapshot() {
		t.Error("an update leaves the revision as it was")
	}
	r.clean()
}

// TestScriptMakesAnother: what a script makes of the same zip may be another
// plugin. Until it is committed, the old one is as it was, also on disk.
func TestScriptMakesAnother(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	r.install("other", fakePackageOf(t, "other", "1", "taken"))
	const script = `echo '{"Version":"'$1'","Functions":["f"]}' > p.wasm; mkdir etc; echo $1 > etc/made; chmod $2 tool`
	req := host.Request{Name: "p", File: packed(t, files{"p.wasm": "made by the script", "tool": "", "install.sh": script})}
	made := func(when, version string) {
		t.Helper()
		r.answers("f", "", version+":f:")
		wantEtc(t, r, when, map[string]string{"made": version + "\n"})
		r.clean()
		r.restart()
		r.answers("f", "", version+":f:")
	}
	req.ShellParas = []string{"1", "644"}
	if _, err := r.Install(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	made("installed", "1")
	for _, version := range []string{"2", "3", "4"} {
		before := r.snapshot()
		old := req.ShellParas
		req.ShellParas, req.Functions = []string{version, "644"}, []string{"f", "taken"}
		_, err := r.Update(t.Context(), req)
		enginetest.WantError(t, err, host.CodeConflict, "function name taken already exists")
		r.unchanged(before)
		made("after an update that failed", old[0])
		req.Functions = nil
		if _, err := r.Update(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		made("updated", version)
	}
	if _, err := r.Update(t.Context(), req); err != nil { // the very same
		t.Fatal(err)
	}
	made("updated to the same", "4")
	req.ShellParas[1] = "755"
	record, err := r.Update(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(r.File(record, "tool")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the script made it executable, and it is %v, %v", info.Mode(), err)
	}
	made("updated to another mode", "4")
	if err := r.Drop(t.Context(), host.Functions, "p"); err != nil {
		t.Fatal(err)
	}
	r.clean()
}

// TestScriptDenied: where the policy forbids scripts, a package that has one is
// refused, and none is run.
func TestScriptDenied(t *testing.T) {
	r := newRig(t, func(r *rig) { r.config.Scripts.Deny = true })
	proof := filepath.Join(t.TempDir(), "ran")
	uri := packed(t, files{"echo.wasm": guest(t, "echo"), "install.sh": "touch " + proof})
	_, err := r.Install(t.Context(), host.Request{Name: "echo", File: uri})
	enginetest.WantError(t, err, host.CodeForbidden, "fail to install plugin: ", "scripts: deny")
	if _, err := os.Stat(proof); err == nil {
		t.Error("the script was run")
	}
	r.clean()
}

// TestScriptTimeout: a script that takes too long is ended with all that it
// started, and the answer has what it wrote.
func TestScriptTimeout(t *testing.T) {
	r := newRig(t, func(r *rig) { r.config.Scripts.Timeout = short })
	pids := filepath.Join(t.TempDir(), "pids")
	// A child that closes its output, and one that holds it open.
	script := fmt.Sprintf("sleep 1000 >/dev/null 2>&1 &\necho $! >> %s\nsleep 1000 &\necho $! >> %s\necho waiting\nsleep 1000", pids, pids)
	_, err := r.Install(t.Context(), host.Request{Name: "echo", File: packed(t, files{"echo.wasm": guest(t, "echo"), "install.sh": script})})
	enginetest.WantError(t, err, host.CodeTimeout, "it took longer than 50ms (script-timeout)")
	r.clean()
	data, _ := os.ReadFile(pids) // it may not have come to that
	for _, field := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, "what the script started is gone", func() bool { return ended(pid) })
	}
}

// TestScriptLeavesProcess: what a script that succeeds leaves running is ended,
// and holds up nobody.
func TestScriptLeavesProcess(t *testing.T) {
	r := newRig(t, nil)
	pids := filepath.Join(t.TempDir(), "pids")
	start := time.Now()
	_, err := r.Install(t.Context(), host.Request{Name: "echo", File: packed(t, files{"echo.wasm": guest(t, "echo"), "install.sh": "sleep 1000 &\necho $! > " + pids}), Functions: []string{"echo"}})
	if err != nil {
		t.Fatalf("after %v: %v", time.Since(start), err)
	}
	data, err := os.ReadFile(pids)
	pid, bad := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || bad != nil {
		t.Fatal(err, bad)
	}
	waitFor(t, "what the script started is gone", func() bool { return ended(pid) })
	r.answers("echo", "x", "x")
}

// TestScriptEndsWithHost: when a host is killed, so is all that a script of its
// plugins started.
func TestScriptEndsWithHost(t *testing.T) {
	dir := t.TempDir()
	pids := filepath.Join(dir, "pids")
	uri := packed(t, files{"echo.wasm": guest(t, "echo"), "install.sh": fmt.Sprintf("sleep 1000 &\necho $$ $! > %s.new\nmv %[1]s.new %[1]s\nsleep 1000", pids)})
	cmd := exec.Command(os.Args[0], filepath.Join(dir, "data"), uri)
	cmd.Env = append(os.Environ(), jobVariable+"=script")
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o700), cmd.Start()); err != nil {
		t.Fatal(err)
	}
	var fields []string
	waitFor(t, "the script runs", func() bool {
		data, _ := os.ReadFile(pids)
		fields = strings.Fields(string(data))
		return len(fields) == 2
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, field := range fields {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, "what the script started is gone", func() bool { return ended(pid) })
	}
}

func runScriptChild(args []string) int {
	r := &rig{dir: args[0], log: &safeBuffer{}, config: host.Config{Engines: []host.Engine{sandbox.New()}}}
	err := r.tryStart()
	if err == nil {
		_, err = r.Install(context.Background(), host.Request{Name: "echo", File: args[1]})
	}
	fmt.Fprintln(os.Stderr, "the script ended:", err)
	return 1
}

// ended tells whether a process is no more, or a zombie that nobody waits for.
func ended(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(state, "Z")
}

// TestScriptOutput: however much a script writes, memory and answer are bounded.
func TestScriptOutput(t *testing.T) {
	r := newRig(t, nil)
	_, err := r.Install(t.Context(), host.Request{Name: "echo", File: packed(t, files{"echo.wasm": guest(t, "echo"), "install.sh": "yes flood | head -c 10000000\nprintf 'last \\033[31mline'\nexit 1"})})
	enginetest.WantError(t, err, host.CodeInvalid, "flood", "last  [31mline")
	if len(err.Error()) > 3000 {
		t.Errorf("the message has %d bytes", len(err.Error()))
	}
}
