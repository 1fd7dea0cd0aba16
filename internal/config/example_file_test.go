package config_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tandem/internal/config"
	"tandem/internal/tomlfile"
)

// commentedKey is a line of the example that would be TOML without its "#". Prose has a space there.
var commentedKey = regexp.MustCompile(`(?m)^#(\[|[a-z_]+ = )`)

func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../config.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// uncommented is the example with all its keys alive.
func uncommented(text string) string { return commentedKey.ReplaceAllString(text, "$1") }

// TestExampleLoads: as it stands, and with LDAP as its comments say.
func TestExampleLoads(t *testing.T) {
	text := example(t)
	c := mustLoad(t, text)
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}

	text = strings.Replace(text, `type = "file"`, `type = "ldap"`, 1)
	text = strings.Replace(text, "[directory.file]\npath = \"users.toml\"\n", "", 1)
	start, end := strings.Index(text, "#[directory.ldap]"), strings.Index(text, "# ---- Second factors")
	if start < 0 || end < 0 {
		t.Fatal("the example has no block [directory.ldap]")
	}
	for _, key := range []string{"#[directory.ldap]", "#urls = ", "#base = \"ou"} {
		text = text[:start] + strings.Replace(text[start:end], key, key[1:], 1) + text[end:]
		end--
	}
	c = mustLoad(t, text)
	if c.Directory.LDAP == nil || c.Directory.LDAP.Base != "ou=people,dc=example,dc=org" {
		t.Errorf("directory %+v", c.Directory)
	}
}

// TestExampleShowsTheDefaults: each key of the example, commented or alive, has the code's default.
// Where there is none, it is alive or marked as an example.
func TestExampleShowsTheDefaults(t *testing.T) {
	text := example(t)
	shown := decodeAll(t, uncommented(text))
	defaults := blocksWithDefaults()

	table, elements := "", make(map[string]int)
	for n, line := range strings.Split(text, "\n") {
		alive := !strings.HasPrefix(line, "#")
		line = commentedKey.ReplaceAllString(line, "$1")
		if name, ok := strings.CutPrefix(line, "[["); ok {
			table = strings.TrimSuffix(name, "]]")
			elements[table]++
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			table = strings.TrimSuffix(name, "]")
			continue
		}
		name, _, ok := strings.Cut(line, " = ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		key := table + "." + name
		got := lookUp(t, reflect.ValueOf(shown), key, max(0, elements[table]-1)).Interface()
		want := lookUp(t, reflect.ValueOf(defaults), key, 0)
		marked := strings.HasSuffix(line, "# example")
		switch {
		case marked && !want.IsZero():
			t.Errorf("line %d: %s is marked as an example, but has a default", n+1, key)
		case marked || alive && want.IsZero():
		case !reflect.DeepEqual(got, want.Interface()):
			t.Errorf("line %d: %s shows %v, the default is %v", n+1, key, got, want.Interface())
		}
	}
}

// TestExampleHasEveryKey: that it has no others is for Decode to say.
func TestExampleHasEveryKey(t *testing.T) {
	text := uncommented(example(t))
	path := filepath.Join(t.TempDir(), "example.toml")
	writeFile(t, path, text, 0o600)
	f, err := tomlfile.Read(path, tomlfile.Options{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	inExample := make(map[string]bool)
	index := regexp.MustCompile(`\[\d+\]`)
	for key := range f.Lines() {
		inExample[index.ReplaceAllString(key, "")] = true
	}
	keys := keysOf("", reflect.TypeFor[config.Config]())
	if len(keys) < 80 {
		t.Fatalf("only %d keys were found in the code", len(keys))
	}
	for _, key := range keys {
		if !inExample[key] {
			t.Errorf("%s is not in the example", key)
		}
	}
}

// TestFieldsAreDocumented: each key says its default and what a reload does.
func TestFieldsAreDocumented(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Tag == nil || isBlock(field.Type) {
				return true
			}
			count++
			doc := field.Doc.Text()
			name := source + ": " + field.Names[0].Name
			if !strings.Contains(doc, "Default: ") && !strings.Contains(doc, "Required") {
				t.Errorf("%s does not say its default", name)
			}
			tag, _ := strconv.Unquote(field.Tag.Value)
			restart := strings.Contains(doc, "Reload: needs a restart.")
			if !strings.Contains(doc, "Reload: ") || restart != (reflect.StructTag(tag).Get("reload") == "restart") {
				t.Errorf("%s does not say, or not truly, what a reload does", name)
			}
			return true
		})
	}
	if count < 70 {
		t.Errorf("only %d fields were found", count)
	}
}

