package rest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/factortest"
)

// TestVectors asks as LemonLDAP::NG 2.16.1 did when its requests were recorded, each "REQ path {headers} {body}".
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/lemonldap-2.16.1-rest2f.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct{ Lines []string }
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	if len(recorded.Lines) < 9 {
		t.Fatalf("only %d requests are recorded", len(recorded.Lines))
	}
	arguments := map[string]string{"user": "$user", "u2": "$user", "m": "$mail", "name": "$cn", "code": "$code"}
	for _, line := range recorded.Lines {
		path, rest, _ := strings.Cut(strings.TrimPrefix(line, "REQ "), " ")
		header, body, _ := strings.Cut(rest, "} ")
		var want map[string]string
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		t.Run(path, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) bool {
				switch r.URL.Path {
				case "/init500":
					w.WriteHeader(http.StatusInternalServerError)
				case "/init0":
					answer(w, "application/json", `{"result": 0}`)
				default:
					answer(w, "application/json", `{"result": true}`)
				}
				return true
			})
			c := s.config()
			chosen := maps.Clone(arguments)
			maps.DeleteFunc(chosen, func(name, _ string) bool { _, in := want[name]; return !in })
			c.InitURL, c.VerifyURL, c.InitArguments, c.VerifyArguments = s.URL+path, s.URL+path, chosen, chosen
			code, inInit := want["code"]
			inInit = inInit && strings.HasPrefix(path, "/init") // a code that the portal has made
			switch {
			case inInit:
				c.VerifyURL, c.OwnDigits, c.Lifetime = "", 6, time.Minute
			case code != "":
				c.InitURL, c.InitArguments = "", nil
			default:
				c.VerifyArguments = nil
			}

			f := open(t, c)
			var failed bool
			if strings.HasPrefix(path, "/init") {
				failed = f.(verify.Sender).Send(t.Context(), dwho(), secret.New(code)) != nil
			} else {
				finding, err := f.(verify.Checker).Check(t.Context(), dwho(), code, &factortest.Kept{})
				failed = err != nil || finding.Result != verify.Match
			}
			if failed != (path == "/init500" || path == "/init0") {
				t.Errorf("failed: %t", failed)
			}
			requests := s.requests()
			if len(requests) != 1 || !maps.Equal(requests[0].body, want) {
				t.Fatalf("asked %v, want %v", requests, want)
			}
			if sent := requests[0].header.Get("Content-Type"); !strings.Contains(header, "'Content-Type': '"+sent+"'") {
				t.Errorf("Content-Type %q, recorded was %s", sent, header)
			}
		})
	}
}
