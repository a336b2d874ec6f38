package egress

import (
	"net/netip"
	"testing"
)

func TestClassify(t *testing.T) {
	for _, s := range []string{
		"1.1.1.1", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "198.17.255.255",
		"198.20.0.0", "223.255.255.255", "2606:2800:220:1::1", "2001:4860:4860::8888", "2a00::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1",
	} {
		if kind := classify(netip.MustParseAddr(s)); kind != "" {
			t.Errorf("%s is %s", s, kind)
		}
	}
	for s, want := range map[string]string{
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "10.0.0.1": "private", "172.16.0.1": "private", "172.31.255.255": "private", "192.168.1.1": "private",
		"100.64.0.1": "shared (carrier-grade NAT)", "100.127.255.255": "shared (carrier-grade NAT)", "127.0.0.1": "loopback", "127.255.255.254": "loopback",
		"169.254.169.254": "link-local", "192.0.0.8": "protocol assignments", "192.0.2.1": "documentation", "198.51.100.1": "documentation", "203.0.113.1": "documentation",
		"198.18.0.1": "benchmarking", "198.19.255.255": "benchmarking", "192.88.99.1": "6to4 relay", "224.0.0.1": "multicast", "239.255.255.255": "multicast",
		"240.0.0.1": "reserved or broadcast", "255.255.255.255": "reserved or broadcast",
		"::": "unspecified", "::1": "loopback", "::127.0.0.1": "IPv4-compatible", "::8.8.8.8": "IPv4-compatible", "fe80::1": "link-local", "febf::1": "link-local",
		"fec0::1": "reserved", "fc00::1": "unique local (private)", "fd00:ec2::254": "unique local (private)", "ff02::1": "multicast", "100::1": "discard-only",
		"2001::1": "protocol assignments", "2001:2::1": "protocol assignments", "2001:db8::1": "documentation", "3fff::1": "documentation", "5f00::1": "reserved",
		"4000::1": "reserved", "64:ff9b:1::1": "local translation",
		"::ffff:127.0.0.1": "loopback", "::ffff:10.0.0.1": "private", "::ffff:169.254.169.254": "link-local",
		"64:ff9b::7f00:1": "loopback", "64:ff9b::a9fe:a9fe": "link-local", "64:ff9b::a00:1": "private",
		"2002:7f00:1::1": "loopback", "2002:a00:1::": "private", "2002:a9fe:a9fe::1": "link-local", "2002:c0a8:101::": "private",
	} {
		if kind := classify(netip.MustParseAddr(s)); kind != want {
			t.Errorf("%s is %q, want %q", s, kind, want)
		}
	}
}

func TestAddressRanges(t *testing.T) {
	c, err := New(Policy{
		Hosts: []string{"*", "10.9.9.9", "fd00::1", "localhost"},
		Addresses: []netip.Prefix{
			netip.MustParsePrefix("192.168.7.0/24"), netip.MustParsePrefix("fd12::/16"), netip.MustParsePrefix("::ffff:172.16.0.0/112"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, tt := range []struct {
		host, address string
		allowed       bool
	}{
		{"a.test", "93.184.216.34:443", true},
		{"a.test", "192.168.7.1:80", true},
		{"a.test", "[::ffff:192.168.7.1]:80", true},
		{"a.test", "[64:ff9b::c0a8:701]:80", true},
		{"a.test", "192.168.8.1:80", false},
		{"a.test", "[fd12::1]:80", true},
		{"a.test", "[fd13::1]:80", false},
		{"a.test", "172.16.0.1:80", true},
		{"a.test", "172.16.1.1:80", true},
		{"a.test", "172.17.0.1:80", false},
		{"a.test", "[fe80::1%eth0]:80", false},
		{"10.9.9.9", "10.9.9.9:80", true},
		{"10.9.9.8", "10.9.9.8:80", false},
		{"a.test", "10.9.9.9:80", false}, // the pattern is for URLs that name the address
		{"fd00::1", "[fd00::1]:80", true},
		{"localhost", "127.0.0.1:80", true},
		{"localhost", "[::1]:80", true},
		{"localhost", "10.0.0.1:80", false},
		{"127.0.0.1", "127.0.0.1:80", false},
		{"a.test", "not an address", false},
	} {
		if err := c.checkAddress(tt.host, tt.address); (err == nil) != tt.allowed {
			t.Errorf("%s at %s: %v", tt.host, tt.address, err)
		}
	}
	if _, err := New(Policy{Addresses: []netip.Prefix{{}, netip.PrefixFrom(netip.IPv4Unspecified(), 99)}}); err == nil {
		t.Error("invalid ranges are accepted")
	}
}
