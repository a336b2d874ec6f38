package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"berth/host/archive"
)

// Request asks for a package to be installed.
type Request struct {
	Kind       Kind
	Name       string
	File       string   // where the zip is: http, https or file
	Functions  []string // names of its functions; empty: as the package says
	ShellParas []string // arguments of the package's install.sh
}

// Install fetches, checks, loads and commits a package, in this order; when it
// returns, the plugin's functions can be called and survive a restart. A
// failure leaves nothing behind.
//
// # Errors
//
// CodeInvalid: name, URI, package, manifest or build; the cause says what to
// change. CodeConflict: the name or one of its functions is taken.
// CodeUnavailable: the disk is full, or the host shuts down. CodeTimeout and
// CodeCanceled when ctx ended first.
func (h *Host) Install(ctx context.Context, req Request) (Record, error) {
	const op = "install"
	unlock, err := h.begin(ctx, req)
	if err != nil {
		return Record{}, at(err, op, req.Name, "")
	}
	defer unlock()
	id := id{req.Kind, req.Name}
	if h.index.Load().plugins[id] != nil {
		return Record{}, at(Fail(CodeConflict, "invalid name %s: duplicate", req.Name), op, req.Name, "")
	}
	p, err := h.stage(ctx, req, nil)
	if err != nil {
		return Record{}, at(err, op, req.Name, "")
	}
	h.log.Info("plugin installed", "plugin", id.String(), "version", p.record.Version, "engine", p.record.Engine, "functions", p.record.Functions)
	return p.record.clone(), nil
}

// Update installs a package in the place of an installed one. The old version
// serves until the new one is loaded and committed, and keeps serving if that
// fails; its calls in flight end before Update returns.
//
// The errors are those of Install, and CodeNotFound.
func (h *Host) Update(ctx context.Context, req Request) (Record, error) {
	const op = "update"
	unlock, err := h.begin(ctx, req)
	if err != nil {
		return Record{}, at(err, op, req.Name, "")
	}
	defer unlock()
	id := id{req.Kind, req.Name}
	old := h.index.Load().plugins[id]
	if old == nil {
		return Record{}, at(notInstalled(req.Name), op, req.Name, "")
	}
	p, err := h.stage(ctx, req, old)
	if err != nil {
		return Record{}, at(err, op, req.Name, "")
	}
	h.finish(old, p)
	h.log.Info("plugin updated", "plugin", id.String(), "version", p.record.Version, "was", old.record.Version, "engine", p.record.Engine, "functions", p.record.Functions)
	return p.record.clone(), nil
}

