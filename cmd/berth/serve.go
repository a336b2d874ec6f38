package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"berth/host"
	"berth/host/archive"
	"berth/host/catalog"
	"berth/host/lookup"
	"berth/host/store"
	"berth/native"
	"berth/portable"
	"berth/sandbox"
	"berth/server"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the host",
		Long: `Runs the host until SIGINT or SIGTERM. Then it accepts nothing more, lets the requests under way finish, and ends; a
second signal ends it at once, with exit code 1.

It listens on 127.0.0.1:9081 and keeps what is installed in ./data unless told otherwise. Log lines are written to
standard error; the first says which address it is: msg=listening addr=127.0.0.1:9081.

Each flag is also a key of ` + defaultConfigFile + ` (see "berth config") and a variable (log-level: BERTH_LOG_LEVEL); a variable wins
over the file, a flag over both. Sizes are written like 64MiB, durations like 250ms, 5s or 2m.`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := a.addConfigFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := flags.load()
		if err != nil {
			return err
		}
		return a.serve(cmd.Context(), &l.config)
	}
	return cmd
}

// serve runs a host until ctx ends or a signal comes. A second signal does not wait: what runs then is left to the end of
// the process.
func (a *app) serve(ctx context.Context, c *config) error {
	log := newLogger(a.errOut, c)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer oneProcessorMore(c)()
	finished := make(chan error, 1)
	asked := make(chan int, 1)
	ask := func(code int) {
		select {
		case asked <- code:
		default: // it was asked already
		}
	}
	go func() { finished <- runHost(ctx, c, log, hangups, ask) }()
	code := exitOK
	for first := true; ; {
		select {
		case err := <-finished:
			if err == nil && code != exitOK {
				return fail(code, "stopped by a request that asked for a restart: start it again")
			}
			return err
		case n := <-asked:
			log.Info("shutting down", "asked", "by a request", "exit", n, "limit", c.ShutdownTimeout)
			code = exitCode(n)
			stop()
		case s := <-signals:
			if !first {
				return fail(exitFailure, "ended by a second signal (%v): requests under way were not waited for", s)
			}
			first = false
			log.Info("shutting down", "signal", s.String(), "limit", c.ShutdownTimeout)
			stop()
		}
	}
}

// oneProcessorMore lets Go run one thread more than there are processors, unless the environment says how many, and
// returns what undoes it. Guests run on as many as there are; with one more, a request that comes in meanwhile is noticed
// at once, where Go would look at the network only every ten milliseconds (RATIONALE.md).
func oneProcessorMore(c *config) (undo func()) {
	n := runtime.GOMAXPROCS(0)
	if c.Calls == 0 {
		c.Calls = n
	}
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	runtime.GOMAXPROCS(n + 1)
	return func() { runtime.GOMAXPROCS(n) }
}

func newLogger(w io.Writer, c *config) *slog.Logger {
	var options slog.HandlerOptions
	var level slog.Level
	if level.UnmarshalText([]byte(c.LogLevel)) == nil { // checked when it was set
		options.Level = level
	}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, &options))
	}
	return slog.New(slog.NewTextHandler(w, &options))
}

// runHost listens, puts the host together, serves until ctx ends, and takes it apart again. It listens first: two hosts on
// one address are found before anything is opened, and requests that come early wait. A hangup makes it read the drop-in
// folder; stop is for requests that end it.
func runHost(ctx context.Context, c *config, log *slog.Logger, hangups <-chan os.Signal, stop func(exitCode int)) error {
	listeners, err := listen(ctx, c, log)
	if err != nil {
		return err
	}
	for _, ln := range listeners {
		log.Info("listening", "addr", shownAddr(ln.Addr(), c.TLSCert != ""))
	}
	warnOfEavesdroppers(c, listeners, log)
	house, err := assemble(ctx, c, log, stop)
	if err != nil {
		closeListeners(listeners)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			log.Info("stopped before it served")
			return nil
		}
		return err
	}
	served := make(chan error, len(listeners))
	for _, ln := range listeners {
		go func() { served <- house.server.Serve(ln) }()
	}
	for over := false; !over; {
		select {
		case <-ctx.Done():
			over = true
		case err = <-served: // a listener broke: what the others serve is finished
			over = true
		case <-hangups:
			house.reload(ctx, log)
		}
	}
	limit, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), c.ShutdownTimeout, errShutdown)
	defer cancel()
	err = errors.Join(err, house.close(limit))
	if err == nil {
		log.Info("stopped")
	}
	return err
}

var errShutdown = errors.New("the time of shutdown-timeout was up, so requests under way were interrupted")

