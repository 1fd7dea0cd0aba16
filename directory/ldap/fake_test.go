package ldap

import (
	"bytes"
	"net"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// fake is a server that misbehaves as a test wants, and remembers all that it was sent.
type fake struct {
	url   string
	mu    sync.Mutex
	heard bytes.Buffer
	conns int
	open  map[net.Conn]bool
}

// listen runs serve for each connection until the end of the test, and then closes it.
func listen(t testing.TB, serve func(net.Conn)) *fake {
	t.Helper()
	return listenOn(t, "tcp", "127.0.0.1:0", serve)
}

func listenOn(t testing.TB, network, address string, serve func(net.Conn)) *fake {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{url: "ldap://" + l.Addr().String(), open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns++
			f.open[c] = true
			f.mu.Unlock()
			running.Go(func() {
				defer func() {
					_ = c.Close()
					f.mu.Lock()
					delete(f.open, c)
					f.mu.Unlock()
				}()
				serve(&recorded{c, f})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.mu.Lock()
		for c := range f.open {
			_ = c.Close()
		}
		f.mu.Unlock()
		running.Wait()
	})
	return f
}

// connections counts those that were ever made.
func (f *fake) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns
}

// wasSent reports whether text came in clear.
func (f *fake) wasSent(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Contains(f.heard.Bytes(), []byte(text))
}

type recorded struct {
	net.Conn
	f *fake
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.f.mu.Lock()
	r.f.heard.Write(b[:n])
	r.f.mu.Unlock()
	return n, err
}

// answer makes the response operations to one request; none: the request is left without an answer.
type answer func(request *ber.Packet) []*ber.Packet

// serveLDAP reads requests and sends what a gives for each.
func serveLDAP(a answer) func(net.Conn) {
	return func(c net.Conn) {
		for {
			request, err := ber.ReadPacket(c)
			if err != nil || len(request.Children) < 2 {
				return
			}
			for _, operation := range a(request.Children[1]) {
				if _, err := c.Write(message(request.Children[0].Value.(int64), operation)); err != nil {
					return
				}
			}
		}
	}
}

func message(id int64, operation *ber.Packet) []byte {
	m := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(operation)
	return m.Bytes()
}

// result is an LDAPResult (RFC 4511 §4.1.9) of the kind that answers request.
func result(request *ber.Packet, code int, referrals ...string) []*ber.Packet {
	kinds := map[ber.Tag]ber.Tag{
		goldap.ApplicationBindRequest:     goldap.ApplicationBindResponse,
		goldap.ApplicationSearchRequest:   goldap.ApplicationSearchResultDone,
		goldap.ApplicationExtendedRequest: goldap.ApplicationExtendedResponse,
		goldap.ApplicationModifyRequest:   goldap.ApplicationModifyResponse,
		goldap.ApplicationAddRequest:      goldap.ApplicationAddResponse,
	}
	kind, known := kinds[request.Tag]
	if !known {
		return nil
	}
	r := ber.Encode(ber.ClassApplication, ber.TypeConstructed, kind, nil, "")
	r.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	r.AppendChild(octets(""))
	r.AppendChild(octets("made up by the test"))
	if len(referrals) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
		for _, u := range referrals {
			list.AppendChild(octets(u))
		}
		r.AppendChild(list)
	}
	return []*ber.Packet{r}
}

// entry is a SearchResultEntry.
func entry(dn string, attributes map[string][]string) *ber.Packet {
	e := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
	e.AppendChild(octets(dn))
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for name, values := range attributes {
		a := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		a.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		a.AppendChild(set)
		list.AppendChild(a)
	}
	e.AppendChild(list)
	return e
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

// bindDN is whom a bind request wants to be.
func bindDN(request *ber.Packet) string {
	if request.Tag != goldap.ApplicationBindRequest {
		return ""
	}
	return request.Children[1].Value.(string)
}

// isSearch reports whether request is a search.
func isSearch(request *ber.Packet) bool { return request.Tag == goldap.ApplicationSearchRequest }

// aliceAttributes is an entry that Lookup is content with.
func aliceAttributes() map[string][]string {
	return map[string][]string{"uid": {"alice"}, "entryUUID": {"8a5e2d9c-0000-4000-8000-000000000001"}, "tandemDevices": {totp}}
}
