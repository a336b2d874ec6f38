package host

import (
	"context"
	"io"
	"os"

	"berth/host/archive"
)

// Request asks for a package to be installed.
type Request struct {
	Kind       Kind
	Name       string
	File       string   // where the zip is: http, https or file
	SHA256     string   // the zip's digest in hex; empty: it is not compared
	Signature  string   // of the zip, as berth sign writes it; empty: what lies beside the zip
	Functions  []string // names of its functions; empty: as the package says
	ShellParas []string // arguments of the package's install.sh

	// Upload is the zip itself, in the place of File. It is read once, from the
	// goroutine of the caller.
	Upload io.Reader

	// In the place of both:
	dropped  *dropped  // the files themselves
	restored *restored // a plugin in a backup
}

// isHere tells a plugin whose files are not fetched but on this host, ready to be
// placed: its script has run, or never does.
func (r Request) isHere() bool { return r.dropped != nil || r.restored != nil }

// source is what the record says of where the package came from.
func (r Request) source() string {
	switch {
	case r.restored != nil:
		return r.restored.record.Source
	case r.dropped != nil:
		return SourceDropIn
	case r.Upload != nil:
		return SourceUpload
	}
	return r.File
}

// Install fetches, checks, loads and commits a package, in this order; when it
// returns, the plugin's functions can be called and survive a restart. A
// failure leaves nothing behind.
//
// # Errors
//
// CodeInvalid: name, URI, digest, package, manifest or build; the cause says what
// to change. CodeForbidden: the operator wants another signature, or no downloads
// from there. CodeConflict: the name or one of its functions is taken.
// CodeUnavailable: the disk is full, or the host shuts down. CodeTimeout and
// CodeCanceled when ctx ended first.
func (h *Host) Install(ctx context.Context, req Request) (_ Record, err error) {
	defer func() { err = at(err, "install", req.Name, "") }()
	old, unlock, err := h.begin(ctx, req)
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	if old != nil {
		return Record{}, Fail(CodeConflict, "invalid name %s: duplicate", req.Name)
	}
	return h.put(ctx, req, nil)
}

// Update installs a package in the place of an installed one. The old version
// serves until the new one is loaded and committed, and keeps serving if that
// fails; its calls in flight end before Update returns.
//
// The errors are those of Install, and CodeNotFound.
func (h *Host) Update(ctx context.Context, req Request) (_ Record, err error) {
	defer func() { err = at(err, "update", req.Name, "") }()
	old, unlock, err := h.begin(ctx, req)
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	if old == nil {
		return Record{}, notInstalled(req.Name)
	}
	return h.put(ctx, req, old)
}

// Upsert is Update of a plugin that is installed, and Install of one that is not.
func (h *Host) Upsert(ctx context.Context, req Request) (_ Record, err error) {
	defer func() { err = at(err, "update", req.Name, "") }()
	old, unlock, err := h.begin(ctx, req)
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	return h.put(ctx, req, old)
}

// put installs a package, in the place of old if that is not nil. The caller has
// the plugin's turn.
func (h *Host) put(ctx context.Context, req Request, old *plugin) (Record, error) {
	p, err := h.stage(ctx, req, old)
	if err != nil {
		return Record{}, err
	}
	id, r := p.record.id(), p.record
	h.applyEtc(id, r)
	if old == nil {
		h.log.Info("plugin installed", "plugin", id.String(), "version", r.Version, "engine", r.Engine, "functions", r.Functions)
	} else {
		h.finish(old, p)
		h.log.Info("plugin updated", "plugin", id.String(), "version", r.Version, "was", old.record.Version, "engine", r.Engine, "functions", r.Functions)
	}
	return r.clone(), nil
}

