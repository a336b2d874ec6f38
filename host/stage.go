package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"berth/host/archive"
)

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
	var work string
	defer func() {
		if err != nil {
			undo.run()
			err = h.stageError(err)
		}
		if work != "" {
			_ = removeStaged(work) // last: what undo puts back may lie in it
		}
	}()
	ctx, cancel := h.bound(ctx)
	defer cancel()
	if work, err = os.MkdirTemp(h.layout.staging(), req.Name+"-"); err != nil {
		return nil, err
	}

	got, err := h.obtain(ctx, req, work)
	if err != nil {
		return nil, err
	}
	id := id{req.Kind, req.Name}
	if old == nil {
		undo.add(func() { h.forgetLasting(id) })
		if err := h.layout.removeOwn(id); err != nil { // of a drop that could not
			return nil, err
		}
	}
	if err := h.prepare(ctx, req, filepath.Join(work, "files")); err != nil {
		return nil, installError(err)
	}
	folder, there, err := h.folderFor(old, got.digest, filepath.Join(work, "files"))
	if err != nil {
		return nil, installError(err)
	}
	if !there {
		undo.files = func() {
			_ = h.layout.remove(id, folder)
			if old == nil {
				_ = h.layout.removeOwn(id)
			}
		}
		if err := h.layout.place(work, id, folder); err != nil {
			return nil, installError(err)
		}
	}
	data := ""
	if old != nil {
		data = old.record.Data
	}
	if req.restored != nil {
		if data, err = h.placeOwn(work, id, &undo); err != nil {
			return nil, installError(err)
		}
	}
	pkg, err := h.openPackage(id, got.digest, folder, data)
	if err == nil {
		err = pkg.checkContents()
	}
	if err != nil {
		return nil, installError(err)
	}
	record := newRecord(req, pkg, got, folder, old)
	record.Data = data
	module, record, err := h.choose(ctx, pkg, record)
	if err != nil {
		return nil, installError(err)
	}
	undo.add(func() { h.closeModule(record.id(), module) })
	record.Functions = functionsOf(req.Functions, pkg, module)
	if p, err = h.commit(ctx, record, module, pkg, old, &undo); err != nil {
		return nil, err
	}
	for _, d := range pkg.Denied {
		h.log.Warn("a plugin is not granted all that it asks for", "plugin", id.String(), "capability", d.Capability, "asked", d.Asked, "reason", d.Reason)
	}
	return p, nil
}

// newRecord is what the host remembers of a package, but for what loading it says.
func newRecord(req Request, pkg *Package, got obtained, folder string, old *plugin) Record {
	m := pkg.Manifest
	record := Record{Kind: req.Kind, Name: req.Name, Version: pkg.Version, Digest: got.digest, Source: req.source(),
		Requested: slices.Clone(req.Functions), ShellParas: slices.Clone(req.ShellParas),
		Preload: m.Preload, Warnings: got.warnings, Installed: time.Now().UTC()}
	if folder != got.digest {
		record.Folder = folder
	}
	if req.restored != nil {
		record.Version, record.Installed = req.restored.record.Version, req.restored.record.Installed
		if record.Source == SourceDropIn && (old == nil || old.record.Source != SourceDropIn) {
			record.Source = SourceUpload // it does not lie in this host's folder
		}
	}
	got.proof.note(&record)
	switch req.Kind {
	case Wasm:
		record.Executable = pkg.Wasm()
	case Portables:
		record.Sources, record.Sinks = slices.Clone(m.Sources), slices.Clone(m.Sinks)
		record.Language, record.Executable, record.VirtualEnv, record.Env = m.Language, m.Executable, m.VirtualEnv, m.Env
	}
	return record
}

// folderFor names the folder for a package whose files are in dir. A package that
// is installed already, in old, stays where it is. If its files were changed, or
// made by its script, and are others now, they are not touched: they may be in
// use, and are those of the old version until the new one is committed.
func (h *Host) folderFor(old *plugin, digest, dir string) (folder string, there bool, err error) {
	if old == nil || old.record.Digest != digest {
		return digest, false, nil
	}
	folder = old.record.folder()
	there, err = sameFiles(dir, h.layout.files(old.record.id(), folder))
	switch {
	case there || err != nil:
		return folder, there, err
	case folder == digest:
		return digest + "-again", false, nil
	}
	return digest, false, nil
}

// obtained is a package whose files are there.
type obtained struct {
	digest   string
	warnings []string
	proof    proof
}

// obtain puts the files of a package into work/files. What lies in the drop-in
// folder or in a backup the operator put there: it needs no signature.
func (h *Host) obtain(ctx context.Context, req Request, work string) (got obtained, err error) {
	if p := req.restored; p != nil {
		got.digest, got.warnings = p.record.Digest, p.record.Warnings
		got.proof = proof{state: p.record.Signature, signedBy: p.record.SignedBy,
			pinned: p.record.Pinned, given: p.record.SignatureGiven}
		return got, h.unpackRestored(ctx, p, work)
	}
	if req.dropped != nil {
		got.digest, err = h.copyDropped(ctx, *req.dropped, filepath.Join(work, "files"))
		return got, err
	}
	if got.digest, err = h.fetch(ctx, req, filepath.Join(work, "package.zip")); err != nil {
		return got, fmt.Errorf("fail to download file %s: %w", clip(archive.Redacted(req.source())), err)
	}
	if got.proof, err = h.prove(ctx, req, got.digest); err != nil {
		return got, installError(err)
	}
	got.proof.keep(req)
	if got.warnings, err = h.unpack(ctx, work); err != nil {
		return got, installError(err)
	}
	return got, nil
}

// installError adds the prefix that eKuiper's clients read before every fault
// from the unpacking to the functions' names.
func installError(err error) error {
	return &Error{Code: CodeOf(err), Err: fmt.Errorf("fail to install plugin: %w", cause(err))}
}

// prepare makes an unpacked package ready to be placed: it fetches what the
// manifest names by URL, checks that everything is there, and runs the script.
func (h *Host) prepare(ctx context.Context, req Request, dir string) error {
	script := false
	if !req.isHere() {
		var err error
		if script, err = h.checkScripts(dir, req.ShellParas); err != nil {
			return err
		}
	}
	if req.restored == nil {
		if err := h.stageModules(ctx, dir, req.Name); err != nil {
			return err
		}
	}
	pkg, err := openPackage(req.Kind, req.Name, "", dir, "", h.config.Limits)
	if err != nil {
		return err
	}
	if err := checkEtc(dir); err != nil {
		return err
	}
	if err := pkg.checkContents(); err != nil || !script {
		return err
	}
	return h.runScript(ctx, dir, req.ShellParas, h.logOf(id{req.Kind, req.Name}))
}

// functionsOf decides the names of a plugin's functions: the request's list,
// else the manifest's, else what the build exports, else the plugin's name.
func functionsOf(requested []string, pkg *Package, module Module) []string {
	if pkg.Kind == Sources || pkg.Kind == Sinks {
		return nil
	}
	for _, list := range [][]string{requested, pkg.Manifest.Functions, module.Functions()} {
		if len(list) > 0 {
			return slices.Clone(list)
		}
	}
	if pkg.Kind == Portables {
		return nil
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
	if old != nil && old.record.folder() == record.folder() {
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
	record.Functions, record.Requested = slices.Clone(functions), slices.Clone(functions)
	return h.commit(ctx, record, module, pkg, old, &undo)
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
