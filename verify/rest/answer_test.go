package rest

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseAnswer(t *testing.T) {
	for body, want := range map[string]bool{
		`{"result":true}`:                true,
		`{"result":false}`:               false,
		" {\r\n\t\"result\" : true } \n": true,
		`{"message":"welcome","result":true,"data":{"result":false,"list":[1,{"result":false}]}}`: true,
		`{"Result":true,"result":false}`: false,
		`{"\u0072esult":true}`:           true,
	} {
		if yes, err := parseAnswer([]byte(body)); err != nil || yes != want {
			t.Errorf("%s: %t, %v", body, yes, err)
		}
	}
}

// FuzzParseAnswer: a yes is JSON whose one "result" is true, by the judgement of encoding/json; and an error repeats
// nothing.
func FuzzParseAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"result":true}`, `{"result":false}`, `{"result":1}`, `{"result":"true"}`, `{"result":true,"result":true}`,
		`{"\u0072esult":true}`, `{"a":{"result":true}}`, `[{"result":true}]`, `{"result":true}}`, "\ufeff{}", `{"result":true`, ``, `null`,
		`{"res\xffult":true}`, `{"result":tru` + "\x00" + `e}`, strings.Repeat("[", 100),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		yes, err := parseAnswer(body)
		if err != nil {
			if yes {
				t.Error("a yes beside an error")
			}
			if len(err.Error()) > 80 {
				t.Errorf("a long error: %v", err)
			}
			return
		}
		var object map[string]any
		if json.Unmarshal(body, &object) != nil || object["result"] != yes {
			t.Errorf("%q is a %t", body, yes)
		}
	})
}

// FuzzParseText: what is put in for a reference is never taken for another one.
func FuzzParseText(f *testing.F) {
	for _, seed := range []string{"$mail", "${mail}", "a $$ b", "$", "${", "$code$code", "$$$mail", "${a b}", "${$mail}", "$9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := parseText(s)
		if err != nil {
			return
		}
		for _, p := range parsed {
			if p.name != "" && p.fixed != "" || p.name == "" && p.fixed == "" || strings.ContainsAny(p.name, "${}") {
				t.Errorf("%q: %q", s, parsed)
			}
		}
	})
}
