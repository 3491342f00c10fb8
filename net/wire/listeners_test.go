package wire

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
)

// Each kind of listener tells of its own keys, takes those, and closes the connection for others.
func TestListenerKinds(t *testing.T) {
	for _, control := range []bool{false, true} {
		versions := kmsg.NewPtrApiVersionsRequest()
		versions.Version, versions.ClientSoftwareName, versions.ClientSoftwareVersion = 3, "a", "1"
		c := NewConn(Info{Peer: "p", Control: control})
		frame := frameOf(1, versions)
		if _, err := c.Frame(&Env{}, frame); err != nil {
			t.Fatal(err)
		}
		out, _ := c.Next()
		_, resp, err := DecodeResponse(versions, gather(out)[4:])
		if err != nil || len(resp.(*kmsg.ApiVersionsResponse).ApiKeys) != len(api.Table(control)) {
			t.Fatalf("control %t: %v %+v", control, err, resp)
		}
		for _, req := range coldRequests() {
			key := api.Key(req.Key())
			row, served := api.Find(api.Table(control), key)
			if req.SetVersion(row.Max); key == api.ApiVersions {
				continue
			}
			v, err := NewConn(Info{Peer: "p", Control: control}).Frame(&Env{}, frameOf(1, req))
			var refused NotServedError
			if served != (err == nil && v.Submit) || served == errors.As(err, &refused) {
				t.Errorf("control %t: %v is served %t: %v", control, key, served, err)
			}
		}
	}
}
