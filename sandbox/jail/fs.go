package jail

import (
	"fmt"
	"os"
	"sync"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// DefaultMaxOpen is how many files and folders may be open at once if
// Options.MaxOpen is 0.
const DefaultMaxOpen = 256

// Options are the bounds of an FS. The zero value can write without a bound on
// bytes and entries.
type Options struct {
	ReadOnly   bool  // what would change anything fails with EROFS
	MaxBytes   int64 // the sum of all files' sizes; 0: no bound
	MaxEntries int64 // files, folders and links below the folder; 0: no bound
	MaxOpen    int   // files and folders open at once, the guest's root of each instance among them; 0: DefaultMaxOpen
}

// Usage is what guests take of an FS. Bytes and Entries are counted only where
// Options bound one of them.
type Usage struct {
	Bytes, Entries int64
	Open           int
}

// FS is a folder as wazero's file system: see sysfs.FSConfig's WithSysFSMount.
// It is safe for concurrent use, and meant to be shared by all instances of a
// plugin. Its files belong to the instance that opened them.
type FS struct {
	sys.UnimplementedFS

	root     *os.Root
	readOnly bool
	counts   bool // bytes and entries

	// tree is held to read while a file is opened, and to write while names
	// change, so that what a name stands for is what is charged or credited.
	// It is held across I/O of the folder, and before locks of files.
	tree sync.RWMutex

	ledger ledger
	inodes inodes
}

// New opens a folder, which has to be there. With bounds on bytes or entries it
// walks the folder to count what they are already; more than the bounds is no
// error, but then nothing more is allowed. The caller closes the FS.
func New(dir string, o Options) (*FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("file system of a guest: %w", err)
	}
	return Of(root, o)
}

// Of makes an FS of a folder that is open, as New does. The FS owns root from
// then on, and so does a failure: it closes root.
func Of(root *os.Root, o Options) (*FS, error) {
	if o.MaxBytes < 0 || o.MaxEntries < 0 || o.MaxOpen < 0 {
		_ = root.Close()
		return nil, fmt.Errorf("file system of %s: a bound is negative", root.Name())
	}
	f := &FS{root: root, readOnly: o.ReadOnly, inodes: inodes{open: map[identity]*inode{}}}
	f.ledger.bytes.most = o.MaxBytes
	f.ledger.entries.most = o.MaxEntries
	f.ledger.open.most = int64(o.MaxOpen)
	if o.MaxOpen == 0 {
		f.ledger.open.most = DefaultMaxOpen
	}
	f.counts = !o.ReadOnly && (o.MaxBytes > 0 || o.MaxEntries > 0)
	if f.counts {
		if err := f.ledger.count(root); err != nil {
			_ = root.Close()
			return nil, fmt.Errorf("count what is in %s: %w", root.Name(), err)
		}
	}
	return f, nil
}

// Close closes the folder. Files that are open stay so until they are closed;
// everything else fails with EBADF from then on.
func (f *FS) Close() error { return f.root.Close() }

// Usage returns what is used at the moment.
func (f *FS) Usage() Usage {
	u := Usage{Open: int(f.ledger.open.used.Load())}
	if f.counts {
		u.Bytes, u.Entries = f.ledger.bytes.used.Load(), f.ledger.entries.used.Load()
	}
	return u
}

// String returns the folder, for messages of the host.
func (f *FS) String() string { return f.root.Name() }
