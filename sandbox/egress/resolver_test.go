package egress

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

// nameServer is a DNS server for tests.
type nameServer struct {
	// answer returns the addresses of a name, at its nth question for IPv4
	// addresses (from 0); none means that there is no such name.
	answer    func(name string, nth int) []netip.Addr
	questions atomic.Int64 // for IPv4 addresses
}

// resolver starts the server and returns a resolver that asks it.
func (s *nameServer) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve(conn)
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", conn.LocalAddr().String())
	}}
}

func (s *nameServer) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := s.reply(buf[:n]); reply != nil {
			_, _ = conn.WriteTo(reply, from)
		}
	}
}

// reply answers a query that has one question, as RFC 1035 lays it out.
func (s *nameServer) reply(query []byte) []byte {
	const header = 12
	if len(query) < header {
		return nil
	}
	var labels []string
	at := header
	for at < len(query) && query[at] != 0 {
		end := at + 1 + int(query[at])
		if end >= len(query) {
			return nil
		}
		labels = append(labels, string(query[at+1:end]))
		at = end
	}
	question := query[header:min(at+5, len(query))]
	const typeA = 1
	var addresses []netip.Addr
	if isA := binary.BigEndian.Uint16(query[at+1:]) == typeA; isA {
		nth := s.questions.Add(1) - 1
		addresses = s.answer(strings.ToLower(strings.Join(labels, ".")), int(nth))
	}
	reply := append([]byte{}, query[:2]...)
	reply = append(reply, 0x81, 0x80, 0, 1, 0, byte(len(addresses)), 0, 0, 0, 0)
	reply = append(reply, question...)
	for _, a := range addresses {
		reply = append(reply, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, a.AsSlice()...)
	}
	return reply
}

// loopbackNames resolves every name to 127.0.0.1.
func loopbackNames(t *testing.T) *net.Resolver {
	s := &nameServer{answer: func(string, int) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} }}
	return s.resolver(t)
}
