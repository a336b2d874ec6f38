package egress

import (
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	for _, tt := range []struct{ host, want string }{
		{"Example.COM", "example.com"},
		{"example.com.", "example.com"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"_dmarc.a-b.test", "_dmarc.a-b.test"},
		{"localhost", "localhost"},
		{"127.0.0.1", "127.0.0.1"},
		{"::FFFF:127.0.0.1", "127.0.0.1"},
		{"0:0::1", "::1"},
		{"1.2.3.test", "1.2.3.test"},
		{"0xg.test", "0xg.test"},
		{"test.0xg", "test.0xg"},
	} {
		if got, err := normalize(tt.host); err != nil || got != tt.want {
			t.Errorf("%q: %q, %v; want %q", tt.host, got, err, tt.want)
		}
	}
	for _, host := range []string{
		"", ".", "..", "a..b", ".a", "a..", "bücher.example", "１２７.0.0.1", "evil。com", "a b", "a%41", "a/b", "a\x00", "a,b", "a@b", "[::1]",
		"2130706433", "017700000001", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.1", "127.0.0.1.", "127.0.0.01", "1.2.3.4.5", "a.0x7F", "256.256.256.256", "0x", "a.0x",
		"fe80::1%eth0", "::1%lo", "::ffff:127.0.0.1%eth0", strings.Repeat("a", maxHostBytes+1),
	} {
		if got, err := normalize(host); err == nil {
			t.Errorf("%q is accepted as %q", host, got)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"Example.com.", "127.0.0.1", "::ffff:1.2.3.4", "0x7f.1", "fe80::1%eth0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got, err := normalize(host)
		if err != nil {
			return
		}
		if again, err := normalize(got); err != nil || again != got {
			t.Errorf("%q becomes %q, which becomes %q, %v", host, got, again, err)
		}
		if !ascii(got) || strings.ToLower(got) != got {
			t.Errorf("%q becomes %q", host, got)
		}
	})
}
