package jail

import (
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/tetratelabs/wazero/sys"
)

// account is a bounded count. It is safe for concurrent use.
type account struct {
	most int64 // 0: no bound
	used atomic.Int64
}

// charge adds n, which is not negative, unless that goes beyond the bound.
func (a *account) charge(n int64) bool {
	for {
		used := a.used.Load()
		if n > 0 && a.most > 0 && n > a.most-used {
			return false
		}
		if a.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// credit takes n off again, down to 0.
func (a *account) credit(n int64) {
	for {
		used := a.used.Load()
		if a.used.CompareAndSwap(used, max(0, used-n)) {
			return
		}
	}
}

// ledger counts what guests take of the host.
type ledger struct {
	bytes   account
	entries account
	open    account
}

// count charges what is in a folder already, whatever the bounds.
func (l *ledger) count(root *os.Root) error {
	seen := map[identity]bool{} // files with several names
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == "." {
			return nil
		}
		l.entries.used.Add(1)
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := sys.NewStat_t(info)
		if st.Nlink > 1 {
			id := identify(st)
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		l.bytes.used.Add(st.Size)
		return nil
	})
}
