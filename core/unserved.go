package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
)

// refuseUnserved answers a key that a listener takes and nothing here decides.
func (c *Core) refuseUnserved(r *Request) {
	body := r.Body.ResponseKind()
	code := int16(errcode.UnsupportedVersion)
	switch b := body.(type) {
	case *kmsg.BrokerRegistrationResponse:
		b.ErrorCode = code
	case *kmsg.BrokerHeartbeatResponse:
		b.ErrorCode = code
	case *kmsg.AlterPartitionResponse:
		b.ErrorCode = code
	case *kmsg.AllocateProducerIDsResponse:
		b.ErrorCode = code
	case *kmsg.AssignReplicasToDirsResponse:
		b.ErrorCode = code
	case *kmsg.UnregisterBrokerResponse:
		b.ErrorCode = code
	case *kmsg.ControllerRegistrationResponse:
		b.ErrorCode = code
	case *kmsg.FetchSnapshotResponse:
		b.ErrorCode = code
	case *kmsg.ElectLeadersResponse:
		b.ErrorCode = code
	}
	c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: body})
}
