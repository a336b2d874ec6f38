package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"berth/host"
	"berth/host/archive"
	"berth/host/signing"
)

// signatures is what the operator wants of packages' signatures, as the host takes it. The files of the keys are read; all
// that is wrong with them is joined.
func (c *config) signatures() (host.Signatures, error) {
	mode, err := host.ParseSignatureMode(c.Signatures)
	if err != nil {
		return host.Signatures{}, err
	}
	s := host.Signatures{Mode: mode}
	var faults []error
	for _, file := range c.SignatureKeys {
		keys, err := readPublicKeys(file)
		faults = append(faults, err)
		s.Keys = append(s.Keys, keys...)
	}
	return s, errors.Join(faults...)
}

// checkSignatures finds the faults of the keys, each by itself.
func (l *loader) checkSignatures() {
	c := &l.config
	for _, file := range c.SignatureKeys {
		if _, err := readPublicKeys(file); err != nil {
			l.fault(l.source("signature-keys"), "signature-keys: %v", err)
		}
	}
	if c.Signatures != host.SignaturesOff.String() && len(c.SignatureKeys) == 0 {
		l.fault(l.source("signatures"), "signatures: %s checks with public keys, and there is none: name the files of those who may sign in signature-keys", c.Signatures)
	}
}

// sources is where packages may come from, as the host takes it.
func (c *config) sources() (archive.Sources, error) {
	s := archive.Sources{Schemes: append([]string{}, c.DownloadSchemes...), Addresses: c.DownloadAddresses}
	if len(c.DownloadHosts) == 0 {
		return s, nil
	}
	match, err := host.MatchHosts(c.DownloadHosts)
	s.Hosts = match
	return s, err
}

// trustFlags are the flags by which who installs a package says which one it has to be.
type trustFlags struct {
	sha256, signatureFile string
}

func (f *trustFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.sha256, "sha256", "", "the zip's SHA-256 in `hex`: another zip is refused")
	cmd.Flags().StringVar(&f.signatureFile, "signature", "", "`file` of the zip's signature (default: the host looks for <package>"+signatureSuffix+")")
	_ = cmd.RegisterFlagCompletionFunc("sha256", cobra.NoFileCompletions)
	_ = cmd.MarkFlagFilename("signature", "sig")
}

// signature is what the file holds, empty if none is named. The host judges it.
func (f *trustFlags) signature() (string, error) {
	if f.signatureFile == "" {
		return "", nil
	}
	text, err := readBounded(f.signatureFile, signing.MaxText)
	if err != nil {
		return "", fail(exitUsage, "--signature: %w", err)
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return "", fail(exitUsage, "--signature: %s is empty", f.signatureFile)
	}
	return strings.TrimSpace(string(text)), nil
}
