package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/host"
)

// The rules of the house (shared design, docs/architecture.md) as tests.

// edge is an allowed import of one of our packages by another, or of somebody
// else's module, and why.
type edge struct{ from, to, why string }

// allowed lists every edge there may be, beside the standard library. "bench/…"
// and tests may import anything of ours.
var allowed = []edge{
	{"berth/host", "berth/host/archive", "the way of a package begins with fetching and unpacking"},
	{"berth/host", "berth/host/signing", "the way of a package has who signed it checked"},
	{"berth/host/store", "berth/host", "it implements host.Store"},
	{"berth/host/store", "go.etcd.io/bbolt", "what is installed is remembered in bbolt"},
	{"berth/host/lookup", "berth/host", "it implements host.Cache"},
	{"berth/host/lookup", "github.com/dgraph-io/ristretto/v2", "it decides which activations stay within the budget"},
	{"berth/host/catalog", "berth/host", "kinds, the rule for names, errors with a code"},
	{"berth/host/catalog", "berth/host/archive", "what plugin hosts have is downloaded as packages are"},
	{"berth/host/enginetest", "berth/host", "it tests implementations of host.Engine"},
	{"berth/host/enginetest", "berth/host/store", "it tests them in hosts with a real store"},
	{"berth/host/enginetest", "berth/host/lookup", "it tests them in hosts with a real cache"},
	{"berth/sandbox", "berth/host", "it implements host.Engine"},
	{"berth/sandbox", "github.com/tetratelabs/wazero", "the WebAssembly runtime"},
	{"berth/sandbox", "berth/sandbox/meter", "guests are metered"},
	{"berth/sandbox", "berth/sandbox/extism", "an ABI"},
	{"berth/sandbox", "berth/sandbox/snapshot", "isolation fresh puts instances back"},
	{"berth/sandbox", "berth/sandbox/egress", "guests' requests go through it"},
	{"berth/sandbox", "berth/sandbox/jail", "guests' files lie in it"},
	{"berth/sandbox/extism", "github.com/tetratelabs/wazero", "its functions are host functions"},
	{"berth/sandbox/snapshot", "github.com/tetratelabs/wazero", "it makes linear memory, and puts it back"},
	{"berth/sandbox/snapshot", "golang.org/x/sys", "which pages a guest wrote to, Linux tells by an ioctl"},
	{"berth/sandbox/jail", "github.com/tetratelabs/wazero", "it is one of its file systems"},
	{"berth/native", "berth/host", "it implements host.Engine"},
	{"berth/native", "berth/host/elfinfo", "builds for other machines are refused"},
	{"berth/native/goplugin", "berth/host", "its libraries are modules of a host"},
	{"berth/native/goplugin", "berth/host/elfinfo", "plugins for another C library are refused"},
	{"berth/native/goplugin", "github.com/lf-edge/ekuiper/contract/v2", "the contract that Go plugins are written against"},
	{"berth/native/goplugin", "github.com/PaesslerAG/gval", "the language of eKuiper's JSON paths"},
	{"berth/native/goplugin", "github.com/PaesslerAG/jsonpath", "JSON paths in that language"},
	{"berth/native/cabi", "berth/host", "it implements host.Module"},
	{"berth/native/cabi", "github.com/ebitengine/purego", "without cgo, it calls libraries"},
	{"berth/native/cabi", "berth/host/elfinfo", "a file that is cut off takes the dynamic loader down, and the host with it"},
	{"berth/portable", "berth/host", "it implements host.Engine"},
	{"berth/portable", "berth/host/elfinfo", "programs for other machines are refused"},
	{"berth/server", "berth/host", "it serves a host"},
	{"berth/server", "github.com/valyala/fasthttp", "the HTTP server"},
	{"berth/server", "github.com/fasthttp/router", "the routes off the hot path"},
	{"berth/server", "github.com/golang-jwt/jwt/v5", "the tokens of eKuiper's clients, and eKuiper's words for what is wrong with them"},
	{"berth/server", "github.com/prometheus", "the format of /metrics, and the runtime's own figures"},
	{"berth/cmd/berth", "berth/host", "it wires everything"},
	{"berth/cmd/berth", "berth/host/archive", "pack checks that the host will unpack what it packed"},
	{"berth/cmd/berth", "berth/host/signing", "it makes keys and signatures"},
	{"berth/cmd/berth", "berth/host/catalog", "it wires everything"},
	{"berth/cmd/berth", "berth/host/store", "it wires everything"},
	{"berth/cmd/berth", "berth/host/lookup", "it wires everything"},
	{"berth/cmd/berth", "berth/sandbox", "it wires everything"},
	{"berth/cmd/berth", "berth/native", "it wires everything"},
	{"berth/cmd/berth", "berth/native/goplugin", "it builds plugins that fit it"},
	{"berth/cmd/berth", "berth/portable", "it wires everything"},
	{"berth/cmd/berth", "berth/server", "it wires everything"},
	{"berth/cmd/berth", "github.com/spf13", "the command line"},
	{"berth/cmd/berth", "go.yaml.in/yaml/v3", "the configuration file"},
	{"berth/bench/http", "github.com/valyala/fasthttp", "the bare server to compare with"},
	{"berth/bench/interrupt", "github.com/tetratelabs/wazero", "the bare guest to compare with"},
}