// Drop removes a plugin. No call made after Drop returned succeeds; calls in
// flight end in peace before it returns.
//
// # Errors
//
// CodeNotFound, CodeUnavailable; CodeInternal when the removal could not be
// committed: then the plugin still serves.
func (h *Host) Drop(ctx context.Context, kind Kind, name string) error {
	const op = "drop"
	if err := CheckName(name); err != nil {
		return at(err, op, name, "")
	}
	id := id{kind, name}
	unlock, err := h.ops.lock(ctx, id)
	if err != nil {
		return at(err, op, name, "")
	}
	defer unlock()
	old := h.index.Load().plugins[id]
	if old == nil {
		return at(notInstalled(name), op, name, "")
	}
	if err := h.store.Delete(kind, name); err != nil {
		return at(diskError(err), op, name, "")
	}
	h.swap(nil, old)
	h.finish(old, nil)
	h.forgetSerial(id)
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
func (h *Host) Register(ctx context.Context, kind Kind, name string, functions []string) error {
	const op = "register"
	if err := CheckName(name); err != nil {
		return at(err, op, name, "")
	}
	id := id{kind, name}
	unlock, err := h.ops.lock(ctx, id)
	if err != nil {
		return at(err, op, name, "")
	}
	defer unlock()
	old := h.index.Load().plugins[id]
	if old == nil {
		return at(&Error{Code: CodeNotFound, Err: ErrNotFound}, op, name, "")
	}
	if len(functions) == 0 {
		return at(Fail(CodeInvalid, "property 'functions' must not be empty"), op, name, "")
	}
	p, err := h.reload(ctx, old, functions)
	if err != nil {
		return at(err, op, name, "")
	}
	h.finish(old, p)
	h.log.Info("functions registered", "plugin", id.String(), "functions", functions)
	return nil
}

func notInstalled(name string) error {
	return Fail(CodeNotFound, "invalid name %s: not exist", name)
}

// begin checks what needs no lock and takes the plugin's turn.
func (h *Host) begin(ctx context.Context, req Request) (unlock func(), err error) {
	if err := CheckName(req.Name); err != nil {
		return nil, err
	}
	if err := archive.CheckURI(req.File); err != nil {
		return nil, &Error{Code: CodeInvalid, Err: err}
	}
	if err := checkSymbols(req.Functions); err != nil {
		return nil, Fail(CodeInvalid, "property 'functions': %w", err)
	}
	return h.ops.lock(ctx, id{req.Kind, req.Name})
}

// undo is what to do, last first, if an operation fails half way.
type undo struct {
	steps []func()
	files func() // removes files; done after the steps
}

func (u *undo) add(f func()) { u.steps = append(u.steps, f) }

// keepFiles leaves the files to the next start.
func (u *undo) keepFiles() { u.files = nil }

func (u *undo) run() {
	for _, f := range slices.Backward(u.steps) {
		f()
	}
	if u.files != nil {
		u.files()
	}
}

// stage takes a package all the way into the index: the steps of design's "the
// way of a package". old is the version it replaces, or nil. On failure
// everything is as it was.
func (h *Host) stage(ctx context.Context, req Request, old *plugin) (p *plugin, err error) {
	var undo undo
	defer func() {
		if err != nil {
			undo.run()
			err = h.stageError(err)
		}
	}()
	ctx, cancel := h.bound(ctx)
	defer cancel()
	work, err := os.MkdirTemp(h.layout.staging(), req.Name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)

	digest, err := h.fetch(ctx, req.File, filepath.Join(work, "package.zip"))
	if err != nil {
		return nil, fmt.Errorf("fail to download file %s: %w", clip(req.File), err)
	}
	// eKuiper's clients read this prefix for every fault from here to the
	// functions' names.
	install := func(err error) error {
		return &Error{Code: CodeOf(err), Err: fmt.Errorf("fail to install plugin: %w", cause(err))}
	}
	warnings, err := h.unpack(ctx, work)
	if err != nil {
		return nil, install(err)
	}
	id := id{req.Kind, req.Name}
	if err := checkScripts(filepath.Join(work, "files"), req.ShellParas); err != nil {
		return nil, install(err)
	}
	// A package that is installed already stays where it is: its files may be
	// in use. If they were changed, it is put in their place.
	intact := false
	if old != nil && old.record.Digest == digest {
		if intact, err = sameFiles(filepath.Join(work, "files"), h.layout.files(id, digest)); err != nil {
			return nil, install(err)
		}
	} else {
		undo.files = func() { _ = h.layout.remove(id, digest) }
	}
	if !intact {
		if err := h.layout.place(work, id, digest); err != nil {
			return nil, install(err)
		}
	}
	pkg, err := h.openPackage(id, digest)
	if err == nil {
		err = pkg.checkBuilds()
	}
	if err != nil {
		return nil, install(err)
	}
	record := Record{Kind: req.Kind, Name: req.Name, Version: pkg.Version, Digest: digest, Source: req.File,
		Preload: pkg.Manifest.Preload, Warnings: warnings, Installed: time.Now().UTC()}
	module, record, err := h.choose(ctx, pkg, record)
	if err != nil {
		return nil, install(err)
	}
	undo.add(func() { h.closeModule(record.id(), module) })
	record.Functions = functionsOf(req.Functions, pkg, module)
	return h.commit(ctx, record, module, pkg, old, &undo)
}

// functionsOf decides the names of a plugin's functions: the request's list,
// else the manifest's, else what the build exports, else the plugin's name.
func functionsOf(requested []string, pkg *Package, module Module) []string {
	if pkg.Kind != Functions {
		return slices.Clone([]string(pkg.Manifest.Functions))
	}
	for _, list := range [][]string{requested, pkg.Manifest.Functions, module.Functions()} {
		if len(list) > 0 {
			return slices.Clone(list)
		}
	}
	return []string{pkg.Name}
}

// commit binds the functions, makes the record durable, and swaps the index.
func (h *Host) commit(ctx context.Context, record Record, module Module, pkg *Package, old *plugin, undo *undo) (*plugin, error) {
	release, err := h.claim(record.id(), record.Functions)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := checkSymbols(record.Functions); err != nil {
		return nil, Fail(CodeInvalid, "its functions: %w", err)
	}
	if err := checkEncodings(record, pkg, module); err != nil {
		return nil, err
	}
	record.Revision = h.nextRevision()
	p := h.newPlugin(record)
	undo.add(func() {
		h.forgetFigures(record.Functions)
		if old == nil {
			h.forgetSerial(record.id())
		}
	})
	a, err := h.activation(p, module, pkg)
	if err != nil {
		return nil, err
	}
	record.Encodings = a.encodings()
	p.record = record
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if old != nil && old.record.Digest == record.Digest {
		undo.files = func() { _ = h.layout.writeRecord(old.record) }
	}
	if err := h.layout.writeRecord(record); err != nil {
		return nil, err
	}
	if err := h.store.Put(record); err != nil {
		if h.mayBeStored(record) {
			undo.keepFiles()
		}
		return nil, err
	}
	p.activate(a)
	h.swap(p, old)
	if old != nil {
		old.withdraw(h) // before the successor is in the cache
	}
	a.published()
	return p, nil
}

// checkEncodings refuses an encoding declared for a function that is nowhere.
func checkEncodings(record Record, pkg *Package, module Module) error {
	for name := range pkg.Manifest.Encoding {
		if !slices.Contains(record.Functions, name) && !slices.Contains(pkg.Manifest.Functions, name) && !slices.Contains(module.Functions(), name) {
			return Fail(CodeInvalid, "manifest %s.json: \"encoding\" names %q, which is none of its functions: %v", pkg.Name, clip(name), record.Functions)
		}
	}
	return nil
}

// mayBeStored tells whether a record could be in the store although putting it
// failed, as when the disk fails in the last step. Then the next start decides
// whether it is the old version that is installed or the new one, and the files
// of both must be there.
func (h *Host) mayBeStored(record Record) bool {
	records, err := h.store.Load()
	return err != nil || slices.ContainsFunc(records, func(r Record) bool {
		return r.id() == record.id() && r.Revision == record.Revision
	})
}

// reload makes a plugin anew from the package that is there, with another list
// of functions.
func (h *Host) reload(ctx context.Context, old *plugin, functions []string) (p *plugin, err error) {
	if err := checkSymbols(functions); err != nil {
		return nil, Fail(CodeInvalid, "property 'functions': %w", err)
	}
	var undo undo
	defer func() {
		if err != nil {
			undo.run()
			err = h.stageError(err)
		}
	}()
	ctx, cancel := h.bound(ctx)
	defer cancel()
	pkg, module, err := h.open(ctx, old.record)
	if err != nil {
		return nil, err
	}
	undo.add(func() { h.closeModule(old.record.id(), module) })
	record := old.record.clone()
	record.Functions = slices.Clone(functions)
	return h.commit(ctx, record, module, pkg, old, &undo)
}

// finish ends a version that is no longer in the index: its calls, its module,
// the figures of functions that are no more, and its files. What its successor
// (nil if it was dropped) also has, stays.
func (h *Host) finish(old, successor *plugin) {
	old.retire(h)
	h.forgetFigures(old.record.Functions)
	if successor != nil && old.record.Digest == successor.record.Digest {
		return
	}
	if err := h.layout.remove(old.record.id(), old.record.Digest); err != nil {
		h.log.Error("removing a plugin's files failed; the next start tries again", "plugin", old.record.id().String(), "error", err)
	}
}

// stageError gives an operation that failed because the host shuts down or the
// disk is full that for its error.
func (h *Host) stageError(err error) error {
	if h.life.Err() != nil && CodeOf(err) == CodeCanceled {
		return errClosing
	}
	return diskError(err)
}

// bound ends the context of an operation when the host shuts down.
func (h *Host) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.life, cancel)
	return ctx, func() { stop(); cancel() }
}

