package host

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"berth/host/archive"
)

// Record is what the host remembers of an installed plugin.
type Record struct {
	Kind    Kind   `json:"kind"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest"`
	Source  string `json:"source"` // the URI it came from, or SourceUpload

	// Folder is where its files lie, if that is not named after the digest: see
	// layout.
	Folder string `json:"folder,omitempty"`

	// Data names the generation of its own data: what a backup restored lies in
	// a folder of its own. Empty: the first.
	Data string `json:"data,omitempty"`

	// Requested and ShellParas are what the request to install it said, and
	// Requested what was registered since.
	Requested  []string `json:"requested,omitempty"`
	ShellParas []string `json:"shellParas,omitempty"`

	// Pinned tells that the request gave the digest, and SignatureGiven the signature
	// that it had, if it was one: an export gives them again.
	Pinned         bool   `json:"pinned,omitempty"`
	SignatureGiven string `json:"signatureGiven,omitempty"`

	Signature SignatureState `json:"signature,omitempty"` // as it was when it was installed
	SignedBy  string         `json:"signedBy,omitempty"`  // the fingerprint of the key, if it is valid

	// Functions are the names by which its functions are called; no two
	// plugins share one.
	Functions []string `json:"functions,omitempty"`

	// Encodings tell what each of them takes and gives.
	Encodings map[string]Encoding `json:"encodings,omitempty"`

	// Sources and Sinks are those that a portable plugin says it has.
	Sources []string `json:"sources,omitempty"`
	Sinks   []string `json:"sinks,omitempty"`

	// What a portable plugin says of its program. Executable is a file of the
	// package, of a wasm plugin the sandboxed build: see Host.File.
	Language   string `json:"language,omitempty"`
	Executable string `json:"executable,omitempty"`
	VirtualEnv string `json:"virtualEnvType,omitempty"`
	Env        string `json:"env,omitempty"`

	Engine    string    `json:"engine"`
	Refused   []Refusal `json:"refused,omitempty"`
	Preload   bool      `json:"preload,omitempty"`
	Warnings  []string  `json:"warnings,omitempty"`
	Installed time.Time `json:"installed"`

	// Dropping tells, in the store, that the plugin is being removed from the
	// drop-in folder: it is dropped, whatever lies there.
	Dropping bool `json:"dropping,omitempty"`

	// Revision grows with every change of any plugin: of two records of one
	// plugin the greater is the later.
	Revision uint64 `json:"revision"`
}

// SourceUpload is the source of a plugin whose zip came in the request.
const SourceUpload = "upload"

// Refusal is why an engine did not take a package.
type Refusal struct {
	Engine string `json:"engine"`
	Reason string `json:"reason"`
}

// clone copies the record, so that what is handed out can be changed.
func (r Record) clone() Record {
	r.Requested = slices.Clone(r.Requested)
	r.ShellParas = slices.Clone(r.ShellParas)
	r.Functions = slices.Clone(r.Functions)
	r.Sources = slices.Clone(r.Sources)
	r.Sinks = slices.Clone(r.Sinks)
	r.Encodings = maps.Clone(r.Encodings)
	r.Refused = slices.Clone(r.Refused)
	r.Warnings = slices.Clone(r.Warnings)
	return r
}

func (r Record) id() id { return id{r.Kind, r.Name} }

// folder names this version among the plugin's.
func (r Record) folder() string { return cmp.Or(r.Folder, r.Digest) }

// SourceShown is Source as it may be shown: a password in it is left out.
func (r Record) SourceShown() string { return archive.Redacted(r.Source) }

// id names a plugin: names are unique in a kind.
type id struct {
	kind Kind
	name string
}

// String is "functions/echo".
func (i id) String() string { return i.kind.String() + "/" + i.name }

// Store keeps records durably. Each method is one transaction, on disk when it
// returns. It is safe for concurrent use.
type Store interface {
	// Load returns every record, in no particular order.
	Load() ([]Record, error)
	// Put adds records, or replaces those of the same kind and name, all in
	// one transaction.
	Put(...Record) error
	// Delete removes a record; removing none is no error.
	Delete(kind Kind, name string) error
	// Fresh tells that the store was made anew when it was opened, because
	// there was none or it was damaged, and that nobody settled it since. The
	// host then takes the records that lie beside the packages.
	Fresh() bool
	// Settle tells that what lies beside the store was looked at: the next
	// time it is opened it is not fresh.
	Settle() error
}
