package server

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/valyala/fasthttp"

	"berth/host"
)

// TestOpenAPIDocument: it is an OpenAPI document, and its schemas are schemas.
func TestOpenAPIDocument(t *testing.T) {
	d := readDocument(t)
	file, err := os.Open("testdata/openapi-3.1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	meta, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.schema.json", meta); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("openapi.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(d.tree); err != nil {
		t.Error(err)
	}
	if err := schema.Validate(map[string]any{"openapi": "3.1.0", "info": map[string]any{"title": "x"}, "paths": map[string]any{}}); err == nil {
		t.Error("the schema of OpenAPI takes anything")
	}

	for _, part := range []string{"schemas", "parameters", "requestBodies", "responses", "securitySchemes"} {
		components, _ := d.at("/components/" + part)
		for name := range components {
			if part == "schemas" {
				d.schema("/components/schemas/" + name)
			}
			if use := "#/components/" + part + "/" + name + `"`; part != "securitySchemes" && !strings.Contains(openapiDocument, use) {
				t.Errorf("nothing refers to %s", use)
			}
		}
	}
	ids := map[any]string{}
	d.operations(func(_, _ string, o *operation) {
		if other, taken := ids[o.tree["operationId"]]; taken || o.tree["operationId"] == nil {
			t.Errorf("%s and %s have one operationId", o.name, other)
		}
		ids[o.tree["operationId"]] = o.name
	})

	r := serve(t, nil, nil)
	if g := r.do("GET", "/openapi.json", ""); g.status != 200 || g.body != openapiDocument || g.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v: %d bytes", g.status, g.header, len(g.body))
	}
	if g := r.do("HEAD", "/openapi.json", ""); g.status != 200 || g.body != "" || g.header.Get("Content-Length") != fmt.Sprint(len(openapiDocument)) {
		t.Errorf("HEAD: %d %v", g.status, g.header)
	}
}

// TestOpenAPIRoutes: the document has every route of the table and no other, and
// says of each which scope it needs.
func TestOpenAPIRoutes(t *testing.T) {
	d := readDocument(t)
	r := newRig(t, nil, nil)
	table := map[string]bool{}
	for method, paths := range r.server.router.List() {
		for _, path := range paths {
			switch name := method + " " + path; {
			case method == fasthttp.MethodHead:
				if !slices.Contains(r.server.router.List()[fasthttp.MethodGet], path) {
					t.Errorf("%s without GET", name)
				}
			default:
				table[name] = true
				if d.operation(method, path).tree == nil {
					t.Errorf("%s is not in the document", name)
				}
			}
		}
	}
	if len(table) < 40 {
		t.Fatalf("the table has %d routes", len(table))
	}
	d.operations(func(method, path string, o *operation) {
		if !table[method+" "+path] {
			t.Errorf("%s is in the document, and no route", o.name)
		}
		var head fasthttp.RequestHeader
		head.SetMethod(method)
		want := "[]"
		if scope := scopeOf(&head, []byte(path)); scope != 0 {
			want = fmt.Sprintf(`[{"bearer":[%q]},{"jwt":[%q]},{}]`, scope.String(), scope.String())
		}
		if got := jsonOf(o.tree["security"]); got != want {
			t.Errorf("%s: security is %s, and has to be %s", o.name, got, want)
		}
	})
}

// TestOpenAPIWords: where the document lists words or numbers, it has all of
// ours and no others.
func TestOpenAPIWords(t *testing.T) {
	d := readDocument(t)
	words := func(pointer string) (all []string) {
		found, _ := d.at(pointer)
		list, _ := found["enum"].([]any)
		for _, word := range list {
			all = append(all, fmt.Sprint(word))
		}
		slices.Sort(all)
		return all
	}
	numbers := map[string]bool{}
	for _, a := range slices.Concat(codeAnswers[:], httpAnswers[:]) {
		numbers[fmt.Sprint(a.number)] = true
	}
	states := map[string]bool{}
	for s := host.StateIdle; s.String() != "unknown"; s++ {
		states[s.String()] = true
	}
	portable := map[string]bool{}
	for _, word := range portableStates {
		portable[word] = true
	}
	for pointer, want := range map[string]map[string]bool{
		"/components/schemas/Error/properties/error": numbers,
		"/components/schemas/Code":                   set(host.Codes()),
		"/components/schemas/Kind":                   set(host.Kinds()),
		"/components/schemas/State":                  states,
		"/components/schemas/PortableStatus":         portable,

		"/components/schemas/UDF/properties/encoding":          set([]host.Encoding{host.EncodingJSON, host.EncodingRaw}),
		"/components/schemas/PluginState/properties/signature": set([]host.SignatureState{host.SignatureUnknown, host.SignatureValid, host.SignatureMissing, host.SignatureInvalid}),
	} {
		if got, want := words(pointer), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
			t.Errorf("%s lists %q, and there are %q", pointer, got, want)
		}
	}
}

