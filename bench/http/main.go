// Command http measures POST /invoke/{echo} against a bare fasthttp echo
// handler: both in processes of their own on this machine, driven by wrk in
// turn, so that what else the machine does falls on both. It prints the medians
// and the ratios. `make bench-http` runs it.
//
// With -runaways, calls that never end by themselves are under way in the host
// that is driven, as many at any time; and each host is measured once more with
// GOMAXPROCS set to the number of processors, which serve exceeds by itself.
package main

import (
	"archive/zip"
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/http:", err)
		os.Exit(1)
	}
}

type settings struct {
	berth       string
	guest       string
	rounds      int
	duration    time.Duration
	connections int
	timeouts    string
	runaways    int
	runaway     string
	bare        bool
}

func run(args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("http", flag.ContinueOnError)
	flags.StringVar(&s.berth, "berth", "bin/berth", "the binary to measure")
	flags.StringVar(&s.guest, "guest", "bench/testdata/named.wasm", "an echo over the berth ABI that exports f0000000")
	flags.IntVar(&s.rounds, "rounds", 15, "how often each server is driven")
	flags.DurationVar(&s.duration, "duration", 2*time.Second, "of one round")
	flags.IntVar(&s.connections, "connections", 64, "of wrk")
	flags.StringVar(&s.timeouts, "timeouts", "0s,5s", "the host's limit of a call, one host for each")
	flags.IntVar(&s.runaways, "runaways", 0, "calls of an endless loop under way in the host that is driven; give -timeouts that end them soon, such as 1s")
	flags.StringVar(&s.runaway, "runaway", "bench/interrupt/runaway.wasm", "a guest that exports the function endless, which is")
	flags.BoolVar(&s.bare, "bare", false, "be the bare server (used by the command itself)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.bare {
		return serveBare()
	}
	return s.measure(out)
}

// serveBare answers every request with its body.
func serveBare() error {
	server := &fasthttp.Server{
		Handler:               func(ctx *fasthttp.RequestCtx) { ctx.Response.SetBodyRaw(ctx.PostBody()) },
		NoDefaultServerHeader: true,
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-stop
		_ = server.Shutdown()
	}()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "addr=%s\n", ln.Addr())
	return server.Serve(ln)
}

// target is a server that wrk drives.
type target struct {
	name     string
	url      string
	beside   string    // the endless function, called while the target is driven; empty: none
	rates    []float64 // requests a second, one for each round
	p50, p99 []float64 // milliseconds
}

