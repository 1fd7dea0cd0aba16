// Command generate writes the table of package attribute out of FreeRADIUS's dictionaries:
//
//	go generate ./radiusd/attribute
//
// The dictionaries are those of the Debian package freeradius-common. Which of them go into the table is
// the list below.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

// dictionaries are the files that go into the table, in its order. Attributes that mean the same number
// under several names, such as those of vendor 3076, are all in it.
var dictionaries = []string{
	"rfc2865", // the protocol
	"rfc2866", // accounting: only to say why these are refused
	"rfc2867", // accounting of tunnels: likewise
	"rfc2868", // tunnels: VLANs, tagged and encrypted attributes
	"rfc2869", // extensions
	"rfc3162", // IPv6
	"rfc3580", // IEEE 802.1X: values
	"rfc4072", // EAP-Key-Name: to say why it is refused
	"rfc4372", // Chargeable-User-Identity
	"rfc4675", // VLANs and priorities
	"rfc4818", // Delegated-IPv6-Prefix
	"rfc4849", // NAS-Filter-Rule
	"rfc5607", // management of the NAS
	"rfc6519", // DS-Lite
	"rfc6911", // IPv6 of hosts
	"rfc7268", // IEEE 802
	"iana",    // values that have no RFC
	"microsoft",
	"cisco",
	"cisco.asa",
	"cisco.vpn3000", // older names of ASA's
	"altiga",        // still older ones
	"fortinet",
	"paloalto",
	"juniper",
	"netscreen", // Juniper's ScreenOS
	"citrix",
	"f5",
	"checkpoint",
	"sonicwall",
	"aruba",
	"mikrotik",
	"huawei",
	"wispr",
	"pfsense",
}

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("generate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	from := flags.String("from", "/usr/share/freeradius", "the folder of the dictionaries")
	to := flags.String("to", "table.go", "the file to write")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if err := generate(*from, *to); err != nil {
		fmt.Fprintln(stderr, "generate:", err)
		return 1
	}
	return 0
}

func generate(from, to string) error {
	groups, err := read(from, dictionaries)
	if err != nil {
		return fmt.Errorf("%w (is the Debian package freeradius-common installed?)", err)
	}
	source, err := write(groups)
	if err != nil {
		return err
	}
	return os.WriteFile(to, source, 0o644) //nolint:gosec // source code is for everybody to read
}