func set[T fmt.Stringer](all []T) map[string]bool {
	words := map[string]bool{}
	for _, word := range all {
		words[word.String()] = true
	}
	return words
}

// TestOpenAPITypes: a schema has the keys of the type that is encoded or decoded,
// and requires those that are always there.
func TestOpenAPITypes(t *testing.T) {
	d := readDocument(t)
	for name, value := range map[string]any{
		"Plugin":   description{},
		"Portable": portableDescription{}, "PortableState": portableState{},
		"WasmPlugin": wasmDescription{},
		"PluginDetail": struct {
			description
			details
		}{},
		"PortableDetail": struct {
			portableDescription
			details
		}{},
		"WasmDetail": struct {
			wasmDescription
			details
		}{},
		"PluginState": pluginState{}, "Module": moduleState{}, "FunctionState": functionState{},
		"Refusal": host.Refusal{}, "CallError": host.CallError{}, "Denial": host.Denial{},
		"Capabilities": capabilityState{}, "Asked": askedState{}, "Granted": grantedState{}, "GrantedPath": pathState{},
		"UDF": udf{}, "Reloaded": reloaded{}, "Restored": restored{},
		"Exported": configuration{}, "Imported": imported{}, "Information": information{},
		"PluginRequest": pluginRequest{},
	} {
		keys, required := d.keys("/components/schemas/" + name)
		want := map[string]bool{}
		jsonKeys(reflect.TypeOf(value), want)
		for key, always := range want {
			if _, ok := keys[key]; !ok {
				t.Errorf("%s has no key %q, and %T has", name, key, value)
			}
			if always != required[key] && name != "PluginRequest" {
				t.Errorf("%s: %q is required: %v; it is always there: %v", name, key, required[key], always)
			}
		}
		for key := range keys {
			if _, ok := want[key]; !ok {
				t.Errorf("%s has the key %q, and %T has not", name, key, value)
			}
		}
	}
}

// keys are those of an object's schema, with what it refers to.
func (d *described) keys(pointer string) (keys, required map[string]bool) {
	keys, required = map[string]bool{}, map[string]bool{}
	var collect func(schema map[string]any)
	collect = func(schema map[string]any) {
		if to, ok := schema["$ref"].(string); ok {
			inner, _ := d.at(strings.TrimPrefix(to, "#"))
			collect(inner)
		}
		all, _ := schema["allOf"].([]any)
		for _, one := range all {
			collect(one.(map[string]any))
		}
		properties, _ := schema["properties"].(map[string]any)
		for key := range properties {
			keys[key] = true
		}
		list, _ := schema["required"].([]any)
		for _, key := range list {
			required[key.(string)] = true
		}
	}
	parent, name := pointer[:strings.LastIndexByte(pointer, '/')], pointer[strings.LastIndexByte(pointer, '/')+1:]
	owner, _ := d.at(parent)
	schema, _ := owner[name].(map[string]any)
	if schema == nil {
		d.Errorf("there is no %s", pointer)
	}
	collect(schema)
	return keys, required
}

// jsonKeys are the keys of a struct in JSON, and whether they are always there.
func jsonKeys(of reflect.Type, keys map[string]bool) {
	for i := range of.NumField() {
		field := of.Field(i)
		tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && tag == "":
			jsonKeys(field.Type, keys)
		case tag != "-" && (field.IsExported()):
			if tag == "" {
				tag = field.Name
			}
			keys[tag] = !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero")
		}
	}
}
