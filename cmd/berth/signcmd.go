package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"berth/host/signing"
)

func (a *app) keygenCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a pair of keys to sign packages with",
		Long: `Makes an Ed25519 key that signs packages, <name>.pem, and the public key that hosts check with, <name>.pub.pem. Whoever has
the first can sign in your name: keep it off the hosts. The second belongs among a host's signature-keys.

The files are PEM (PKCS #8, PKIX); "openssl genpkey -algorithm ed25519" makes the same. None is overwritten.`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVarP(&name, "output", "o", "berth", "`name` of the files, without .pem")
	a.jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		key, err := signing.Generate()
		if err != nil {
			return err
		}
		private, public, err := writeKeys(name, key)
		if err != nil {
			return err
		}
		fingerprint := key.Public().Fingerprint()
		if a.json {
			return writeJSON(a.out, map[string]string{"private": private, "public": public, "fingerprint": fingerprint})
		}
		_, err = fmt.Fprintf(a.out, "%s signs: keep it to yourself\n%s checks: give it to hosts (signature-keys)\nfingerprint %s\n", private, public, fingerprint)
		return err
	}
	return cmd
}

func (a *app) signCommand() *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "sign <package>",
		Short: "Sign a package",
		Long: `Signs a package, a zip, and writes the signature beside it, to <package>` + signatureSuffix + `, where hosts look for it: put both on the same
server, or in the same folder. What is signed is the SHA-256 of the zip: pack it first, and sign what you publish.

  berth keygen -o release
  berth sign --key release.pem toolbox.zip`,
		Args:              takes(1, 1),
		ValidArgsFunction: completeFile("zip"),
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "`file` of the private key, PEM")
	_ = cmd.MarkFlagFilename("key", "pem")
	a.jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if keyFile == "" {
			return fail(exitUsage, "--key is needed: the private key to sign with; \"berth keygen\" makes one")
		}
		key, open, err := readPrivateKey(keyFile)
		if err != nil {
			return fail(exitUsage, "--key: %w", err)
		}
		if open {
			fmt.Fprintf(a.errOut, "warning: others on this machine can read %s: chmod 600 it\n", keyFile)
		}
		return a.sign(key, args[0])
	}
	return cmd
}

func (a *app) sign(key signing.PrivateKey, zip string) error {
	digest, err := digestFile(zip)
	if err != nil {
		return fail(exitUsage, "%w", err)
	}
	if !strings.HasSuffix(zip, ".zip") {
		return fail(exitUsage, "%s does not end in .zip: a package is a zip file; \"berth pack\" makes one of a folder", zip)
	}
	signature, file := key.Sign(digest).String(), zip+signatureSuffix
	err = replaceFile(file, 0o644, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, signature)
		return err
	})
	if err != nil {
		return err
	}
	by := key.Public().Fingerprint()
	if a.json {
		return writeJSON(a.out, map[string]string{"file": zip, "digest": digest.String(), "signature": signature, "signature_file": file, "signed_by": by})
	}
	_, err = fmt.Fprintf(a.out, "signed %s, sha256 %v\nby %s\nwrote %s\n", zip, digest, by, file)
	return err
}

func (a *app) verifyCommand() *cobra.Command {
	var keyFiles []string
	var signatureFile string
	cmd := &cobra.Command{
		Use:   "verify <package>",
		Short: "Check the signature of a package",
		Long: `Checks a package against its signature, <package>` + signatureSuffix + `, and the public keys that are trusted, as a host does. If it does not
hold, the exit code is 4.

  berth verify --key release.pub.pem toolbox.zip`,
		Args:              takes(1, 1),
		ValidArgsFunction: completeFile("zip"),
	}
	cmd.Flags().StringArrayVar(&keyFiles, "key", nil, "`file` of public keys, PEM; may be given several times")
	cmd.Flags().StringVar(&signatureFile, "signature", "", "`file` of the signature (default <package>"+signatureSuffix+")")
	_ = cmd.MarkFlagFilename("key", "pem")
	_ = cmd.MarkFlagFilename("signature", "sig")
	a.jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(keyFiles) == 0 {
			return fail(exitUsage, "--key is needed: the public key of who is to have signed it")
		}
		var keys []signing.PublicKey
		for _, file := range keyFiles {
			more, err := readPublicKeys(file)
			if err != nil {
				return fail(exitUsage, "--key: %w", err)
			}
			keys = append(keys, more...)
		}
		if signatureFile == "" {
			signatureFile = args[0] + signatureSuffix
		}
		return a.verify(keys, args[0], signatureFile)
	}
	return cmd
}

func (a *app) verify(keys []signing.PublicKey, zip, signatureFile string) error {
	digest, err := digestFile(zip)
	if err != nil {
		return fail(exitUsage, "%w", err)
	}
	text, err := readBounded(signatureFile, signing.MaxText)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitRefused, "%s is not signed: there is no %s (--signature names another file)", zip, signatureFile)
	}
	if err != nil {
		return fail(exitRefused, "%w: that is no signature", err)
	}
	signature, err := signing.ParseSignature(string(text))
	if err != nil {
		return fail(exitRefused, "%s is no signature: %w", signatureFile, err)
	}
	key, ok := signing.Verify(keys, digest, signature)
	if !ok {
		var trusted []string
		for _, k := range keys {
			trusted = append(trusted, k.Fingerprint())
		}
		return fail(exitRefused, "%s does not hold: %s (sha256 %v) was changed after it was signed, or the key is none of %s", signatureFile, zip, digest, few(trusted))
	}
	if a.json {
		return writeJSON(a.out, map[string]string{"file": zip, "digest": digest.String(), "signed_by": key.Fingerprint()})
	}
	_, err = fmt.Fprintf(a.out, "%s holds: %s, sha256 %v\nby %s\n", signatureFile, zip, digest, key.Fingerprint())
	return err
}
