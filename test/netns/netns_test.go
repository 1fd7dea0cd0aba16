package netns

import (
	"io"
	"net/netip"
	"strings"
	"testing"
)

func TestTwoNetworksSeeEachOtherAndNothingElse(t *testing.T) {
	here, there, elsewhere := New(t), New(t), New(t)
	Join(here, netip.MustParsePrefix("203.0.113.1/24"), there, netip.MustParsePrefix("203.0.113.2/24"))
	l := there.Listen("203.0.113.2:443")
	go func() { // ends with l
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, c.RemoteAddr().String())
			_ = c.Close()
		}
	}()
	c, err := here.Dial("203.0.113.2:443")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	from, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(from), "203.0.113.1:") {
		t.Fatalf("seen as %q, %v", from, err)
	}
	if c, err := elsewhere.Dial("203.0.113.2:443"); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Fatalf("reached from a network without a cable: %v, %v", c, err)
	}
}
