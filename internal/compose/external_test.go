package compose_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
)

// TestExternalFactorOfTheConfiguration: what is written arrives at the program.
func TestExternalFactorOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	script := "#!/bin/sh\nread -r code; echo \"$* $code\" >" + dir + "/told; [ \"$code\" != 111111 ]\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Factor.External = make([]config.External, 2)
	own, service := &c.Factor.External[0], &c.Factor.External[1]
	own.SetDefaults()
	own.Name, own.Code, own.Send, own.Target = "sms", `\d{6}`, []string{program, "--to=$phone"}, "$phone"
	own.CodeOnStdin, own.Lifetime, own.ResendInterval, own.Level, own.When = true, time.Minute, 10*time.Second, 7, `inGroup("staff")`
	service.SetDefaults()
	service.Name, service.Label, service.Validate, service.CodeOnStdin, service.Digits = "token", "Token", []string{program, "$uid"}, true, 6

	setup, err := compose.Setup(c, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) verify.Factor {
		i := slices.IndexFunc(setup.Factors, func(f verify.Factor) bool { return f.Name() == name })
		if i < 0 {
			t.Fatalf("there is no factor %s", name)
		}
		return setup.Factors[i]
	}
	told := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(filepath.Join(dir, "told")); err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("the program was told %q, %v", got, err)
		}
	}
	u := &directory.User{Name: "alice", Phone: "+49 170 1234512"}

	sms := find("sms").(verify.Maker)
	if masked, ok := sms.Target(u); !ok || masked != "…12" || sms.Label() != "sms" || sms.Lifetime() != time.Minute || sms.ResendAfter() != 10*time.Second {
		t.Errorf("%q, %q, %s, %s", masked, sms.Label(), sms.Lifetime(), sms.ResendAfter())
	}
	if err := sms.Send(t.Context(), u, secret.New("123456")); err != nil {
		t.Error(err)
	}
	told("--to=+49 170 1234512 123456")
	if setup.Levels["sms"] != 7 || setup.Levels["token"] != verify.DefaultLevel {
		t.Errorf("levels %v", setup.Levels)
	}
	if r := setup.When["sms"]; r == nil || r.String() != own.When || setup.When["token"] != nil {
		t.Errorf("rules %v", setup.When)
	}

	token := find("token").(verify.Checker)
	if shapes := token.Shapes(u); token.Label() != "Token" || !slices.Equal(shapes, []verify.Shape{{Length: 6, Alphabet: verify.Digits}}) {
		t.Errorf("%q, %v", token.Label(), shapes)
	}
	for code, want := range map[string]verify.Result{"123456": verify.Match, "111111": verify.NoMatch} {
		if f, err := token.Check(t.Context(), u, code, &factortest.Kept{}); err != nil || f.Result != want {
			t.Errorf("%s: %+v, %v", code, f, err)
		}
		told("alice " + code)
	}
}
