package rule

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// builtins are those of expr's own functions that a rule may use: none that makes large things out of small ones
// (repeat, map, toJSON …), and none that reads the clock.
var builtins = []string{
	"all", "any", "none", "one", "count", "len", "first", "last",
	"lower", "upper", "trim", "trimPrefix", "trimSuffix", "hasPrefix", "hasSuffix", "split",
	"int", "date", "duration",
}

// maxRange is how many numbers a..b may stand for.
const maxRange = 1000

// restrictions refuses what could take long or much memory, and what can be known to be wrong before there
// is a login:
//
//   - A loop in a loop takes the square of the time, and so on.
//   - A variable (let) that is used twice doubles what it holds, and thirty of them in a row fill the memory.
//   - A pattern for matches that is not in the rule itself would come from the user.
//   - A network that is not in the rule itself could not be checked.
type restrictions struct {
	// err is the first thing that was refused.
	err *file.Error
	// read are the networks, as they are written.
	read map[string]netip.Prefix
}

// Visit implements [ast.Visitor]. It comes to each node after its children.
func (r *restrictions) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == "$env" { // everything at once, the functions' addresses included
			r.refuse(n, "unknown name $env")
		}
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		r.refuse(n, "a rule has no variables of its own and no steps: write one expression")
	case *ast.PredicateNode:
		if predicates := new(predicates); predicates.within(n) > 0 {
			r.refuse(n, "a loop stands in a loop: write any, all … beside each other, with and")
		}
	case *ast.BinaryNode:
		r.operator(n)
	case *ast.BuiltinNode:
		if !slices.Contains(builtins, n.Name) { // expr leaves map, filter … in the language even if they are disabled
			r.refuse(n, "unknown name %s", n.Name)
		}
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok && callee.Value == "inNetwork" {
			r.networks(node, n)
		}
	}
}

func (r *restrictions) operator(n *ast.BinaryNode) {
	switch n.Operator {
	case "matches":
		if _, literal := n.Right.(*ast.StringNode); !literal {
			r.refuse(n.Right, "what matches looks for has to be a text in quotes")
		}
	case "..":
		from, ok1 := n.Left.(*ast.IntegerNode)
		to, ok2 := n.Right.(*ast.IntegerNode)
		if !ok1 || !ok2 || to.Value-from.Value >= maxRange {
			r.refuse(n, "a range goes from one number to another, such as 8..18, and has at most %d", maxRange)
		}
	}
}

// networks checks the arguments of inNetwork, and makes of inNetwork(a, b) the simpler inNetwork(a) || inNetwork(b).
func (r *restrictions) networks(node *ast.Node, call *ast.CallNode) {
	if len(call.Arguments) == 0 {
		r.refuse(call, `inNetwork needs a network, such as inNetwork("192.0.2.0/24")`)
		return
	}
	var either ast.Node
	for _, argument := range call.Arguments {
		network, literal := argument.(*ast.StringNode)
		if !literal {
			r.refuse(argument, "a network has to be a text in quotes")
			return
		}
		prefix, err := netip.ParsePrefix(network.Value)
		switch {
		case err != nil:
			r.refuse(argument, "%.64q is no network: write it like 192.0.2.0/24 or 2001:db8::/32", network.Value)
			return
		case prefix != prefix.Masked():
			r.refuse(argument, "%q is an address in %s: write that", network.Value, prefix.Masked())
			return
		}
		r.read[network.Value] = prefix
		one := &ast.CallNode{Callee: &ast.IdentifierNode{Value: "inNetwork"}, Arguments: []ast.Node{argument}}
		one.Callee.SetLocation(call.Location())
		one.SetLocation(call.Location())
		if either == nil {
			either = one
			continue
		}
		either = &ast.BinaryNode{Operator: "||", Left: either, Right: one}
		either.SetLocation(call.Location())
	}
	ast.Patch(node, either)
}

func (r *restrictions) refuse(n ast.Node, format string, args ...any) {
	if r.err == nil {
		r.err = &file.Error{Location: n.Location(), Message: fmt.Sprintf(format, args...)}
	}
}

// predicates counts the loops in a loop.
type predicates struct{ count int }

func (p *predicates) within(n *ast.PredicateNode) int {
	ast.Walk(&n.Node, p)
	return p.count
}

// Visit implements [ast.Visitor].
func (p *predicates) Visit(node *ast.Node) {
	if _, ok := (*node).(*ast.PredicateNode); ok {
		p.count++
	}
}
