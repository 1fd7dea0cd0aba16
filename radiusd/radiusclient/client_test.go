package radiusclient

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tandem/internal/secret"
	"tandem/radiusd/msgauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "testing123"

// fakeServer answers the n-th packet it receives (from 0) with whatever answer returns.
func fakeServer(t *testing.T, answer func(n int, request []byte) [][]byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, radius.MaxPacketLength)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			for _, reply := range answer(n, bytes.Clone(buffer[:size])) {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return conn.LocalAddr().String()
}

// respond makes an authentic reply after change has had its way with the packet.
func respond(t *testing.T, request []byte, code radius.Code, change func(*radius.Packet)) []byte {
	t.Helper()
	p, err := radius.Parse(request, []byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	reply := p.Response(code)
	if change != nil {
		change(reply)
	}
	b, err := msgauth.Encode(reply)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func config(addr string) Config {
	return Config{Addr: addr, Secret: secret.New(testSecret), Timeout: 10 * time.Second}
}

func TestExchange(t *testing.T) {
	requests := make(chan []byte, 1)
	addr := fakeServer(t, func(_ int, r []byte) [][]byte {
		requests <- r
		return [][]byte{append(respond(t, r, radius.CodeAccessChallenge, func(p *radius.Packet) {
			p.Add(rfc2865.State_Type, radius.Attribute("state"))
			p.Add(rfc2865.ReplyMessage_Type, radius.Attribute("Co"))
			p.Add(rfc2865.ReplyMessage_Type, radius.Attribute("de: "))
			p.Add(rfc2865.SessionTimeout_Type, radius.NewInteger(120))
			p.Add(rfc2869.Prompt_Type, radius.NewInteger(1))
		}), "padding"...)}
	})
	reply, err := Exchange(t.Context(), config(addr), Request{
		User: "alice", Password: secret.New("secret123456"), State: []byte("before"), NASIdentifier: "nas", CallingStation: "station",
		Extra: radius.Attributes{{Type: rfc2865.ProxyState_Type, Attribute: []byte("p")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if reply.Code != radius.CodeAccessChallenge || reply.Message != "Code: " || string(reply.State) != "state" ||
		reply.Timeout != 2*time.Minute || reply.Prompt != rfc2869.Prompt_Value_Echo || len(reply.Attributes) != 6 {
		t.Errorf("the reply is %+v", reply)
	}
	request := <-requests
	p, err := radius.Parse(request, []byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	var types []radius.Type
	for _, a := range p.Attributes {
		types = append(types, a.Type)
	}
	want := []radius.Type{80, 1, 2, 24, 32, 31, 33}
	for i := range want {
		if len(types) != len(want) || types[i] != want[i] {
			t.Fatalf("the request's attributes are %v, want %v", types, want)
		}
	}
	if !msgauth.Valid(request, 22, p.Authenticator, []byte(testSecret)) {
		t.Error("the request's Message-Authenticator is wrong")
	}
	if got := rfc2865.UserPassword_GetString(p); got != "secret123456" {
		t.Errorf("the password is %q", got)
	}
}

func TestOmitMessageAuthenticator(t *testing.T) {
	addr := fakeServer(t, func(_ int, r []byte) [][]byte {
		if r[20] != 1 {
			t.Errorf("the request begins with attribute %d", r[20])
		}
		return [][]byte{respond(t, r, radius.CodeAccessAccept, nil)}
	})
	if _, err := Exchange(t.Context(), config(addr), Request{User: "alice", OmitMessageAuthenticator: true}); err != nil {
		t.Error(err)
	}
}

// Whoever can send us packets must not be able to make us believe anything.
func TestForgedAndOddRepliesAreIgnored(t *testing.T) {
	junk := map[string]func(r []byte) []byte{
		"empty":      func([]byte) []byte { return nil },
		"garbage":    func([]byte) []byte { return []byte("garbage garbage garbage garbage") },
		"echo":       func(r []byte) []byte { return r },
		"other code": func(r []byte) []byte { return respond(t, r, radius.CodeAccountingResponse, nil) },
		"other secret": func(r []byte) []byte {
			return respond(t, r, radius.CodeAccessAccept, func(p *radius.Packet) { p.Secret = []byte("other") })
		},
		"other identifier": func(r []byte) []byte {
			return respond(t, r, radius.CodeAccessAccept, func(p *radius.Packet) { p.Identifier++ })
		},
		"other request": func(r []byte) []byte {
			return respond(t, r, radius.CodeAccessAccept, func(p *radius.Packet) { p.Authenticator[0]++ })
		},
		"unsigned": func(r []byte) []byte { // what the attack of CVE-2024-3596 can forge
			p, _ := radius.Parse(r, []byte(testSecret))
			b, _ := p.Response(radius.CodeAccessAccept).Encode()
			return b
		},
		"two Message-Authenticators": func(r []byte) []byte {
			return respond(t, r, radius.CodeAccessAccept, func(p *radius.Packet) { p.Add(80, make([]byte, 16)) })
		},
		"only the Response Authenticator is wrong": func(r []byte) []byte {
			b := respond(t, r, radius.CodeAccessAccept, nil)
			b[5]++
			return b
		},
		"length beyond the packet": func(r []byte) []byte {
			b := respond(t, r, radius.CodeAccessAccept, nil)
			b[3]++
			return b
		},
	}
	for name, forge := range junk {
		t.Run(name, func(t *testing.T) {
			addr := fakeServer(t, func(_ int, r []byte) [][]byte {
				return [][]byte{forge(r), respond(t, r, radius.CodeAccessReject, nil)}
			})
			reply, err := Exchange(t.Context(), config(addr), Request{User: "alice"})
			if err != nil || reply.Code != radius.CodeAccessReject {
				t.Errorf("believed %+v (%v)", reply, err)
			}
		})
	}
}

func TestRetransmissionsAreTheSameBytes(t *testing.T) {
	var first []byte
	addr := fakeServer(t, func(n int, r []byte) [][]byte {
		if n == 0 {
			first = r
		}
		if !bytes.Equal(r, first) {
			t.Error("a retransmission differs")
		}
		if n < 2 {
			return nil
		}
		return [][]byte{respond(t, r, radius.CodeAccessAccept, nil)}
	})
	c := config(addr)
	c.Timeout, c.Retries = 20*time.Millisecond, 500
	if _, err := Exchange(t.Context(), c, Request{User: "alice"}); err != nil {
		t.Error(err)
	}
}

func TestNoReplySaysWhatToCheck(t *testing.T) {
	addr := fakeServer(t, func(_ int, r []byte) [][]byte { return [][]byte{r} })
	c := config(addr)
	c.Timeout, c.Retries = 20*time.Millisecond, 2
	_, err := Status(t.Context(), c)
	if !errors.Is(err, ErrNoReply) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{addr, "packets ignored", "shared secrets"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), testSecret) {
		t.Error("the error holds the secret")
	}
}

func TestNobodyListens(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().String()
	_ = conn.Close()
	c := config(addr)
	c.Timeout, c.LocalAddr = 20*time.Millisecond, netip.MustParseAddrPort("127.0.0.5:0")
	if _, err := Status(t.Context(), c); !errors.Is(err, ErrNoReply) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
}

func TestContextEndsTheWait(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := fakeServer(t, func(int, []byte) [][]byte { cancel(); return nil })
	if _, err := Status(ctx, config(addr)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRequestsThatCannotBeMade(t *testing.T) {
	for _, test := range []struct {
		config  Config
		request Request
		want    string
	}{
		{Config{Addr: "127.0.0.1:1812"}, Request{}, "no shared secret"},
		{config("127.0.0.1:1812"), Request{Password: secret.New(strings.Repeat("x", 129))}, "128"},
		{config("127.0.0.1:1812"), Request{User: strings.Repeat("x", 254)}, "too large"},
		{config("127.0.0.1"), Request{}, "missing port"},
	} {
		if _, err := Exchange(t.Context(), test.config, test.request); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want it to say %q", err, test.want)
		}
	}
}