func (s settings) measure(out io.Writer) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk is not installed: on Debian, apt-get install wrk")
	}
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "post.lua")
	post := `wrk.method = "POST"; wrk.body = '["device-0017","temperature",21.5,"2026-11-22T08"]'; wrk.headers["Content-Type"] = "application/json"`
	if err := os.WriteFile(script, []byte(post), 0o600); err != nil {
		return err
	}
	targets, stop, err := s.start(dir)
	defer stop()
	if err != nil {
		return err
	}
	for round := range s.rounds + 1 {
		for i := range targets {
			t := targets[(i+round)%len(targets)]
			if err := s.drive(t, script, round > 0); err != nil { // round 0 warms up
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	report(out, targets)
	return nil
}

// start starts the servers. stop ends them, also after an error.
func (s settings) start(dir string) (targets []*target, stop func(), err error) {
	var servers []*exec.Cmd
	stop = func() {
		for _, cmd := range servers {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, stop, err
	}
	begin := func(name, path string, cmd *exec.Cmd) (base string, err error) {
		base, err = startServer(cmd)
		if err != nil {
			return "", fmt.Errorf("start %s: %w", name, err)
		}
		servers = append(servers, cmd)
		targets = append(targets, &target{name: name, url: base + path})
		return base, nil
	}
	install := func(name, zip, base string) error {
		if out, err := exec.Command(s.berth, "plugin", "create", name, zip, "--host", base).CombinedOutput(); err != nil {
			return fmt.Errorf("install: %w: %s", err, out)
		}
		return nil
	}
	if _, err := begin("bare fasthttp", "/", exec.Command(self, "-bare")); err != nil {
		return nil, stop, err
	}
	echo, err := pack(dir, "echo", s.guest)
	if err != nil {
		return nil, stop, err
	}
	variants := []string{""}
	var loop string
	if s.runaways > 0 {
		variants = append(variants, fmt.Sprintf("GOMAXPROCS=%d", runtime.NumCPU()))
		if loop, err = pack(dir, "runaway", s.runaway); err != nil {
			return nil, stop, err
		}
	}
	for timeout := range strings.SplitSeq(s.timeouts, ",") {
		for i, variant := range variants {
			data := filepath.Join(dir, fmt.Sprintf("data-%s-%d", timeout, i))
			cmd := exec.Command(s.berth, "serve", "--listen", "127.0.0.1:0", "--data", data, "--timeout", timeout)
			cmd.Env = append(os.Environ(), variant)
			base, err := begin(strings.TrimSpace("berth, timeout "+timeout+" "+variant), "/invoke/f0000000", cmd)
			if err == nil {
				err = install("echo", echo, base)
			}
			if err == nil && loop != "" {
				targets[len(targets)-1].beside = base + "/invoke/endless"
				err = install("runaway", loop, base)
			}
			if err != nil {
				return nil, stop, err
			}
		}
	}
	return targets, stop, nil
}

// pack makes the package of a plugin out of one wasm file.
func pack(dir, name, guest string) (path string, err error) {
	wasm, err := os.ReadFile(guest)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, name+".zip")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	z := zip.NewWriter(f)
	w, err := z.Create(name + ".wasm")
	if err == nil {
		_, err = w.Write(wasm)
	}
	return path, errors.Join(err, z.Close(), f.Close())
}

// runAway keeps n calls of a function that never ends under way until stop,
// which waits for them: the host ends each after its timeout. Any answer but 504
// is an error.
func runAway(url string, n int) (stop func() error) {
	done := make(chan struct{})
	failures := make([]error, n)
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			for failures[i] == nil {
				failures[i] = callEndless(url)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	return func() error { close(done); calls.Wait(); return errors.Join(failures...) }
}

func callEndless(url string) error {
	resp, err := http.Post(url, "application/json", strings.NewReader("[]"))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusGatewayTimeout {
		text, err := io.ReadAll(resp.Body)
		return errors.Join(fmt.Errorf("the endless function answered %s: %s", resp.Status, text), err)
	}
	return nil
}

var address = regexp.MustCompile(`addr=(127\.0\.0\.1:\d+)`)

// startServer starts a server that says its address on standard error.
func startServer(cmd *exec.Cmd) (base string, err error) {
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, stderr) // ends with the process
			return "http://" + m[1], nil
		}
	}
	return "", fmt.Errorf("it ended without listening: %w", cmd.Wait())
}

var (
	rate   = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	median = regexp.MustCompile(`(?m)^\s+50%\s+([\d.]+)(us|ms|s)`)
	tail   = regexp.MustCompile(`(?m)^\s+99%\s+([\d.]+)(us|ms|s)`)
	faults = regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`)
)

func (s settings) drive(t *target, script string, count bool) (err error) {
	if t.beside != "" {
		stop := runAway(t.beside, s.runaways)
		defer func() { err = errors.Join(err, stop()) }()
	}
	out, err := exec.Command("wrk", fmt.Sprintf("-t%d", min(2, s.connections)), fmt.Sprintf("-c%d", s.connections), "-d", fmt.Sprintf("%ds", int(s.duration.Seconds())), "--latency", "-s", script, t.url).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if fault := faults.Find(out); fault != nil {
		return fmt.Errorf("wrk reports %s", fault)
	}
	r, m, p := rate.FindSubmatch(out), median.FindSubmatch(out), tail.FindSubmatch(out)
	if r == nil || m == nil || p == nil {
		return fmt.Errorf("wrk's report is not understood: %s", out)
	}
	if !count {
		return nil
	}
	perSecond, err := strconv.ParseFloat(string(r[1]), 64)
	t.rates, t.p50, t.p99 = append(t.rates, perSecond), append(t.p50, millis(m)), append(t.p99, millis(p))
	return err
}

func millis(m [][]byte) float64 {
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return -1
	}
	return v * map[string]float64{"us": 1e-3, "ms": 1, "s": 1e3}[string(m[2])]
}

// report prints medians, and the medians of the ratios round by round.
func report(out io.Writer, targets []*target) {
	bare := targets[0]
	fmt.Fprintf(out, "%-32s %12s %10s %10s %12s %12s\n", "", "requests/s", "p50 ms", "p99 ms", "rate/bare", "p99/bare")
	for _, t := range targets {
		fmt.Fprintf(out, "%-32s %12.0f %10.2f %10.2f %12.3f %12.3f\n", t.name, mid(t.rates), mid(t.p50), mid(t.p99),
			mid(ratios(t.rates, bare.rates)), mid(ratios(t.p99, bare.p99)))
	}
}

func ratios(a, b []float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return r
}

func mid[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