// isBlock reports whether a field of that type holds further keys.
func isBlock(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.StarExpr:
		return true
	case *ast.ArrayType:
		name, ok := t.Elt.(*ast.Ident)
		return ok && slices.Contains([]string{"Client", "Policy", "External", "REST", "Mail"}, name.Name)
	case *ast.Ident:
		return ast.IsExported(t.Name) && t.Name != "Address"
	}
	return false
}

// TestArraysOfBlocksNeedNoRestart is what NeedsRestart relies on.
func TestArraysOfBlocksNeedNoRestart(t *testing.T) {
	for _, block := range []reflect.Type{reflect.TypeFor[config.Client](), reflect.TypeFor[config.Policy](), reflect.TypeFor[config.LDAP](), reflect.TypeFor[config.Yubico](), reflect.TypeFor[config.External](), reflect.TypeFor[config.REST](), reflect.TypeFor[config.Mail](), reflect.TypeFor[config.DirectoryFile]()} {
		for _, field := range reflect.VisibleFields(block) {
			if field.Tag.Get("reload") != "" {
				t.Errorf("%s.%s", block, field.Name)
			}
		}
	}
}

func decodeAll(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example.toml")
	writeFile(t, path, text, 0o600)
	f, err := tomlfile.Read(path, tomlfile.Options{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	f.Decode(c)
	if err := f.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// blocksWithDefaults is the default config with one block of each kind.
func blocksWithDefaults() *config.Config {
	c := config.Default()
	c.Directory.File = new(config.DirectoryFile)
	c.Directory.LDAP = new(config.LDAP)
	c.Directory.LDAP.SetDefaults()
	c.Store.Etcd = new(config.Etcd)
	c.Store.Etcd.SetDefaults()
	c.Factor.Yubico = new(config.Yubico)
	c.Factor.Yubico.SetDefaults()
	c.Factor.External = make([]config.External, 1)
	c.Factor.External[0].SetDefaults()
	c.Factor.REST = make([]config.REST, 1)
	c.Factor.REST[0].SetDefaults()
	c.Factor.Mail = make([]config.Mail, 1)
	c.Factor.Mail[0].SetDefaults()
	c.Radius.Clients = make([]config.Client, 1)
	c.Radius.Clients[0].SetDefaults()
	c.Upstream = make([]config.Upstream, 1)
	c.Upstream[0].SetDefaults()
	c.Policies = make([]config.Policy, 1)
	c.Policies[0].SetDefaults()
	c.Policies[0].Reply = make([]config.Reply, 1)
	return c
}

// lookUp finds the value of a key, in arrays of blocks that of the element at index.
func lookUp(t *testing.T, v reflect.Value, key string, index int) reflect.Value {
	t.Helper()
	for name := range strings.SplitSeq(key, ".") {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() == reflect.Slice {
			v = v.Index(index)
		}
		found := false
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("toml") == name {
				v, found = v.Field(i), true
				break
			}
		}
		if !found {
			t.Fatalf("the code has no key %s", key)
		}
	}
	return v
}

// keysOf lists the keys of a struct tree.
func keysOf(prefix string, typ reflect.Type) []string {
	var keys []string
	for _, field := range reflect.VisibleFields(typ) {
		name := field.Tag.Get("toml")
		if name == "" {
			continue
		}
		keys = append(keys, prefix+name)
		under := field.Type
		for under.Kind() == reflect.Pointer || under.Kind() == reflect.Slice {
			under = under.Elem()
		}
		if under.Kind() == reflect.Struct {
			keys = append(keys, keysOf(prefix+name+".", under)...)
		}
	}
	return keys
}
