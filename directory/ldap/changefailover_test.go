package ldap

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/test/slapdtest"
)

func isModify(request *ber.Packet) bool { return request.Tag == goldap.ApplicationModifyRequest }

// bareAttributes is an entry with an empty array, so that no mark is needed.
func bareAttributes() map[string][]string {
	a := aliceAttributes()
	a["tandemDevices"] = []string{"[]"}
	return a
}

// replica answers like one that may not be written to.
func replica(code int) answer {
	return func(request *ber.Packet) []*ber.Packet {
		if isModify(request) {
			return result(request, code, "ldap://primary.example.org")
		}
		return finds(bareAttributes())(request)
	}
}

func aliceUser() *directory.User {
	return &directory.User{ID: aliceAttributes()["entryUUID"][0], Name: "alice", DN: slapdtest.UserDN("alice")}
}

func TestRow18_AReplicaIsReadOnly(t *testing.T) {
	for _, code := range []int{goldap.LDAPResultReferral, goldap.LDAPResultUnwillingToPerform} {
		one := listen(t, serveLDAP(replica(code)))
		err := open(t, config(one.url)).ChangeDevices(t.Context(), aliceUser(), adds(newTOTP(1)))
		if !errors.Is(err, directory.ErrReadOnly) || !strings.Contains(err.Error(), "takes no writes") || !strings.Contains(err.Error(), one.url) {
			t.Errorf("%d: %v", code, err)
		}
		// One that takes them may be next.
		var written atomic.Int32
		primary := listen(t, serveLDAP(func(request *ber.Packet) []*ber.Packet {
			if isModify(request) {
				written.Add(1)
				return yes(request)
			}
			return finds(bareAttributes())(request)
		}))
		if err := open(t, config(one.url, primary.url)).ChangeDevices(t.Context(), aliceUser(), adds(newTOTP(1))); err != nil || written.Load() != 1 {
			t.Errorf("%d: %v, written %d times", code, err, written.Load())
		}
	}
}

// TestRow20_AnUnclearWriteIsLookedAtBeforeItIsRepeated: the server makes the change, and the answer is lost.
func TestRow20_AnUnclearWriteIsLookedAtBeforeItIsRepeated(t *testing.T) {
	for _, how := range []string{"no answer", "connection closed"} {
		t.Run(how, func(t *testing.T) {
			var modified atomic.Int32
			attributes := bareAttributes()
			after := bareAttributes()
			places, err := adds(newTOTP(1)).Apply([]directory.Place{{Values: [][]byte{[]byte("[]")}}}, 0, directory.DeviceOptions{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			after["tandemDevices"] = []string{string(places[0].Values[0])}
			state := func(request *ber.Packet) []*ber.Packet {
				if modified.Load() > 0 {
					return finds(after)(request)
				}
				return finds(attributes)(request)
			}
			first := listen(t, func(c net.Conn) {
				serveLDAP(func(request *ber.Packet) []*ber.Packet {
					if !isModify(request) {
						return state(request)
					}
					modified.Add(1)
					if how == "connection closed" {
						_ = c.Close()
					}
					return nil
				})(c)
			})
			second := listen(t, serveLDAP(func(request *ber.Packet) []*ber.Packet {
				if isModify(request) {
					modified.Add(1)
					return yes(request)
				}
				return state(request)
			}))
			c := config(first.url, second.url)
			c.OperationTimeout = 300 * time.Millisecond
			err = open(t, c).ChangeDevices(t.Context(), aliceUser(), directory.Change{Add: []directory.Device{newTOTP(1)}, OnlyFirst: true})
			if err != nil || modified.Load() != 1 {
				t.Errorf("%v; modified %d times", err, modified.Load())
			}
		})
	}
}

func TestAnUnclearWriteSaysSo(t *testing.T) {
	server := listen(t, serveLDAP(func(request *ber.Packet) []*ber.Packet {
		if isModify(request) {
			return nil
		}
		return finds(bareAttributes())(request)
	}))
	c := config(server.url)
	c.OperationTimeout = 300 * time.Millisecond
	err := open(t, c).ChangeDevices(t.Context(), aliceUser(), adds(newTOTP(1)))
	if err == nil || !strings.Contains(err.Error(), "may have been made") {
		t.Error(err)
	}
}

func TestLostRacesEnd(t *testing.T) {
	var modified atomic.Int32
	server := listen(t, serveLDAP(func(request *ber.Packet) []*ber.Packet {
		if isModify(request) {
			modified.Add(1)
			return result(request, goldap.LDAPResultNoSuchAttribute)
		}
		return finds(bareAttributes())(request)
	}))
	err := open(t, config(server.url)).ChangeDevices(within(t, 500*time.Millisecond), aliceUser(), adds(newTOTP(1)))
	if err == nil || !strings.Contains(err.Error(), "others were faster") || modified.Load() < 2 || modified.Load() > maxTries {
		t.Errorf("%v after %d tries", err, modified.Load())
	}
}
