package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
)

// shop serves zips, of which some are held back until the test says so.
type shop struct {
	*httptest.Server
	zips    map[string][]byte
	arrived chan string              // paths of those that are held back
	release map[string]chan struct{} // by path

	mu     sync.Mutex // guards served
	served []string   // paths, when they began to be sent
}

func newShop(t *testing.T, zips map[string][]byte, held ...string) *shop {
	s := &shop{zips: zips, arrived: make(chan string, 16), release: map[string]chan struct{}{}}
	for _, path := range held {
		s.release[path] = make(chan struct{})
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := s.zips[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		s.mu.Lock()
		s.served = append(s.served, r.URL.Path)
		s.mu.Unlock()
		if release := s.release[r.URL.Path]; release != nil {
			_, _ = w.Write(data[:len(data)/2])
			w.(http.Flusher).Flush()
			s.arrived <- r.URL.Path
			select {
			case <-release:
			case <-r.Context().Done():
			}
			data = data[len(data)/2:]
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) begun() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.served)
}

// begin sends a request in the background, and returns when all of it is sent.
func (w *whole) begin(method, path string, body []byte) (answered <-chan answer) {
	w.Helper()
	sent, done := make(chan struct{}), make(chan answer, 1)
	req, err := http.NewRequest(method, w.base+path, bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }}
	go func() {
		resp, err := w.client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		if err != nil {
			w.Errorf("%s %s: %v", method, path, err)
			done <- answer{}
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		done <- answer{resp.StatusCode, resp.Header, string(text)}
	}()
	<-sent
	return done
}

// TestAtOnce: two requests for one plugin come one after the other; requests for
// other plugins, also those of its name, do not wait for them.
func TestAtOnce(t *testing.T) {
	w := newWhole(t, nil)
	w.serve()
	all := subjects()
	zips := map[string][]byte{}
	for _, s := range all {
		for version := 1; version <= modelVersions; version++ {
			zips[fmt.Sprintf("/%v/%d.zip", s, version)] = pack(s.files(version, ""))
		}
	}
	one, two, other := all[0], all[1], all[9] // functions/one, functions/two, wasm/one
	slow := func(s subject, version int) string { return fmt.Sprintf("/%v/%d.zip", s, version) }
	shop := newShop(t, zips, slow(one, 1))
	body := func(s subject, version int) []byte {
		return encode(map[string]any{"name": s.name, "file": shop.URL + slow(s, version), "functions": []string{s.own()}})
	}
	create := func(s subject) string { return "/plugins/" + s.kind.String() }

	first := w.begin("POST", create(one), body(one, 1))
	if path := <-shop.arrived; path != slow(one, 1) {
		t.Fatal(path)
	}
	waiting := map[string]<-chan answer{
		"create":   w.begin("POST", create(one), body(one, 2)),
		"update":   w.begin("PUT", one.path(), body(one, 3)),
		"register": w.begin("POST", one.path()+"/register", encode(map[string]any{"functions": []string{"s1"}})),
		"drop":     w.begin("DELETE", one.path(), nil),
	}
	// While one is being fetched, others have their whole life.
	for _, s := range []subject{two, other} {
		for _, step := range []struct {
			method, path string
			body         []byte
			status       int
		}{
			{"POST", create(s), body(s, 1), 201},
			{"PUT", s.path(), body(s, 2), 200},
			{"POST", "/invoke/" + s.own(), []byte("[]"), 200},
			{"GET", s.path() + "/status", nil, 200},
			{"DELETE", s.path(), nil, 200},
			{"GET", one.path(), nil, 404},
			{"POST", "/invoke/" + one.own(), nil, 404},
		} {
			if a := w.ask(step.method, step.path, "", step.body); a.status != step.status {
				t.Errorf("%s %s: %d %s", step.method, step.path, a.status, a.body)
			}
		}
	}
	// Update and register look whether there is a plugin before they wait.
	for what, status := range map[string]int{"update": 404, "register": 404} {
		if a := <-waiting[what]; a.status != status {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if begun := shop.begun(); slices.ContainsFunc(begun, func(path string) bool { return path != slow(one, 1) && strings.HasPrefix(path, "/functions/one/") }) {
		t.Errorf("what should wait was fetched: %q", begun)
	}
	for _, what := range []string{"create", "drop"} {
		select {
		case a := <-waiting[what]:
			t.Errorf("%s did not wait: %d %s", what, a.status, a.body)
		default:
		}
	}
	close(shop.release[slow(one, 1)])
	if a := <-first; a.status != 201 {
		t.Errorf("the first: %d %s", a.status, a.body)
	}
	created, dropped := <-waiting["create"], <-waiting["drop"]
	duplicate := created.refusedExactly(400, one.createFailed()+"invalid name one: duplicate")
	if !duplicate && created.status != 201 || dropped.status != 200 { // the drop may have come first
		t.Errorf("the others: %d %s, and %d %s", created.status, created.body, dropped.status, dropped.body)
	}
	if a := w.ask("GET", one.path(), "", nil); duplicate != (a.status == 404) {
		t.Errorf("at the end: %d %s", a.status, a.body)
	}
	w.clean()
}
