package main

import (
	"fmt"
	"strings"

	"layeh.com/radius/dictionary"
)

// group is what one dictionary defines.
type group struct {
	file string
	rows []row
}

// row is one name of one attribute.
type row struct {
	name           string
	vendor, number int
	kind           string // the name of a constant of package attribute
	size           int    // of octets of a fixed length; else 0
	tagged, sealed bool
	values         []value
}

// value is a name that an integer's value has.
type value struct {
	name   string
	number uint64
}

// kinds are the constants of package attribute for the types of the dictionaries. Those that are missing
// cannot be encoded; the attributes that have them are in the table to be refused by name.
var kinds = map[dictionary.AttributeType]string{
	dictionary.AttributeString:     "kindString",
	dictionary.AttributeOctets:     "kindOctets",
	dictionary.AttributeInteger:    "kindInteger",
	dictionary.AttributeIPAddr:     "kindIPv4",
	dictionary.AttributeIPv6Addr:   "kindIPv6",
	dictionary.AttributeIPv6Prefix: "kindIPv6Prefix",
	dictionary.AttributeIFID:       "kindInterfaceID",
	dictionary.AttributeEther:      "kindEther",
	dictionary.AttributeDate:       "kindDate",
}

// read reads the dictionaries named files, without their prefix "dictionary.", from the folder dir.
func read(dir string, files []string) ([]group, error) {
	parser := dictionary.Parser{Opener: &dictionary.FileSystemOpener{Root: dir}}
	var groups []group
	names := valueNames{}
	for _, file := range files {
		parsed, err := parser.ParseFile("dictionary." + file)
		if err != nil {
			return nil, err
		}
		g := group{file: file}
		space := &dictionary.Vendor{} // standard attributes are those of vendor 0
		for _, vendor := range append(parsed.Vendors, space) {
			attributes, values := vendor.Attributes, vendor.Values
			if vendor == space {
				attributes, values = parsed.Attributes, parsed.Values
			}
			for _, a := range attributes {
				r, err := newRow(a, vendor.Number)
				if err != nil {
					return nil, fmt.Errorf("dictionary.%s: %w", file, err)
				}
				g.rows = append(g.rows, r)
				names.define(a.Name, vendor.Name, a.OID[0])
			}
			if err := names.add(values); err != nil {
				return nil, fmt.Errorf("dictionary.%s: %w", file, err)
			}
		}
		groups = append(groups, g)
	}
	for _, g := range groups {
		for i := range g.rows {
			g.rows[i].values = names[strings.ToLower(g.rows[i].name)].values
		}
	}
	return groups, unique(groups)
}

func newRow(a *dictionary.Attribute, vendor int) (row, error) {
	if len(a.OID) != 1 || a.OID[0] > 255 {
		return row{}, fmt.Errorf("attribute %s has the number %v, which does not fit into one octet", a.Name, a.OID)
	}
	r := row{
		name: a.Name, vendor: vendor, number: a.OID[0],
		kind: kinds[a.Type], size: a.Size.Int, tagged: a.HasTag(),
		sealed: a.FlagEncrypt.Int == dictionary.EncryptTunnelPassword,
	}
	if r.kind == "" || a.FlagEncrypt.Valid && !r.sealed {
		r.kind = "kindUnsupported"
	}
	return r, nil
}

// valueNames are the names of the values of attributes, by the attribute's name in lower case. Synonyms
// from one dictionary share them, as they do in FreeRADIUS.
type valueNames map[string]*valueSet

type valueSet struct {
	vendor string
	number int
	values []value
}

func (n valueNames) define(attribute, vendor string, number int) {
	for _, set := range n {
		if set.vendor == vendor && set.number == number {
			n[strings.ToLower(attribute)] = set
			return
		}
	}
	n[strings.ToLower(attribute)] = &valueSet{vendor: vendor, number: number}
}

func (n valueNames) add(values []*dictionary.Value) error {
	for _, v := range values {
		set := n[strings.ToLower(v.Attribute)]
		if set == nil {
			return fmt.Errorf("value %s is one of an attribute %s that no dictionary read so far defines", v.Name, v.Attribute)
		}
		known := false
		for _, other := range set.values {
			if strings.EqualFold(other.name, v.Name) {
				if other.number != v.Number {
					return fmt.Errorf("value %s of attribute %s is both %d and %d", v.Name, v.Attribute, other.number, v.Number)
				}
				known = true
			}
		}
		if !known {
			set.values = append(set.values, value{v.Name, v.Number})
		}
	}
	return nil
}

// unique checks that a name means one attribute only.
func unique(groups []group) error {
	seen := map[string]string{}
	for _, g := range groups {
		for _, r := range g.rows {
			name := strings.ToLower(r.name)
			if other, known := seen[name]; known {
				return fmt.Errorf("attribute %s is in dictionary.%s and in dictionary.%s", r.name, other, g.file)
			}
			seen[name] = g.file
		}
	}
	return nil
}
