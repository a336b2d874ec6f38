package sandbox

import (
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"berth/host"
)

// commandABI runs a WASI program for each call: the input is its standard input,
// what it writes to standard output the result. Any exit code but 0 is an error
// of its own, with the last line that it wrote to standard error. Each of the
// plugin's functions runs the program; without a list it has one, of its name.
type commandABI struct{ bare }

func (commandABI) name() string            { return abiCommand }
func (commandABI) encoding() host.Encoding { return host.EncodingRaw }
func (commandABI) once() bool              { return true }

func (commandABI) callable(string, api.FunctionDefinition) (bool, string) {
	return false, "nothing but _start () -> ()"
}

func (commandABI) functions(p *host.Package, _ map[string]api.FunctionDefinition) map[string]string {
	functions := map[string]string{}
	for _, name := range p.Manifest.Functions {
		functions[name] = "_start"
	}
	if len(functions) == 0 {
		functions[p.Name] = "_start"
	}
	return functions
}

// commandFault says why a module does not have the ABI; empty if it does.
func commandFault(m wazero.CompiledModule) string {
	start := m.ExportedFunctions()["_start"]
	if start == nil || len(start.ParamTypes()) > 0 || len(start.ResultTypes()) > 0 {
		return "it exports no function _start of type () -> ()"
	}
	return ""
}

func (commandABI) attach(m *module, s *slot) guest {
	return &commandGuest{reactor{s}, &m.pkg.Limits}
}

type commandGuest struct {
	reactor
	limits *host.Limits
}

// begin does nothing: the program begins with the call.
func (*commandGuest) begin() error { return nil }

func (g *commandGuest) call(fn api.Function, dst, in []byte) ([]byte, error) {
	s := g.slot
	s.stdio.in.Reset(in)
	s.stdio.out.begin(dst, int64(g.limits.Output))
	err := fn.CallWithStack(s.run, s.stack)
	s.stdio.in.Reset(nil)
	out, excess := s.stdio.out.end()
	var exit *sys.ExitError
	switch {
	case s.run.cause() != nil:
		return dst, broken{s.run.cause()}
	case excess:
		return dst, broken{host.Fail(host.CodeTrap, "the program wrote more than the %s that are allowed by \"limits.output\"", g.limits.Output)}
	case errors.As(err, &exit) && exit.ExitCode() != 0:
		return dst, broken{host.Fail(host.CodeRejected, "the program exited with code %d%s", exit.ExitCode(), s.stdio.err.last())}
	case err != nil && exit == nil:
		return dst, broken{s.failure(err)}
	}
	return out, nil
}

// exitedWell tells whether a guest ended itself and said that all is well.
func exitedWell(err error) bool {
	var exit *sys.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 0
}

// answer is what a program writes to standard output.
type answer struct {
	text   []byte
	limit  int
	excess bool
}

func (a *answer) begin(dst []byte, limit int64) {
	a.text, a.limit, a.excess = dst, len(dst)+int(limit), false
}

// Write implements io.Writer. Beyond the limit it fails.
func (a *answer) Write(p []byte) (int, error) {
	if len(a.text)+len(p) > a.limit {
		a.excess = true
		return 0, errors.New("more output than is allowed")
	}
	a.text = append(a.text, p...)
	return len(p), nil
}

func (a *answer) end() (text []byte, excess bool) {
	text, a.text = a.text, nil
	return text, a.excess
}
