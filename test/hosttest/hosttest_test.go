package hosttest_test

import (
	"slices"
	"testing"

	"tandem/test/hosttest"
)

// TestHostWithoutTandem shows that the host itself works: what fails in other tests is then ours.
func TestHostWithoutTandem(t *testing.T) {
	h := hosttest.New(t)
	h.AddUser("alice", "unix password")
	h.WritePAM("sshd", "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n")
	port := h.StartSSHD("KbdInteractiveAuthentication yes\nPasswordAuthentication no\n")
	out, prompts, err := h.SSH(port, "alice", hosttest.Answers{"Password:": "unix password"})
	if err != nil || out != "in as alice\n" || !slices.Equal(prompts, []string{"(alice@127.0.0.1) Password:"}) {
		t.Fatalf("%q, prompts %q, %v\n%s", out, prompts, err, h.Log())
	}
	if out, _, err := h.SSH(port, "alice", hosttest.Answers{"Password:": "wrong"}); err == nil {
		t.Fatalf("in with a wrong password: %q", out)
	}
	if out, _, err := h.SSH(port, "alice", nil, h.AddKey("alice")); err != nil || out != "in as alice\n" {
		t.Fatalf("with a key: %q, %v\n%s", out, err, h.Log())
	}
}
