// Command sbom says what is inside Tandem's programs: it reads the modules that the Go linker has written into them
// (`go version -m`), and asks no network.
//
//	sbom -version 1.2.0 -date 2026-11-21T21:35:10Z -bom sbom.cdx.json -notices THIRD-PARTY tandemd tandem
//
// The bill of materials is CycloneDX 1.5 (ECMA-424), in JSON. The notices are the licences of all modules, which whoever hands on
// the programs has to hand on too. Both depend on nothing but the arguments, so that two runs write the same.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run is main without the process: it returns 0, 1 if something failed, 2 for wrong usage.
func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	flags.SetOutput(stderr)
	version := flags.String("version", "", "Tandem's `version`")
	date := flags.String("date", "", "when it was built (RFC 3339)")
	bom := flags.String("bom", "", "the `file` for the bill of materials")
	notices := flags.String("notices", "", "the `file` for the licences")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() == 0 || *version == "" || *date == "" || *bom == "" || *notices == "":
		fmt.Fprintln(stderr, "sbom: name -version, -date, -bom, -notices and the programs")
		return 2
	}
	if err := write(*version, *date, *bom, *notices, flags.Args()); err != nil {
		fmt.Fprintln(stderr, "sbom:", err)
		return 1
	}
	return 0
}

func write(version, date, bom, notices string, programs []string) error {
	inside, err := read(programs)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(inside.bom(version, date), "", "  ")
	if err != nil {
		return err
	}
	text, err := inside.licences()
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(bom, append(b, '\n'), 0o644),  //nolint:gosec // everybody may read it
		os.WriteFile(notices, []byte(text), 0o644)) //nolint:gosec // everybody may read it
}
