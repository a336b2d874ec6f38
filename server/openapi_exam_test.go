package server

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// exchange is a request, and the status that it is to be answered with. ${FILES}
// in its body is where the packages lie.
type exchange struct {
	method, path, kind, body string
	status                   int
}

// exam holds what servers answer to what openapi.json says of it.
type exam struct {
	*described
	seen map[string]bool // "GET /ping 200", of those that the document names
}

func (e *exam) ask(r *rig, all ...exchange) {
	r.Helper()
	for _, x := range all {
		var headers []string
		if x.kind != "" {
			headers = []string{"Content-Type: " + x.kind}
		}
		body := strings.ReplaceAll(x.body, "${FILES}", "file://"+r.dir)
		e.check(x, body, r.with(x.method, x.path, body, headers...))
	}
}

func (e *exam) check(x exchange, body string, g got) {
	e.Helper()
	target, err := url.Parse(x.path)
	if err != nil {
		e.Fatal(err)
	}
	o := e.operation(x.method, target.Path)
	if o.tree == nil {
		e.Errorf("%s %s is not in the document", x.method, x.path)
		return
	}
	if g.status != x.status {
		e.Errorf("%s %s %.100s: %d %.300s, want %d", x.method, x.path, x.body, g.status, g.body, x.status)
		return
	}
	named, err := o.checkAnswer(g)
	if err != nil {
		e.Errorf("%s answered %d %.500s, and that is not declared: %v", o.name, g.status, g.body, err)
	}
	if !named && !slices.Contains([]int{400, 403, 408, 413, 431, 500, 503}, g.status) {
		e.Errorf("%s does not name the status %d", o.name, g.status)
	}
	if g.status < 300 {
		if err := o.checkRequest(target.Query(), x.kind, body); err != nil {
			e.Errorf("%s was granted %s %.100s, and that is not declared: %v", o.name, x.path, body, err)
		}
	}
	e.seen[fmt.Sprint(o.name, " ", g.status)] = true
}

// TestOpenAPIAnswers drives every operation to every status that the document
// names for it. Each answer has to be as it is declared.
func TestOpenAPIAnswers(t *testing.T) {
	e := &exam{readDocument(t), map[string]bool{}}
	e.plugins()
	e.functions()
	e.transfer()
	e.hosts()
	e.faults()
	e.closed()
	e.callers()
	e.operations(func(_, _ string, o *operation) {
		for _, status := range o.statuses() {
			if !e.seen[fmt.Sprint(o.name, " ", status)] {
				t.Errorf("%s names the status %d, and was not driven to it", o.name, status)
			}
		}
	})
}

func digestOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
