package goplugin

import (
	"context"
	"errors"

	"berth/host"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// nodelet is what sources and sinks have in common: Provision, Connect, use,
// Close, in this order and not at the same time.
type nodelet interface {
	api.Nodelet
	api.Connector
}

// node drives an object of the plugin: what panics in it is an error.
type node struct {
	library *Library
	name    string
	object  nodelet
}

// Provision gives the object its configuration.
func (n *node) Provision(ctx context.Context, config map[string]any) error {
	return n.do(ctx, func(ctx api.StreamContext) error { return n.object.Provision(ctx, config) })
}

// Connect connects it. status is told when the connection changes, from any
// goroutine: "connected", "connecting" or "disconnected", and why.
func (n *node) Connect(ctx context.Context, status func(status, message string)) error {
	return n.do(ctx, func(ctx api.StreamContext) error { return n.object.Connect(ctx, status) })
}

// Close ends the object. It is not used after that.
func (n *node) Close(ctx context.Context) error {
	return n.do(ctx, func(ctx api.StreamContext) error { return n.object.Close(ctx) })
}

// do runs a method of the object: its errors are CodeRejected, its panics
// CodeTrap.
func (n *node) do(ctx context.Context, method func(api.StreamContext) error) (err error) {
	if err := n.library.calls.begin(); err != nil {
		return err
	}
	defer n.library.calls.end()
	defer func() {
		if fault := recover(); fault != nil {
			err = trapOf(fault)
		}
	}()
	err = method(n.library.env.stream(ctx, n.name))
	var ours *host.Error
	if err != nil && !errors.As(err, &ours) {
		err = host.Fail(host.CodeRejected, "%w", err)
	}
	return err
}