// Drop removes a plugin, with its data folder, its configuration and its log; one
// that lies in the drop-in folder, there, too. No call made after Drop returned
// succeeds; calls in flight end in peace before it returns.
//
// # Errors
//
// CodeNotFound, CodeUnavailable; CodeForbidden when it cannot be removed from the
// drop-in folder; CodeInternal when the removal could not be
// committed: then the plugin still serves.
func (h *Host) Drop(ctx context.Context, kind Kind, name string) (err error) {
	defer func() { err = at(err, "drop", name, "") }()
	id := id{kind, name}
	old, unlock, err := h.turn(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if old == nil {
		return notInstalled(name)
	}
	if old.record.Source == SourceDropIn {
		if err := h.takeOut(old.record); err != nil {
			return err
		}
	} else if err := h.removeDropped(id); err != nil {
		h.log.Warn("a plugin of that name was not removed from the drop-in folder: the next look there brings it back", "plugin", id.String(), "error", err)
	}
	return h.remove(old)
}

// dropRequested drops a plugin, unless it is of the drop-in folder or not
// installed.
func (h *Host) dropRequested(ctx context.Context, id id) (dropped bool, err error) {
	defer func() { err = at(err, "drop", id.name, "") }()
	old, unlock, err := h.turn(ctx, id)
	if err != nil {
		return false, err
	}
	defer unlock()
	if old == nil || old.record.Source == SourceDropIn {
		return false, nil
	}
	return true, h.remove(old)
}

// remove ends a plugin. The caller has its turn.
func (h *Host) remove(old *plugin) error {
	id := old.record.id()
	if err := h.store.Delete(id.kind, id.name); err != nil {
		return diskError(err)
	}
	h.swap(nil, old)
	h.finish(old, nil)
	h.forgetLasting(id)
	if err := h.layout.removeOwn(id); err != nil {
		h.log.Error("removing a plugin's data failed; the next start tries again", "plugin", id.String(), "error", err)
	}
	h.log.Info("plugin dropped", "plugin", id.String())
	return nil
}

// Register changes which functions an installed plugin has, as eKuiper's
// register does: the list replaces the old one, and is kept.
//
// # Errors
//
// CodeNotFound, CodeInvalid when the list is empty or names what the plugin
// does not have, CodeConflict when another plugin has one of the names.
func (h *Host) Register(ctx context.Context, kind Kind, name string, functions []string) (err error) {
	defer func() { err = at(err, "register", name, "") }()
	id := id{kind, name}
	old, unlock, err := h.turn(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if old == nil {
		return &Error{Code: CodeNotFound, Err: ErrNotFound}
	}
	if len(functions) == 0 {
		return Fail(CodeInvalid, "property 'functions' must not be empty")
	}
	if err := checkFunctions(kind, functions); err != nil {
		return err
	}
	p, err := h.reload(ctx, old, functions)
	if err != nil {
		return err
	}
	h.finish(old, p)
	h.log.Info("functions registered", "plugin", id.String(), "functions", functions)
	return nil
}

func notInstalled(name string) error {
	return Fail(CodeNotFound, "invalid name %s: not exist", name)
}

// begin checks what of a request needs no lock, and takes the plugin's turn.
func (h *Host) begin(ctx context.Context, req Request) (old *plugin, unlock func(), err error) {
	if err := CheckName(req.Name); err != nil {
		return nil, nil, err
	}
	if err := archive.CheckURI(req.File); err != nil && req.Upload == nil && !req.isHere() {
		return nil, nil, &Error{Code: CodeInvalid, Err: err}
	}
	if err := checkDigest(req.SHA256); err != nil {
		return nil, nil, err
	}
	if err := checkFunctions(req.Kind, req.Functions); err != nil {
		return nil, nil, err
	}
	return h.turn(ctx, id{req.Kind, req.Name})
}

// checkFunctions checks the functions that a request names.
func checkFunctions(kind Kind, functions []string) error {
	if len(functions) > 0 && (kind == Sources || kind == Sinks) {
		return Fail(CodeInvalid, "property 'functions': plugins of the kind %s have none", kind)
	}
	if err := checkSymbols(functions); err != nil {
		return Fail(CodeInvalid, "property 'functions': %w", err)
	}
	return nil
}

// turn waits until no other operation on the plugin is under way. old is what is
// installed then, or nil.
func (h *Host) turn(ctx context.Context, i id) (old *plugin, unlock func(), err error) {
	if err := CheckName(i.name); err != nil {
		return nil, nil, err
	}
	if unlock, err = h.ops.lock(ctx, i); err != nil {
		return nil, nil, err
	}
	return h.index.Load().plugins[i], unlock, nil
}

// finish ends a version that is no longer in the index: its calls, its module,
// the figures of functions that are no more, and its files. What its successor
// (nil if it was dropped) also has, stays.
func (h *Host) finish(old, successor *plugin) {
	old.retire(h)
	h.forgetFigures(old.record.Functions)
	if successor != nil && old.record.Data != successor.record.Data {
		if err := os.RemoveAll(h.layout.state(old.record.id(), old.record.Data)); err != nil {
			h.log.Error("removing a plugin's former data failed; the next start tries again", "plugin", old.record.id().String(), "error", err)
		}
	}
	if successor != nil && old.record.folder() == successor.record.folder() {
		return
	}
	if err := h.layout.remove(old.record.id(), old.record.folder()); err != nil {
		h.log.Error("removing a plugin's files failed; the next start tries again", "plugin", old.record.id().String(), "error", err)
	}
}
