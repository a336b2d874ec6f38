// Plugin echo is the native plugin of the recorded requests: it gives back what
// it gets.
package main

import (
	"fmt"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

type echo struct{}

func (echo) Validate(args []any) error {
	if len(args) != 1 {
		return fmt.Errorf("echo function only supports 1 parameter but got %d", len(args))
	}
	return nil
}

func (echo) Exec(_ api.FunctionContext, args []any) (any, bool) { return args[0], true }

func (echo) IsAggregate() bool { return false }

// Echo is the function.
var Echo echo

func main() {}
