package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"berth/host"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"berth": main})
}

// TestScripts runs the command, as processes, the way its users do. Beside testscript's own commands there are
//
//	start [NAME=value...] [flags]   runs berth serve on a free port, and points BERTH_HOST to it
//	end signal code                 sends the signal to the host and waits for it to end with the code
//	ended code                      waits for the host to end by itself
//	signal signal                   sends it and does not wait
//	log pattern                     waits until a line of the host's log holds the text
//	exits code command args...      runs the command, which has to exit with the code
//	call function code              begins a call in the background; it is to exit with the code
//	busy plugin                     waits until a call of the plugin is under way
//	called                          waits for it
//	tokens name scopes              makes a token, adds it to berth.yaml, and sets the variable of its name to it
func TestScripts(t *testing.T) {
	guests, err := filepath.Abs("../../sandbox/testdata/guests")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GUESTS", guests)
			d := &daemon{}
			env.Values["daemon"] = d
			env.Defer(d.kill)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "end": end, "ended": ended, "busy": busy, "signal": sendSignal, "log": waitLog, "exits": exits, "call": call, "called": called, "tokens": addToken,
		},
	})
}

// patience is how long anything in these tests may take.
const patience = 30 * time.Second

// daemon is the host that a script runs.
type daemon struct {
	cmd   *exec.Cmd
	done  chan struct{} // closed when the process and its log have ended
	calls chan error

	mu  sync.Mutex // guards log
	log []string
}

func (d *daemon) kill() {
	if d.cmd != nil && d.cmd.ProcessState == nil {
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

func (d *daemon) lines() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.log, "\n")
}

func daemonOf(ts *testscript.TestScript) *daemon { return ts.Value("daemon").(*daemon) }

func start(ts *testscript.TestScript, neg bool, args []string) {
	d := daemonOf(ts)
	d.kill()
	environ := os.Environ()
	for len(args) > 0 && strings.Contains(args[0], "=") && !strings.HasPrefix(args[0], "-") {
		environ, args = append(environ, args[0]), args[1:]
	}
	path, err := exec.LookPath("berth")
	ts.Check(err)
	d.cmd = exec.Command(path, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	d.cmd.Dir, d.cmd.Env = ts.MkAbs("."), environ
	stderr, err := d.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(d.cmd.Start())
	d.done, d.log = make(chan struct{}), nil
	first := make(chan string, 1)
	go d.follow(stderr, first)
	line := <-first
	_, addr, ok := strings.Cut(line, "msg=listening addr=")
	if !ok {
		ts.Fatalf("the first line of the log is %q", line)
	}
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	ts.Setenv("BERTH_HOST", addr)
}

// follow keeps the log, sends its first line, and waits for the process.
func (d *daemon) follow(stderr io.Reader, first chan<- string) {
	defer close(d.done)
	defer close(first)
	scanner := bufio.NewScanner(stderr)
	for n := 0; scanner.Scan(); n++ {
		d.mu.Lock()
		d.log = append(d.log, scanner.Text())
		d.mu.Unlock()
		if n == 0 {
			first <- scanner.Text()
		}
	}
	_ = d.cmd.Wait() // ProcessState tells
}

func signalOf(ts *testscript.TestScript, name string) syscall.Signal {
	s, ok := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}[name]
	if !ok {
		ts.Fatalf("unknown signal %s", name)
	}
	return s
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(daemonOf(ts).cmd.Process.Signal(signalOf(ts, args[0])))
}

func end(ts *testscript.TestScript, neg bool, args []string) {
	sendSignal(ts, neg, args)
	ended(ts, neg, args[1:])
}

func ended(ts *testscript.TestScript, neg bool, args []string) {
	d := daemonOf(ts)
	select {
	case <-d.done:
	case <-time.After(patience):
		ts.Fatalf("the host does not end:\n%s", d.lines())
	}
	if got := strconv.Itoa(d.cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("the host ended with %s, want %s:\n%s", got, args[0], d.lines())
	}
}

func waitLog(ts *testscript.TestScript, neg bool, args []string) {
	d := daemonOf(ts)
	for limit := time.Now().Add(patience); !strings.Contains(d.lines(), args[0]); {
		if time.Now().After(limit) {
			ts.Fatalf("no %q in the log:\n%s", args[0], d.lines())
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-d.done:
			if !strings.Contains(d.lines(), args[0]) {
				ts.Fatalf("the host ended, and no %q in its log:\n%s", args[0], d.lines())
			}
		}
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	checkExit(ts, ts.Exec(args[1], args[2:]...), args[0])
}

func checkExit(ts *testscript.TestScript, err error, want string) {
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != want {
		ts.Fatalf("exit code %d, want %s", code, want)
	}
}

func call(ts *testscript.TestScript, neg bool, args []string) {
	path, err := exec.LookPath("berth")
	ts.Check(err)
	cmd := exec.Command(path, "invoke", "--timeout", "0", args[0], "-")
	cmd.Env = append(os.Environ(), "BERTH_HOST="+ts.Getenv("BERTH_HOST"))
	d := daemonOf(ts)
	d.calls = make(chan error, 1)
	ts.Check(cmd.Start())
	go func() {
		err := cmd.Wait()
		if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[1] {
			d.calls <- fmt.Errorf("the call ended with %s (%v), want %s", got, err, args[1])
		}
		close(d.calls)
	}()
}

func busy(ts *testscript.TestScript, neg bool, args []string) {
	c, err := newClient(ts.Getenv("BERTH_HOST"), patience, identity{})
	ts.Check(err)
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		var status struct{ InFlight int }
		_, err := c.get(context.Background(), pluginPath(host.Functions, args[0])+"/status", &status)
		ts.Check(err)
		if status.InFlight > 0 {
			return
		}
	}
	ts.Fatalf("no call of %s is under way", args[0])
}

func addToken(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(ts.Exec("berth", "token", args[0], "--json", "--scope", strings.ReplaceAll(args[1], "+", ",")))
	var made struct{ Token, Entry string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &made))
	config := ts.ReadFile("berth.yaml")
	if !strings.Contains(config, "\ntokens:\n") {
		config += "tokens:\n"
	}
	ts.Check(os.WriteFile(ts.MkAbs("berth.yaml"), []byte(config+"  - "+made.Entry+"\n"), 0o600))
	ts.Setenv(args[0], made.Token)
}

func called(ts *testscript.TestScript, neg bool, args []string) {
	select {
	case err := <-daemonOf(ts).calls:
		ts.Check(err)
	case <-time.After(patience):
		ts.Fatalf("the call does not end")
	}
}
