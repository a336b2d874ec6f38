package host

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"berth/host/archive"
	"berth/host/signing"
)

const (
	// signatureSuffix is behind the URI of a zip where its signature is.
	signatureSuffix = ".sig"
	// signatureTimeout bounds fetching it: it is one line.
	signatureTimeout = 30 * time.Second
)

// proof is what is known of who made a package.
type proof struct {
	state    SignatureState
	signedBy string // the key's fingerprint if it is valid
	warnings []string

	pinned bool   // the request has the digest
	given  string // the signature in the request; empty if there is none, or what is there is none
}

// keep notes what the request says, for exports.
func (p *proof) keep(req Request) {
	p.pinned = req.SHA256 != ""
	if signature, err := signing.ParseSignature(req.Signature); err == nil {
		p.given = signature.String()
	}
}

// note puts what is known into the record of the package.
func (p proof) note(record *Record) {
	record.Signature, record.SignedBy = p.state, p.signedBy
	record.Pinned, record.SignatureGiven = p.pinned, p.given
	record.Warnings = append(record.Warnings, p.warnings...)
}

// prove holds a fetched package, before anything is unpacked, against the digest
// in the request, CodeInvalid, and what the operator wants of signatures,
// CodeForbidden. A signature that cannot be fetched is CodeInvalid where one is
// required.
func (h *Host) prove(ctx context.Context, req Request, hex string) (proof, error) {
	digest, err := signing.ParseDigest(hex)
	if err != nil {
		return proof{}, err
	}
	if req.SHA256 != "" {
		if want, err := signing.ParseDigest(req.SHA256); err != nil || want != digest {
			return proof{}, Fail(CodeInvalid, "the zip's sha256 is %v, and the request says %s: it is another file than was meant, or it was changed; nothing of it was unpacked",
				digest, clip(req.SHA256))
		}
	}
	if h.config.Signatures.Mode == SignaturesOff {
		if req.Signature != "" {
			return proof{warnings: []string{"the signature in the request was not looked at: this host asks for none (signatures: off)"}}, nil
		}
		return proof{}, nil
	}
	found, err := h.checkSignature(ctx, req, digest)
	switch {
	case err == nil:
		return found, nil
	case ctx.Err() != nil:
		return proof{}, ctx.Err()
	case h.config.Signatures.Mode == SignaturesRequire:
		return proof{}, &Error{Code: CodeOf(err), Err: fmt.Errorf("%w; this host installs signed packages only (signatures: require)", cause(err))}
	}
	h.log.Warn("a package is installed without a valid signature", "plugin", id{req.Kind, req.Name}.String(), "source", archive.Redacted(req.source()), "sha256", hex, "error", cause(err))
	found.warnings = append(found.warnings, cause(err).Error())
	return found, nil
}

// checkSignature tells who signed the package. The error says why that is nobody
// whom the host trusts, CodeForbidden, or why it cannot be known.
func (h *Host) checkSignature(ctx context.Context, req Request, digest signing.Digest) (proof, error) {
	text, from := req.Signature, "the signature in the request"
	if text == "" {
		from = clip(archive.Redacted(req.File)) + signatureSuffix
		var err error
		var state SignatureState
		if text, state, err = h.signatureBeside(ctx, req, from); err != nil {
			return proof{state: state}, err
		}
	}
	signature, err := signing.ParseSignature(text)
	if err != nil {
		return proof{state: SignatureInvalid}, Fail(CodeForbidden, "%s is no signature: %w: \"berth sign\" writes one", from, err)
	}
	key, ok := signing.Verify(h.config.Signatures.Keys, digest, signature)
	if !ok {
		return proof{state: SignatureInvalid}, Fail(CodeForbidden, "%s does not hold: the zip (sha256 %v) was changed after it was signed, or the key is none of this host's: sign it anew, or add the public key to signature-keys", from, digest)
	}
	return proof{state: SignatureValid, signedBy: key.Fingerprint()}, nil
}

// signatureBeside fetches the text that lies beside a zip, at from as messages
// call it. With an error comes what that makes of the signature.
func (h *Host) signatureBeside(ctx context.Context, req Request, from string) (text string, state SignatureState, err error) {
	if req.Upload != nil {
		return "", SignatureMissing, Fail(CodeForbidden, "the package is not signed: there is no signature in the request: sign it with \"berth sign\", and send what it writes with the package")
	}
	limits := h.config.Archive
	limits.Download = signing.MaxText
	limits.Timeout = min(cmp.Or(max(limits.Timeout, 0), archive.DefaultTimeout), signatureTimeout)
	var b bytes.Buffer
	_, err = archive.FetchBeside(ctx, req.File, signatureSuffix, &b, limits)
	switch {
	case err == nil:
		return b.String(), SignatureUnknown, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", SignatureMissing, Fail(CodeForbidden, "the package is not signed: there is no %s, and no signature in the request: sign it with \"berth sign\", and put the file that it writes beside the zip", from)
	case errors.Is(err, archive.ErrTooLarge):
		return "", SignatureInvalid, Fail(CodeForbidden, "%s is no signature: %w", from, err)
	}
	err = fetchError(err)
	return "", SignatureMissing, &Error{Code: CodeOf(err), Err: fmt.Errorf("the package's signature cannot be fetched from %s: %w", from, cause(err))}
}

// checkDigest checks the form of the digest in a request.
func checkDigest(sha256 string) error {
	if sha256 == "" {
		return nil
	}
	if _, err := signing.ParseDigest(sha256); err != nil {
		return Fail(CodeInvalid, "property 'sha256': %w", err)
	}
	return nil
}

// fileError is fetchError for what is no package: CodeTooLarge if it is that.
func fileError(err error) error {
	if errors.Is(err, archive.ErrTooLarge) {
		return &Error{Code: CodeTooLarge, Err: err}
	}
	return fetchError(err)
}

// fetchError gives a failure to fetch its code: CodeForbidden if the operator
// allows no such source, CodeInvalid if the source is at fault.
func fetchError(err error) error {
	switch {
	case errors.Is(err, archive.ErrForbidden):
		return &Error{Code: CodeForbidden, Err: err}
	case errors.Is(err, archive.ErrInvalidURI), errors.Is(err, archive.ErrDownload), errors.Is(err, archive.ErrTooLarge):
		return &Error{Code: CodeInvalid, Err: err}
	}
	return err
}
