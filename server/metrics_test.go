package server

import (
	"fmt"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"berth/host"
)

func (r *rig) figures() map[string]*dto.MetricFamily {
	r.Helper()
	g := r.do("GET", "/metrics", "")
	if got := g.header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		r.Errorf("Content-Type %q", got)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(g.body))
	if err != nil {
		r.Fatalf("%v in:\n%s", err, g.body)
	}
	return families
}

// figure adds up the samples of a family that have these labels.
func figure(families map[string]*dto.MetricFamily, name string, labels ...string) (sum float64, samples int) {
	for _, m := range families[name].GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		fits := true
		for _, want := range labels {
			fits = fits && strings.Contains(","+strings.Join(have, ",")+",", ","+want+",")
		}
		if fits {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			samples++
		}
	}
	return sum, samples
}

func TestMetrics(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo", "rejected")
	r.install("q", "twin")
	for range 3 {
		r.do("POST", "/invoke/echo", "x")
	}
	r.do("POST", "/invoke/rejected", "x")
	r.do("POST", "/invoke/nope", "x")
	r.do("GET", "/nope/"+strings.Repeat("z", 100), "")
	r.do("POST", "/invoke/echo/batch", "1\n2\n")
	families := r.figures()
	for _, c := range []struct {
		name, labels string
		want         float64
	}{
		{"berth_calls_total", "function=echo", 5},
		{"berth_calls_total", "function=rejected", 1},
		{"berth_call_errors_total", "function=rejected code=rejected", 1},
		{"berth_call_duration_seconds", "function=echo", 5},
		{"berth_plugins", "kind=functions", 2},
		{"berth_plugins", "kind=sources", 0},
		{"berth_plugin_active", "", 2},
		{"berth_plugin_instances", "kind=functions plugin=p", 1},
		{"berth_plugin_memory_bytes", "plugin=q", 1000},
		{"berth_plugin_fuel_total", "kind=functions plugin=q", 77},
		{"berth_http_requests_total", "route=invoke code=2xx", 3},
		{"berth_http_requests_total", "route=invoke code=4xx", 2},
		{"berth_http_requests_total", "route=none code=4xx", 1},
		{"berth_http_requests_total", "route=batch code=2xx", 1},
		{"berth_build_info", "version=1.2.3", 1},
	} {
		if got, n := figure(families, c.name, strings.Fields(c.labels)...); got != c.want || n == 0 {
			t.Errorf("%s{%s} = %v of %d, want %v", c.name, c.labels, got, n, c.want)
		}
	}
	for _, name := range []string{"go_goroutines", "process_cpu_seconds_total", "berth_http_connections"} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			if text := m.String(); strings.Contains(text, "nope") || strings.Contains(text, "zzz") {
				t.Errorf("%s has a label from a request: %s", name, text)
			}
		}
	}
}

// manyPlugins is a host with more plugins than /metrics has room for.
type manyPlugins struct {
	*host.Host
	statuses []host.Status
}

func (m manyPlugins) Statuses() []host.Status { return m.statuses }

func TestMetricsAreBounded(t *testing.T) {
	many := manyPlugins{}
	const plugins = 10_000
	for i := range plugins {
		kind := host.Functions
		if i%2 == 1 {
			kind = host.Sources
		}
		s := host.Status{Record: host.Record{Kind: kind, Name: fmt.Sprint("p", i/2)}, State: host.StateActive, Module: &host.ModuleStatus{Instances: 1, Memory: int64(i)}, Fuel: 2}
		many.statuses = append(many.statuses, s)
	}
	r := serve(t, nil, func(c *Config) {
		many.Host = c.Host.(*host.Host)
		c.Host = many
	})
	families := r.figures()
	if got, n := figure(families, "berth_plugin_memory_bytes"); n != maxPluginFigures+2 || got != plugins*(plugins-1)/2 {
		t.Errorf("%d samples with the sum %v", n, got)
	}
	if got, n := figure(families, "berth_plugin_instances", "plugin=~other"); n != 2 || got != plugins-maxPluginFigures {
		t.Errorf("%d rests with the sum %v", n, got)
	}
	if got, n := figure(families, "berth_plugin_fuel_total"); n != maxPluginFigures+2 || got != 2*plugins {
		t.Errorf("%d samples of fuel with the sum %v", n, got)
	}
	if got, _ := figure(families, "berth_plugin_active"); got != plugins {
		t.Errorf("active: %v", got)
	}
	if got, n := figure(families, "berth_plugin_memory_bytes", fmt.Sprintf("plugin=p%d", plugins/2-1)); n != 2 {
		t.Errorf("the largest has no figure of its own: %v of %d", got, n)
	}
}
