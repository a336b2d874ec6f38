package sandbox

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPoolTrimMeetsPut replays, step by step, a put that is overtaken: before it
// looks again whether somebody waits, somebody does, and the trim comes by.
func TestPoolTrimMeetsPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(2)
		a, b := mustGet(t, p), mustGet(t, p)
		waiter := getLater(t.Context(), p)
		p.warm[0].slot.Store(a) // what put does, after it saw nobody wait
		p.trim()
		p.putBack(p.warm[0].slot.Swap(nil)) // what put does next
		if r := <-waiter; r.slot != a {
			t.Errorf("the waiter got %+v, and the slot lies in the list", r)
		}
		p.put(a)
		p.put(b)
		end(t, p, f)
	})
}

// TestPoolTrimOneAtATime: callers on many stripes that need one slot at a time
// keep one.
func TestPoolTrimOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(8)
		var all []*slot
		for range 8 {
			all = append(all, mustGet(t, p))
		}
		for i, s := range all {
			p.warm[i%len(p.warm)].slot.Store(s)
		}
		for range 3 {
			for i := range 40 {
				if len(p.warm) == 0 {
					break
				}
				own := &p.warm[i%len(p.warm)].slot // as goroutines on other stripes do
				s := own.Swap(nil)
				if s == nil {
					p.mu.Lock()
					s = p.takeFree()
					p.mu.Unlock()
				}
				p.putBack(own.Swap(s))
			}
			time.Sleep(testIdle + 1)
		}
		wantUsage(t, p, 1, 0)
		end(t, p, f)
	})
}
