package module_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/msteinert/pam/v2"
	"golang.org/x/sys/unix"
)

// nobody is the ordinary user of these tests.
const nobody = 65534

// application is a program that logs somebody in through PAM.
type application struct {
	// stack are the lines of its PAM service, with MODULE and PROBE for the two modules.
	stack []string
	user  string
	flags pam.Flags
	items map[pam.Item]string
	env   []string
	// answers are given to the prompts in turn; none is left: the conversation fails.
	answers []string
	// converse, if set, answers instead.
	converse func(pam.Style, string) (string, error)
}

// told is what the application heard: prompts as "?text" ("!text" if echoed), texts as "i text", "e text".
type told []string

func (m told) has(part string) bool { return strings.Contains(strings.Join(m, "\n"), part) }

// folder makes a folder that others can enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pam")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// service writes a PAM service "app" into a folder of its own.
func service(t *testing.T, stack ...string) string {
	t.Helper()
	dir := folder(t)
	lines := strings.NewReplacer("MODULE", built.module, "PROBE", built.probe).Replace(strings.Join(stack, "\n"))
	if err := os.WriteFile(filepath.Join(dir, "app"), []byte(lines+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// begin starts the application's PAM transaction.
func (a application) begin(t *testing.T, heard *told) *pam.Transaction {
	t.Helper()
	dir := service(t, a.stack...)
	user := a.user
	if user == "" {
		user = "alice"
	}
	answers := a.answers
	tx, err := pam.StartConfDir("app", user, pam.ConversationFunc(func(s pam.Style, text string) (string, error) {
		*heard = append(*heard, map[pam.Style]string{
			pam.PromptEchoOff: "?", pam.PromptEchoOn: "!", pam.TextInfo: "i ", pam.ErrorMsg: "e ",
		}[s]+text)
		switch {
		case a.converse != nil:
			return a.converse(s, text)
		case s == pam.TextInfo || s == pam.ErrorMsg:
			return "", nil
		case len(answers) == 0:
			return "", errors.New("the user went away")
		}
		answer := answers[0]
		answers = answers[1:]
		return answer, nil
	}), dir)
	if err != nil {
		t.Fatal(err)
	}
	for item, value := range a.items {
		if err := tx.SetItem(item, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range a.env {
		if err := tx.PutEnv(line); err != nil {
			t.Fatal(err)
		}
	}
	return tx
}

// login runs pam_authenticate and says what came of it: 0 is PAM_SUCCESS.
func (a application) login(t *testing.T) (pam.Error, told) {
	t.Helper()
	var heard told
	tx := a.begin(t, &heard)
	defer func() { _ = tx.End() }()
	return codeOf(t, tx.Authenticate(a.flags)), heard
}

const success pam.Error = 0

func codeOf(t *testing.T, err error) pam.Error {
	t.Helper()
	var code pam.Error
	if err != nil && !errors.As(err, &code) {
		t.Fatal(err)
	}
	return code
}

// want checks a login's result.
func want(t *testing.T, got, wanted pam.Error) {
	t.Helper()
	if got != wanted {
		t.Errorf("the result is %d (%v), not %d (%v)", int(got), got, int(wanted), wanted)
	}
}

// as runs f as another user. Only f's thread changes its user, and it ends with f; the module inside
// it is that user's as far as the kernel is concerned. As an ordinary user, f is run as that one.
func as(t *testing.T, uid int, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan unix.Errno)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
		if errno == 0 {
			f()
		}
		done <- errno
	}()
	if errno := <-done; errno != 0 {
		t.Fatal(errno)
	}
}

// needRoot skips what only root can set up.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can set this up")
	}
}

// asRealUser changes the real user of the calling goroutine's thread for good, and leaves it root's rights.
func asRealUser(t *testing.T, uid int) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), 0, 0); errno != 0 {
		t.Error(errno)
	}
}
