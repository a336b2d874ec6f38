package sandbox

import (
	"bytes"
	"testing"

	"berth/host"
)

// FuzzBerthResult: whatever a guest returns, the view lies in its memory.
func FuzzBerthResult(f *testing.F) {
	pack := func(ptr, length uint32) uint64 { return uint64(ptr)<<32 | uint64(length) }
	for _, packed := range []uint64{
		0, 1, pack(1024, 4), pack(65532, 4), pack(65532, 5), pack(65536, 0), pack(65536, 1), pack(1<<32-16, 32),
		pack(1024, 1<<31-1), pack(1024, 1<<31), pack(1024, 1<<31|4), pack(0, 1<<32-1), 1<<64 - 1,
	} {
		f.Add(packed, uint8(0), int64(1<<20))
		f.Add(packed, uint8(3), int64(3))
		f.Add(packed, uint8(15), int64(0))
	}
	m := bareModule(f, "echo", "interpreter")
	f.Fuzz(func(t *testing.T, packed uint64, pages uint8, limit int64) {
		s, err := m.instantiate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		if _, ok := s.memory.Grow(uint32(pages % 16)); !ok {
			t.Fatal("memory does not grow")
		}
		all, _ := s.memory.Read(0, s.memory.Size())
		for i := range all {
			all[i] = byte(i ^ i>>8 ^ i>>16)
		}
		ptr, length := uint64(packed>>32), packed&(1<<31-1)
		view, failed, err := berthResult(s.memory, packed, host.Bytes(limit))
		switch {
		case failed != (packed&berthFailed != 0):
			t.Errorf("%x: failed is %t", packed, failed)
		case err != nil:
			if host.CodeOf(err) != host.CodeTrap {
				t.Errorf("%x: code of %v", packed, err)
			}
			if view != nil {
				t.Errorf("%x: a view beside the error", packed)
			}
			if length == 0 && limit >= 0 || ptr+length <= uint64(len(all)) && (failed || int64(length) <= limit) {
				t.Errorf("%x: a good result is refused: %v", packed, err)
			}
		case uint64(len(view)) != length:
			t.Errorf("%x: a view of %d bytes", packed, len(view))
		case !failed && int64(len(view)) > limit:
			t.Errorf("%x: a view of %d bytes, over the limit of %d", packed, len(view), limit)
		case length > 0 && !bytes.Equal(view, all[ptr:ptr+length]):
			t.Errorf("%x: the view is not what lies at %d", packed, ptr)
		}
	})
}
