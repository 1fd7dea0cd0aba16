package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"tandem/store"
)

// TestRow25_OwnCoreUsesTheConfiguredStore: a helper beside a cluster must not remember used codes in a file of its
// own, where no node sees them.
func TestRow25_OwnCoreUsesTheConfiguredStore(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"users.toml": "[[users]]\nname = \"alice\"\n",
		"config.toml": `[audit]
file = "audit.jsonl"
[store]
type = "etcd"
file = "state.db"
[store.etcd]
endpoints = ["http://127.0.0.1:1"]
timeout = "100ms"
[pam]
socket = "pam.sock"
[directory]
type = "file"
[directory.file]
path = "users.toml"
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := ownCore(t.Context(), filepath.Join(dir, "config.toml"), slog.New(slog.DiscardHandler))
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("etcd is out of reach, and the core: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "state.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a state file was made: %v", err)
	}
}
