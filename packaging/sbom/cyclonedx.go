package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// bom is a bill of materials in the form of CycloneDX 1.5: the members that we fill.
type bom struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// bom describes the contents as Tandem of that version.
func (c *contents) bom(version, date string) bom {
	whole := component{Type: "application", Ref: "tandem@" + version, Name: "tandem", Version: version}
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.5.schema.json", Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: metadata{Timestamp: date, Component: whole},
	}
	needs := dependency{Ref: whole.Ref}
	for _, p := range c.programs {
		b.Components = append(b.Components, component{
			Type: "file", Ref: "file:" + p.name, Name: p.name, Version: version,
			Hashes: []hash{{"SHA-256", p.sha256}},
		})
	}
	for _, m := range c.modules {
		// https://github.com/package-url/purl-spec: namespace and name of type golang are lower case.
		purl := "pkg:golang/" + strings.ToLower(m.path) + "@" + m.version
		l := component{Type: "library", Ref: purl, Name: m.path, Version: m.version, PURL: purl}
		if m.sum != "" {
			l.Properties = []property{{"go.sum", m.sum}}
		}
		b.Components = append(b.Components, l)
		needs.DependsOn = append(needs.DependsOn, purl)
	}
	b.Dependencies = []dependency{needs}
	b.Serial = serial(b)
	return b
}

// serial is a UUID made of what the bill says (version 8 of RFC 9562: made as its maker likes), not of chance.
func serial(b bom) string {
	h := sha256.Sum256(fmt.Append(nil, b))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
