package main

import (
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListenUnix(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "b.sock")
	for _, mode := range []fs.FileMode{0o600, 0o660, 0o666} {
		ln, err := listenUnix(t.Context(), path, mode)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%v, %v, want %o", info.Mode(), err, mode)
		}
		if _, err := listenUnix(t.Context(), path, mode); err == nil || !strings.Contains(err.Error(), "another process serves there") {
			t.Errorf("a live socket: %v", err)
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("the socket is still there when it is closed")
		}
	}

	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	ln, err := listenUnix(t.Context(), path, 0o600)
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	ln.Close()

	file := writeFile(t, filepath.Join(dir, "file"), "precious")
	if _, err := listenUnix(t.Context(), file, 0o600); exitOf(err) != exitUsage {
		t.Errorf("a file: %v", err)
	}
	if data, _ := os.ReadFile(file); string(data) != "precious" {
		t.Error("the file was removed")
	}
	if err := os.Symlink(file, path); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(t.Context(), path, 0o600); exitOf(err) != exitUsage {
		t.Errorf("a link: %v", err)
	}
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.sock")
	log := slog.New(slog.DiscardHandler)
	listeners, err := listen(t.Context(), &config{Listen: "127.0.0.1:0", Unix: path, UnixMode: 0o600}, log)
	if err != nil || len(listeners) != 2 {
		t.Fatalf("%v, %v", listeners, err)
	}
	defer closeListeners(listeners)
	if got := shownAddr(listeners[1].Addr(), true); got != "unix://"+path {
		t.Errorf("shown as %s", got)
	}
	taken := listeners[0].Addr().String()
	if _, err := listen(t.Context(), &config{Listen: taken}, log); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a taken port: %v", err)
	}
	if _, err := listenTCP(t.Context(), "0.0.0.0:0", false); exitOf(err) != exitUsage {
		t.Errorf("not loopback: %v", err)
	}
	ln, err := listenTCP(t.Context(), "0.0.0.0:0", true)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}
