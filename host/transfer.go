package host

import (
	"bytes"
	"context"
	"errors"

	"berth/host/archive"
)

// Ref names a plugin.
type Ref struct {
	Kind Kind
	Name string
}

// Export returns, for every installed plugin, the request that would install it
// again, sorted by kind and name. Of a plugin that was uploaded or dropped in,
// File is no URI but SourceUpload or SourceDropIn. The digest and the signature are
// there if the request to install it had them.
func (h *Host) Export() []Request {
	plugins := h.index.Load().sorted()
	requests := make([]Request, 0, len(plugins))
	for _, p := range plugins {
		r := p.record.clone()
		req := Request{Kind: r.Kind, Name: r.Name, File: r.Source, Signature: r.SignatureGiven, Functions: r.Requested, ShellParas: r.ShellParas}
		if r.Pinned {
			req.SHA256 = r.Digest
		}
		requests = append(requests, req)
	}
	return requests
}

// FetchFile returns a file that a URI (http, https or file) names, of at most limit
// bytes, from where packages may come from. The errors are CodeInvalid,
// CodeForbidden and CodeTooLarge, and CodeTimeout and CodeCanceled when ctx ended
// first.
func (h *Host) FetchFile(ctx context.Context, uri string, limit Bytes) (_ []byte, err error) {
	defer func() { err = at(h.stageError(err), "fetch", "", "") }()
	ctx, cancel := h.bound(ctx)
	defer cancel()
	limits := h.config.Archive
	limits.Download = int64(limit)
	var b bytes.Buffer
	if _, err := archive.FetchAny(ctx, uri, &b, limits); err != nil {
		return nil, fileError(err)
	}
	return b.Bytes(), nil
}

// Import installs plugins, one after the other. Unless partial, those that are
// installed already are updated, and all others are dropped at the end, when
// everything could be imported that needs none of their functions' names;
// partial leaves both alone. What fails is returned by plugin; a plugin whose
// update fails serves on in its old version. Plugins of the drop-in folder are
// never dropped.
//
// A plugin whose source is not a URI is left as it is if it is installed, and an
// error otherwise.
func (h *Host) Import(ctx context.Context, plugins []Request, partial bool) map[Ref]error {
	faults := map[Ref]error{}
	wanted := map[Ref]bool{}
	var clashes []Request
	for _, req := range plugins {
		ref := Ref{req.Kind, req.Name}
		if wanted[ref] {
			faults[ref] = Fail(CodeInvalid, "it is named twice")
			continue
		}
		wanted[ref] = true
		err := h.importOne(ctx, req, partial)
		switch {
		case err != nil && CodeOf(err) == CodeConflict && !partial:
			clashes = append(clashes, req) // perhaps with one that is about to be dropped
		case err != nil:
			faults[ref] = err
		}
	}
	if partial || len(faults) > 0 {
		for _, req := range clashes {
			faults[Ref{req.Kind, req.Name}] = Fail(CodeConflict, "one of its functions' names is taken")
		}
		return faults
	}
	for _, p := range h.index.Load().sorted() {
		ref := Ref{p.record.Kind, p.record.Name}
		if wanted[ref] {
			continue
		}
		if _, err := h.dropRequested(ctx, p.record.id()); err != nil {
			faults[ref] = err
		}
	}
	for _, req := range clashes {
		if err := h.importOne(ctx, req, partial); err != nil {
			faults[Ref{req.Kind, req.Name}] = err
		}
	}
	return faults
}

func (h *Host) importOne(ctx context.Context, req Request, partial bool) (err error) {
	defer func() { err = at(err, "import", req.Name, "") }()
	_, err = h.Describe(req.Kind, req.Name)
	installed, fetched := err == nil, req.File != SourceUpload && req.File != SourceDropIn
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	case installed && (partial || !fetched):
		return nil
	case !fetched:
		return Fail(CodeInvalid, "it came to the other host as %q, so there is no address to fetch it from: upload it here, or move everything with berth backup and berth restore", req.File)
	}
	old, unlock, err := h.begin(ctx, req)
	if err != nil {
		return err
	}
	defer unlock()
	if old != nil && partial { // by now
		return nil
	}
	_, err = h.put(ctx, req, old)
	return err
}

// String is "functions/echo".
func (r Ref) String() string { return id{r.Kind, r.Name}.String() }
