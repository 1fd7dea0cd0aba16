package file

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/directory"
)

const (
	justAlice = "[[users]]\nname = \"alice\"\n"
	justCarol = "[[users]]\nname = \"carol\"\n"
)

func (f *fixture) knows(t *testing.T, name string) bool {
	t.Helper()
	_, err := f.Lookup(t.Context(), name)
	if err != nil && !errors.Is(err, directory.ErrNoUser) {
		t.Fatal(err)
	}
	return err == nil
}

func TestLookupReadsAChangedFileWithinASecond(t *testing.T) {
	f := mustOpen(t, justAlice)
	write(t, f.path, justCarol)
	f.clock.advance(lookEvery - 1)
	if f.knows(t, "carol") {
		t.Error("the file was looked at twice within a second")
	}
	f.clock.advance(1)
	if !f.knows(t, "carol") || f.knows(t, "alice") {
		t.Error("the changed file was not read")
	}

	// A clock that was set back must not stop the looking.
	write(t, f.path, justAlice)
	f.clock.advance(-time.Hour)
	if !f.knows(t, "alice") {
		t.Error("the changed file was not read after the clock was set back")
	}
}

func TestRow49_ABadUsersFileKeepsTheUsersReadBefore(t *testing.T) {
	f := mustOpen(t, justAlice)
	errorsLogged := func() int { return strings.Count(f.log.String(), "level=ERROR") }

	for i, spoil := range []func(){
		func() { write(t, f.path, justCarol+"[[users]]\nname = \"carol\"\n") },
		func() { write(t, f.path, "") },
		func() { _ = os.Remove(f.path) },
	} {
		spoil()
		for range 3 {
			f.clock.advance(lookEvery)
			if !f.knows(t, "alice") || f.knows(t, "carol") {
				t.Fatalf("case %d: the bad file was taken", i)
			}
		}
		if errorsLogged() != i+1 {
			t.Fatalf("case %d: %d errors logged: %s", i, errorsLogged(), f.log)
		}
	}
	if !strings.Contains(f.log.String(), "users.toml:4: users[1].name") {
		t.Errorf("the log names no line: %s", f.log)
	}

	write(t, f.path, justCarol)
	f.clock.advance(lookEvery)
	if !f.knows(t, "carol") || f.knows(t, "alice") || errorsLogged() != 3 {
		t.Errorf("the mended file was not taken: %s", f.log)
	}
}

func TestRow50_AUsersFileThatOthersCanReadIsRefused(t *testing.T) {
	f := mustOpen(t, justAlice)
	for mode, private := range map[os.FileMode]bool{
		0o600: true, 0o400: true, 0o640: true,
		0o644: false, 0o604: false, 0o660: false, 0o602: false, 0o666: false,
	} {
		if err := os.Chmod(f.path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Open(f.o)
		if private != (err == nil) {
			t.Errorf("mode %o: %v", mode, err)
		}
		if err != nil && (!strings.Contains(err.Error(), f.path) || !strings.Contains(err.Error(), "chmod 0600")) {
			t.Errorf("mode %o: the error names no file or no remedy: %v", mode, err)
		}
	}
}

func TestRow50_AFileThatBecomesReadableIsNotTakenUntilItIsMended(t *testing.T) {
	f := mustOpen(t, justAlice)
	write(t, f.path, justCarol)
	if err := os.Chmod(f.path, 0o644); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(lookEvery)
	if f.knows(t, "carol") || !strings.Contains(f.log.String(), "chmod 0600") {
		t.Errorf("a file of mode 0644 was taken: %s", f.log)
	}
	// chmod changes neither size nor modification time.
	if err := os.Chmod(f.path, 0o600); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(lookEvery)
	if !f.knows(t, "carol") {
		t.Errorf("the mended file was not taken: %s", f.log)
	}
}

// TestRow49_EachLookupSeesOneWholeVersion wants each look-up to see one version of the file, whole.
func TestRow49_EachLookupSeesOneWholeVersion(t *testing.T) {
	text := func(group string) string {
		return "[[users]]\nname = \"alice\"\nmail = \"" + group + "\"\ngroups = [\"" + group + "\"]\n"
	}
	f := mustOpen(t, text("old"))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				u, err := f.Lookup(t.Context(), "alice")
				if err != nil || len(u.Groups) != 1 || u.Groups[0] != u.Mail {
					t.Errorf("%+v, %v", u, err)
					return
				}
			}
		})
	}
	for range 10 {
		write(t, f.path, text("new"))
		f.clock.advance(lookEvery)
		write(t, f.path, text("old"))
		f.clock.advance(lookEvery)
	}
	close(stop)
	readers.Wait()
}
