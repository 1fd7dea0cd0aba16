package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// contents is what a set of programs consists of.
type contents struct {
	programs []program
	// modules are sorted by path; Go's standard library is one of them, under the name std and without a sum.
	modules []module
}

type program struct {
	name   string
	sha256 string // hexadecimal
}

// module is one Go module. sum is the hash of its files, as go.sum has it.
type module struct{ path, version, sum string }

const stdlib = "std"

func read(paths []string) (*contents, error) {
	c := &contents{}
	seen := map[string]module{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		digest := sha256.Sum256(b)
		c.programs = append(c.programs, program{filepath.Base(path), hex.EncodeToString(digest[:])})
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: only programs that Go has linked say what is inside them", path, err)
		}
		seen[stdlib] = module{path: stdlib, version: strings.TrimPrefix(info.GoVersion, "go")}
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			if before, ok := seen[m.Path]; ok && before.version != m.Version {
				return nil, fmt.Errorf("%s contains %s %s, and another program %s: build them together", path, m.Path, m.Version, before.version)
			}
			seen[m.Path] = module{m.Path, m.Version, m.Sum}
		}
	}
	for _, m := range seen {
		c.modules = append(c.modules, m)
	}
	slices.SortFunc(c.modules, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return c, nil
}
