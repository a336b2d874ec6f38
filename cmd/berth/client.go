package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	defaultHost = "http://127.0.0.1:9081"

	// quick is how long a host may take to answer what it knows, and to call a function.
	quick = 30 * time.Second
	// installing is how long it may take to download, unpack, compile and load.
	installing = 10 * time.Minute
	// copying is how long all that a host keeps may take to be sent.
	copying = time.Hour
	// completing is how long the shell's user waits for names.
	completing = time.Second

	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 30
)

// client talks to one host over REST. It is for one command.
type client struct {
	base  string // without a slash at its end
	shown string // as the user wrote it
	local bool   // the host runs on this machine, so it reads the files that we do
	token string // to show; empty: none
	http  *http.Client
}

// newClient makes a client of "http://…", "https://…", "unix:///path" or "host:port". limit bounds each request; 0: none.
func newClient(address string, limit time.Duration, id identity) (*client, error) {
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, DisableCompression: true}
	c := &client{shown: address, token: id.token, http: &http.Client{
		Transport: transport,
		Timeout:   limit,
		// What the host answers is its answer: nobody else is asked.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		if !filepath.IsAbs(path) {
			return nil, fail(exitUsage, "--host: %q needs an absolute path: write it like unix:///run/berth.sock", address)
		}
		c.base, c.local = "http://berth", true
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
		}
		return c, nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fail(exitUsage, "--host: %q is not a host: write it like %s or unix:///run/berth.sock", c.shown, defaultHost)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	if u.Scheme != "https" && id.speaksTLS() {
		return nil, fail(exitUsage, "--host: %q has to begin with https:// when --ca, --cert or --key is given", c.shown)
	}
	if transport.TLSClientConfig, err = id.tlsConfig(); err != nil {
		return nil, err
	}
	c.base, c.local = strings.TrimSuffix(u.String(), "/"), isLoopback(net.JoinHostPort(u.Hostname(), port))
	return c, nil
}

// answer is what the host said.
type answer struct {
	status int
	kind   string // the Content-Type, without parameters
	body   []byte
}

// answerError is an answer that says no.
type answerError struct {
	status  int
	number  int // the "error" of the answer; 0 if there is none
	message string
}

func (e *answerError) Error() string { return e.message }

// do sends one request. An answer outside 2xx is an exitError that wraps an answerError.
func (c *client) do(ctx context.Context, method, path, kind string, body []byte) (answer, error) {
	return c.exchange(ctx, method, path, kind, bytes.NewReader(body), int64(len(body)))
}

// upload is do with a file as the body, which is read as it is sent.
func (c *client) upload(ctx context.Context, method, path, kind, file string) (answer, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return answer{}, fail(exitUsage, "%w", err)
	case !info.Mode().IsRegular(): // a pipe would be waited for
		return answer{}, fail(exitUsage, "%s is no regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return answer{}, fail(exitUsage, "%w", err)
	}
	defer f.Close()
	return c.exchange(ctx, method, path, kind, f, info.Size())
}

// exchange is do with a body of a size; -1: it is not known. It may close the body.
func (c *client) exchange(ctx context.Context, method, path, kind string, body io.Reader, size int64) (answer, error) {
	resp, refused, err := c.begin(ctx, method, path, kind, body, size)
	if err != nil {
		return refused, err
	}
	defer resp.Body.Close()
	return c.read(resp)
}

// download writes what a POST is answered with to w, as it comes. An answer that ends too early is an error.
func (c *client) download(ctx context.Context, path string, w io.Writer) error {
	resp, _, err := c.begin(ctx, http.MethodPost, path, "", http.NoBody, 0)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fail(exitFailure, "the host at %s broke off: its log says why", c.shown)
	case errors.Is(err, context.Canceled), isTimeout(err):
		return c.unreachable(err)
	}
	return err
}

