package cmdline_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/internal/cmdline"
)

// program has one of everything that a command line can have.
func program() []cmdline.Command {
	config := cmdline.Flag{Name: "config", Short: "c", Help: "The configuration.", Value: cmdline.File}
	return []cmdline.Command{
		{
			Name: "tandem", Help: "It's the admin's command.", Flags: []cmdline.Flag{config, {Name: "help", Short: "h", Help: "Help."}},
			Commands: []cmdline.Command{
				{Name: "check", Help: "Check it. All of it.", Flags: []cmdline.Flag{{Name: "json", Help: "As JSON."}}},
				{Name: "store", Help: "The state.", Commands: []cmdline.Command{
					{Name: "status", Help: "Say what's there."},
					{Name: "backup", Help: "Write a backup.", Args: []cmdline.Arg{{Name: cmdline.File, Help: "Where to."}}},
				}},
				{Name: "passwd", Help: "Hash.", Flags: []cmdline.Flag{{Name: "algorithm", Short: "a", Value: "ALGORITHM", Choices: []string{"argon2id", "bcrypt"}}}},
				{Name: "try", Help: "Try.", Args: []cmdline.Arg{{Name: "USER"}}, Flags: []cmdline.Flag{{Name: "policy", Value: "NAME"}}},
				{Name: "completion", Help: "Write it.", Args: []cmdline.Arg{{Name: "SHELL", Choices: []string{"bash", "zsh", "fish"}}}},
			},
		},
		{Name: "tandemd", Help: "The daemon.", Flags: []cmdline.Flag{config, {Name: "version", Help: "The version."}}},
	}
}

// typed are lines up to the cursor, and the words that must be offered there.
var typed = []struct {
	line string
	want string
}{
	{"tandem ", "check completion passwd store try"},
	{"tandem st", "store"},
	{"tandem store ", "backup status"},
	{"tandem store b", "backup"},
	{"tandem -c file.toml store ", "backup status"},
	{"tandem --config file.toml st", "store"},
	{"tandem --config=file.toml st", "store"},
	{"tandem -c fi", "file.toml"},
	{"tandem --config fi", "file.toml"},
	{"tandem store backup fi", "file.toml"},
	{"tandem store backup x fi", ""},
	{"tandem check --", "--config --help --json"},
	{"tandem check --j", "--json"},
	{"tandem try alice --p", "--policy"},
	{"tandem try --policy ", ""},
	{"tandem try --policy check ", ""},
	{"tandem passwd --algorithm ", "argon2id bcrypt"},
	{"tandem passwd -a b", "bcrypt"},
	{"tandem completion ", "bash fish zsh"},
	{"tandem completion z", "zsh"},
	{"tandem completion zsh ", ""},
	{"tandemd --", "--config --version"},
	{"tandemd --config fi", "file.toml"},
	{"tandemd ", ""},
}

// shell runs a script in a folder that holds one file, with no start-up files of anybody's.
func shell(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %[1]s", name)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file.toml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a shell that waits for a key waits for ever
	defer cancel()
	c := exec.CommandContext(ctx, path, args...)
	c.Dir = dir
	c.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TERM=dumb", "LANG=C.UTF-8"}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func script(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// compare looks at what a shell prints: for each of typed, a line with the offered words.
func compare(t *testing.T, out string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(got) != len(typed) {
		t.Fatalf("%d answers to %d lines:\n%s", len(got), len(typed), out)
	}
	for i, tt := range typed {
		if g := strings.TrimSpace(got[i]); g != tt.want {
			t.Errorf("%q offers %q, want %q", tt.line, g, tt.want)
		}
	}
}

// TestBash has bash break each line into words, as readline does, and calls the function that `complete` names.
func TestBash(t *testing.T) {
	var b strings.Builder
	b.WriteString("set -u\nsource \"$1\"\n")
	for _, tt := range typed {
		line := strings.ReplaceAll(tt.line, "=", " = ")
		words := strings.Fields(line)
		if strings.HasSuffix(line, " ") {
			words = append(words, "")
		}
		b.WriteString("COMP_WORDS=(")
		for _, w := range words {
			b.WriteString(" '" + w + "'")
		}
		b.WriteString(")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\nspec=$(complete -p " + words[0] + ")\n" +
			"spec=${spec#*-F }\n${spec%% *}\nprintf '%s\\n' \"${COMPREPLY[@]}\" | sort | xargs\n")
	}
	compare(t, shell(t, "bash", "--noprofile", "--norc", "-c", b.String(), "bash", script(t, "tandem", cmdline.Bash(program()...))))
}

// TestFish asks fish itself what it would offer. Fish completes flags only behind a dash that was typed.
func TestFish(t *testing.T) {
	var b strings.Builder
	b.WriteString("source $argv[1]\n")
	for _, tt := range typed {
		// One name of two is enough for a flag, and the short one comes along behind one dash.
		b.WriteString("echo (complete -C '" + tt.line + "' | string split -f1 \\t | string match -v -- '-?' | sort)\n")
	}
	compare(t, shell(t, "fish", "--no-config", "-c", b.String(), script(t, "tandem.fish", cmdline.Fish(program()...))))
}

// TestZsh types at a real zsh, in a terminal of zpty's.
func TestZsh(t *testing.T) {
	folder := filepath.Dir(script(t, "_tandem", cmdline.Zsh(program()...)))
	var lines strings.Builder
	for _, tt := range typed {
		lines.WriteString("ask '" + tt.line + "'\n")
	}
	compare(t, shell(t, "zsh", "-f", "-c", zshTerminal+lines.String(), "zsh", folder))
}

// zshTerminal defines ask LINE, which types LINE and a tab at an interactive zsh, and prints what is offered there:
// the compadd of that shell tells its matches, instead of showing them.
const zshTerminal = `
zmodload zsh/zpty
cat >inner <<'EOF'
PROMPT=; unsetopt prompt_sp
fpath=($1 $fpath)
autoload -Uz compinit
compinit -u -d ./dump
bindkey '^I' complete-word
bindkey '^J' undefined
bindkey '^M' undefined
start() { print -r -- 'begin:' }
finish() { print -r -- 'end:'; exit }
compprefuncs=(start)
comppostfuncs=(finish)
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a found
    builtin compadd -O found "$@"
    print -rl -- 'offer:'$^found
    builtin compadd "$@"
}
zle-line-init() { print -r -- 'ready:' }
zle -N zle-line-init
EOF
ask() {
    local line
    local -aU offers
    offers=()
    zpty inner zsh -f -i
    zpty -w inner ". ./inner $folder"
    while zpty -r inner line; do [[ $line == *ready:* ]] && break; done
    zpty -n -w inner "$1"$'\t'
    while zpty -r inner line; do
        line=${line%%[[:space:]]#}
        case $line in
        offer:?*) offers+=(${line#offer:}) ;;
        end:*) break ;;
        esac
    done
    zpty -d inner
    print -r -- ${(o)offers}
}
setopt extended_glob
folder=$1
`

func TestJSON(t *testing.T) {
	text, err := json.Marshal(program()[0])
	if err != nil {
		t.Fatal(err)
	}
	var back cmdline.Command
	if err := json.Unmarshal(text, &back); err != nil || len(back.Commands) != 5 {
		t.Errorf("%+v, %v", back, err)
	}
}
