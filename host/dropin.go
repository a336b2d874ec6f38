package host

import (
	"context"
	"errors"
	"slices"
)

// SourceDropIn is the source of a plugin that lies in the drop-in folder.
const SourceDropIn = "drop-in"

// A drop-in folder is laid out as eKuiper's plugins folder:
//
//	{sources,sinks,functions}/<Name>[@<version>].so, <name>.wasm, <name>.json, <name>.yaml
//	portable/<name>/…
//	wasm/<name>/…
//
// What lies there is installed as if it had come as a package: it is copied, so
// that calls never depend on files that somebody may be changing.
var dropInFolders = [...]dropInFolder{
	{Sources, "sources", false},
	{Sinks, "sinks", false},
	{Functions, "functions", false},
	{Portables, "portable", true},
	{Wasm, "wasm", true},
}

// dropInFolder is where the plugins of a kind lie.
type dropInFolder struct {
	kind   Kind
	folder string
	each   bool // a folder for each plugin
}

func folderOf(kind Kind) dropInFolder {
	return dropInFolders[slices.IndexFunc(dropInFolders[:], func(f dropInFolder) bool { return f.kind == kind })]
}

// dropped is a plugin in the drop-in folder.
type dropped struct {
	id    id
	dir   string            // the folder that its files lie in
	files map[string]string // by their place in the package, slash-separated: the place in dir
}

// Reloaded is what a look into the drop-in folder changed. The lists are sorted,
// and hold plugins as "functions/echo".
type Reloaded struct {
	Installed []string
	Updated   []string
	Dropped   []string
	Failed    map[string]error
}

// Reload makes the plugins that came from the drop-in folder those that lie in
// it now: it installs, updates and drops. A kind whose folder is not there, as
// when nothing is mounted, drops nothing. A plugin that was installed by a
// request is never touched. What fails is in the answer and leaves the plugin as
// it was. The error is CodeInvalid if there is no drop-in folder, CodeUnavailable
// if it cannot be read. One Reload runs at a time; others wait.
func (h *Host) Reload(ctx context.Context) (_ Reloaded, err error) {
	defer func() { err = at(err, "reload", "", "") }()
	if h.config.DropIn == "" {
		return Reloaded{}, Fail(CodeInvalid, "this host has no drop-in folder: configure one (plugins)")
	}
	select {
	case h.reloading <- struct{}{}:
		defer func() { <-h.reloading }()
	case <-ctx.Done():
		return Reloaded{}, ctx.Err()
	}
	there, kinds, err := scanDropIn(h.config.DropIn)
	if err != nil {
		return Reloaded{}, Fail(CodeUnavailable, "read the drop-in folder: %w", err)
	}
	out := Reloaded{Failed: map[string]error{}}
	for _, d := range there {
		h.takeIn(ctx, d.id, &d, &out)
	}
	for _, p := range h.index.Load().sorted() {
		if i := p.record.id(); kinds[i.kind] && !slices.ContainsFunc(there, func(d dropped) bool { return d.id == i }) {
			h.takeIn(ctx, i, nil, &out)
		}
	}
	slices.Sort(out.Dropped)
	for name, err := range out.Failed {
		h.log.Error("a plugin of the drop-in folder was not taken in", "plugin", name, "error", err)
	}
	return out, nil
}

// takeIn makes a plugin what lies in the drop-in folder, which is d; nil: nothing.
func (h *Host) takeIn(ctx context.Context, i id, d *dropped, out *Reloaded) {
	change, err := h.takenIn(ctx, h.index.Load().plugins[i], d)
	if err != nil || change > changeLeft {
		change, err = h.takeInTurn(ctx, i)
	}
	if err != nil {
		out.Failed[i.String()] = err
		return
	}
	switch change {
	case changeLeft:
		h.log.Warn("a plugin in the drop-in folder is left alone: one of its name was installed by a request", "plugin", i.String())
	case changeInstall:
		out.Installed = append(out.Installed, i.String())
	case changeUpdate:
		out.Updated = append(out.Updated, i.String())
	case changeDrop:
		out.Dropped = append(out.Dropped, i.String())
	}
}

// takeInTurn is takeIn when it is the plugin's turn: an operation before may have
// changed it, or what lies in the folder.
func (h *Host) takeInTurn(ctx context.Context, i id) (change dropInChange, err error) {
	old, unlock, err := h.turn(ctx, i)
	if err != nil {
		return changeNone, err
	}
	defer unlock()
	d, err := scanPlugin(h.config.DropIn, i)
	if err == nil {
		change, err = h.takenIn(ctx, old, d)
	}
	if err != nil {
		return changeNone, err
	}
	req := Request{Kind: i.kind, Name: i.name, dropped: d}
	switch change {
	case changeInstall:
		_, err = h.put(ctx, req, nil)
		return change, at(err, "install", i.name, "")
	case changeUpdate:
		req.Functions = old.record.Requested // what was registered stays
		_, err = h.put(ctx, req, old)
		return change, at(err, "update", i.name, "")
	case changeDrop:
		return change, at(h.remove(old), "drop", i.name, "")
	}
	return change, nil
}

// dropInChange is what is to be done about a plugin in the drop-in folder.
type dropInChange uint8

const (
	changeNone dropInChange = iota
	changeLeft              // nothing, because it was installed by a request
	changeInstall
	changeUpdate
	changeDrop
)

// takenIn tells what is to be done for old, which is installed, to become d, which
// lies in the folder; either may be nil.
func (h *Host) takenIn(ctx context.Context, old *plugin, d *dropped) (dropInChange, error) {
	mine := old != nil && old.record.Source == SourceDropIn
	switch {
	case d == nil && mine:
		return changeDrop, nil
	case d == nil:
		return changeNone, nil
	case old == nil:
		return changeInstall, nil
	case !mine:
		return changeLeft, nil
	}
	digest, err := d.digest(ctx, h.config.Archive.WithDefaults().Unpacked)
	if err != nil || digest == old.record.Digest {
		return changeNone, err
	}
	return changeUpdate, nil
}

// takeOut removes a plugin's files from the drop-in folder, so that the next look
// there does not bring it back. If that is cut short, the next start goes on: the
// record in the store says so.
func (h *Host) takeOut(r Record) error {
	if h.config.DropIn == "" {
		return nil
	}
	r.Dropping = true
	if err := h.store.Put(r); err != nil {
		return diskError(err)
	}
	if err := h.removeDropped(r.id()); err != nil {
		r.Dropping = false
		return Fail(CodeForbidden, "it lies in the drop-in folder and cannot be removed there, so the next start would bring it back: remove it there and reload: %w",
			errors.Join(err, h.store.Put(r)))
	}
	return nil
}

// finishDrops ends the drops that a crash cut short, and returns the records of
// what is installed still.
func (h *Host) finishDrops(records []Record) ([]Record, error) {
	var installed []Record
	for _, r := range records {
		if !r.Dropping {
			installed = append(installed, r)
			continue
		}
		err := h.removeDropped(r.id())
		if err == nil {
			err = h.store.Delete(r.Kind, r.Name)
		}
		if err != nil { // it stays: what lies there decides
			h.log.Error("a drop that was cut short cannot be finished", "plugin", r.id().String(), "error", err)
			r.Dropping = false
			if err := h.store.Put(r); err != nil {
				return nil, err
			}
			installed = append(installed, r)
			continue
		}
		h.log.Info("a drop that was cut short is finished", "plugin", r.id().String())
	}
	return installed, nil
}
