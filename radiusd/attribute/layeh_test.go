package attribute

import (
	"fmt"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2868"
	"layeh.com/radius/rfc3162"
	"layeh.com/radius/rfc4372"
	"layeh.com/radius/rfc4675"
	"layeh.com/radius/rfc4818"
	"layeh.com/radius/rfc6911"
	"layeh.com/radius/vendors/aruba"
	"layeh.com/radius/vendors/microsoft"
	"layeh.com/radius/vendors/mikrotik"
	"layeh.com/radius/vendors/wispr"
)

// A second reader, whose code was generated from dictionaries of its own: layeh.com/radius.
func TestLayehReadsWhatIsEncoded(t *testing.T) {
	request := &radius.Packet{Secret: []byte(testSecret), Authenticator: testReply().RequestAuthenticator}
	for _, test := range []struct {
		name, value string
		read        func(reply *radius.Packet) any
		want        string
	}{
		{"Filter-Id", "vpn", func(r *radius.Packet) any { return rfc2865.FilterID_GetString(r) }, "vpn"},
		{"Class", "0x0102", func(r *radius.Packet) any { return rfc2865.Class_Get(r) }, "[1 2]"},
		{"Service-Type", "Framed-User", func(r *radius.Packet) any { return rfc2865.ServiceType_Get(r) }, "Framed-User"},
		{"Framed-IP-Address", "192.0.2.1", func(r *radius.Packet) any { return rfc2865.FramedIPAddress_Get(r) }, "192.0.2.1"},
		{"Framed-Interface-Id", "1:2:3:4", func(r *radius.Packet) any { return rfc3162.FramedInterfaceID_Get(r) }, "00:01:00:02:00:03:00:04"},
		{"Framed-IPv6-Prefix", "2001:db8::/36", func(r *radius.Packet) any { return rfc3162.FramedIPv6Prefix_Get(r) }, "2001:db8::/36"},
		{"Delegated-IPv6-Prefix", "2001:db8::/56", func(r *radius.Packet) any { return rfc4818.DelegatedIPv6Prefix_Get(r) }, "2001:db8::/56"},
		{"Framed-IPv6-Address", "2001:db8::1", func(r *radius.Packet) any { return rfc6911.FramedIPv6Address_Get(r) }, "2001:db8::1"},
		{"Chargeable-User-Identity", "7b", func(r *radius.Packet) any { return rfc4372.ChargeableUserIdentity_GetString(r) }, "7b"},
		{"Egress-VLANID", "0x3100002a", func(r *radius.Packet) any { return int(rfc4675.EgressVLANID_Get(r)) }, "822083626"},
		{"Tunnel-Type:1", "VLAN", func(r *radius.Packet) any {
			tag, value := rfc2868.TunnelType_Get(r)
			return fmt.Sprint(tag, " ", int(value))
		}, "1 13"},
		{"Tunnel-Private-Group-Id:2", "42", func(r *radius.Packet) any {
			tag, value := rfc2868.TunnelPrivateGroupID_GetString(r)
			return fmt.Sprint(tag, " ", value)
		}, "2 42"},
		{"Tunnel-Password:3", "pw", func(r *radius.Packet) any {
			tag, value := rfc2868.TunnelPassword_GetString(r, request)
			return fmt.Sprint(tag, " ", value)
		}, "3 pw"},
		{"MS-MPPE-Recv-Key", "0x0102", func(r *radius.Packet) any { return microsoft.MSMPPERecvKey_Get(r, request) }, "[1 2]"},
		{"MS-Primary-DNS-Server", "192.0.2.53", func(r *radius.Packet) any { return microsoft.MSPrimaryDNSServer_Get(r) }, "192.0.2.53"},
		{"Aruba-User-Role", "staff", func(r *radius.Packet) any { return aruba.ArubaUserRole_GetString(r) }, "staff"},
		{"Aruba-User-Vlan", "42", func(r *radius.Packet) any { return int(aruba.ArubaUserVlan_Get(r)) }, "42"},
		{"Mikrotik-Group", "full", func(r *radius.Packet) any { return mikrotik.MikrotikGroup_GetString(r) }, "full"},
		{"WISPr-Bandwidth-Max-Down", "1000", func(r *radius.Packet) any { return int(wispr.WISPrBandwidthMaxDown_Get(r)) }, "1000"},
	} {
		avp, err := mustFind(t, test.name).Encode(test.value, testReply())
		if err != nil {
			t.Error(err)
			continue
		}
		reply := &radius.Packet{Code: radius.CodeAccessAccept, Secret: []byte(testSecret), Attributes: radius.Attributes{avp}}
		if got := fmt.Sprint(test.read(reply)); got != test.want {
			t.Errorf("%s = %s is read as %s", test.name, test.value, got)
		}
	}
}
