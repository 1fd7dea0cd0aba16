package tomlfile

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Defaulter is a struct with defaults. Decode calls SetDefaults on each one that it makes itself, as
// an element of an array or behind a nil pointer, before it fills in what the file says.
type Defaulter interface{ SetDefaults() }

// Decode parses the file and fills the struct that into points to. Fields with a tag `toml:"name"`
// are keys; what the file does not name keeps the value it has. Fields may be strings, booleans,
// integers, floats, [time.Duration] (as "5s" or "1h30m", not negative), [encoding.TextUnmarshaler]
// (from strings only), [Words], structs, and slices, string maps and pointers of these; other types panic.
//
// Syntax errors, wrong types and unknown keys become errors in [File.Err]. Decode returns false if
// nothing was decoded; with true, what it could read stands in into even if there are errors.
func (f *File) Decode(into any) bool {
	if line := scan(f.data, func([]byte, int) {}); line > 0 {
		f.add(problem{line: line, text: fmt.Sprintf("values stand more than %d deep in each other: is a bracket missing?", maxDepth)})
		return false
	}
	var tree map[string]any
	if _, err := toml.Decode(string(f.data), &tree); err != nil {
		f.add(syntaxProblem(err))
		return false
	}
	f.fillStruct(nil, tree, reflect.ValueOf(into).Elem())
	return true
}

// quotedValue finds what the parser repeats from the file.
var quotedValue = regexp.MustCompile(`"[^"']{3,}"|'[^"'\s]{3,}'|^\S+( is out of)`)

// syntaxProblem restates the parser's error without the values that it quotes: in `secret = hunter2`
// the unexpected token is the secret.
func syntaxProblem(err error) problem {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return problem{text: "cannot be parsed as TOML"}
	}
	text := parse.Message
	if !strings.HasPrefix(text, "Key '") && !strings.HasPrefix(text, "TOML files") {
		text = quotedValue.ReplaceAllString(text, "(…)$1")
	}
	if strings.HasPrefix(text, "expected value") {
		text += `: texts stand in quotes`
	}
	return problem{key: parse.LastKey, line: parse.Position.Line, text: text}
}

// fill decodes value, as the parser made it, into rv.
func (f *File) fill(key []byte, value any, rv reflect.Value) {
	if d, ok := rv.Addr().Interface().(*time.Duration); ok {
		f.fillText(key, value, (*duration)(d))
		return
	}
	if t, ok := rv.Addr().Interface().(encoding.TextUnmarshaler); ok {
		f.fillText(key, value, t)
		return
	}
	if w, ok := rv.Addr().Interface().(*Words); ok && w.split(value) {
		return
	}
	ok := true
	switch rv.Kind() {
	case reflect.Pointer:
		made := reflect.New(rv.Type().Elem())
		setDefaults(made)
		f.fill(key, value, made.Elem())
		rv.Set(made)
	case reflect.Struct:
		var tree map[string]any
		if tree, ok = value.(map[string]any); ok {
			f.fillStruct(key, tree, rv)
		}
	case reflect.Map:
		var tree map[string]any
		if tree, ok = value.(map[string]any); ok {
			f.fillMap(key, tree, rv)
		}
	case reflect.Slice:
		elements := reflect.ValueOf(value) // []any or []map[string]any
		if ok = elements.Kind() == reflect.Slice; ok {
			f.fillSlice(key, elements, rv)
		}
	case reflect.String:
		var s string
		if s, ok = value.(string); ok {
			rv.SetString(s)
		}
	case reflect.Bool:
		var b bool
		if b, ok = value.(bool); ok {
			rv.SetBool(b)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var n int64
		if n, ok = value.(int64); ok && rv.OverflowInt(n) {
			f.unread(key, "%d is too large or too small", n)
		} else if ok {
			rv.SetInt(n)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var n int64
		if n, ok = value.(int64); ok && (n < 0 || rv.OverflowUint(uint64(n))) {
			f.unread(key, "%d is too large or too small", n)
		} else if ok {
			rv.SetUint(uint64(n))
		}
	case reflect.Float32, reflect.Float64:
		switch n := value.(type) {
		case float64:
			rv.SetFloat(n)
		case int64:
			rv.SetFloat(float64(n))
		default:
			ok = false
		}
	default:
		panic(fmt.Sprintf("tomlfile: %s: nothing in TOML fits %s", key, rv.Type()))
	}
	if !ok {
		f.wrongType(key, value, rv.Type())
	}
}

// fillText decodes a string. Anything else is refused: the digits of the integer 0123 are not those
// that stand in the file.
func (f *File) fillText(key []byte, value any, t encoding.TextUnmarshaler) {
	text, ok := value.(string)
	if _, isDuration := t.(*duration); isDuration {
		switch n := value.(type) { // a number gets the error that names the remedy
		case int64:
			text, ok = strconv.FormatInt(n, 10), true
		case float64:
			text, ok = strconv.FormatFloat(n, 'f', -1, 64), true
		}
	}
	if !ok {
		f.wrongType(key, value, reflect.TypeFor[string]())
		return
	}
	if err := t.UnmarshalText([]byte(text)); err != nil {
		f.unread(key, "%s", err)
	}
}

// fieldOf is a field of a struct that a key is decoded into.
type fieldOf struct {
	name  string
	index []int
}

// fieldsOf lists the fields of a struct type that have keys. A users file has thousands of tables of one type, so
// they are looked up once.
func (f *File) fieldsOf(t reflect.Type) []fieldOf {
	if known, ok := f.fields[t]; ok {
		return known
	}
	var fields []fieldOf
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("toml"), ","); name != "" && name != "-" {
			fields = append(fields, fieldOf{name, field.Index})
		}
	}
	if f.fields == nil {
		f.fields = make(map[reflect.Type][]fieldOf)
	}
	f.fields[t] = fields
	return fields
}

