package cmdline

import (
	"fmt"
	"strings"
)

// bashScript completes one program. It first finds where on the line the cursor is: at, the command; pending, the flag
// whose value is wanted; place, how many arguments stand before it. Bash breaks --flag=value into three words.
const bashScript = `_%[1]s() {
    local cur=${COMP_WORDS[COMP_CWORD]} at=%[1]s pending= place=0 words= files= word i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == "=" ]]; then
            continue
        elif [[ -n $pending ]]; then
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
    if [[ -n $pending ]]; then
        [[ $cur == "=" ]] && cur=
        case "$at $pending" in
%[4]s        esac
    elif [[ $cur == -* ]]; then
        case $at in
%[5]s        esac
    else
        case "$at $place" in
%[6]s        esac
    fi
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    fi
}
complete -F _%[1]s %[1]s
`

// Bash writes the completion of these programs for bash.
func Bash(programs ...Command) string {
	var b strings.Builder
	for _, p := range programs {
		t := p.table()
		fmt.Fprintf(&b, bashScript, p.Name, pattern(t.valued), orNothing(t.commands),
			cases(t.values, bashArm), cases(t.flags, bashArm), cases(t.args, bashArm))
	}
	return b.String()
}

func bashArm(a arm) string {
	if a.file {
		return "files=yes"
	}
	words := make([]string, len(a.offers))
	for i, o := range a.offers {
		words[i] = o.word
	}
	return "words=" + quoted(strings.Join(words, " "))
}

// orNothing is a pattern that no word matches if there is nothing to match.
func orNothing(words []string) string {
	if len(words) == 0 {
		return "''"
	}
	return pattern(words)
}
