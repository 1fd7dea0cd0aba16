package ldap

import (
	"net"
	"testing"
	"time"
)

// A connection that waited is good as long as its server has said nothing, however long ago the last operation's
// deadline was.
func TestAConnectionThatWaitedIsLookedAt(t *testing.T) {
	hangUp := make(chan struct{})
	server := listen(t, func(net.Conn) { <-hangUp })
	tcp, err := net.Dial("tcp", server.url[len("ldap://"):])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tcp.Close() }()
	c := &conn{wire: &wire{Conn: tcp}}
	_ = tcp.SetDeadline(time.Unix(1, 0))
	if !c.alive() {
		t.Error("a silent connection counts as closed")
	}
	close(hangUp)
	for deadline := time.Now().Add(10 * time.Second); c.alive(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a connection that the server has closed counts as good")
		}
	}
}