func (f *File) fillStruct(key []byte, tree map[string]any, rv reflect.Value) {
	fields := f.fieldsOf(rv.Type())
	found := 0
	for _, field := range fields {
		if value, ok := tree[field.name]; ok {
			found++
			f.fill(appendName(key[:len(key):len(key)], field.name), value, rv.FieldByIndex(field.index))
		}
	}
	if found == len(tree) {
		return
	}
	known := make([]string, len(fields))
	for i, field := range fields {
		known[i] = field.name
	}
	for _, name := range sortedNames(tree) {
		if !slices.Contains(known, name) {
			f.unread(appendName(key[:len(key):len(key)], name), "unknown key: %s", advise(name, known))
		}
	}
}

func (f *File) fillMap(key []byte, tree map[string]any, rv reflect.Value) {
	rv.Set(reflect.MakeMapWithSize(rv.Type(), len(tree)))
	for _, name := range sortedNames(tree) {
		element := reflect.New(rv.Type().Elem())
		setDefaults(element)
		f.fill(appendName(key[:len(key):len(key)], name), tree[name], element.Elem())
		rv.SetMapIndex(reflect.ValueOf(name).Convert(rv.Type().Key()), element.Elem())
	}
}

func (f *File) fillSlice(key []byte, elements, rv reflect.Value) {
	made := reflect.MakeSlice(rv.Type(), elements.Len(), elements.Len())
	for i := range elements.Len() {
		setDefaults(made.Index(i).Addr())
		f.fill(appendIndex(key[:len(key):len(key)], i), elements.Index(i).Interface(), made.Index(i))
	}
	rv.Set(made)
}

func setDefaults(pointer reflect.Value) {
	if d, ok := pointer.Interface().(Defaulter); ok {
		d.SetDefaults()
	}
}

// sortedNames makes the order of errors the same each time.
func sortedNames(tree map[string]any) []string {
	names := make([]string, 0, len(tree))
	for name := range tree {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// unread adds an error at a key whose value could not be decoded.
func (f *File) unread(key []byte, format string, args ...any) {
	f.add(problem{key: string(key), text: fmt.Sprintf(format, args...), unread: true})
}

func (f *File) wrongType(key []byte, value any, want reflect.Type) {
	f.unread(key, "wants %s, not %s%s", describeType(want), describeValue(value), remedy(key, value, want))
}

// remedy says how the file would be mended where that is not plain from the two types.
func remedy(key []byte, value any, want reflect.Type) string {
	_, isTable := value.(map[string]any)
	isList := reflect.ValueOf(value).Kind() == reflect.Slice
	switch {
	case want.Kind() == reflect.String && !isTable && !isList:
		return ": put it in quotes"
	case want.Kind() == reflect.Struct && isList:
		return fmt.Sprintf(": write [%s] with single brackets", key)
	case want.Kind() == reflect.Slice && isTable:
		return fmt.Sprintf(": write [[%s]] with double brackets", key)
	case want.Kind() == reflect.Slice:
		return ": put it in brackets, […]"
	}
	return ""
}

func describeType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "a table"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct && !reflect.PointerTo(t.Elem()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return "an array of tables"
		}
		return "an array"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "an integer"
	}
}

func describeValue(value any) string {
	switch value.(type) {
	case string:
		return "a text"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a decimal number"
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "an array of tables"
	}
	return "an array"
}
