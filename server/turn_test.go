package server

import (
	"context"
	"testing"

	"berth/host"
)

// TestPutTwice: of two first versions of a portable plugin at once, one is
// installed and the other put in its place.
func TestPutTwice(t *testing.T) {
	r := serve(t, nil, nil)
	entered, leave := make(chan struct{}), make(chan struct{})
	r.engine.load = func(p *host.Package) error {
		if p.Has("held") {
			entered <- struct{}{}
			<-leave
		}
		return nil
	}
	manifest := `{"language":"wasm","executable":"port.wasm","functions":["echo"]}`
	held := r.zip("held.zip", map[string]string{"port.wasm": "echo", "port.json": manifest, "held": ""})
	other := r.zip("other.zip", map[string]string{"port.wasm": "echo", "port.json": manifest})
	answers := make(chan got, 2)
	put := func(uri string) {
		answers <- r.do("PUT", "/plugins/portables/port", jsonOf(map[string]string{"file": uri}))
	}
	go put(held)
	<-entered
	go put(other)
	r.eventually("both have begun", func() bool { return r.server.http.GetCurrentConcurrency() == 2 })
	close(leave)
	for range 2 {
		if g := <-answers; g.status != 200 || g.body != "portable plugin port is updated" {
			t.Error(g)
		}
	}
}

// dropsFirst is a host whose plugins are dropped as soon as they were looked at.
type dropsFirst struct{ Host }

func (d dropsFirst) Describe(kind host.Kind, name string) (host.Record, error) {
	r, err := d.Host.Describe(kind, name)
	if err == nil {
		err = d.Drop(context.Background(), kind, name)
	}
	return r, err
}

// TestGoneMeanwhile: a plugin that is dropped while a request about it is answered
// is unknown in the words in which it is otherwise.
func TestGoneMeanwhile(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.Host = dropsFirst{c.Host} })
	register := step{"POST", "/plugins/functions/p/register", `{"functions":["echo"]}`, 404, `{"error":1002,"message":"register functions plugin p error: not found"}`}
	update := step{"PUT", "/plugins/functions/p", `{"file":"file:///x.zip"}`, 404, `{"error":1002,"message":"update functions plugin p error, cannot delete old version: invalid name p: not exist"}`}
	for _, s := range []step{register, update} {
		r.play([]step{s})
		r.install("p", "echo")
		r.play([]step{s})
	}
}
