package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// identity is how a command shows a host who it is, and knows the host.
type identity struct {
	token string // --token; a bearer token, or a JWT
	ca    string // --ca; a file of authorities, in PEM; empty: the system's
	cert  string // --cert and --key; files, in PEM
	key   string
}

func (id *identity) flags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&id.token, "token", "", "`token` to show the host; others on this machine can see flags, so better BERTH_TOKEN")
	flags.StringVar(&id.ca, "ca", "", "`file` of the authority of the host's certificate (default BERTH_CA, else the system's authorities)")
	flags.StringVar(&id.cert, "cert", "", "`file` of the certificate to show the host (default BERTH_CERT)")
	flags.StringVar(&id.key, "key", "", "`file` of that certificate's key (default BERTH_KEY)")
	_ = cmd.RegisterFlagCompletionFunc("token", cobra.NoFileCompletions)
	for _, name := range []string{"ca", "cert", "key"} {
		_ = cmd.MarkPersistentFlagFilename(name, "pem", "crt", "key")
	}
}

// or fills in from the environment what no flag gave.
func (id identity) or(environ []string) identity {
	for name, text := range map[string]*string{"BERTH_TOKEN": &id.token, "BERTH_CA": &id.ca, "BERTH_CERT": &id.cert, "BERTH_KEY": &id.key} {
		if *text == "" {
			*text = lookupEnv(environ, name)
		}
	}
	id.token = strings.TrimSpace(id.token)
	return id
}

func (id identity) speaksTLS() bool { return id.ca != "" || id.cert != "" || id.key != "" }

// tlsConfig is for connections to a host.
func (id identity) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if id.ca != "" {
		pool, err := authorities(id.ca)
		if err != nil {
			return nil, fail(exitUsage, "--ca: %w", err)
		}
		config.RootCAs = pool
	}
	if (id.cert == "") != (id.key == "") {
		return nil, fail(exitUsage, "--cert and --key belong together: give both")
	}
	if id.cert != "" {
		pair, err := tls.LoadX509KeyPair(id.cert, id.key)
		if err != nil {
			return nil, fail(exitUsage, "--cert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// authorities reads a file of certificates.
func authorities(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fail(exitUsage, "there is no certificate in PEM in %s", path)
	}
	return pool, nil
}
