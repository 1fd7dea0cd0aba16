package config

import (
	"reflect"
	"slices"
)

// NeedsRestart lists the keys that next changes against c and that a reload cannot take over, sorted
// as in the file. Everything else in next can be put in force at once.
func (c *Config) NeedsRestart(next *Config) []string {
	return changed("", reflect.ValueOf(*c), reflect.ValueOf(*next))
}

// changed goes through two values of one block. Arrays of blocks are not gone into: none of their
// keys needs a restart, which a test makes sure of.
func changed(prefix string, was, is reflect.Value) []string {
	var keys []string
	for i := range was.NumField() {
		field := was.Type().Field(i)
		key := field.Tag.Get("toml")
		switch {
		case field.Tag.Get("reload") == "restart":
			if !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
				keys = append(keys, prefix+key)
			}
		case key != "" && field.Type.Kind() == reflect.Struct:
			keys = slices.Concat(keys, changed(prefix+key+".", was.Field(i), is.Field(i)))
		}
	}
	return keys
}
