package server

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
	"github.com/valyala/fasthttp"

	"berth/host"
)

// maxPluginFigures is for how many plugins /metrics has figures of their own:
// those that hold the most memory. The others are summed as otherPlugins.
const (
	maxPluginFigures = 500
	otherPlugins     = "~other" // no plugin can have this name
)

// metrics makes the figures of the host and the server when they are asked for.
// Every label is a constant or the name of something installed, and of those
// there are at most as many as the host keeps figures of, or maxPluginFigures:
// no request can make the answer grow.
type metrics struct {
	server   *Server
	registry *prometheus.Registry

	calls, callErrors, duration       *prometheus.Desc
	plugins, active, instances, bytes *prometheus.Desc
	fuel                              *prometheus.Desc
	requests, refused                 *prometheus.Desc
	connections, build                *prometheus.Desc
}

func newMetrics(s *Server) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("berth_"+name, help, labels, nil)
	}
	m := &metrics{
		server:      s,
		registry:    prometheus.NewRegistry(),
		calls:       desc("calls_total", "Calls of a function, failed ones included.", "function"),
		callErrors:  desc("call_errors_total", "Calls that failed, by what kind of failure.", "function", "code"),
		duration:    desc("call_duration_seconds", "How long calls took inside their engine; those of fast functions are sampled.", "function"),
		plugins:     desc("plugins", "Installed plugins.", "kind"),
		active:      desc("plugin_active", "Plugins that are loaded now."),
		instances:   desc("plugin_instances", "Instances of a loaded plugin.", "kind", "plugin"),
		bytes:       desc("plugin_memory_bytes", "Memory that a loaded plugin holds.", "kind", "plugin"),
		fuel:        desc("plugin_fuel_total", "Fuel that the calls of a loaded plugin used, those before it was last loaded too.", "kind", "plugin"),
		requests:    desc("http_requests_total", "Answers over HTTP, by the class of their status.", "route", "code"),
		refused:     desc("http_refused_total", "Requests that access control refused, by why.", "because"),
		connections: desc("http_connections", "Open connections."),
		build:       desc("build_info", "What runs here; always 1.", "version", "goversion"),
	}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.calls, m.callErrors, m.duration, m.plugins, m.active,
		m.instances, m.bytes, m.fuel, m.requests, m.refused, m.connections, m.build} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(m.build, 1, m.server.config.Version, runtime.Version())
	gauge(m.connections, float64(m.server.conns.count()))
	m.collectRequests(ch)
	m.collectRefused(ch)
	m.collectCalls(ch)

	installed, active, loaded := m.survey()
	for _, kind := range host.Kinds() {
		gauge(m.plugins, float64(installed[kind]), kind.String())
	}
	gauge(m.active, float64(active))
	for _, p := range loaded {
		gauge(m.instances, float64(p.instances), p.kind.String(), p.name)
		gauge(m.bytes, float64(p.memory), p.kind.String(), p.name)
		ch <- prometheus.MustNewConstMetric(m.fuel, prometheus.CounterValue, float64(p.fuel), p.kind.String(), p.name)
	}
}

func (m *metrics) collectRequests(ch chan<- prometheus.Metric) {
	for r := range m.server.requests {
		for class := range m.server.requests[r].classes {
			if n := m.server.requests[r].classes[class].Load(); n > 0 {
				ch <- prometheus.MustNewConstMetric(m.requests, prometheus.CounterValue, float64(n), routeNames[r], strconv.Itoa(class)+"xx")
			}
		}
	}
}

func (m *metrics) collectRefused(ch chan<- prometheus.Metric) {
	for why := range m.server.guard.counts {
		ch <- prometheus.MustNewConstMetric(m.refused, prometheus.CounterValue, float64(m.server.guard.counts[why].Load()), refusalNames[why])
	}
}

func (m *metrics) collectCalls(ch chan<- prometheus.Metric) {
	for _, f := range m.server.host.Figures() {
		ch <- prometheus.MustNewConstMetric(m.calls, prometheus.CounterValue, float64(f.Calls), f.Function)
		for code, n := range f.Errors {
			ch <- prometheus.MustNewConstMetric(m.callErrors, prometheus.CounterValue, float64(n), f.Function, code.String())
		}
		buckets := make(map[float64]uint64, len(f.Latency.Buckets))
		for bound, n := range f.Latency.Buckets {
			buckets[bound.Seconds()] = n
		}
		ch <- prometheus.MustNewConstHistogram(m.duration, f.Latency.Count, f.Latency.Sum.Seconds(), buckets, f.Function)
	}
}

// loadedPlugin is what /metrics tells of a plugin, or of all that are left.
type loadedPlugin struct {
	kind      host.Kind
	name      string
	instances int
	memory    int64
	fuel      uint64
}

// survey counts the plugins of each kind and those that are loaded, and returns
// the largest of the loaded; for each kind that has more, another stands for
// the rest.
func (m *metrics) survey() (installed map[host.Kind]int, active int, loaded []loadedPlugin) {
	installed = map[host.Kind]int{}
	for _, status := range m.server.host.Statuses() {
		installed[status.Kind]++
		if module := status.Module; module != nil {
			loaded = append(loaded, loadedPlugin{status.Kind, status.Name, module.Instances, module.Memory, status.Fuel})
		}
	}
	active = len(loaded)
	if active <= maxPluginFigures {
		return installed, active, loaded
	}
	slices.SortStableFunc(loaded, func(a, b loadedPlugin) int { return cmp.Compare(b.memory, a.memory) })
	rest := map[host.Kind]loadedPlugin{}
	for _, p := range loaded[maxPluginFigures:] {
		sum := rest[p.kind]
		rest[p.kind] = loadedPlugin{p.kind, otherPlugins, sum.instances + p.instances, sum.memory + p.memory, sum.fuel + p.fuel}
	}
	loaded = loaded[:maxPluginFigures]
	for _, sum := range rest {
		loaded = append(loaded, sum)
	}
	return installed, active, loaded
}

// figures answers /metrics in Prometheus's text format.
func (s *Server) figures(ctx *fasthttp.RequestCtx) {
	families, err := s.metrics.registry.Gather()
	if err != nil && len(families) == 0 {
		s.fail(ctx, host.Fail(host.CodeInternal, "gather the figures: %w", err), "")
		return
	}
	if err != nil { // the rest is there and of use
		s.log.Warn("some figures could not be gathered", "error", err)
	}
	var body bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	encoder := expfmt.NewEncoder(&body, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			s.fail(ctx, host.Fail(host.CodeInternal, "encode the figures: %w", err), "")
			return
		}
	}
	ctx.Response.Header.SetContentType(string(format))
	ctx.Response.SetBodyRaw(body.Bytes())
}

var _ prometheus.Collector = (*metrics)(nil)
