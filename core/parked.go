package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/query"
	"odradek/core/record"
)

// parkedReply waits until the metadata log is committed up to at. A nil body is a Metadata request, answered from the image of that moment.
type parkedReply struct {
	id      uint64
	at      record.Offset
	request *Request
	body    kmsg.Response
}

// workingEnd is the offset up to which the working image differs from the committed one: what a pure read must wait for.
func (c *Core) workingEnd() record.Offset {
	if n := len(c.meta.tail); n > 0 {
		return c.meta.tail[n-1].end
	}
	return c.meta.quorum.HighWatermark()
}

// park lets a reply wait for the metadata log, at most timeoutMs. Its number is bounded: a connection has one such request at a time.
func (c *Core) park(at record.Offset, r *Request, body kmsg.Response, timeoutMs int32) {
	p := parkedReply{id: c.newID(), at: at, request: r, body: body}
	if at <= c.meta.quorum.HighWatermark() {
		c.answerParked(&p)
		return
	}
	c.meta.parked = append(c.meta.parked, p)
	c.after(timerKey{timerReply, p.id}, int64(timeoutMs))
}

// releaseReplies answers what waited for an offset at or below hw, in the order of parking.
func (c *Core) releaseReplies(hw record.Offset) {
	kept := c.meta.parked[:0]
	for i := range c.meta.parked {
		p := c.meta.parked[i]
		if p.at > hw {
			kept = append(kept, p)
			continue
		}
		c.timers.Cancel(timerKey{timerReply, p.id})
		c.answerParked(&p)
	}
	clear(c.meta.parked[len(kept):])
	c.meta.parked = kept
}

func (c *Core) answerParked(p *parkedReply) {
	body := p.body
	if body == nil {
		at := p.request.Reached()
		body = query.Metadata(c.queryView(), p.request.Body.(*kmsg.MetadataRequest), at)
	}
	c.reply(Reply{Conn: p.request.Conn, Correlation: p.request.Correlation, Key: p.request.Key, Body: body})
}

// replyTimedOut answers REQUEST_TIMED_OUT; what was appended stays and may still commit.
func (c *Core) replyTimedOut(id uint64) {
	for i := range c.meta.parked {
		p := c.meta.parked[i]
		if p.id != id {
			continue
		}
		c.meta.parked = append(c.meta.parked[:i], c.meta.parked[i+1:]...)
		failAll(p.body, errcode.RequestTimedOut)
		c.answerParked(&p)
		return
	}
}

// failAll takes back what a body says. Errors too: TOPIC_ALREADY_EXISTS may tell of a record that is not committed and never will be.
func failAll(body kmsg.Response, why errcode.Code) {
	code := int16(why)
	switch b := body.(type) {
	case *kmsg.CreateTopicsResponse:
		for i := range b.Topics {
			b.Topics[i].ErrorCode, b.Topics[i].ErrorMessage = code, nil
		}
	case *kmsg.ElectLeadersResponse:
		b.ErrorCode, b.Topics = code, nil
	case *kmsg.UnregisterBrokerResponse:
		b.ErrorCode, b.ErrorMessage = code, nil
	case *kmsg.BrokerRegistrationResponse:
		b.ErrorCode, b.BrokerEpoch = code, -1
	case *kmsg.BrokerHeartbeatResponse:
		b.ErrorCode, b.IsCaughtUp, b.IsFenced, b.ShouldShutdown = code, false, true, false
	case *kmsg.ControllerRegistrationResponse:
		b.ErrorCode = code
	case *kmsg.AlterPartitionResponse:
		b.ErrorCode, b.Topics = code, nil
	case *kmsg.AllocateProducerIDsResponse:
		b.ErrorCode, b.ProducerIDStart, b.ProducerIDLen = code, 0, 0
	case *kmsg.AssignReplicasToDirsResponse:
		b.ErrorCode, b.Directories = code, nil
	case *kmsg.DescribeQuorumResponse:
		b.ErrorCode = code
	case *kmsg.FetchSnapshotResponse:
		b.ErrorCode = code
	case *kmsg.DeleteTopicsResponse:
		for i := range b.Topics {
			b.Topics[i].ErrorCode, b.Topics[i].ErrorMessage = code, nil
		}
	case *kmsg.IncrementalAlterConfigsResponse:
		for i := range b.Resources {
			b.Resources[i].ErrorCode, b.Resources[i].ErrorMessage = code, nil
		}
	case *kmsg.AlterConfigsResponse:
		for i := range b.Resources {
			b.Resources[i].ErrorCode, b.Resources[i].ErrorMessage = code, nil
		}
	case *kmsg.CreatePartitionsResponse:
		for i := range b.Topics {
			b.Topics[i].ErrorCode, b.Topics[i].ErrorMessage = code, nil
		}
	}
}

func (c *Core) queryView() *query.View {
	return &query.View{Image: c.meta.committed, Self: c.self, ClusterID: c.clusterID, Config: c.nodeConfig()}
}