// topLevel is everything that may lie at the root.
var topLevel = []string{
	"host", "sandbox", "native", "portable", "server", "bench", "cmd", "go.mod", "go.sum", "Makefile",
	"README.md", "RATIONALE.md", "CHANGELOG.md", "docs", "sdk", "examples", "bin", "data",
}

type goPackage struct {
	ImportPath, Dir, Doc string
	GoFiles, CgoFiles    []string
	Imports              []string
}

// packages lists the packages of the build with cgo, and again those of the build
// without.
func packages(t *testing.T) []goPackage {
	t.Helper()
	return append(packagesOf(t, "1"), packagesOf(t, "0")...)
}

func packagesOf(t *testing.T, cgo string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,CgoFiles,Imports", "./...")
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 5 {
		t.Fatalf("go list found %d packages only", len(list))
	}
	return list
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestHouseImports(t *testing.T) {
	used := map[edge]bool{}
	for _, p := range packages(t) {
		for _, to := range p.Imports {
			first, _, _ := strings.Cut(to, "/")
			if ours := first == "berth"; !ours && !strings.Contains(first, ".") {
				continue // the standard library
			} else if ours && strings.HasPrefix(p.ImportPath, "berth/bench") {
				continue
			}
			i := slices.IndexFunc(allowed, func(e edge) bool {
				return e.from == p.ImportPath && (e.to == to || !strings.HasPrefix(to, "berth/") && strings.HasPrefix(to, e.to+"/"))
			})
			if i < 0 {
				t.Errorf("%s imports %s: no edge of the house allows it", p.ImportPath, to)
				continue
			}
			used[allowed[i]] = true
		}
	}
	for _, e := range allowed {
		if !used[e] {
			t.Errorf("the edge %s -> %s (%s) is used no more: remove it", e.from, e.to, e.why)
		}
	}
}

func TestHouseTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) {
			t.Errorf("%s does not belong at the top level", name)
		}
	}
}

func isCommand(path string) bool {
	return strings.HasPrefix(path, "berth/cmd/") || path == "berth/bench/http" || path == "berth/bench/interrupt"
}

func TestHousePackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		want := "Package " + filepath.Base(p.Dir)
		if isCommand(p.ImportPath) {
			want = "Command "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: its package comment does not begin with %q: %q", p.ImportPath, want, p.Doc)
		}
	}
}

// TestHouseErrors holds docs/errors.md to the codes.
func TestHouseErrors(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root(t), "docs", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range host.Codes() {
		if !strings.Contains(string(doc), "| `"+code.String()+"` |") {
			t.Errorf("docs/errors.md has no row for the code %s", code)
		}
	}
}

