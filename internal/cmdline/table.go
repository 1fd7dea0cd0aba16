package cmdline

import (
	"strconv"
	"strings"
)

// offer is a word that may stand where the cursor is, and what it does.
type offer struct{ word, help string }

// arm is what may stand at some places: words, or a file.
type arm struct {
	// at are the places: a command's full name, and a flag or the number of an argument behind it.
	at     []string
	offers []offer
	file   bool
}

// table is all that a completion script knows of a program.
type table struct {
	// valued are flags that swallow the next word, as "tandem passwd --algorithm"; commands are those below the
	// program, as "tandem passwd".
	valued, commands []string
	// values may follow a flag, args stand at a place, flags belong to a command.
	values, args, flags []arm
}

func (c Command) table() (t table) {
	c.Walk(func(name string, flags []Flag, c Command) {
		if strings.Contains(name, " ") {
			t.commands = append(t.commands, name)
		}
		all := arm{at: []string{name}}
		for _, f := range flags {
			at := f.written()
			for i, written := range at {
				all.offers = append(all.offers, offer{written, brief(f.Help)})
				at[i] = name + " " + written
			}
			if f.Value == "" {
				continue
			}
			t.valued = append(t.valued, at...)
			if f.Value == File || len(f.Choices) > 0 {
				t.values = append(t.values, arm{at, choiceOffers(f.Choices), f.Value == File})
			}
		}
		t.flags = append(t.flags, all)
		if len(c.Commands) > 0 {
			below := arm{at: []string{name + " 0"}}
			for _, child := range c.Commands {
				below.offers = append(below.offers, offer{child.Name, brief(child.Help)})
			}
			t.args = append(t.args, below)
		}
		for i, a := range c.Args {
			if a.Name == File || len(a.Choices) > 0 {
				t.args = append(t.args, arm{[]string{name + " " + strconv.Itoa(i)}, choiceOffers(a.Choices), a.Name == File})
			}
		}
	})
	return t
}

func choiceOffers(choices []string) []offer {
	offers := make([]offer, len(choices))
	for i, c := range choices {
		offers[i].word = c
	}
	return offers
}

// pattern is what a shell's case matches one of those words by.
func pattern(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = quoted(w)
	}
	return strings.Join(all, "|")
}

// cases writes one case for each arm, with what write makes of it.
func cases(arms []arm, write func(arm) string) string {
	var b strings.Builder
	for _, a := range arms {
		b.WriteString("            " + pattern(a.at) + ") " + write(a) + " ;;\n")
	}
	return b.String()
}
