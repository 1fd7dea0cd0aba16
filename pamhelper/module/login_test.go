package module_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/msteinert/pam/v2"

	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/policy"
)

func secretOf(s string) secret.String { return secret.New(s) }

func TestPasswordThenCode(t *testing.T) {
	core := &fakeCore{}
	path := serve(t, core)
	code, heard := application{
		stack: tandemLine(path, ""), answers: []string{"right", "123456"},
		items: map[pam.Item]string{pam.Rhost: "192.0.2.7", pam.Tty: "ssh", pam.Ruser: "bob"},
	}.login(t)
	want(t, code, success)
	if !slices.Equal(heard, told{"?Password: ", "?Code of alice: "}) {
		t.Errorf("heard %q", heard)
	}
	a := core.seen()[0]
	if a.Door != "pam" || a.Client != "pam" || a.NAS != "pam:ssh" || a.Source != "192.0.2.7" || a.Service != "app" || a.User != "alice" || a.Policy != "" || a.FirstFactorDone {
		t.Errorf("attempt %+v", a)
	}
}

func TestOptions(t *testing.T) {
	for _, tc := range []struct {
		name    string
		core    *fakeCore
		stack   []string
		options string
		flags   pam.Flags
		env     []string
		answers []string
		code    pam.Error
		heard   told
	}{
		{name: "wrong code", answers: []string{"right", "1"}, code: pam.ErrAuth, heard: told{"?Password: ", "?Code of alice: ", "e Login failed."}},
		{name: "silent", flags: pam.Silent, answers: []string{"right", "1"}, code: pam.ErrAuth, heard: told{"?Password: ", "?Code of alice: "}},
		{name: "one more try", answers: []string{"right", "again", "123456"}, heard: told{"?Password: ", "?Code of alice: ", "?Wrong code. Code: "}},
		{
			name: "own prompts", options: "[prompt=Pass word: ] [code_prompt=Token: ]", answers: []string{"right", "again", "123456"},
			heard: told{"?Pass word: ", "?Token: ", "?Wrong code. Code: "},
		},
		{name: "echo_code", options: "echo_code", answers: []string{"right", "123456"}, heard: told{"?Password: ", "!Code of alice: "}},
		{name: "debug", options: "debug timeout=100", answers: []string{"right", "123456"}, heard: told{"?Password: ", "?Code of alice: "}},
		{name: "one field", core: &fakeCore{mode: policy.Append}, answers: []string{"right123456"}, heard: told{"?Password: "}},
		{name: "code only", core: &fakeCore{mode: policy.CodeOnly}, answers: []string{"123456"}, heard: told{"?Code of alice: "}},
		{name: "code only, own prompt", core: &fakeCore{mode: policy.CodeOnly}, options: "[code_prompt=Token: ]", answers: []string{"123456"}, heard: told{"?Token: "}},
		{name: "after a public key", env: []string{"SSH_AUTH_INFO_0=publickey ssh-ed25519 AAAA\n"}, answers: []string{"123456"}, heard: told{"?Code of alice: "}},
		{name: "after a password", env: []string{"SSH_AUTH_INFO_0=password publickey\n"}, answers: []string{"right", "123456"}, heard: told{"?Password: ", "?Code of alice: "}},
		{name: "unknown policy", options: "policy=none", code: pam.ErrAuthinfoUnavail},
		{name: "other policy", options: "policy=vpn", answers: []string{"right", "123456"}, heard: told{"?Password: ", "?Code of alice: "}},

		{name: "use_first_pass", stack: []string{"auth required PROBE set=right123456"}, options: "use_first_pass"},
		{name: "use_first_pass, then a code", stack: []string{"auth required PROBE set=right"}, options: "use_first_pass", answers: []string{"123456"}, heard: told{"?Code of alice: "}},
		{name: "use_first_pass, wrong", stack: []string{"auth required PROBE set=wrong"}, options: "use_first_pass", code: pam.ErrAuth, heard: told{"e Login failed."}},
		{name: "use_first_pass without one", options: "use_first_pass", code: pam.ErrAuth},
		{name: "use_first_pass is the code", core: &fakeCore{mode: policy.CodeOnly}, stack: []string{"auth required PROBE set=123456"}, options: "use_first_pass"},
		{name: "try_first_pass", stack: []string{"auth required PROBE set=right123456"}, options: "try_first_pass"},
		{
			name: "try_first_pass, wrong", stack: []string{"auth required PROBE set=wrong"}, options: "try_first_pass", answers: []string{"right", "123456"},
			heard: told{"?Password: ", "?Code of alice: "},
		},
		{name: "try_first_pass without one", options: "try_first_pass", answers: []string{"right", "123456"}, heard: told{"?Password: ", "?Code of alice: "}},
		{
			name: "try_first_pass does not try the password as a code", core: &fakeCore{mode: policy.CodeOnly}, stack: []string{"auth required PROBE set=wrong"},
			options: "try_first_pass", answers: []string{"123456"}, heard: told{"?Code of alice: "},
		},
		{name: "a password before is not sent unasked", stack: []string{"auth required PROBE set=right"}, answers: []string{"wrong"}, code: pam.ErrAuth, heard: told{"?Password: ", "e Login failed."}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			core := tc.core
			if core == nil {
				core = &fakeCore{}
			}
			code, heard := application{
				stack: append(tc.stack, tandemLine(serve(t, core), tc.options)...), flags: tc.flags, env: tc.env, answers: tc.answers,
			}.login(t)
			want(t, code, tc.code)
			if !slices.Equal(heard, tc.heard) {
				t.Errorf("heard %q, not %q", heard, tc.heard)
			}
			if strings.Contains(tc.options, "policy=vpn") && core.seen()[0].Policy != "vpn" {
				t.Errorf("attempt %+v", core.seen()[0])
			}
		})
	}
}

