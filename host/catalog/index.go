package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"berth/host"
	"berth/host/archive"
)

// The bounds of an index. [ParseIndex] refuses what is beyond them.
const (
	MaxIndex   = 1 << 20 // bytes
	MaxEntries = 4096    // plugins, each architecture counted
)

// maxFile bounds Entry.File in bytes.
const maxFile = 2048

// IndexFile is what the file is called that holds an [Index].
const IndexFile = "index.json"

// Index is what a plugin host has of one kind, for one system and version. As JSON it is
//
//	{"plugins": [{"name": "echo", "version": "1.0.0", "arch": "amd64", "file": "echo_amd64.zip", "sha256": "…"}, "geohash"]}
//
// or the list alone. A name by itself stands for {"name": "geohash"}. Keys that are not known are ignored.
type Index struct {
	Plugins []Entry `json:"plugins"`
}

// Entry is one package. Only Name is needed.
type Entry struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // for readers; without a leading v
	Arch    string `json:"arch,omitempty"`    // a GOARCH; empty: the package is for all
	File    string `json:"file,omitempty"`    // a URL, may be relative to the index; empty: <name>_<arch>.zip
	SHA256  string `json:"sha256,omitempty"`  // of the zip, in hex; for readers
}

// UnmarshalJSON takes an object, or a string for one that has only a name.
func (e *Entry) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		*e = Entry{}
		return json.Unmarshal(data, &e.Name)
	}
	if data[0] != '{' {
		return fmt.Errorf("%.20q is neither a name nor an object", data)
	}
	type plain Entry // without this method
	return json.Unmarshal(data, (*plain)(e))
}

// ParseIndex reads an index in either form. Names and files are as they came: [Index.Offers] judges them.
func ParseIndex(data []byte) (Index, error) {
	if len(data) > MaxIndex {
		return Index{}, fmt.Errorf("it has %d bytes, an index has at most %d", len(data), MaxIndex)
	}
	p := indexParser{dec: json.NewDecoder(bytes.NewReader(data))}
	if err := p.document(); err != nil {
		return Index{}, err
	}
	return Index{p.entries}, nil
}

// indexParser reads entry by entry, so that a long list is refused before it is in memory.
type indexParser struct {
	dec     *json.Decoder
	entries []Entry
}

func (p *indexParser) document() error {
	begin, err := p.dec.Token()
	switch {
	case err != nil:
		return err
	case begin == json.Delim('['):
		err = p.list()
	case begin == json.Delim('{'):
		err = p.object()
	default:
		return errors.New("it is neither an object nor a list")
	}
	if err != nil {
		return err
	}
	if _, err := p.dec.Token(); err != io.EOF {
		return errors.New("more follows after its end")
	}
	return nil
}

// object reads up to the end of the object that has begun.
func (p *indexParser) object() error {
	found := false
	for p.dec.More() {
		key, err := p.dec.Token()
		if err != nil {
			return err
		}
		if key != "plugins" {
			var ignored json.RawMessage
			if err := p.dec.Decode(&ignored); err != nil {
				return err
			}
			continue
		}
		begin, err := p.dec.Token()
		switch {
		case err != nil:
			return err
		case found:
			return errors.New(`"plugins" is in it twice`)
		case begin != json.Delim('['):
			return errors.New(`"plugins" is no list`)
		}
		found = true
		if err := p.list(); err != nil {
			return err
		}
	}
	if _, err := p.dec.Token(); err != nil {
		return err
	}
	if !found {
		return errors.New(`it has no "plugins"`)
	}
	return nil
}

// list reads up to the end of the list that has begun.
func (p *indexParser) list() error {
	for p.dec.More() {
		if len(p.entries) == MaxEntries {
			return fmt.Errorf("it lists more than %d packages", MaxEntries)
		}
		var e Entry
		if err := p.dec.Decode(&e); err != nil {
			return err
		}
		p.entries = append(p.entries, e)
	}
	_, err := p.dec.Token()
	return err
}

// Encode writes the index sorted by name and architecture: the same packages make the same bytes. It refuses what a host
// would leave out, or would not read.
func (x Index) Encode() ([]byte, error) {
	sorted := Index{slices.Clone(x.Plugins)}
	if sorted.Plugins == nil {
		sorted.Plugins = []Entry{}
	}
	slices.SortStableFunc(sorted.Plugins, func(a, b Entry) int {
		if order := strings.Compare(a.Name, b.Name); order != 0 {
			return order
		}
		return strings.Compare(a.Arch, b.Arch)
	})
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(sorted); err != nil {
		return nil, err
	}
	if _, err := ParseIndex(b.Bytes()); err != nil {
		return nil, err
	}
	somewhere := &url.URL{Scheme: "https", Host: "host", Path: "/" + IndexFile}
	for _, e := range sorted.Plugins {
		if _, err := e.url(somewhere, e.Arch); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// Offers are the URLs of the packages for a machine of arch, by the plugin's name; base is where the index was found. Of
// several entries for one name that for arch comes before one for all, and the first before the next. Entries that no host
// should be sent to are left out: faults says why, one error each.
func (x Index) Offers(base *url.URL, arch string) (offers map[string]string, faults []error) {
	offers = map[string]string{}
	exact := map[string]bool{}
	for _, e := range x.Plugins {
		if e.Arch != "" && e.Arch != arch {
			continue
		}
		address, err := e.url(base, arch)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if _, taken := offers[e.Name]; !taken || e.Arch != "" && !exact[e.Name] {
			offers[e.Name], exact[e.Name] = address, e.Arch != ""
		}
	}
	return offers, faults
}

// url is where the package lies, for a machine of arch.
func (e Entry) url(base *url.URL, arch string) (string, error) {
	if err := host.CheckName(e.Name); err != nil {
		return "", err
	}
	refuse := func(reason string) (string, error) {
		return "", fmt.Errorf("plugin %s: the file %.100q %s", e.Name, e.File, reason)
	}
	if len(e.File) > maxFile {
		return refuse(fmt.Sprintf("is longer than %d bytes", maxFile))
	}
	file := e.File
	if file == "" {
		file = PackageFile(e.Name, arch)
	}
	relative, err := url.Parse(file)
	if err != nil {
		return refuse("is no URL")
	}
	u := base.ResolveReference(relative)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("leads to the scheme " + fmt.Sprintf("%.20q", u.Scheme) + ": only http and https are possible")
	case base.Scheme == "https" && u.Scheme == "http":
		return refuse("leads from https to http")
	case u.User != nil:
		return refuse("has a user or password in it, which everybody would see")
	case strings.ContainsFunc(u.String(), func(r rune) bool { return r <= ' ' || r >= 0x7f }): // of its query
		return refuse("has characters in it that have to be escaped")
	case archive.CheckURI(u.String()) != nil:
		return refuse("is not the URL of a zip: it has to end in .zip")
	}
	return u.String(), nil
}
