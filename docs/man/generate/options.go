package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// optionLine is a line of a usage text: "  --config FILE   the configuration".
var optionLine = regexp.MustCompile(`^  --([a-z-]+)(?: ([A-Z]+))? {2,}(.+)$`)

// options describes the options of a program that has the package flag parse them, as its constant usage does. Those
// that it defines and those that it tells of must be the same.
func options(folder string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, "main.go"), nil, 0)
	if err != nil {
		return "", err
	}
	usage, defined := "", []string(nil)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if n.Names[0].Name == "usage" && len(n.Values) == 1 {
				usage = constant(n.Values[0])
			}
		case *ast.CallExpr:
			if name, ok := definition(n); ok {
				defined = append(defined, name)
			}
		}
		return true
	})
	var told []string
	var b strings.Builder
	b.WriteString(".Bl -tag -width Ds\n")
	for line := range strings.Lines(usage) {
		m := optionLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		told = append(told, m[1])
		fmt.Fprintf(&b, ".It Fl \\-%s", escape(m[1]))
		if m[2] != "" {
			fmt.Fprintf(&b, " Ar %s", strings.ToLower(m[2]))
		}
		fmt.Fprintf(&b, "\n%s", prose(strings.ToUpper(m[3][:1])+m[3][1:]+".", nil))
	}
	b.WriteString(".El\n")
	slices.Sort(told)
	slices.Sort(defined)
	if len(told) == 0 || !slices.Equal(told, defined) {
		return "", fmt.Errorf("the constant usage of %s tells of the options %q, and the code defines %q", folder, told, defined)
	}
	return b.String(), nil
}

// definition is the name of the option that a call such as flags.String("config", …) defines.
func definition(call *ast.CallExpr) (name string, ok bool) {
	method, isMethod := call.Fun.(*ast.SelectorExpr)
	if !isMethod || len(call.Args) != 3 {
		return "", false
	}
	if of, isName := method.X.(*ast.Ident); !isName || of.Name != "flags" {
		return "", false
	}
	name = constant(call.Args[0])
	return name, name != ""
}

// constant is a text that the source writes in pieces; empty if it is none.
func constant(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if errors.Is(err, strconv.ErrSyntax) {
			return ""
		}
		return text
	case *ast.BinaryExpr:
		return constant(e.X) + constant(e.Y)
	}
	return ""
}
