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

func (commandABI) attach(_ *module, s *slot) guest {
	return &commandGuest{reactor{s}}
}

type commandGuest struct{ reactor }

// begin initialises what the program is linked with; it begins itself with the
// call.
func (g *commandGuest) begin() error {
	for _, library := range g.slot.linked {
		if err := g.slot.callIfThere(library, "_initialize"); err != nil {
			return err
		}
	}
	return nil
}

func (g *commandGuest) call(fn api.Function, dst, in []byte) ([]byte, error) {
	s := g.slot
	s.stdio.in.Reset(in)
	s.stdio.out.begin(dst)
	err := fn.CallWithStack(s.run, s.stack)
	s.stdio.in.Reset(nil)
	out := s.stdio.out.end()
	var exit *sys.ExitError
	switch {
	case s.run.cause() != nil:
		return dst, broken{s.run.cause()}
	case errors.As(err, &exit) && exit.ExitCode() != 0:
		return dst, broken{host.Fail(host.CodeRejected, "the program exited with code %d%s", exit.ExitCode(), s.stdio.err.last())}
	case err != nil && exit == nil:
		return dst, broken{s.failure(err)}
	}
	return out, nil
}

// answer is what a program writes to standard output.
type answer struct {
	run   *run
	limit host.Bytes
	text  []byte
	room  int
}

func (a *answer) begin(dst []byte) { a.text, a.room = dst, int(a.limit) }

// Write implements io.Writer. Beyond the limit it ends the call.
func (a *answer) Write(p []byte) (int, error) {
	a.run.spend(len(p))
	if len(p) > a.room {
		a.run.interrupt(host.Fail(host.CodeTrap, "the program wrote more than the %s that are allowed by \"limits.output\"", a.limit))
		panic(a.run.why.Load())
	}
	a.text, a.room = append(a.text, p...), a.room-len(p)
	return len(p), nil
}

func (a *answer) end() []byte {
	text := a.text
	a.text = nil
	return text
}
