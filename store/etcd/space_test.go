package etcd

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"tandem/store"
	"tandem/test/freeport"
)

// startWithQuota runs one member whose database may be of so many bytes, and returns its endpoint.
func startWithQuota(t *testing.T, quota string) string {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatal("this test needs etcd: apt-get install etcd-server")
	}
	client, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	peer, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	member := exec.Command(program, "--name", "m0", "--data-dir", filepath.Join(t.TempDir(), "data"), "--quota-backend-bytes", quota,
		"--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "m0=http://"+peer,
		"--logger", "zap", "--log-level", "warn", "--log-outputs", "stderr")
	member.Env = []string{"PATH=" + os.Getenv("PATH")}
	member.Stderr = log
	member.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := member.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = member.Process.Kill()
		_ = member.Wait()
		_ = log.Close()
	})
	return "http://" + client
}

func TestRow45_EtcdWithoutSpace(t *testing.T) {
	endpoint := startWithQuota(t, "4000000")
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 30 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = etcd.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := etcd.Get(ctx, "is it up?"); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, Options{Endpoints: []string{endpoint}, Timeout: 4 * time.Second})
	if err := errors.Join(claim(ctx, s, "before"), s.Check(ctx)); err != nil {
		t.Fatal(err)
	}
	junk := string(bytes.Repeat([]byte("x"), 500_000))
	for err = nil; err == nil; {
		_, err = etcd.Put(ctx, "junk", junk)
	}
	if !errors.Is(err, rpctypes.ErrNoSpace) {
		t.Fatal(err)
	}

	for what, try := range map[string]func() error{
		"a commit": func() error { return claim(ctx, s, "full") },
		"a commit of what expires": func() error {
			return s.Update(ctx, func(tx store.Tx) error { tx.Put("lease", nil, time.Hour); return nil })
		},
		"Check": func() error { return s.Check(ctx) },
	} {
		began := time.Now()
		err := try()
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "etcdctl alarm disarm") {
			t.Errorf("%s: %v, want unavailable and the remedy", what, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s took %v: a refusal was taken for silence", what, took)
		}
	}
	if s.Stats().Unknown != 0 {
		t.Errorf("a refusal was taken for an unknown result: %+v", s.Stats())
	}
	snapshot, err := Read(ctx, Options{Endpoints: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	if m := snapshot.Members(ctx); len(m) != 1 || len(m[0].Alarms) != 1 || m[0].Alarms[0] != "NOSPACE" || !m[0].Leader || m[0].Size == 0 {
		t.Errorf("%+v", m)
	}
	if err := snapshot.Close(); err != nil {
		t.Error(err)
	}

	// What docs/cluster.md says.
	now, err := etcd.Get(ctx, "junk")
	if err != nil {
		t.Fatal(err)
	}
	_, compacted := etcd.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical())
	_, defragmented := etcd.Defragment(ctx, endpoint)
	_, disarmed := etcd.AlarmDisarm(ctx, &clientv3.AlarmMember{})
	if err := errors.Join(compacted, defragmented, disarmed); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Check(ctx), claim(ctx, s, "full"), claim(ctx, s, "after")); err != nil {
		t.Errorf("it does not heal: %v", err)
	}
	if err := claim(ctx, s, "before"); !errors.Is(err, errTaken) {
		t.Errorf("%v", err)
	}
}
