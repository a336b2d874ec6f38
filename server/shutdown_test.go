package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"berth/host"
)

// TestShutdownAnswers: a call that is under way is answered, and a batch is
// finished; new connections are refused meanwhile.
func TestShutdownAnswers(t *testing.T) {
	began, proceed := make(chan struct{}, 2), make(chan struct{})
	r := serve(t, map[string]call{"wait": func(_ context.Context, dst, in []byte) ([]byte, error) {
		began <- struct{}{}
		<-proceed
		return append(dst, in...), nil
	}}, nil)
	r.install("p", "wait")
	idle := r.dial()
	defer idle.Close()
	answers := make(chan got, 2)
	go func() { answers <- r.do("POST", "/invoke/wait", "call") }()
	go func() { answers <- r.do("POST", "/invoke/wait/batch", "call\n") }()
	<-began
	<-began
	done := make(chan error, 3)
	for range 3 { // idempotent, by many at once
		go func() { done <- r.server.Shutdown(context.Background()) }()
	}
	r.eventually("nobody gets in", func() bool {
		conn, err := net.Dial("tcp", r.addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if g := r.server.stopping(); !g {
		t.Error("not stopping")
	}
	close(proceed)
	for range 2 {
		if g := <-answers; g.status != 200 || !strings.Contains(g.body, "call") {
			t.Errorf("%v", g)
		}
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.server.Serve(ln); !errors.Is(err, ErrClosed) {
		t.Errorf("Serve after Shutdown: %v", err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("the listener is open")
	}
}

// TestShutdownIsPrompt: connections that never sent anything, or only half a
// request, do not hold it up.
func TestShutdownIsPrompt(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.ReadTimeout, c.IdleTimeout = time.Hour, time.Hour })
	fresh, half, used := r.dial(), r.dial(), r.dial()
	for _, conn := range []net.Conn{fresh, half, used} {
		defer conn.Close()
	}
	io.WriteString(half, "GET /ping HTT")
	io.WriteString(used, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
	if g := r.answer(bufio.NewReader(used)); g.status != 200 {
		t.Fatal(g)
	}
	r.eventually("all are in", func() bool { return r.server.conns.count() == 3 })
	start := time.Now()
	if err := r.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if g := r.answer(bufio.NewReader(half)); g.status != 503 || !strings.Contains(g.body, "shutting down") {
		t.Errorf("%v", g)
	}
}

// TestShutdownInterrupts: when its time is over, connections are closed, calls
// end when the host interrupts them, and a batch ends so that its client
// notices.
func TestShutdownInterrupts(t *testing.T) {
	began, interrupt := make(chan struct{}, 2), make(chan struct{})
	r := serve(t, map[string]call{"hang": func(_ context.Context, dst, in []byte) ([]byte, error) {
		if string(in) == "first" {
			return append(dst, in...), nil
		}
		began <- struct{}{}
		<-interrupt
		return dst, host.Fail(host.CodeCanceled, "interrupted")
	}}, nil)
	r.install("p", "hang")
	var wg sync.WaitGroup
	wg.Go(func() {
		resp, err := http.Post(r.base+"/invoke/hang", "", strings.NewReader("x"))
		if err == nil { // the answer may have got out
			resp.Body.Close()
			if resp.StatusCode != 503 {
				t.Errorf("call: %d", resp.StatusCode)
			}
		}
	})
	wg.Go(func() {
		resp, err := http.Post(r.base+"/invoke/hang/batch", "", strings.NewReader("first\nx\nfirst\n"))
		if err != nil {
			return // not even the first answer got out
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("a batch that was broken off looks whole: %q", body)
		}
	})
	<-began
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	close(interrupt) // as closing the host does
	wg.Wait()
	if n := r.server.conns.wait(t.Context()); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestShutdownBeforeServe(t *testing.T) {
	r := newRig(t, nil, nil)
	if err := errors.Join(r.server.Shutdown(t.Context()), r.server.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
}

// flakyListener fails a few times before it accepts.
type flakyListener struct {
	net.Listener
	failures []error
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if len(l.failures) > 0 {
		err := l.failures[0]
		l.failures = l.failures[1:]
		return nil, err
	}
	return l.Listener.Accept()
}

// TestShortages: running out of file descriptors is not the end.
func TestShortages(t *testing.T) {
	r := newRig(t, nil, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shortage := func(err error) error { return &net.OpError{Op: "accept", Err: fmt.Errorf("accept4: %w", err)} }
	r.addr = ln.Addr().String()
	r.serveOn(&flakyListener{ln, []error{shortage(syscall.EMFILE), shortage(syscall.ENFILE), shortage(syscall.ECONNABORTED)}})
	if g := r.raw("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"); g.status != 200 {
		t.Errorf("%v", g)
	}
	broken := &flakyListener{ln, []error{errors.New("broken for good")}}
	if err := r.server.Serve(broken); err == nil || !strings.Contains(err.Error(), "broken for good") {
		t.Errorf("Serve: %v", err)
	}
}
