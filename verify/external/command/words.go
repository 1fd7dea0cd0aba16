package command

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxStderr is how much is kept of what a program writes to its standard error, in octets.
	maxStderr = 4096
	// MaxCode is the longest code, in octets.
	MaxCode = 128
)

// words is what a program says, while it is being said.
type words struct {
	from *os.File
	kept []byte
	done chan struct{}
}

// listen reads all that comes, keeps the beginning, and lets the rest go.
func listen(from *os.File) *words {
	w := &words{from: from, done: make(chan struct{})}
	go func() { // ends with the last writer, or with take
		defer close(w.done)
		// A code that stands at the end of what is kept is kept whole, so that it is found there.
		w.kept, _ = io.ReadAll(io.LimitReader(from, maxStderr+MaxCode))
		_, _ = io.Copy(io.Discard, from)
	}()
	return w
}

// take stops listening, a moment from now at the latest, and returns what was said, without the code.
func (w *words) take(code string) string {
	_ = w.from.SetReadDeadline(time.Now().Add(drainGrace))
	<-w.done
	_ = w.from.Close()
	said := string(w.kept)
	if code != "" {
		said = strings.ReplaceAll(said, code, "[code]")
	}
	if len(said) > maxStderr {
		said = said[:maxStderr] + " …"
	}
	return oneLine(strings.TrimRight(said, "\n"))
}

// oneLine escapes everything that is not to be seen, line breaks first of all, so that a program cannot write
// lines into the log.
func oneLine(s string) string {
	var line strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r != utf8.RuneError && strconv.IsPrint(r) {
			line.WriteRune(r)
		} else {
			quoted := strconv.Quote(s[:size])
			line.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[size:]
	}
	return line.String()
}
