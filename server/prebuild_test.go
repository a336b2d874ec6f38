package server

import (
	"context"
	"net/http"
	"testing"

	"berth/host"
)

// shelf is a catalog of what a test puts into it.
type shelf map[host.Kind]map[string]string

func (s shelf) Prebuilt(_ context.Context, kind host.Kind) (map[string]string, error) {
	offered, ok := s[kind]
	if !ok {
		return nil, host.Fail(host.CodeUnavailable, "the shelf of %v is being tidied", kind)
	}
	return offered, nil
}

func TestPrebuild(t *testing.T) {
	r := serve(t, nil, func(c *Config) {
		c.Catalog = shelf{
			host.Functions: {"zip": "http://h/z_amd64.zip", "echo": "http://h/e_amd64.zip?a=1&b=.zip", "geo": "http://h/g_amd64.zip"},
			host.Sources:   {},
		}
	})
	r.play([]step{
		{"GET", "/plugins/functions/prebuild", "", 200, `{"echo":"http://h/e_amd64.zip?a=1\u0026b=.zip","geo":"http://h/g_amd64.zip","zip":"http://h/z_amd64.zip"}`},
		{"HEAD", "/plugins/functions/prebuild", "", 200, ""},
		{"GET", "/plugins/sources/prebuild", "", 200, "{}"},
		{"GET", "/plugins/sinks/prebuild", "", 503, `{"error":9503,"message":"the shelf of sinks is being tidied"}`},
		{"GET", "/plugins/portables/prebuild", "", 404, `{"error":1002,"message":"describe portable plugin prebuild error: not found"}`},
		{"GET", "/plugins/wasm/prebuild", "", 404, `{"error":1002,"message":"describe wasm plugin prebuild error: not found"}`},
		{"POST", "/plugins/functions/prebuild", "{}", 405, ""},
		{"GET", "/plugins/functions/prebuild/status", "", 404, `~not found`},
		{"GET", "/plugins/functions/prebuild/", "", 404, `{"error":1002,"message":"no such path"}`},
	})
	g := r.do(http.MethodGet, "/plugins/functions/prebuild", "")
	if kind := g.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type %q", kind)
	}
}

// TestPluginCalledPrebuild: the list hides such a plugin from GET, and from nothing else.
func TestPluginCalledPrebuild(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.Catalog = shelf{host.Functions: {}} })
	r.install("prebuild", "echo")
	r.plugin("prebuild", "v2", "echo")
	r.play([]step{
		{"GET", "/plugins/functions", "", 200, `["prebuild"]`},
		{"GET", "/plugins/functions/prebuild", "", 200, `{}`},
		{"GET", "/plugins/functions/prebuild/status", "", 200, `~"name":"prebuild"`},
		{"PUT", "/plugins/functions/prebuild", `{"file":"${FILES}/prebuildv2.zip"}`, 200, "plugin prebuild is updated and serves now."},
		{"POST", "/plugins/functions/prebuild/register", `{"functions":["echo"]}`, 200, `~registered`},
		{"DELETE", "/plugins/functions/prebuild", "", 200, "functions plugin prebuild is deleted."},
		{"DELETE", "/plugins/functions/prebuild", "", 404, `~not exist`},
	})
}

// TestNoPluginHosts: without any, clients read what eKuiper says then.
func TestNoPluginHosts(t *testing.T) {
	r := serve(t, nil, nil)
	const want = `{"error":1000,"message":"invalid configuration for plugin host in berth.yaml: set plugin-hosts"}`
	r.play([]step{
		{"GET", "/plugins/sources/prebuild", "", 400, want},
		{"GET", "/plugins/sinks/prebuild", "", 400, want},
		{"GET", "/plugins/functions/prebuild", "", 400, want},
	})
}