// TestHouseCode walks the shipped code for what has no place in it.
func TestHouseCode(t *testing.T) {
	for _, p := range packages(t) {
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			path := filepath.Join(p.Dir, name)
			f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
			if lines := fset.File(f.Pos()).LineCount(); lines > 500 {
				t.Errorf("%s/%s has %d lines: would two names say more?", p.ImportPath, name, lines)
			}
			if slices.Contains([]string{"util.go", "utils.go", "common.go", "helper.go", "helpers.go", "manager.go", "misc.go"}, name) {
				t.Errorf("%s/%s: the name does not tell what is in it", p.ImportPath, name)
			}
		}
		for _, fault := range append(bannedCode(p.ImportPath, files), mutableVariables(files)...) {
			t.Errorf("%s: %s", fset.Position(fault.pos), fault.text)
		}
	}
}

type fault struct {
	pos  token.Pos
	text string
}

func bannedCode(path string, files []*ast.File) (faults []fault) {
	main := isCommand(path)
	for _, f := range files {
		for _, imp := range f.Imports {
			if strings.Trim(imp.Path.Value, `"`) == "testing" && path != "berth/host/enginetest" {
				faults = append(faults, fault{imp.Pos(), "shipped code imports testing"})
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					faults = append(faults, fault{n.Pos(), "an init function: wire it by a constructor"})
				}
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok || main {
					break
				}
				if name := x.Name + "." + n.Sel.Name; name == "os.Exit" || strings.HasPrefix(name, "log.Fatal") || strings.HasPrefix(name, "log.Panic") || strings.HasPrefix(name, "fmt.Print") {
					faults = append(faults, fault{n.Pos(), name + " outside a command"})
				}
			}
			return true
		})
	}
	return faults
}

// mutableVariables finds package variables that are changed somewhere in the
// package, or whose type is there to be changed.
func mutableVariables(files []*ast.File) (faults []fault) {
	variables := map[string]token.Pos{}
	for _, f := range files {
		for _, decl := range f.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				v := spec.(*ast.ValueSpec)
				if typeIsMutable(v.Type) || slices.ContainsFunc(v.Values, valueIsMutable) || v.Type != nil && len(v.Values) == 0 && !isEmbedded(gen.Doc, v.Type) {
					faults = append(faults, fault{v.Pos(), fmt.Sprintf("package variable %s holds state", v.Names[0].Name)})
				}
				for _, name := range v.Names {
					if name.Name != "_" {
						variables[name.Name] = name.Pos()
					}
				}
			}
		}
	}
	for _, f := range files {
		faults = append(faults, assignments(f, variables)...)
	}
	return faults
}

func assignments(f *ast.File, variables map[string]token.Pos) (faults []fault) {
	check := func(target ast.Expr) {
		for {
			switch x := target.(type) {
			case *ast.IndexExpr:
				target = x.X
				continue
			case *ast.SelectorExpr:
				target = x.X
				continue
			case *ast.StarExpr:
				target = x.X
				continue
			case *ast.Ident:
				if _, ok := variables[x.Name]; ok {
					faults = append(faults, fault{x.Pos(), fmt.Sprintf("package variable %s is changed (or a local one hides it)", x.Name)})
				}
			}
			return
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, lhs := range n.Lhs {
				check(lhs)
			}
		case *ast.IncDecStmt:
			check(n.X)
		}
		return true
	})
	return faults
}

// isEmbedded tells a file that is part of the program, as a string: nothing can
// change that.
func isEmbedded(doc *ast.CommentGroup, t ast.Expr) bool {
	x, ok := t.(*ast.Ident)
	return ok && x.Name == "string" && doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

func typeIsMutable(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.SelectorExpr:
		x, ok := t.X.(*ast.Ident)
		return ok && (x.Name == "sync" || x.Name == "atomic")
	case *ast.ChanType:
		return true
	}
	return false
}

func valueIsMutable(v ast.Expr) bool {
	switch v := v.(type) {
	case *ast.CallExpr:
		f, ok := v.Fun.(*ast.Ident)
		return ok && (f.Name == "make" || f.Name == "new")
	case *ast.CompositeLit:
		return typeIsMutable(v.Type)
	}
	return false
}
