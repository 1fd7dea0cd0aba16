package radiusd

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"tandem/verify"
)

// radclient runs Debian's radclient, a client that is not ours, and returns what it printed.
func radclient(t *testing.T, to netip.AddrPort, command, attributes string) (output string, answered bool) {
	t.Helper()
	program, err := exec.LookPath("radclient")
	if err != nil {
		t.Fatal("radclient is missing: install the Debian package freeradius-utils")
	}
	cmd := exec.CommandContext(t.Context(), program, "-x", "-r", "5", "-t", "0.5", to.String(), command, testSecret)
	// It exits with 1 after a reject or a challenge, too; what counts is what it printed.
	cmd.Stdin = strings.NewReader(attributes)
	out, _ := cmd.CombinedOutput()
	t.Logf("%s", out)
	return string(out), strings.Contains(string(out), "Received ")
}

// Debian 12's radclient sends no Message-Authenticator unless it is told to.
func TestRadclient(t *testing.T) {
	const plain = "User-Name = alice, User-Password = \"secret123456\", NAS-Identifier = vpn, Proxy-State = 0x0102\n"
	const signed = "Message-Authenticator = 0x00, " + plain

	for _, test := range []struct {
		name       string
		require    bool
		attributes string
		verdict    verify.Verdict
		want       []string // parts of what radclient prints; none: no answer
	}{
		{"strict client, unsigned: dropped", true, plain, verify.Verdict{Outcome: verify.Accept}, nil},
		{
			"strict client, signed: served", true, signed,
			verify.Verdict{Outcome: verify.Accept},
			[]string{"Received Access-Accept", "Message-Authenticator = 0x", "Proxy-State = 0x0102"},
		},
		{
			"lenient client, unsigned: served", false, plain,
			verify.Verdict{Outcome: verify.Accept},
			[]string{"Received Access-Accept", "Message-Authenticator = 0x"},
		},
		{
			"challenge", true, signed,
			verify.Verdict{Outcome: verify.Challenge, State: []byte{0xab, 0xcd}, Message: "Code: ", Lifetime: 120},
			[]string{"Received Access-Challenge", "State = 0xabcd", `Reply-Message = "Code: "`, "Session-Timeout = 120", "Prompt = No-Echo"},
		},
		{
			"reject", true, signed,
			verify.Verdict{Outcome: verify.Reject, Message: "Login failed."},
			[]string{"Received Access-Reject", `Reply-Message = "Login failed."`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			core := always(test.verdict)
			_, addrs := start(t, core, func(c *Config) {
				c.Clients[0].RequireMessageAuthenticator = test.require
				c.Clients[0].LimitProxyState = false
			})
			out, answered := radclient(t, addrs[0], "auth", test.attributes)
			if answered != (test.want != nil) {
				t.Fatalf("answered: %v", answered)
			}
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("radclient did not print %q", want)
				}
			}
			if test.want == nil {
				return
			}
			if a := core.calls()[0].attempt; a.User != "alice" || a.Secret.Reveal() != "secret123456" || a.NAS != "vpn" {
				t.Errorf("the core was asked about %+v", a)
			}
		})
	}
}

func TestRadclientStatus(t *testing.T) {
	_, addrs := start(t, &fakeCore{}, nil)
	out, _ := radclient(t, addrs[0], "status", "Message-Authenticator = 0x00\n")
	if !strings.Contains(out, "Received Access-Accept") {
		t.Error("no Access-Accept")
	}
}
