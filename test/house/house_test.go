// Package house holds the walls of docs/architecture.md: which room may import which.
package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// mayImport says for each room, by the longest prefix that fits, what of ours it may import. Tests may
// import more. Everybody may hold internal/secret.
var mayImport = map[string][]string{
	"cmd/":                           {"*"},
	"test/":                          {"*"},
	"internal/compose":               {"*"},
	"radiusd":                        {"verify", "verify/rule", "directory", "radiusd/msgauth", "radiusd/attribute"},
	"radiusd/attribute":              {},
	"radiusd/attribute/generate":     {},
	"radiusd/radiusclient":           {"radiusd/msgauth"},
	"radiusd/msgauth":                {},
	"radiusd/upstream":               {"radiusd/radiusclient", "radiusd/attribute", "verify", "directory"},
	"pamhelper":                      {"verify", "verify/policy", "internal/qr", "internal/unixsock"},
	"pamhelper/local":                {"directory"},
	"pamhelper/module":               {},
	"verify":                         {"directory", "directory/otpauth", "store", "verify/policy", "verify/provider", "verify/rule", "internal/plainjson"},
	"verify/policy":                  {"verify/rule"},
	"verify/oath":                    {"verify", "directory"},
	"verify/totp":                    {"verify", "directory", "verify/oath"},
	"verify/hotp":                    {"verify", "directory", "verify/oath"},
	"verify/yubico":                  {"verify", "verify/provider", "directory"},
	"verify/external":                {"verify", "verify/provider", "verify/external/command", "verify/external/pattern", "directory"},
	"verify/external/command":        {},
	"verify/external/pattern":        {},
	"verify/rest":                    {"verify", "verify/provider", "directory"},
	"verify/mail":                    {"verify", "verify/provider", "directory"},
	"verify/recovery":                {"verify", "directory"},
	"verify/password":                {"verify", "directory"},
	"verify/provider":                {},
	"verify/factortest":              {"verify", "directory"},
	"verify/rule":                    {},
	"directory":                      {"internal/plainjson"},
	"directory/password":             {},
	"directory/file":                 {"directory", "directory/password", "internal/tomlfile"},
	"directory/ldap":                 {"directory", "directory/ldap/exchange"},
	"directory/otpauth":              {"directory"},
	"directory/tokens":               {"directory", "directory/otpauth", "directory/tokens/xmlenc"},
	"directory/tokens/xmlenc":        {},
	"directory/ldap/exchange":        {},
	"store":                          {},
	"store/bolt":                     {"store", "store/witness"},
	"store/storetest":                {"store"},
	"store/etcd":                     {"store", "store/witness"},
	"store/witness":                  {},
	"store/upkeep":                   {"store"},
	"internal/config":                {"directory", "internal/tomlfile", "verify/policy", "verify/rule", "radiusd/attribute", "verify/external/command", "verify/external/pattern"},
	"internal/tomlfile":              {},
	"internal/audit":                 {"internal/plainjson"},
	"internal/audit/summary":         {},
	"internal/cmdline":               {},
	"internal/qr":                    {},
	"internal/admin":                 {"verify", "verify/recovery", "directory", "internal/unixsock"},
	"internal/unixsock":              {},
	"internal/plainjson":             {},
	"internal/secret":                {},
	"internal/version":               {},
	"docs/man/generate":              {"internal/cmdline"},
	"packaging/ldap":                 {},
	"packaging/sbom":                 {},
	"packaging/examples/sms-gateway": {},
}

func TestWalls(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Imports", "tandem/...")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	rooms := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; rooms++ {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(p.ImportPath, "tandem/")
		allowed, known := rule(room)
		if !known {
			t.Errorf("%s is in no row of the table: say what it may import, here and in docs/architecture.md", room)
		}
		for _, i := range p.Imports {
			of, ours := strings.CutPrefix(i, "tandem/")
			if ours && of != "internal/secret" && !allowed[of] && !allowed["*"] {
				t.Errorf("%s may not import %s", room, of)
			}
		}
	}
	if rooms < len(mayImport)-10 {
		t.Fatalf("only %d packages were looked at", rooms)
	}
}

func rule(room string) (allowed map[string]bool, known bool) {
	longest := ""
	for prefix := range mayImport {
		fits := room == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(room, prefix)
		if fits && len(prefix) >= len(longest) {
			longest, known = prefix, true
		}
	}
	allowed = map[string]bool{}
	for _, i := range mayImport[longest] {
		allowed[i] = true
	}
	return allowed, known
}
