package server

import (
	"encoding/json"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/host"
)

func TestInformation(t *testing.T) {
	r := serve(t, nil, nil)
	var info information
	g := r.do("GET", "/", "")
	if err := json.Unmarshal([]byte(g.body), &info); err != nil {
		t.Fatal(err)
	}
	if info.Version != "1.2.3" || info.OS != runtime.GOOS || info.Arch != runtime.GOARCH || info.UpTimeSeconds < 0 {
		t.Errorf("%s", g.body)
	}
	used, _ := strconv.ParseInt(info.MemoryUsed, 10, 64)
	total, _ := strconv.ParseInt(info.MemoryTotal, 10, 64)
	if runtime.GOOS == "linux" && (used < 1<<20 || total < used || !strings.HasSuffix(info.CPUUsage, "%")) {
		t.Errorf("%s", g.body)
	}
}

func TestCPUMeter(t *testing.T) {
	if _, ok := processorTime(); !ok {
		t.Skip("this system does not tell")
	}
	var m cpuMeter
	start := time.Now()
	m.start(start.Add(-time.Second))
	m.used -= time.Second / 2
	if got, ok := m.since(start); !ok || got < 0.5 || got > 2 {
		t.Errorf("half a second in one: %v", got)
	}
	last := m.last
	if got, _ := m.since(start.Add(minCPUSpan / 2)); got != last {
		t.Errorf("a second look at once: %v, not %v", got, last)
	}
}

type neverReady struct{ *host.Host }

func (neverReady) Ready() bool { return false }

func TestHealth(t *testing.T) {
	r := serve(t, nil, nil)
	r.eventually("ready", r.host.Ready)
	r.play([]step{
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/readyz", "", 200, "ok"},
		{"POST", "/healthz", "", 405, ""},
	})
	not := serve(t, nil, func(c *Config) { c.Host = neverReady{c.Host.(*host.Host)} })
	not.play([]step{
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/readyz", "", 503, `~"error":9503,"message":"not ready`},
	})
}
