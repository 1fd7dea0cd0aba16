// Package rule decides by a line of configuration whether something holds for a login:
//
//	inGroup("vpn-users") and not inNetwork("192.0.2.0/24", "2001:db8::/32")
//	client == "edge" and attribute("mail") endsWith "@example.org"
//	via == "pam" and service in ["sshd", "sudo"] and time.Hour() in 8..18
//
// The language is that of github.com/expr-lang/expr with the variables and functions of [Env], and with less
// of expr's own: what is left has no side effects, reads nothing but the Env, and ends soon (see check.go).
//
// A rule is compiled and its types are checked when the service starts. What can still go wrong later, such as
// attributes["x"][0] for a user without x, is an error, and never a yes.
package rule

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

const (
	// maxText is the longest rule in octets.
	maxText = 4096
	// maxNodes is how many operands and operators a rule may have.
	maxNodes = 1000
	// memoryBudget is how many elements a rule may make while it is evaluated.
	memoryBudget = 10_000
)

// Rule is a compiled rule. It may be used by many goroutines at once.
type Rule struct {
	text    string
	program *vm.Program
	// networks are those that it names, read.
	networks map[string]netip.Prefix
}

// Compile reads a rule. Its error says in which column what is wrong; it does not repeat the text.
func Compile(text string) (_ *Rule, err error) {
	defer func() { // nobody's text may stop the service, not even the administrator's
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be compiled: %v", r)
		}
	}()
	switch {
	case strings.TrimSpace(text) == "":
		return nil, errors.New("is empty")
	case len(text) > maxText:
		return nil, fmt.Errorf("is %d octets long: use at most %d", len(text), maxText)
	}
	// Where there is something to patch, expr 1.17 misses unknown names among the arguments of a call; so the types
	// are checked first by themselves.
	if _, err := expr.Compile(text, language(vocabulary{})...); err != nil {
		return nil, where(err, text)
	}
	limits := &restrictions{read: make(map[string]netip.Prefix)}
	program, err := expr.Compile(text, append(language(newScope().variables), expr.Patch(limits))...)
	if limits.err != nil {
		err = limits.err.Bind(file.NewSource(text))
	}
	if err != nil {
		return nil, where(err, text)
	}
	return &Rule{text: text, program: program, networks: limits.read}, nil
}

// language is what rules are written in.
func language(env any) []expr.Option {
	all := make([]expr.Option, 0, 6+len(builtins))
	all = append(all, expr.Env(env), expr.AsBool(), expr.WarnOnAny(), // whatever is not known to be a bool is refused
		expr.MaxNodes(maxNodes), expr.DisableAllBuiltins())
	for _, name := range builtins {
		all = append(all, expr.EnableBuiltin(name))
	}
	return all
}

// where says first where the mistake is, and leaves out the drawing of it, as errors stand on one line in logs.
func where(err error, text string) error {
	var at *file.Error
	if !errors.As(err, &at) || at.Line == 0 { // the rule as a whole has the wrong type
		return fmt.Errorf("is neither true nor false: %w", err)
	}
	if strings.Contains(text, "\n") {
		return fmt.Errorf("line %d, column %d: %s", at.Line, at.Column+1, at.Message)
	}
	return fmt.Errorf("column %d: %s", at.Column+1, at.Message)
}

// Matcher matches rules against one login, one after the other: what several of them ask about is found out once. It
// is for one goroutine.
type Matcher struct {
	env     func() Env
	machine *machine // nil until the first rule: most logins meet none
}

// machine is what runs rules.
type machine struct {
	vm    vm.VM
	scope *scope
	// broken: a rule has left the machine in a state that nobody knows.
	broken bool
}

// machines are used again, which saves most of the allocations.
var machines = sync.Pool{New: func() any {
	return &machine{vm: vm.VM{MemoryBudget: memoryBudget}, scope: newScope()}
}}

// For returns a Matcher for the login that env describes; env is called at most once. Close the Matcher when it is no
// longer used.
func For(env func() Env) *Matcher { return &Matcher{env: env} }

// Close ends the use of m.
func (m *Matcher) Close() {
	if m.machine == nil {
		return
	}
	m.machine.scope.leave()
	if !m.machine.broken {
		machines.Put(m.machine)
	}
	m.machine = nil
}

// Match reports whether the rule holds for a login; see [Matcher.Match].
func (r *Rule) Match(env Env) (holds bool, err error) {
	m := For(func() Env { return env })
	defer m.Close()
	return m.Match(r)
}

// Match reports whether r holds. With an error it is not known, and the result is false.
func (m *Matcher) Match(r *Rule) (holds bool, err error) {
	if m.machine == nil {
		m.machine = machines.Get().(*machine)
		m.machine.scope.enter(m.env())
	}
	return m.machine.match(r)
}

func (m *machine) match(r *Rule) (holds bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			m.broken = true
			holds, err = false, fmt.Errorf("evaluate the rule %q: %v", r.text, p)
		}
	}()
	m.scope.networks = r.networks
	out, err := m.vm.Run(r.program, m.scope.variables)
	if err != nil {
		return false, fmt.Errorf("evaluate the rule %q: %w", r.text, where(err, r.text))
	}
	holds, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("evaluate the rule %q: the result is %T, neither true nor false", r.text, out)
	}
	return holds, nil
}

// String returns the rule's text.
func (r *Rule) String() string { return r.text }
