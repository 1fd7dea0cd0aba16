package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// block is a struct type of the code that is a table of a TOML file.
type block struct {
	name, doc string
	keys      []key
}

// key is one of its fields.
type key struct {
	name, field, doc string
	kind             string // what is written behind the =, in words; empty for a table
	table            string // the type of the table
	array            bool   // of tables
}

// blocks reads the types of a package that have TOML keys.
func blocks(folder string) (map[string]*block, error) {
	sources, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	found := map[string]*block{}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, declaration := range file.Decls {
			d, ok := declaration.(*ast.GenDecl)
			if !ok || d.Tok != token.TYPE {
				continue
			}
			for _, spec := range d.Specs {
				if b := blockOf(d, spec); b != nil {
					found[b.name] = b
				}
			}
		}
	}
	for _, b := range found {
		for i := range b.keys {
			if k := &b.keys[i]; found[k.table] == nil {
				k.table = ""
			}
		}
	}
	return found, nil
}

// blockOf is the type as a block; nil if it is none.
func blockOf(d *ast.GenDecl, spec ast.Spec) *block {
	s, ok := spec.(*ast.TypeSpec)
	if !ok {
		return nil
	}
	of, ok := s.Type.(*ast.StructType)
	if !ok {
		return nil
	}
	b := &block{name: s.Name.Name, doc: d.Doc.Text()}
	if s.Doc != nil {
		b.doc = s.Doc.Text()
	}
	for _, field := range of.Fields.List {
		if field.Tag == nil || len(field.Names) != 1 {
			continue
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		name := reflect.StructTag(tag).Get("toml")
		if err != nil || name == "" {
			continue
		}
		k := key{name: name, field: field.Names[0].Name, doc: field.Doc.Text()}
		k.kind, k.table, k.array = kindOf(field.Type)
		b.keys = append(b.keys, k)
	}
	if len(b.keys) == 0 {
		return nil
	}
	return b
}

// kindOf says in words what is written for a type, and names the type, as it may be a table.
func kindOf(t ast.Expr) (kind, table string, array bool) {
	switch t := t.(type) {
	case *ast.StarExpr:
		return kindOf(t.X)
	case *ast.ArrayType:
		kind, table, _ := kindOf(t.Elt)
		return "[" + kind + ", ...]", table, true
	case *ast.MapType:
		return "{ name = text, ... }", "", false
	case *ast.SelectorExpr:
		return map[string]string{"Duration": "duration", "Words": "text or list", "String": "text"}[t.Sel.Name], "", false
	case *ast.Ident:
		kinds := map[string]string{
			"string": "text", "bool": "true or false", "int": "number", "uint64": "number", "int64": "number", "Address": "address", "Network": "network",
		}
		return kinds[t.Name], t.Name, false
	}
	return "", "", false
}

// keys describes all keys below a type, table by table, in mdoc.
func keys(folder, root string) (string, error) {
	all, err := blocks(folder)
	if err != nil {
		return "", err
	}
	if all[root] == nil {
		return "", fmt.Errorf("%s has no type %s with TOML keys", folder, root)
	}
	w := writer{blocks: all, tables: map[string]string{}}
	w.name(all[root], "")
	if err := w.block(all[root], "", "", false); err != nil {
		return "", err
	}
	return w.text.String(), nil
}

// writer describes blocks.
type writer struct {
	blocks map[string]*block
	// tables are the tables by their types.
	tables map[string]string
	text   strings.Builder
}

// name notes which tables the types are.
func (w *writer) name(b *block, table string) {
	w.tables[b.name] = table
	for _, k := range b.keys {
		if k.table != "" {
			w.name(w.blocks[k.table], below(table, k.name))
		}
	}
}

func below(table, name string) string { return strings.TrimPrefix(table+"."+name, ".") }

// block describes one table, and those below it. about is what the field that holds it says, in mdoc.
func (w *writer) block(b *block, table, about string, array bool) error {
	title := "[" + table + "]"
	if array {
		title = "[" + title + "]"
	}
	names := w.names(b)
	if table != "" {
		doc := b.doc
		if rest, ok := strings.CutPrefix(doc, b.name+" "); ok { // only there: "PAM" further on is PAM
			doc = "`" + title + "` " + rest
		}
		fmt.Fprintf(&w.text, ".Ss %s\n%s", closed(title), prose(doc, names))
		w.text.WriteString(about)
	}
	inList := false
	for _, k := range b.keys {
		if k.table != "" {
			continue
		}
		if k.doc == "" || k.kind == "" {
			return errors.New(b.name + "." + k.field + " has no comment, or a type that there are no words for")
		}
		if !inList {
			w.text.WriteString(".Bl -tag -width Ds\n")
			inList = true
		}
		fmt.Fprintf(&w.text, ".It Ic %s No = Ar %s\n%s", k.name, closed(k.kind), prose(k.doc, names))
	}
	if inList {
		w.text.WriteString(".El\n")
	}
	for _, k := range b.keys {
		if k.table == "" {
			continue
		}
		under := w.blocks[k.table]
		if err := w.block(under, below(table, k.name), prose(k.doc, names), k.array); err != nil {
			return err
		}
	}
	return nil
}

// names are the keys for the names that the code has for them: of the fields of b, and of other blocks' fields, as in
// LDAPGroups.Base.
func (w *writer) names(b *block) map[string]string {
	names := map[string]string{}
	for name, other := range w.blocks {
		for _, k := range other.keys {
			names[name+"."+k.field] = below(w.tables[name], k.name)
		}
	}
	for _, k := range b.keys {
		names[k.field] = k.name
	}
	return names
}
