package main

import (
	"errors"
	"fmt"
	"io/fs"
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
	cmd.Flags().StringVar(&f.signatureFile, "signature", "", "`file` of the zip's signature (default <package>"+signatureSuffix+", if it is there)")
	_ = cmd.RegisterFlagCompletionFunc("sha256", cobra.NoFileCompletions)
	_ = cmd.MarkFlagFilename("signature", "sig")
}

// signature is what the file holds, empty if none is named. The host judges it.
func (f *trustFlags) signature() (string, error) {
	if f.signatureFile == "" {
		return "", nil
	}
	text, err := readSignature(f.signatureFile)
	if err != nil {
		return "", fail(exitUsage, "--signature: %w", err)
	}
	return text, nil
}

// signatureBeside is what lies beside a zip, where a host that fetched the zip would look; empty if nothing does.
func signatureBeside(zip string) (string, error) {
	text, err := readSignature(zip + signatureSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fail(exitUsage, "the package's signature: %w", err)
	}
	return text, nil
}

func readSignature(file string) (string, error) {
	data, err := readBounded(file, signing.MaxText)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return text, nil
}
