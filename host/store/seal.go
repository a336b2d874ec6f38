package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"berth/host"
)

// format is the version of what this package writes. A file with a greater one
// is refused.
const format = 1

const (
	metaBucket = "meta"
	sealKey    = "seal"
)

// seal says what is in the file. It is kept as its JSON, prefixed with a
// checksum of that in hex.
type seal struct {
	Format  int    `json:"format"`
	Changes uint64 `json:"changes"` // since the file was made
	Records int    `json:"records"`
	Sum     sum    `json:"sum"` // all entrySums, by exclusive or
}

// sum is written in hex: a JSON number loses bits in the hands of other tools.
type sum uint64

func (s sum) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(s)), nil }

func (s *sum) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*s = sum(n)
	return err
}

// entrySum depends on every byte of an entry and on where it is.
func entrySum(bucket string, key, value []byte) sum {
	buf := make([]byte, 0, 16+len(bucket)+len(key)+len(value))
	buf = binary.LittleEndian.AppendUint64(buf, uint64(len(bucket)))
	buf = append(buf, bucket...)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(len(key)))
	buf = append(buf, key...)
	buf = append(buf, value...)
	digest := sha256.Sum256(buf)
	return sum(binary.LittleEndian.Uint64(digest[:]))
}

// replace accounts for an entry that changes; nil is none.
func (s *seal) replace(bucket string, key, old, value []byte) {
	if old != nil {
		s.Records--
		s.Sum ^= entrySum(bucket, key, old)
	}
	if value != nil {
		s.Records++
		s.Sum ^= entrySum(bucket, key, value)
	}
	s.Changes++
}

func (s seal) write(tx *bbolt.Tx) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	meta, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
	if err != nil {
		return err
	}
	return meta.Put([]byte(sealKey), []byte(checkOf(data)+" "+string(data)))
}

func readSeal(tx *bbolt.Tx) (s seal, err error) {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return s, damaged("it has no bucket %q", metaBucket)
	}
	return parseSeal(meta.Get([]byte(sealKey)))
}

func checkOf(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:4])
}

// errNewer refuses a file that a later version of Berth wrote.
var errNewer = errors.New("it was written by a newer version of berth: use that one, or give this one another data folder")

func parseSeal(value []byte) (s seal, err error) {
	check, data, ok := strings.Cut(string(value), " ")
	if !ok || check != checkOf([]byte(data)) {
		return s, damaged("the seal's checksum is wrong")
	}
	if err := json.Unmarshal([]byte(data), &s); err != nil {
		return s, damaged("the seal: %w", err)
	}
	if s.Format > format {
		return s, fmt.Errorf("%w (its format is %d, this version knows %d)", errNewer, s.Format, format)
	}
	return s, nil
}

// audit takes every entry of the file, in any order, and tells whether they are
// all and what they were.
type audit struct {
	records []host.Record
	found   seal
	entries int
	sealed  []byte // the seal as it was found
	faults  []error
}

// add takes an entry; it keeps no slice. Its error is always nil: what is
// wrong is told by finish, which first looks at the format.
func (a *audit) add(bucket string, key, value []byte) error {
	a.entries++
	if bucket == metaBucket {
		if string(key) == sealKey {
			a.sealed = slices.Clone(value)
		}
		return nil
	}
	a.found.replace(bucket, key, nil, value)
	var r host.Record
	if err := json.Unmarshal(value, &r); err != nil {
		a.faults = append(a.faults, damaged("the record %q in %q: %w", key, bucket, err))
		return nil
	}
	if r.Kind.String() != bucket || r.Name != string(key) {
		a.faults = append(a.faults, damaged("the record %q in %q is about another plugin", key, bucket))
		return nil
	}
	a.records = append(a.records, r)
	return nil
}

// finish compares what was found with the seal.
func (a *audit) finish() error {
	s, err := parseSeal(a.sealed)
	if err != nil {
		return err
	}
	if len(a.faults) > 0 {
		return a.faults[0]
	}
	if a.found.Records != s.Records || a.found.Sum != s.Sum {
		return damaged("%d records with the sum %016x were found, the seal says %d with %016x",
			a.found.Records, uint64(a.found.Sum), s.Records, uint64(s.Sum))
	}
	a.found = s
	return nil
}
