package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
)

// forwarded is a client's request that the active controller decides, sent on to it as it is (Kafka's brokers wrap it for the sake of principals, which there
// are none of yet).
type forwarded struct {
	request *Request
	until   Instant // REQUEST_TIMED_OUT from then on
	body    kmsg.Request
	done    func(c *Core, resp kmsg.Response)
}

const (
	maxForwarded   = 1000 // at a time; a connection has one at a time
	retryForwardMs = 100
)

// fromClient reports whether a request came from a client of this broker.
func (c *Core) fromClient(r *Request) bool {
	return c.cfg.Broker && r.Conn != LoopbackConn && !c.cfg.ControllerListener(r.Listener)
}

// mayForward reports whether a request came from a client of this broker, and the controller takes it from this broker.
func (c *Core) mayForward(r *Request) bool {
	if !c.fromClient(r) {
		return false
	}
	switch r.Body.(type) {
	case *kmsg.CreateTopicsRequest, *kmsg.DeleteTopicsRequest, *kmsg.CreatePartitionsRequest, *kmsg.AlterConfigsRequest, *kmsg.IncrementalAlterConfigsRequest,
		*kmsg.ElectLeadersRequest, *kmsg.UnregisterBrokerRequest, *kmsg.DescribeQuorumRequest:
		return true
	}
	return false
}

// forward sends a request on, and the answer back; put, if there is one, adds what this broker says itself.
func (c *Core) forward(r *Request, put func(kmsg.Response)) {
	c.send(r, r.Body, replyTimeout(r.Body), func(c *Core, resp kmsg.Response) {
		if put != nil {
			put(resp)
		}
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: resp})
	})
}

// send asks the active controller for something on behalf of a client's request, again and again until it is decided or the time is up. A controller that goes
// away while it decides may have done it: the next one may answer that it is done already, as Kafka's does.
func (c *Core) send(r *Request, body kmsg.Request, timeoutMs int32, done func(*Core, kmsg.Response)) {
	if len(c.forwards) >= maxForwarded {
		done(c, c.refusal(body, errcode.RequestTimedOut))
		return
	}
	id := c.newID()
	if c.forwards == nil {
		c.forwards = map[uint64]*forwarded{}
	}
	f := &forwarded{request: r, until: c.now.Mono + Instant(max(timeoutMs, 0))*1_000_000, body: body, done: done}
	c.forwards[id] = f
	c.sendAgain(id)
}

// sendAgain sends what was not decided yet.
func (c *Core) sendAgain(id uint64) {
	f, ok := c.forwards[id]
	if !ok {
		return
	}
	left := int64(f.until-c.now.Mono) / 1_000_000
	if left <= 0 {
		delete(c.forwards, id)
		f.done(c, c.refusal(f.body, errcode.RequestTimedOut))
		return
	}
	c.askControllerOn(LaneForward, int32(min(left, callTimeoutMs)), f.body, func(c *Core, resp kmsg.Response) {
		if resp == nil || notController(resp) {
			c.after(timerKey{timerForward, id}, min(retryForwardMs, left))
			return
		}
		delete(c.forwards, id)
		f.done(c, resp)
	})
}

// notController reports whether whoever was asked is not, or no longer, the active controller: then every part of the answer says so.
func notController(resp kmsg.Response) bool {
	code := int16(0)
	switch r := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		if len(r.Topics) > 0 {
			code = r.Topics[0].ErrorCode
		}
	case *kmsg.DeleteTopicsResponse:
		if len(r.Topics) > 0 {
			code = r.Topics[0].ErrorCode
		}
	case *kmsg.CreatePartitionsResponse:
		if len(r.Topics) > 0 {
			code = r.Topics[0].ErrorCode
		}
	case *kmsg.AlterConfigsResponse:
		if len(r.Resources) > 0 {
			code = r.Resources[0].ErrorCode
		}
	case *kmsg.IncrementalAlterConfigsResponse:
		if len(r.Resources) > 0 {
			code = r.Resources[0].ErrorCode
		}
	case *kmsg.ElectLeadersResponse:
		code = r.ErrorCode
	case *kmsg.UnregisterBrokerResponse:
		code = r.ErrorCode
	case *kmsg.DescribeQuorumResponse:
		return errcode.Code(r.ErrorCode) == errcode.NotLeaderOrFollower
	}
	return errcode.Code(code) == errcode.NotController
}
