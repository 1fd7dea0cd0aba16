package rule

import (
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// Truth is what can be said of a rule for all logins of some kind.
type Truth int

// The truths. A rule that cannot be evaluated for some login holds for that one neither way.
const (
	// Sometimes: it depends on the login.
	Sometimes Truth = iota
	Always
	Never
)

// not is the truth of the opposite.
func (t Truth) not() Truth {
	switch t {
	case Always:
		return Never
	case Never:
		return Always
	case Sometimes:
	}
	return Sometimes
}

// Kind is a kind of logins: all those through one door, by one client.
type Kind struct {
	Via, Client string
}

// Outline is what can be known of a rule before anybody logs in: which kinds of logins it can hold for. It looks at
// nothing but via, client and constants, and so is never wrong, but often says Sometimes.
type Outline struct {
	text string
	root outline
}

// NewOutline reads a rule that Compile takes.
func NewOutline(text string) (Outline, error) {
	program, err := expr.Compile(text, append(language(vocabulary{}), expr.Optimize(false))...)
	if err != nil {
		return Outline{}, where(err, text)
	}
	return Outline{text: program.Node().String(), root: outlineOf(program.Node())}, nil
}

// Judge says whether the rule holds for all logins of a kind, or for none.
func (o Outline) Judge(k Kind) Truth { return o.root.judge(k) }

// String is the rule, however it was spaced: two rules with one String are the same.
func (o Outline) String() string { return o.text }

// outline is a piece of a rule that is true or false.
type outline interface{ judge(k Kind) Truth }

type (
	unknown  struct{}
	opposite struct{ of outline }
	both     struct{ left, right outline }
	either   struct{ left, right outline }
	// comparison looks at nothing but the kind.
	comparison struct{ program *vm.Program }
)

func outlineOf(node ast.Node) outline {
	switch n := node.(type) {
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return opposite{outlineOf(n.Node)}
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			return both{outlineOf(n.Left), outlineOf(n.Right)}
		case "or", "||":
			return either{outlineOf(n.Left), outlineOf(n.Right)}
		}
	}
	// What names anything else is no rule about a kind.
	program, err := expr.Compile(node.String(), language(visible{})...)
	if err != nil {
		return unknown{}
	}
	return comparison{program}
}

// visible is what is known of a login by its kind.
type visible struct {
	Via    string `expr:"via"`
	Client string `expr:"client"`
}

func (unknown) judge(Kind) Truth { return Sometimes }

func (o opposite) judge(k Kind) Truth { return o.of.judge(k).not() }

func (b both) judge(k Kind) Truth {
	switch left, right := b.left.judge(k), b.right.judge(k); {
	case left == Never || right == Never:
		return Never
	case left == Always && right == Always:
		return Always
	}
	return Sometimes
}

func (e either) judge(k Kind) Truth {
	return both{opposite{e.left}, opposite{e.right}}.judge(k).not()
}

func (c comparison) judge(k Kind) Truth {
	machine := vm.VM{MemoryBudget: memoryBudget}
	switch out, err := machine.Run(c.program, visible(k)); {
	case err != nil:
		return Sometimes
	case out == true:
		return Always
	}
	return Never
}
