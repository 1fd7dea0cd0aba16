package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tandem/internal/secret"
)

func TestNoPrinterShowsTheValue(t *testing.T) {
	s := secret.New("hunter2")
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p"} {
		fmt.Fprintf(&out, verb+" ", s)
		fmt.Fprintf(&out, verb+" ", struct{ P, p secret.String }{s, s})
		fmt.Fprintf(&out, verb+" ", &struct{ P *secret.String }{&s})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "in", struct{ P secret.String }{s})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "in", struct{ P secret.String }{s})
	j, err := json.Marshal(map[string]any{"s": s, "m": map[string]secret.String{"k": s}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(j)
	text := out.String()
	if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
		t.Fatalf("the secret was printed: %s", text)
	}
	if !strings.Contains(text, secret.Redacted) {
		t.Fatalf("nothing says that a secret was left out: %s", text)
	}
	if s.Reveal() != "hunter2" {
		t.Fatalf("Reveal() = %q", s.Reveal())
	}
}
