package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// licences is the text of the licence of each module, as they stand in the module cache.
func (c *contents) licences() (string, error) {
	folders, err := c.folders()
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, m := range c.modules {
		text, err := licence(folders[m.path])
		if err != nil {
			return "", fmt.Errorf("the licence of %s %s: %w", m.path, m.version, err)
		}
		fmt.Fprintf(&all, "%s\n%s %s\n%[1]s\n\n%[4]s\n\n", strings.Repeat("=", 78), m.path, m.version, text)
	}
	return all.String(), nil
}

// folders is where the files of each module are.
func (c *contents) folders() (map[string]string, error) {
	root, err := command("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	folders := map[string]string{stdlib: strings.TrimSpace(root)}
	list := []string{"list", "-m", "-json"}
	for _, m := range c.modules {
		if m.path != stdlib {
			list = append(list, m.path)
		}
	}
	out, err := command("go", list...)
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var m struct{ Path, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, err
		}
		folders[m.Path] = m.Dir
	}
}

func command(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output() //nolint:noctx // it reads files, and ends
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, failed.Stderr)
	}
	return string(out), err
}

// licence is all the text that a module's folder has about licences.
func licence(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") &&
			!strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return "", err
		}
		texts = append(texts, strings.TrimSpace(string(b)))
	}
	if len(texts) == 0 {
		return "", fmt.Errorf("there is none in %s", folder)
	}
	return strings.Join(texts, "\n\n"), nil
}
