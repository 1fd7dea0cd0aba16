package proc

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAProcessIsSeen(t *testing.T) {
	p, err := Start(-1, "/bin/sh", "-c", "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; echo done; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	err = p.WaitFor(10*time.Second, func() error {
		if used, err := p.CPU(); err != nil || used == 0 || !strings.Contains(p.said.String(), "done") {
			return errors.Join(errors.New("nothing was done yet"), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if now, peak, err := p.Memory(); err != nil || now < 1<<12 || peak < now {
		t.Errorf("it has %d octets, at most %d (%v)", now, peak, err)
	}
	if err := p.Running(); err != nil {
		t.Error(err)
	}
	p.Stop()
	if p.Running() == nil {
		t.Error("it runs after it was stopped")
	}
}

func TestAProcessThatFailsSaysWhy(t *testing.T) {
	p, err := Start(-1, "/bin/sh", "-c", "echo the reason >&2; exit 1")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	err = p.WaitFor(10*time.Second, func() error { return errors.New("never") })
	if err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Error(err)
	}
	if _, err := Start(-1, "/nowhere"); err == nil {
		t.Error("a program that is not there was started")
	}
}

func TestCoresAreCounted(t *testing.T) {
	if busy, err := CoreBusy(0); err != nil || busy == 0 {
		t.Errorf("%v, %v", busy, err)
	}
	if _, err := CoreBusy(1 << 20); err == nil {
		t.Error("there is no such core")
	}
}

func TestOnlyTheLastWordsAreKept(t *testing.T) {
	var w tail
	for range 1000 {
		_, _ = w.Write([]byte("many words "))
	}
	_, _ = w.Write([]byte("the last"))
	if got := w.String(); len(got) != keep || !strings.HasSuffix(got, "the last") {
		t.Errorf("%d octets are kept", len(got))
	}
}
