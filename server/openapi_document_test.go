package server

import (
	"fmt"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// described is openapi.json, as the tests read it.
type described struct {
	testing.TB
	tree     map[string]any
	compiler *jsonschema.Compiler
}

const documentURL = "openapi.json"

func readDocument(t testing.TB) *described {
	t.Helper()
	decoded, err := jsonschema.UnmarshalJSON(strings.NewReader(openapiDocument))
	if err != nil {
		t.Fatal(err)
	}
	d := &described{t, decoded.(map[string]any), jsonschema.NewCompiler()}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	d.compiler.AssertContent()
	if err := d.compiler.AddResource(documentURL, decoded); err != nil {
		t.Fatal(err)
	}
	return d
}

// at returns what a JSON pointer leads to, and where that is once references
// were followed; nil: nothing is there.
func (d *described) at(pointer string) (map[string]any, string) {
	d.Helper()
	var node any = d.tree
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch inner := node.(type) {
		case map[string]any:
			node = inner[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(inner) {
				return nil, ""
			}
			node = inner[i]
		default:
			return nil, ""
		}
	}
	found, _ := node.(map[string]any)
	if to, ok := found["$ref"].(string); ok {
		if found, pointer = d.at(strings.TrimPrefix(to, "#")); found == nil {
			d.Fatalf("%s leads nowhere", to)
		}
	}
	return found, pointer
}

func escaped(step string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(step) }

// schema compiles the schema at a pointer.
func (d *described) schema(pointer string) *jsonschema.Schema {
	d.Helper()
	s, err := d.compiler.Compile(documentURL + "#" + pointer)
	if err != nil {
		d.Fatalf("%s: %v", pointer, err)
	}
	return s
}

// template finds the path of the document that a path in a request has.
func (d *described) template(path string) (best string) {
	fewest := len(path)
	paths, _ := d.at("/paths")
	for template := range paths {
		if names, fits := match(template, path); fits && names < fewest {
			best, fewest = template, names
		}
	}
	return best
}

// match tells whether a path in a request has a template, and how many of its
// steps are names.
func match(template, path string) (names int, fits bool) {
	parts, steps := strings.Split(template, "/"), strings.Split(path, "/")
	if len(parts) != len(steps) {
		return 0, false
	}
	for i := range parts {
		if strings.HasPrefix(parts[i], "{") {
			names++
		} else if parts[i] != steps[i] {
			return 0, false
		}
	}
	return names, true
}

// operation is one of the document's, and where it is.
type operation struct {
	*described
	name    string // "GET /plugins/{name}"
	pointer string
	path    string // the pointer of its path
	tree    map[string]any
}

func (d *described) operation(method, path string) *operation {
	d.Helper()
	template := d.template(path)
	o := &operation{described: d, name: method + " " + template, path: "/paths/" + escaped(template)}
	o.pointer = o.path + "/" + strings.ToLower(method)
	o.tree, _ = d.at(o.pointer)
	return o
}

// operations goes through all of the document's.
func (d *described) operations(do func(method, path string, o *operation)) {
	paths, _ := d.at("/paths")
	for path, item := range paths {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				do(strings.ToUpper(method), path, d.operation(strings.ToUpper(method), path))
			}
		}
	}
}

// statuses are those that it names.
func (o *operation) statuses() (all []int) {
	responses, _ := o.at(o.pointer + "/responses")
	for status := range responses {
		if n, err := strconv.Atoi(status); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// checkRequest holds a request that was granted to what the operation takes.
func (o *operation) checkRequest(query url.Values, kind, body string) error {
	known := map[string]bool{}
	for _, list := range []string{o.pointer, o.path} {
		for i := 0; ; i++ {
			p, _ := o.at(list + "/parameters/" + strconv.Itoa(i))
			if p == nil {
				break
			}
			known[fmt.Sprint(p["in"], " ", p["name"])] = true
		}
	}
	for name := range query {
		if !known["query "+name] {
			return fmt.Errorf("it takes no parameter %q", name)
		}
	}
	taken, where := o.at(o.pointer + "/requestBody")
	if taken == nil {
		if body != "" {
			return fmt.Errorf("it takes no body")
		}
		return nil
	}
	content, _ := taken["content"].(map[string]any)
	if _, any := content["*/*"]; any {
		return nil
	}
	if kind == "" {
		kind = jsonType
	}
	return o.checkBody(where, kind, body)
}

// checkAnswer holds an answer to what the operation declares. named tells whether
// it declares the status by itself.
func (o *operation) checkAnswer(g got) (named bool, err error) {
	answer, where := o.at(o.pointer + "/responses/" + strconv.Itoa(g.status))
	if named = answer != nil; !named {
		answer, where = o.at(o.pointer + "/responses/default")
	}
	headers, _ := answer["headers"].(map[string]any)
	for name := range headers {
		header, at := o.at(where + "/headers/" + name)
		value := g.header.Get(name)
		switch {
		case value == "" && header["required"] == true:
			return named, fmt.Errorf("it has no header %s", name)
		case value == "":
			continue
		}
		if err := o.schema(at + "/schema").Validate(headerValue(value)); err != nil {
			return named, err
		}
	}
	if answer["content"] == nil {
		if g.body != "" || g.header.Get("Content-Type") != "" {
			return named, fmt.Errorf("it has a body of the type %q", g.header.Get("Content-Type"))
		}
		return named, nil
	}
	return named, o.checkBody(where, g.header.Get("Content-Type"), g.body)
}

func headerValue(text string) any {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return text
}

// checkBody holds a body to what is declared for its type below the pointer of a
// response or a body.
func (d *described) checkBody(where, contentType, body string) error {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("Content-Type %q: %w", contentType, err)
	}
	media, at := d.at(where + "/content/" + escaped(kind))
	switch {
	case media == nil:
		return fmt.Errorf("it declares no body of the type %s", kind)
	case media["schema"] == nil || kind == multipartType:
		return nil
	}
	var value any = body
	switch kind {
	case jsonType:
		if value, err = jsonschema.UnmarshalJSON(strings.NewReader(body)); err != nil {
			return err
		}
	case batchType: // an array: an element a line
		value = []any{}
		for line := range strings.Lines(body) {
			element, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
			if err != nil {
				return err
			}
			value = append(value.([]any), element)
		}
	}
	return d.schema(at + "/schema").Validate(value)
}
