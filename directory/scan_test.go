package directory

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"
	"unicode/utf8"
)

// What is taken apart here is what encoding/json finds there.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`[]`, `{}`, ` [ 1 , "a,]\"" , {"b":[1,{}]} ] `, `[[],[[]],null,true,-1.5e3]`, `{"a":1,"b" : "x}" ,"c":{"d":"\\"},"\u0061":2}`,
		`{"a":1,"a":2}`, `"text"`, `[{"type":"TOTP","name":"pho\u006ee","epoch":"1","_secret":"jj4y"}]`, `{"a":`, `[`, `{"a" "b"}`, "[\t1\r\n]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		members, err := memberSpans(raw) // whatever it is, this ends
		elements := elementSpans(raw)
		if !json.Valid(raw) || !utf8.Valid(raw) {
			return
		}
		var array []json.RawMessage
		if json.Unmarshal(raw, &array) == nil && array != nil {
			if len(elements) != len(array) {
				t.Fatalf("%d elements, want %d", len(elements), len(array))
			}
			for i, at := range elements {
				if got := raw[at.start:at.end]; !bytes.Equal(got, bytes.TrimSpace(array[i])) {
					t.Fatalf("element %d is %q, want %q", i, got, array[i])
				}
			}
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) == nil && object != nil {
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]json.RawMessage{}
			for _, m := range members {
				got[m.name] = raw[m.value.start:m.value.end] // the last of several, as there
			}
			if !maps.EqualFunc(got, object, func(a, b json.RawMessage) bool { return bytes.Equal(a, bytes.TrimSpace(b)) }) {
				t.Fatalf("members %q, want %q", got, object)
			}
		}
	})
}
