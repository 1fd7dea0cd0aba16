package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Address is an IP address and a port to listen on. The zero value, written "", is none.
type Address struct{ netip.AddrPort }

// UnmarshalText reads "192.0.2.1:1812" or "[2001:db8::1]:1812".
func (a *Address) UnmarshalText(b []byte) error {
	text := string(b)
	if text == "" {
		*a = Address{}
		return nil
	}
	parsed, err := netip.ParseAddrPort(text)
	switch {
	case strings.HasPrefix(text, ":"):
		return fmt.Errorf(`%.80q has no address: write "0.0.0.0%s" for every IPv4 and "[::]%s" for every IPv6 address`, text, text, text)
	case err != nil:
		return fmt.Errorf(`%.80q is not an IP address with a port: write it like "192.0.2.1:1812" or "[2001:db8::1]:1812" (no host names)`, text)
	case parsed.Port() == 0:
		return fmt.Errorf("%.80q has port 0: choose one from 1 to 65535", text)
	}
	*a = Address{parsed}
	return nil
}

// String is the form that UnmarshalText reads.
func (a Address) String() string {
	if !a.IsValid() {
		return ""
	}
	return a.AddrPort.String()
}

// Network is one address or a network of addresses.
type Network struct{ netip.Prefix }

// UnmarshalText reads "192.0.2.0/24", "2001:db8::/32", or an address, which is a network of itself.
func (n *Network) UnmarshalText(b []byte) error {
	text := string(b)
	var prefix netip.Prefix
	addr, err := netip.ParseAddr(text)
	if err == nil {
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	} else {
		prefix, err = netip.ParsePrefix(text)
	}
	switch {
	case err != nil || addr.Zone() != "":
		return fmt.Errorf(`%.80q is not a network: write it like "192.0.2.0/24", "2001:db8::/32" or "192.0.2.1"`, text)
	case prefix.Addr().Is4In6():
		return fmt.Errorf(`%.80q is an IPv4 address in IPv6 clothes: write "%s"`, text, prefix.Addr().Unmap())
	case prefix != prefix.Masked():
		return fmt.Errorf(`%.80q is an address within a network: write "%s" for the network or "%s" for the address`, text, prefix.Masked(), prefix.Addr())
	}
	*n = Network{prefix}
	return nil
}
