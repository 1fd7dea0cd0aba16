package cmdline

import (
	"fmt"
	"strings"
)

// fishWalk says where on the line the cursor is: the command, and behind it the flag whose value is wanted, or how many
// arguments stand before it.
const fishWalk = `function __%[1]s_place
    set -l at %[1]s
    set -l place 0
    set -l pending
    set -l typed (commandline -opc)
    for word in $typed[2..-1]
        if test -n "$pending"
            set pending
            continue
        end
        switch "$at $word"
            case %[2]s
                set pending $word
            case %[3]s
                set at "$at $word"
                set place 0
            case '* -*'
            case '*'
                set place (math $place + 1)
        end
    end
    if test -n "$pending"
        echo "$at $pending"
    else
        echo "$at $place"
    end
end
function __%[1]s_at
    string match -qr -- "^$argv[1]\$" (__%[1]s_place)
end
complete -c %[1]s -f
`

// Fish writes the completion of these programs for fish.
func Fish(programs ...Command) string {
	var b strings.Builder
	for _, p := range programs {
		t := p.table()
		fmt.Fprintf(&b, fishWalk, p.Name, fishPattern(t.valued), fishPattern(t.commands))
		for _, a := range t.args {
			fishArg(&b, p.Name, a)
		}
		p.Walk(func(name string, flags []Flag, _ Command) {
			for _, f := range flags {
				fishFlag(&b, p.Name, name, f)
			}
		})
	}
	return b.String()
}

func fishArg(b *strings.Builder, program string, a arm) {
	start := fmt.Sprintf("complete -c %s -n %s", program, quoted("__"+program+"_at "+doubleQuoted(a.at[0])))
	if a.file {
		fmt.Fprintf(b, "%s -F\n", start)
	}
	for _, o := range a.offers {
		fmt.Fprintf(b, "%s -a %s -d %s\n", start, o.word, quoted(o.help))
	}
}

// fishFlag offers a flag before the command's arguments and behind them; its own value is fish's business.
func fishFlag(b *strings.Builder, program, command string, f Flag) {
	fmt.Fprintf(b, "complete -c %s -n %s -l %s", program, quoted("__"+program+"_at "+doubleQuoted(command+" [^ ]+")), f.Name)
	if f.Short != "" {
		fmt.Fprintf(b, " -s %s", f.Short)
	}
	switch {
	case f.Value == File:
		b.WriteString(" -r -F")
	case len(f.Choices) > 0:
		fmt.Fprintf(b, " -x -a %s", quoted(strings.Join(f.Choices, " ")))
	case f.Value != "":
		b.WriteString(" -x")
	}
	fmt.Fprintf(b, " -d %s\n", quoted(brief(f.Help)))
}

func fishPattern(words []string) string {
	if len(words) == 0 {
		return "''"
	}
	return strings.ReplaceAll(pattern(words), "|", " ")
}

func doubleQuoted(s string) string { return `"` + s + `"` }
