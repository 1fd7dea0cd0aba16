package verify_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tandem/verify"
)

// A record is written as encoding/json writes it, whatever is in it; all of its fields are drawn, those that come later too.
func TestRecordsAreTheJSONOfTheStandardLibrary(t *testing.T) {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "alice", `"\<&>`, "Zoë\u2028\x7f\u0085", "a\x00\n\xff"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		var r verify.Record
		fields := reflect.ValueOf(&r).Elem()
		for i := range fields.NumField() {
			name := fields.Type().Field(i).Name
			switch f := fields.Field(i); v := f.Interface().(type) {
			case time.Time:
				at := time.Unix(rapid.Int64Range(-1e9, 1e11).Draw(t, name), rapid.Int64Range(0, 1e9-1).Draw(t, name+" ns")).UTC()
				f.Set(reflect.ValueOf(at))
			case []string:
				f.Set(reflect.ValueOf(rapid.SliceOfN(text, 0, 3).Draw(t, name)))
			case float64:
				f.SetFloat(float64(rapid.Int64Range(0, 1e12).Draw(t, name)) / 1000)
			case string, verify.Reason:
				f.SetString(text.Draw(t, name))
			default:
				t.Fatalf("%s is a %T: this test does not know how to draw one", name, v)
			}
		}
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(r); err != nil {
			t.Fatal(err)
		}
		got, err := r.AppendJSON([]byte("before"))
		if err != nil || string(got)+"\n" != "before"+want.String() {
			t.Fatalf("%s (%v), want %s", got, err, want.String())
		}
	})
}

func TestRecordOfNoTime(t *testing.T) {
	r := verify.Record{Time: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if got, err := r.AppendJSON(nil); err == nil {
		t.Errorf("a year that JSON has no form for: %s", got)
	}
}