// begin sends one request. An answer in 2xx is returned with its body yet to be read and closed; of any other there is
// what it says, and the error that it comes to.
func (c *client) begin(ctx context.Context, method, path, kind string, body io.Reader, size int64) (resp *http.Response, refused answer, err error) {
	if size == 0 {
		body = http.NoBody // else it were one of unknown size
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, answer{}, fail(exitUsage, "%w", err)
	}
	req.ContentLength = size
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if resp, err = c.http.Do(req); err != nil {
		return nil, answer{}, c.unreachable(err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, answer{}, nil
	}
	defer resp.Body.Close()
	if refused, err = c.read(resp); err != nil {
		return nil, answer{}, err
	}
	refusal := refused.refusal()
	if refused.status == http.StatusUnauthorized && c.token == "" {
		refusal.message += "; --token or BERTH_TOKEN gives one"
	}
	return nil, refused, &exitError{statusExit(refused.status, refusal.number), refusal}
}

func (c *client) read(resp *http.Response) (answer, error) {
	a := answer{status: resp.StatusCode}
	a.kind, _, _ = strings.Cut(resp.Header.Get("Content-Type"), ";")
	var err error
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return answer{}, c.unreachable(err)
	}
	return a, nil
}

// unreachable words why there was no answer.
func (c *client) unreachable(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fail(exitFailure, "interrupted")
	case isTimeout(err) && !isDialError(err):
		return fail(exitTimeout, "the host at %s did not answer in time: --timeout gives it more", c.shown)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fail(exitUnavailable, "the host at %s cannot be reached: %w: %s", c.shown, err, unreachableHint(err))
}

// unreachableHint is what to do about it.
func unreachableHint(err error) string {
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &verification):
		return "is --host its name, and --ca the authority of its certificate?"
	case strings.Contains(err.Error(), "tls: certificate required"), strings.Contains(err.Error(), "tls: unknown certificate"):
		return "--cert and --key give the certificate that it asks for"
	}
	return "is it running (berth serve), and is --host right?"
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// refusal reads an answer that says no: {"error":1000,"message":"…"}, or plain text.
func (a answer) refusal() *answerError {
	e := &answerError{status: a.status}
	var body struct {
		Error   int    `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal(a.body, &body) == nil && body.Message != "" {
		e.number, e.message = body.Error, body.Message
		return e
	}
	e.message = strings.TrimSpace(string(a.body))
	if e.message == "" {
		e.message = http.StatusText(a.status)
	}
	e.message = fmt.Sprintf("the host answered %d: %s", a.status, e.message)
	return e
}

// get asks for JSON and decodes it into v.
func (c *client) get(ctx context.Context, path string, v any) (answer, error) {
	a, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return a, fail(exitFailure, "%s answered something that is not Berth's: %w", c.shown+path, err)
	}
	return a, nil
}

// send sends v as JSON.
func (c *client) send(ctx context.Context, method, path string, v any) (answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return answer{}, err
	}
	return c.do(ctx, method, path, "application/json", body)
}

// hostFlags gives cmd, and the commands below it, --host and --timeout.
func (a *app) hostFlags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&a.host, "host", "", "`address` of the host, or unix:///path (default BERTH_HOST, else "+defaultHost+")")
	cmd.PersistentFlags().StringVar(&a.timeout, "timeout", "", "`duration` the host may take to answer, 0: as long as it likes (default 30s; what installs or uploads: 10m; backup, restore: 1h)")
	_ = cmd.RegisterFlagCompletionFunc("host", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("timeout", cobra.NoFileCompletions)
	a.id.flags(cmd)
	a.jsonFlag(cmd)
}

// client is the client that the flags and the environment ask for.
func (a *app) client(limit time.Duration) (*client, error) {
	if a.timeout != "" {
		if err := (&durationValue{&limit, true}).Set(a.timeout); err != nil {
			return nil, fail(exitUsage, "--timeout: %w", err)
		}
	}
	address := a.host
	if address == "" {
		address = lookupEnv(a.environ, "BERTH_HOST")
	}
	if address == "" {
		address = defaultHost
	}
	return newClient(address, limit, a.id.or(a.environ))
}

// completeNames completes names that GET path lists on the host.
func (a *app) completeNames(path string, most int) cobra.CompletionFunc {
	return a.complete(most, func(ctx context.Context, c *client) (names []string, err error) {
		_, err = c.get(ctx, path, &names)
		return names, err
	})
}

// complete completes names that the host tells; none if it does not answer at once. most bounds how many arguments are
// names, -1: all.
func (a *app) complete(most int, ask func(context.Context, *client) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		a.timeout = ""
		c, err := a.client(completing)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, err := ask(cmd.Context(), c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) }), cobra.ShellCompDirectiveNoFileComp
	}
}