// shownAddr is the address as --host takes it. secure tells whether TCP is TLS.
func shownAddr(addr net.Addr, secure bool) string {
	switch {
	case addr.Network() != "unix" && secure:
		return "https://" + addr.String()
	case addr.Network() != "unix":
		return addr.String()
	}
	path, err := filepath.Abs(addr.String())
	if err != nil {
		path = addr.String()
	}
	return "unix://" + path
}

// house is all that runs, in the order in which it is closed.
type house struct {
	server  *server.Server
	catalog *catalog.Catalog // nil: no plugin hosts
	host    *host.Host
	cache   *lookup.Table
	store   *store.Store
}

// assemble wires everything; nothing else does. On an error nothing stays open.
func assemble(ctx context.Context, c *config, log *slog.Logger, stop func(exitCode int)) (_ *house, err error) {
	h := &house{}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close(context.WithoutCancel(ctx)))
		}
	}()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if h.store, err = store.Open(filepath.Join(c.Data, "berth.db"), store.Options{Log: log}); err != nil {
		return nil, err
	}
	if h.cache, err = lookup.New(int64(c.Budget), lookup.Options{Log: log}); err != nil {
		return nil, err
	}
	limits, err := c.archive()
	if err != nil {
		return nil, err
	}
	signatures, err := c.signatures()
	if err != nil {
		return nil, err
	}
	h.host, err = host.New(ctx, host.Config{
		Dir:             c.Data,
		Store:           h.store,
		Cache:           h.cache,
		Engines:         []host.Engine{sandbox.New().WithAdmission(c.admission()), native.New(), portable.New()},
		Limits:          c.limits(),
		Policy:          c.policy(),
		Archive:         limits,
		Signatures:      signatures,
		DropIn:          c.Plugins,
		Scripts:         host.Scripts{Deny: c.Scripts == "deny", Timeout: c.ScriptTimeout},
		Drain:           c.Drain,
		LoadTimeout:     c.LoadTimeout,
		FunctionFigures: c.Figures,
		Log:             log,
	})
	if err != nil {
		return nil, err
	}
	var prebuilt server.Catalog
	if len(c.PluginHosts) > 0 {
		h.catalog, err = catalog.New(catalog.Config{
			Hosts:   c.PluginHosts,
			Version: c.PluginVersion,
			System:  c.PluginSystem,
			Limits:  archive.Limits{Sources: limits.Sources},
			Log:     log,
		})
		if err != nil {
			return nil, err
		}
		prebuilt = h.catalog
	}
	h.server, err = server.New(server.Config{
		Host:           h.host,
		Catalog:        prebuilt,
		Stop:           stop,
		Version:        readVersion().Version,
		Log:            log,
		Access:         c.access(),
		MaxBody:        c.Input + bodySlack,
		MaxBatch:       c.BatchLimit,
		MaxPackage:     c.DownloadLimit,
		MaxRestore:     c.RestoreLimit,
		PackageTimeout: c.DownloadTimeout,
		RestoreTimeout: c.RestoreTimeout,
		ReadTimeout:    c.ReadTimeout,
		UploadTimeout:  c.UploadTimeout,
		WriteTimeout:   c.WriteTimeout,
		IdleTimeout:    c.IdleTimeout,
		Concurrency:    c.Connections,
	})
	return h, err
}

// reload reads the drop-in folder, and logs what came of it.
func (h *house) reload(ctx context.Context, log *slog.Logger) {
	r, err := h.host.Reload(ctx)
	if err != nil {
		log.Error("SIGHUP: the drop-in folder was not read", "error", err)
		return
	}
	log.Info("SIGHUP: the drop-in folder was read", "installed", r.Installed, "updated", r.Updated, "dropped", r.Dropped, "failed", len(r.Failed))
}

// close takes down what is there: no new requests, those under way finished or, when ctx ends, interrupted, then what they
// needed.
func (h *house) close(ctx context.Context) error {
	var faults []error
	note := func(what string, err error) {
		switch {
		case err == nil:
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			faults = append(faults, fail(exitFailure, "%s: %v", what, context.Cause(ctx)))
		default:
			faults = append(faults, fail(exitFailure, "%s: %w", what, err))
		}
	}
	if h.server != nil {
		note("closing the server", h.server.Shutdown(ctx))
	}
	if h.catalog != nil {
		h.catalog.Close()
	}
	if h.host != nil {
		note("closing the host", h.host.Close(ctx))
	}
	if h.cache != nil {
		h.cache.Close()
	}
	if h.store != nil {
		note("closing the store", h.store.Close())
	}
	return errors.Join(faults...)
}
