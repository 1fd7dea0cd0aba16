package compose

import (
	"reflect"
	"testing"

	"tandem/internal/config"
)

// Whatever users read, a site may put into its own words: each text has a key, and no two have one.
func TestEveryTextHasAKey(t *testing.T) {
	p := config.Policy{Name: "default"}
	texts := reflect.ValueOf(&p).Elem()
	for i := range texts.NumField() {
		if field := texts.Field(i); field.Kind() == reflect.String && field.String() == "" {
			field.SetString(texts.Type().Field(i).Tag.Get("toml"))
		}
	}
	p.When, p.RequiredFrom = "", ""
	named, _, err := policies([]config.Policy{p}, nil)
	if err != nil {
		t.Fatal(err)
	}
	made, keys := reflect.ValueOf(named["default"].Texts), map[string]string{}
	for i := range made.NumField() {
		name, key := made.Type().Field(i).Name, made.Field(i).String()
		if key == "" || keys[key] != "" {
			t.Errorf("%s is %q, as is %s", name, key, keys[key])
		}
		keys[key] = name
	}
}
