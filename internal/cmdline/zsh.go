package cmdline

import (
	"fmt"
	"strings"
)

// zshScript completes one program, as bashScript does. Zsh leaves --flag=value one word.
const zshScript = `_%[1]s() {
    local cur=$words[CURRENT] at=%[1]s pending= place=0 word i
    local -a offers
    for ((i = 2; i < CURRENT; i++)); do
        word=$words[i]
        if [[ -n $pending ]]; then
            pending=
        elif [[ $word == -* ]]; then
            case "$at $word" in
            %[2]s) pending=$word ;;
            esac
        else
            case "$at $word" in
            %[3]s) at="$at $word" place=0 ;;
            *) place=$((place + 1)) ;;
            esac
        fi
    done
    if [[ -z $pending && $cur == --*=* ]]; then
        pending=${cur%%%%=*}
        compset -P '*='
    fi
    if [[ -n $pending ]]; then
        case "$at $pending" in
%[4]s        esac
    elif [[ $cur == -* ]]; then
        case $at in
%[5]s        esac
        _describe -o option offers
        return
    else
        case "$at $place" in
%[6]s        esac
    fi
    (( $#offers )) && _describe value offers
}
`

// Zsh writes the completion of these programs for zsh, in one file for a folder of $fpath.
func Zsh(programs ...Command) string {
	names := make([]string, len(programs))
	for i, p := range programs {
		names[i] = p.Name
	}
	var b strings.Builder
	fmt.Fprintln(&b, "#compdef", strings.Join(names, " "))
	for _, p := range programs {
		t := p.table()
		fmt.Fprintf(&b, zshScript, p.Name, pattern(t.valued), orNothing(t.commands),
			cases(t.values, zshArm), cases(t.flags, zshArm), cases(t.args, zshArm))
	}
	// The file is read as a function's body where compinit has found it, and as a script where somebody sources it.
	b.WriteString("if [[ -n $service ]]; then\n    _$service \"$@\"\nelse\n")
	for _, name := range names {
		fmt.Fprintf(&b, "    compdef _%s %[1]s\n", name)
	}
	b.WriteString("fi\n")
	return b.String()
}

func zshArm(a arm) string {
	if a.file {
		return "_files"
	}
	offers := make([]string, len(a.offers))
	for i, o := range a.offers {
		offers[i] = quoted(o.word)
		if o.help != "" {
			offers[i] = quoted(o.word + ":" + o.help)
		}
	}
	return "offers=(" + strings.Join(offers, " ") + ")"
}
