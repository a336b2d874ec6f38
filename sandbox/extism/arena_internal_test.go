package extism

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

func TestArenaLayout(t *testing.T) {
	a := newArena(1 << 20)
	previous := uint64(0)
	for n := uint64(1); n < 200; n++ {
		h := a.alloc(n)
		if h < base || h%8 != 0 || h < previous+slack {
			t.Fatalf("block of %d bytes at %#x, the one before ends at %#x", n, h, previous)
		}
		previous = h + n
		if end := uint64(base + len(a.mem)); previous+slack > end {
			t.Fatalf("block of %d bytes ends at %#x, the arena at %#x", n, previous, end)
		}
	}
}

// The limit holds to the byte, whatever its size.
func TestArenaLimit(t *testing.T) {
	for _, limit := range []int64{math.MinInt64, 0, minArena, minArena + 1, 1<<20 - 7, 1 << 20} {
		a := newArena(limit)
		most := uint64(a.limit - blockCost - slack)
		if a.alloc(most+1) != 0 {
			t.Errorf("limit %d: a block of %d bytes", limit, most+1)
		}
		if a.alloc(most) == 0 || a.alloc(1) != 0 {
			t.Errorf("limit %d: no block of %d bytes, or one more", limit, most)
		}
		if size := a.size(); size > int64(a.limit)+blockCost {
			t.Errorf("limit %d: %d bytes are held", limit, size)
		}
	}
	if a := newArena(math.MaxInt64); a.limit != base {
		t.Errorf("limit %d", a.limit)
	}
}

func TestArenaKeepsMemory(t *testing.T) {
	a := newArena(8 << 20)
	a.alloc(100_000)
	held := cap(a.mem)
	a.reset()
	if cap(a.mem) != held || len(a.mem) != page {
		t.Errorf("%d bytes are held, %d were; %d are visible", cap(a.mem), held, len(a.mem))
	}
	if a.trim(1 << 20) {
		t.Error("a small arena was trimmed")
	}
	a.alloc(2 << 20)
	if !a.trim(1<<20) || cap(a.mem) != page || a.limit != 8<<20 {
		t.Errorf("%d bytes are held, the limit is %d", cap(a.mem), a.limit)
	}
}

// What was written is zeroed, and only that is: the rest was zero before.
func TestArenaIsZero(t *testing.T) {
	a := newArena(8 << 20)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		for range random.IntN(20) {
			a.alloc(random.Uint64N(5000))
			p := base + random.Uint64N(uint64(len(a.mem)))
			switch random.IntN(3) {
			case 0:
				a.storeU8(p, 1)
			case 1:
				a.storeU64(p, math.MaxUint64)
			case 2:
				put(&a, make([]byte, 10))
			}
		}
		a.reset()
		for i, b := range a.mem[:cap(a.mem)] {
			if b != 0 {
				t.Fatalf("byte %d is %d", i, b)
			}
		}
	}
}

func TestArenaReadFrom(t *testing.T) {
	content := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{}).Read(content)
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"whole":     func(r io.Reader) io.Reader { return r },
		"halves":    iotest.HalfReader,
		"with EOF":  iotest.DataErrReader,
		"scribbler": func(r io.Reader) io.Reader { return scribbler{r} },
	} {
		t.Run(name, func(t *testing.T) {
			for _, hint := range []int64{-1, 0, 1, int64(len(content)), math.MaxInt64} {
				a := newArena(1 << 20)
				before, after := a.alloc(3), uint64(0)
				h, err := a.readFrom(reader(bytes.NewReader(content)), 300_000, hint)
				if err != nil || !bytes.Equal(a.bytes(h), content) {
					t.Fatalf("hint %d: %d bytes, %v", hint, len(a.bytes(h)), err)
				}
				if after = a.alloc(5_000); before >= h || after < h+uint64(len(content))+slack {
					t.Errorf("hint %d: blocks at %#x, %#x, %#x", hint, before, h, after)
				}
				for _, b := range a.bytes(after) {
					if b != 0 {
						t.Fatalf("hint %d: the next block is not zero", hint)
					}
				}
			}
		})
	}
	a := newArena(1 << 20)
	source := bytes.NewReader(content)
	if _, err := a.readFrom(source, 70_000, -1); err != errOversize || source.Len() != len(content)-70_001 {
		t.Errorf("error %v, %d bytes are left", err, source.Len())
	}
	if _, err := a.readFrom(bytes.NewReader(make([]byte, 2<<20)), math.MaxInt32, -1); err != errArenaFull {
		t.Errorf("error %v", err)
	}
	broken := errors.New("broken")
	if _, err := a.readFrom(iotest.ErrReader(broken), 1, -1); err != broken {
		t.Errorf("error %v", err)
	}
	if h, err := a.readFrom(bytes.NewReader(nil), 0, 0); h != 0 || err != nil {
		t.Errorf("%#x, %v", h, err)
	}
	// A failed read is zeroed like everything else.
	a.reset()
	if i := bytes.IndexFunc(a.mem[:cap(a.mem)], func(r rune) bool { return r != 0 }); i >= 0 {
		t.Errorf("byte %d is not zero", i)
	}
}

// scribbler uses all of the buffer that it is given, as readers may.
type scribbler struct{ io.Reader }

func (s scribbler) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:(len(p)+1)/2])
	for i := range p[n:] {
		p[n+i] = 0xff
	}
	return n, err
}