func TestForwardPass(t *testing.T) {
	for _, tc := range []struct {
		name, options string
		core          *fakeCore
		answers       []string
		left          string
	}{
		{"split off", "forward_pass", &fakeCore{mode: policy.Append}, []string{"right123456"}, "right"},
		{"two prompts", "forward_pass", &fakeCore{}, []string{"right", "123456"}, "right"},
		{"code only", "forward_pass", &fakeCore{mode: policy.CodeOnly}, []string{"123456"}, "none"},
		{"not asked for", "", &fakeCore{}, []string{"right", "123456"}, "none"},
		{"password alone", "forward_pass", &fakeCore{verdict: &verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonPasswordOnly}}, []string{"alone"}, "alone"},
		{"rejected", "forward_pass", &fakeCore{}, []string{"wrong"}, "none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stack := append(tandemLine(serve(t, tc.core), tc.options), "auth required PROBE show")
			_, heard := application{stack: stack, answers: tc.answers}.login(t)
			if !slices.Contains(heard, "i authtok="+tc.left) {
				t.Errorf("heard %q, not authtok=%s", heard, tc.left)
			}
		})
	}
}

func TestResults(t *testing.T) {
	for _, tc := range []struct {
		verdict verify.Verdict
		options string
		code    pam.Error
	}{
		{verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonOK}, "", success},
		{verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonOK}, "nullok", success},
		{verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonPasswordOnly}, "", success},
		{verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonNoDeviceAllowed}, "nullok", pam.ErrIgnore},
		{verify.Verdict{Outcome: verify.Accept, Reason: verify.ReasonNoDeviceAllowed}, "", pam.ErrAuth},
		{verify.Verdict{Reason: verify.ReasonNoDevice}, "nullok", pam.ErrAuth},
		{verify.Verdict{Reason: verify.ReasonThrottled}, "", pam.ErrMaxtries},
		{verify.Verdict{Reason: verify.ReasonWrongPassword}, "", pam.ErrAuth},
		{verify.Verdict{Outcome: verify.Unavailable, Reason: verify.ReasonDirectoryDown}, "", pam.ErrAuthinfoUnavail},
		{verify.Verdict{Outcome: verify.Unavailable, Reason: verify.ReasonStoreDown}, "", pam.ErrAuthinfoUnavail},
		{verify.Verdict{Outcome: verify.Unavailable, Reason: verify.ReasonOverloaded}, "", pam.ErrAuth},
		{verify.Verdict{Outcome: verify.Unavailable, Reason: verify.ReasonTooLate}, "", pam.ErrAuth},
	} {
		t.Run(tc.verdict.Outcome.String()+" "+string(tc.verdict.Reason)+" "+tc.options, func(t *testing.T) {
			// libpam makes PAM_PERM_DENIED of a stack that only ignores; a jump shows the code itself.
			stack := []string{"auth [success=ok ignore=1 default=die] MODULE socket=" + serve(t, &fakeCore{verdict: &tc.verdict}) + " " + tc.options, "auth required PROBE", "auth required PROBE"}
			code, heard := application{stack: stack, answers: []string{"x"}}.login(t)
			if ignored := strings.Count(strings.Join(heard, ""), "authtok") == 1; ignored {
				code = pam.ErrIgnore
			}
			want(t, code, tc.code)
		})
	}
}

func TestTheOtherFiveEntryPoints(t *testing.T) {
	all := []string{"auth required MODULE socket=/nowhere", "account required MODULE", "session required MODULE", "password required MODULE"}
	var heard told
	tx := application{stack: all}.begin(t, &heard)
	defer func() { _ = tx.End() }()
	want(t, codeOf(t, tx.SetCred(pam.EstablishCred)), success)
	for name, f := range map[string]func(pam.Flags) error{
		"account": tx.AcctMgmt, "open session": tx.OpenSession, "close session": tx.CloseSession, "password": tx.ChangeAuthTok,
	} {
		// A stack in which every module ignores denies.
		if code := codeOf(t, f(0)); code == success {
			t.Errorf("%s: a stack of this module alone let somebody in", name)
		}
	}
}

func TestFiftyAtOnce(t *testing.T) {
	core := &fakeCore{}
	path := serve(t, core)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			user := "user" + strconv.Itoa(i)
			answers, wanted := []string{"right", "123456"}, success
			if i%2 == 1 {
				answers, wanted = []string{"right", "654321"}, pam.ErrAuth
			}
			code, heard := application{stack: tandemLine(path, ""), user: user, answers: answers}.login(t)
			want(t, code, wanted)
			if !heard.has("Code of " + user) {
				t.Errorf("%s heard %q", user, heard)
			}
		})
	}
	all.Wait()
}
