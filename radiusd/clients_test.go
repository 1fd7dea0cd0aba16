package radiusd

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"tandem/internal/secret"
)

// netipPort returns at with another port.
func netipPort(at netip.AddrPort, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(at.Addr(), port)
}

// client makes a client of networks.
func client(name string, networks ...string) Client {
	c := Client{Name: name, Secret: secret.New(testSecret)}
	for _, n := range networks {
		c.Networks = append(c.Networks, netip.MustParsePrefix(n))
	}
	return c
}

func TestMostSpecificClientWins(t *testing.T) {
	table, err := newClientTable([]Client{
		client("all", "0.0.0.0/0"),
		client("ten", "10.0.0.0/8", "2001:db8::/32"),
		client("one", "10.1.2.3/32", "2001:db8::1/128", "fe80::/10"),
		client("net", "10.1.0.0/16"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"10.1.2.3": "one", "10.1.2.4": "net", "10.2.0.1": "ten", "192.0.2.1": "all",
		"2001:db8::1": "one", "2001:db8::2": "ten", "2001:db9::1": "",
		"::ffff:10.1.2.3": "one", // IPv4-mapped, as a dual-stack socket would say it
		"fe80::1%eth0":    "one",
	} {
		got := ""
		if c := table.find(netip.MustParseAddr(addr)); c != nil {
			got = c.Name
		}
		if got != want {
			t.Errorf("%s belongs to %q, want %q", addr, got, want)
		}
	}
}

func TestBadClientsAreAllReported(t *testing.T) {
	odd := client("odd", "192.0.2.0/24")
	odd.Charset, odd.Secret = "ebcdic", secret.String{}
	_, err := newClientTable([]Client{
		client("a", "10.0.0.0/8"), client("b", "10.0.0.0/8"), client("a", "11.0.0.0/8"),
		client("", "12.0.0.0/8"), client("hosts", "10.0.0.1/8"), client("mapped", "::ffff:10.0.0.0/104"),
		client("nowhere"), odd,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`"a" and "b" both have the network 10.0.0.0/8`, `"a": the name is used twice`, `it has no name`,
		`write 10.0.0.0/8 or 10.0.0.1/32`, `"mapped": the network ::ffff:10.0.0.0/104 is IPv4 in IPv6`,
		`"nowhere": it has no network`, `"odd": it has no secret`, `"odd": unknown charset "ebcdic"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), testSecret) {
		t.Error("the error holds a secret")
	}
}

func TestRow07_UnknownSourceIsDroppedUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, &fakeCore{}, nil)
		for _, raw := range [][]byte{ask{}.bytes(t), ask{unsigned: true}.bytes(t), []byte("garbage"), nil} {
			b.put(raw, fromUnknown)
		}
		b.noReply()
		b.wantCalls(0)
		b.wantDropped(dropUnknownClient, 4) // and not one was parsed:
		for _, reason := range allDropReasons {
			if reason != dropUnknownClient {
				b.wantDropped(reason, 0)
			}
		}
		if log := b.logs.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "203.0.113.7") {
			t.Errorf("want one line that names the address:\n%s", log)
		}
	})
}