func (h *Host) fetch(ctx context.Context, uri, path string) (digest string, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	fetched, err := archive.Fetch(ctx, uri, f, h.config.Archive)
	if errors.Is(err, archive.ErrDownload) || errors.Is(err, archive.ErrTooLarge) {
		err = &Error{Code: CodeInvalid, Err: err}
	}
	return fetched.Digest, errors.Join(err, f.Close())
}

// unpack unpacks work/package.zip into work/files.
func (h *Host) unpack(ctx context.Context, work string) (warnings []string, err error) {
	dir := filepath.Join(work, "files")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	zip, err := os.Open(filepath.Join(work, "package.zip"))
	if err != nil {
		return nil, err
	}
	defer zip.Close()
	info, err := zip.Stat()
	if err != nil {
		return nil, err
	}
	contents, err := archive.Unpack(ctx, zip, info.Size(), root, h.config.Archive)
	var refused *archive.Error
	if errors.As(err, &refused) && !isDiskFull(err) {
		return nil, &Error{Code: CodeInvalid, Err: err}
	}
	if err != nil {
		return nil, err
	}
	if contents.Enclosing != "" {
		warnings = append(warnings, fmt.Sprintf("the package's files lie in a folder %q: zip the files, not the folder", contents.Enclosing))
	}
	return warnings, nil
}

// checkScripts refuses what this version does not run, rather than leave it out.
func checkScripts(dir string, paras []string) error {
	_, err := os.Stat(filepath.Join(dir, "install.sh"))
	switch {
	case errors.Is(err, os.ErrNotExist) && len(paras) > 0:
		return Fail(CodeInvalid, "have shell parameters : %v but no install.sh file", paras)
	case err == nil:
		return Fail(CodeInvalid, "the package carries install.sh, which this host does not run: install what the plugin depends on by other means, and pack it without")
	case errors.Is(err, os.ErrNotExist):
		return nil
	}
	return err
}

// cause drops the place of an Error that is about to be given another.
func cause(err error) error {
	if e, ok := err.(*Error); ok {
		return e.Err
	}
	return err
}

// diskError makes a full disk a CodeUnavailable that says so.
func diskError(err error) error {
	if err == nil || !isDiskFull(err) {
		return err
	}
	return Fail(CodeUnavailable, "the disk that holds the data folder is full (or a quota is): free some space and try again: %w", cause(err))
}

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
