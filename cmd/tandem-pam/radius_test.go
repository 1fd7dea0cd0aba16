package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/verify"
)

// silent is a server that takes packets and never answers; asked gets one signal for each.
func silent(t *testing.T) (addr string, asked <-chan struct{}) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	got := make(chan struct{}, 100)
	go func() {
		b := make([]byte, 4096)
		for {
			if _, _, err := c.ReadFrom(b); err != nil {
				return
			}
			got <- struct{}{}
		}
	}()
	return c.LocalAddr().String(), got
}

func remoteFor(servers ...string) *remoteCore {
	return &remoteCore{remote{
		Servers: servers, Timeout: 3 * time.Second, Retries: 1, Asks: "password", Prompt: "Code: ", NASIdentifier: "test",
		secret: secret.New("a shared secret"),
	}}
}

// TestRow40_WhatCannotBeAskedIsANo: a user chooses what is typed, and must not be able to make the servers look
// out of reach.
func TestRow40_WhatCannotBeAskedIsANo(t *testing.T) {
	addr, asked := silent(t)
	for name, a := range map[string]verify.Attempt{
		"long password": {User: "alice", Secret: secret.New(strings.Repeat("x", 129))},
		"long name":     {User: strings.Repeat("a", 254), Secret: secret.New("x")},
		"no name":       {Secret: secret.New("x")},
		"no password":   {User: "alice"},
	} {
		if v := remoteFor(addr).Start(t.Context(), a); v.Outcome != verify.Reject || !v.Hold {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if len(asked) != 0 {
		t.Errorf("the server was asked %d times", len(asked))
	}
}

func TestASilentServerLeavesTimeForTheNext(t *testing.T) {
	first, _ := silent(t)
	second, asked := silent(t)
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	v := remoteFor(first, second).Start(ctx, verify.Attempt{User: "alice", Secret: secret.New("x")})
	if v.Outcome != verify.Unavailable {
		t.Errorf("nobody answered: %+v", v)
	}
	select {
	case <-asked:
	default:
		t.Error("the second server was not asked")
	}
}

func TestFirstQuestionAfterAKey(t *testing.T) {
	c := remoteFor("127.0.0.1:1")
	done := verify.Attempt{User: "alice", FirstFactorDone: true}
	if v := c.Start(t.Context(), done); v.Outcome != verify.Challenge || v.Message != "Password: " {
		t.Errorf("servers that want a password: %+v", v)
	}
	c.remote.Asks = "code"
	if v := c.Start(t.Context(), done); v.Outcome != verify.Challenge || v.Message != "Code: " {
		t.Errorf("servers that want the code alone: %+v", v)
	}
}
