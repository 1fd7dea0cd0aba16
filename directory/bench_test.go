package directory

import "testing"

// BenchmarkParseDevices is what a login from LDAP reads of a user with two devices.
func BenchmarkParseDevices(b *testing.B) {
	raw := []byte(`[{"type":"TOTP","name":"MyTOTP","_secret":"jj4yxwq7qk3d2r5b6m7n2l3k4j5h6g7f","epoch":1523817955},` +
		`{"name":"yubi","_yubikey":"ccccccfhcbel","type":"UBK","epoch":"1523817715"}]`)
	b.ReportAllocs()
	for b.Loop() {
		if devices, problems := ParseDevices(raw, DeviceOptions{}); len(devices) != 2 || len(problems) != 0 {
			b.Fatal(devices, problems)
		}
	}
}
