package server

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"berth/host"
)

// information is eKuiper's answer to /. What this machine does not tell is left
// out.
type information struct {
	Version       string `json:"version"`
	OS            string `json:"os"`
	Arch          string `json:"arch"`
	UpTimeSeconds int64  `json:"upTimeSeconds"`
	CPUUsage      string `json:"cpuUsage,omitempty"`
	MemoryUsed    string `json:"memoryUsed,omitempty"`
	MemoryTotal   string `json:"memoryTotal"`
}

func (s *Server) information(ctx *fasthttp.RequestCtx) {
	now := time.Now()
	info := information{
		Version:       s.config.Version,
		OS:            runtime.GOOS,
		Arch:          runtime.GOARCH,
		UpTimeSeconds: int64(now.Sub(s.started) / time.Second),
		MemoryTotal:   "0",
	}
	if usage, ok := s.cpu.since(now); ok {
		info.CPUUsage = fmt.Sprintf("%.2f%%", usage*100)
	}
	if used, ok := residentMemory(); ok {
		info.MemoryUsed = strconv.FormatInt(used, 10)
	}
	if total, ok := totalMemory(); ok {
		info.MemoryTotal = strconv.FormatInt(total, 10)
	}
	s.writeJSON(ctx, info)
}

// cpuMeter measures this process's use of processors between two looks.
type cpuMeter struct {
	mu   sync.Mutex // guards what follows
	at   time.Time
	used time.Duration
	last float64
}

// minCPUSpan is the shortest time that says anything: two looks within it see
// the same figure.
const minCPUSpan = 100 * time.Millisecond

func (m *cpuMeter) start(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = now
	m.used, _ = processorTime()
}

// since returns the share of one processor that was used since the last look or
// the start, over 1 when several were busy.
func (m *cpuMeter) since(now time.Time) (usage float64, ok bool) {
	used, ok := processorTime()
	if !ok {
		return 0, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if span := now.Sub(m.at); span >= minCPUSpan {
		m.last = float64(used-m.used) / float64(span)
		m.at, m.used = now, used
	}
	return m.last, true
}

// ping says that HTTP is served.
func (s *Server) ping(ctx *fasthttp.RequestCtx) { ctx.Response.SetStatusCode(fasthttp.StatusOK) }

// healthy says that the process is alive; a supervisor restarts it otherwise.
func (s *Server) healthy(ctx *fasthttp.RequestCtx) { ctx.Response.SetBodyString("ok") }

// ready says whether calls should be sent here.
func (s *Server) ready(ctx *fasthttp.RequestCtx) {
	if !s.host.Ready() || s.stopping() {
		writeError(ctx, codeAnswers[host.CodeUnavailable], "not ready: plugins are being loaded, or the host is shutting down")
		return
	}
	ctx.Response.SetBodyString("ok")
}
