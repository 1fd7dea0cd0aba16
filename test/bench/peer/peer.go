// Package peer starts what the benchmark compares, and what those need: tandemd, FreeRADIUS, slapd, etcd, the delaying
// proxy before a directory, and the trivial responder that shows what the load can do.
//
// All of them have the users of package people. Each runs in a folder of its own on a port of its own, and nothing of
// the machine's own services is touched.
package peer

import (
	"embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"text/template"

	"tandem/test/bench/proc"
	"tandem/test/freeport"
)

// Secret is the secret that all servers share with the load.
const Secret = "testing123testing123"

// Slow users have a second factor that an external command checks, which takes its time.
const (
	slowEvery = 50
	slowUsers = "(00|50)$" // of the names of every 50th user
	sleep     = "0.1"
)

// Slow reports whether the user with that number is one of them.
func Slow(number int) bool { return number%slowEvery == 0 }

//go:embed freeradius slapd
var templates embed.FS

// Server is a RADIUS server that runs.
type Server struct {
	*proc.Process
	Addr netip.AddrPort
}

// Place is where and how servers are started.
type Place struct {
	// Dir is a folder for what lasts as long as one run; Cache keeps what takes long to make, such as databases.
	Dir, Cache string
	// Memory is a folder on a file system in memory.
	Memory string
	// Tandemd is the program, which Build makes if there is none.
	Tandemd string
	// ServerCore and LoadCore are the cores of the servers that are measured, and of everything else; -1: any.
	ServerCore, LoadCore int
}

// folder makes a new folder whose name begins like that.
func (p Place) folder(name string) (string, error) { return os.MkdirTemp(p.Dir, name+"-") }

func freeAddr() (netip.AddrPort, error) {
	port, err := freeport.Find()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), err
}

// render writes the named templates, as they are called after their folder, into dir.
func render(dir string, data any, names map[string]string) error {
	for from, to := range names {
		t, err := template.ParseFS(templates, from)
		if err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(dir, to))
		if err != nil {
			return err
		}
		if err := t.Execute(f, data); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
