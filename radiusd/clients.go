package radiusd

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"tandem/radiusd/msgauth"
)

// clientTable finds the client that a source address belongs to.
type clientTable struct {
	byPrefix map[netip.Prefix]*Client
	// lengths4 and lengths6 are the prefix lengths in use, longest first.
	lengths4, lengths6 []int
}

// newClientTable checks clients and returns everything that is wrong with them, or the table.
func newClientTable(clients []Client) (*clientTable, error) {
	t := &clientTable{byPrefix: make(map[netip.Prefix]*Client)}
	names := make(map[string]bool)
	var errs []error
	for i := range clients {
		c := clients[i] // the table's own copy
		if err := c.check(); err != nil {
			errs = append(errs, err)
		}
		c.key = msgauth.NewKey([]byte(c.Secret.Reveal()))
		if names[c.Name] {
			errs = append(errs, fmt.Errorf("radius client %q: the name is used twice", c.Name))
		}
		names[c.Name] = true
		for _, p := range c.Networks {
			if other := t.byPrefix[p]; other != nil {
				errs = append(errs, fmt.Errorf("radius clients %q and %q both have the network %v: remove it from one of them",
					other.Name, c.Name, p))
				continue
			}
			t.add(p, &c)
		}
	}
	return t, errors.Join(errs...)
}

func (t *clientTable) add(p netip.Prefix, c *Client) {
	t.byPrefix[p] = c
	lengths := &t.lengths6
	if p.Addr().Is4() {
		lengths = &t.lengths4
	}
	if !slices.Contains(*lengths, p.Bits()) {
		*lengths = append(*lengths, p.Bits())
		slices.SortFunc(*lengths, func(a, b int) int { return b - a })
	}
}

// find returns the client whose network holds addr most specifically, or nil.
func (t *clientTable) find(addr netip.Addr) *Client {
	addr = addr.Unmap().WithZone("") // a Prefix never contains a zoned or an IPv4-mapped address
	lengths := t.lengths6
	if addr.Is4() {
		lengths = t.lengths4
	}
	for _, bits := range lengths {
		p, err := addr.Prefix(bits)
		if err != nil {
			continue
		}
		if c := t.byPrefix[p]; c != nil {
			return c
		}
	}
	return nil
}

// check returns everything that is wrong with one client.
func (c *Client) check() error {
	var errs []error
	complain := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("radius client %q: "+format, append([]any{c.Name}, args...)...))
	}
	if c.Name == "" {
		complain("it has no name")
	}
	if c.Secret.Empty() {
		complain("it has no secret")
	}
	if c.Charset != "" && c.Charset != UTF8 && c.Charset != Latin1 {
		complain("unknown charset %q: choose %q or %q", c.Charset, UTF8, Latin1)
	}
	if len(c.Networks) == 0 {
		complain("it has no network, so it could never ask")
	}
	for _, p := range c.Networks {
		switch {
		case !p.IsValid():
			complain("a network is not valid")
		case p.Addr().Is4In6():
			complain("the network %v is IPv4 in IPv6 notation: write it as IPv4", p)
		case p != p.Masked():
			complain("the network %v has bits set beyond its length: write %v or %v", p, p.Masked(),
				netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
		}
	}
	return errors.Join(errs...)
}
